import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FlowNetwork } from "./max-flow.ts";

const VERTICES = 7;

const arbEdges = fc.array(fc.record({ from: fc.nat(VERTICES - 1), to: fc.nat(VERTICES - 1), capacity: fc.nat(9) }), {
  maxLength: 20,
});

/** What a cut costs: the edges that lead from the source's side to the other. */
function cost(edges: readonly { from: number; to: number; capacity: number }[], side: readonly boolean[]): number {
  return edges.reduce((sum, e) => sum + (side[e.from] && !side[e.to] ? e.capacity : 0), 0);
}

describe("a minimum cut", () => {
  test("costs as little as the best of all cuts", () => {
    fc.assert(
      fc.property(arbEdges, (edges) => {
        const network = new FlowNetwork();
        for (let i = 0; i < VERTICES; i++) network.vertex();
        for (const e of edges) network.edge(e.from, e.to, e.capacity);
        const found = network.minimumCut(0, 1);
        expect([found[0], found[1]]).toEqual([true, false]);
        let best = Number.POSITIVE_INFINITY;
        for (let mask = 0; mask < 1 << (VERTICES - 2); mask++) {
          const side = Array.from({ length: VERTICES }, (_, i) => i === 0 || (i > 1 && ((mask >> (i - 2)) & 1) === 1));
          best = Math.min(best, cost(edges, side));
        }
        expect(cost(edges, found)).toBe(best);
      }),
      { numRuns: 400, seed: 2 },
    );
  });

  test("is found along a chain too long for recursion", () => {
    const network = new FlowNetwork();
    const chain = Array.from({ length: 30_000 }, () => network.vertex());
    for (let i = 1; i < chain.length; i++) network.edge(chain[i - 1] as number, chain[i] as number, i === 20_000 ? 3 : 5);
    const cut = network.minimumCut(chain[0] as number, chain.at(-1) as number);
    expect([cut[19_999], cut[20_000]]).toEqual([true, false]);
  });
});
