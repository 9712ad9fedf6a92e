import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignLayouts } from "./assign.ts";
import { inOrder, type Order } from "./order.ts";
import { costOf, type LayoutNode, type LayoutProblem } from "./problem.ts";
import type { NodeLayout, PortOrders } from "./rule.ts";

const CANONICAL: Order = [0, 1, 2, 3];
const LAST: Order = [0, 2, 3, 1];
/** All orders that leave the first axis in its place. */
const ORDERS: readonly Order[] = [CANONICAL, LAST, [0, 1, 3, 2], [0, 2, 1, 3], [0, 3, 1, 2], [0, 3, 2, 1]];

/** What a random node is: bound to an order, or free; what it reads (counted back from the last value) and through which Transpose. */
interface Step {
  readonly kind: "last" | "canonical" | "free";
  readonly reads: readonly { readonly back: number; readonly perm: number }[];
  /** A bound node makes the last two axes 1. */
  readonly pooled: boolean;
}

const arbStep: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("last", "last", "canonical", "free", "free", "free"),
  reads: fc.array(fc.record({ back: fc.nat(4), perm: fc.constantFrom(0, 0, 0, 0, 1, 4) }), { minLength: 1, maxLength: 2 }),
  pooled: fc.constantFrom(true, false, false),
});

const arbGraph = fc.record({
  steps: fc.array(arbStep, { minLength: 1, maxLength: 9 }),
  sizes: fc.constantFrom([2, 3, 4, 5], [2, 3, 4, 5], [2, 3, 1, 5], [2, 1, 4, 5], [2, 3, 1, 1]),
  given: fc.constantFrom(CANONICAL, LAST),
  wanted: fc.constantFrom(CANONICAL, LAST),
});

function layoutOf(kind: Step["kind"], inputs: number): NodeLayout {
  const all = (order: Order): PortOrders => ({ inputs: Array<Order>(inputs).fill(order), outputs: [order] });
  if (kind === "last") return { natural: all(LAST) };
  if (kind === "canonical") return { natural: all(CANONICAL) };
  return { natural: all(CANONICAL), follow: (_port, order) => all(order) };
}

/** A chain of random nodes over values of four axes; the last value is the output. */
function build(graph: {
  readonly steps: readonly Step[];
  readonly sizes: readonly number[];
  readonly given: Order;
  readonly wanted: Order;
}): LayoutProblem {
  const shapes = [graph.sizes];
  const nodes = graph.steps.map((step, i): LayoutNode => {
    const reads = step.reads.map(({ back, perm }) => {
      const at = Math.max(0, shapes.length - 1 - back);
      const axes = ORDERS[perm] as Order;
      return { use: { data: `v${at}`, axes }, shape: inOrder(shapes[at] as readonly number[], axes) };
    });
    const [first] = reads as [(typeof reads)[number]];
    // Only what broadcasts can be read together.
    const together = reads.filter((r) =>
      r.shape.every((n, axis) => n === first.shape[axis] || n === 1 || first.shape[axis] === 1),
    );
    const made = first.shape.map((_, axis) => Math.max(...together.map((r) => r.shape[axis] as number)));
    const reduced = step.pooled ? made.map((n, axis) => (axis < 2 ? n : 1)) : made;
    shapes.push(step.kind === "free" ? made : reduced);
    return {
      name: `n${i}`,
      layout: layoutOf(step.kind, together.length),
      inputs: together.map((r) => r.use),
      outputs: [{ data: `v${shapes.length - 1}`, axes: CANONICAL }],
    };
  });
  const data = shapes.map((shape, i) => ({
    name: `v${i}`,
    shape,
    bytes: 10 + i,
    ...(i === 0 && { given: graph.given }),
    ...(i === shapes.length - 1 && { wanted: [graph.wanted] }),
  }));
  return { nodes, data };
}

/** The least cost over every order of every free node. */
function leastCost(problem: LayoutProblem): { readonly transposes: number; readonly bytes: number } {
  const free = problem.nodes.filter((n) => n.layout.follow !== undefined);
  let best = { transposes: Number.POSITIVE_INFINITY, bytes: Number.POSITIVE_INFINITY };
  const chosen = new Map<string, PortOrders>();
  const search = (at: number): void => {
    const node = free[at];
    if (node === undefined) {
      const cost = costOf(problem, (n) => chosen.get(n.name) ?? n.layout.natural);
      if (cost.transposes < best.transposes || (cost.transposes === best.transposes && cost.bytes < best.bytes)) best = cost;
      return;
    }
    for (const order of ORDERS) {
      chosen.set(node.name, node.layout.follow?.({ side: "output", index: 0 }, order) as PortOrders);
      search(at + 1);
    }
  };
  search(0);
  return best;
}

describe("the choice of layouts", () => {
  test("needs no more transposes than the best of all choices, and moves no more bytes", () => {
    let exact = 0;
    let paid = 0;
    fc.assert(
      fc.property(
        arbGraph.filter((g) => g.steps.filter((s) => s.kind === "free").length <= 4),
        (graph) => {
          const problem = build(graph);
          const found = assignLayouts(problem);
          const cost = costOf(problem, (node) => found.orders.get(node.name) as PortOrders);
          const least = leastCost(problem);
          expect(cost.transposes).toBeGreaterThanOrEqual(least.transposes);
          if (!found.exact) return;
          exact++;
          if (least.transposes > 0) paid++;
          expect(cost).toEqual(least);
        },
      ),
      { numRuns: 600, seed: 5 },
    );
    // Most random graphs have two orders at most, and many cannot do without a transpose.
    expect(exact).toBeGreaterThan(350);
    expect(paid).toBeGreaterThan(200);
  });

  test("gives every node an order that it can run in", () => {
    fc.assert(
      fc.property(arbGraph, (graph) => {
        const problem = build(graph);
        const { orders } = assignLayouts(problem);
        for (const node of problem.nodes) {
          const own = orders.get(node.name) as PortOrders;
          if (node.layout.follow === undefined) expect(own).toEqual(node.layout.natural);
          else expect(new Set([...own.inputs, ...own.outputs].map(String)).size).toBe(1);
        }
      }),
      { numRuns: 200, seed: 5 },
    );
  });

  test("transposes a value once for all who want it in the other order", () => {
    const use = (data: string) => ({ data, axes: CANONICAL });
    const bound = (name: string, kind: Step["kind"], input: string, output: string): LayoutNode => ({
      name,
      layout: layoutOf(kind, 1),
      inputs: [use(input)],
      outputs: [use(output)],
    });
    const data = ["x", "a", "b", "c", "d"].map((name) => ({ name, shape: [1, 2, 3, 4], bytes: 1 }));
    const problem: LayoutProblem = {
      nodes: [
        bound("conv", "last", "x", "a"),
        bound("r1", "canonical", "a", "b"),
        bound("r2", "canonical", "a", "c"),
        bound("r3", "canonical", "a", "d"),
      ],
      data: [{ ...data[0], given: LAST } as (typeof data)[number], ...data.slice(1)],
    };
    const { orders } = assignLayouts(problem);
    expect(costOf(problem, (n) => orders.get(n.name) as PortOrders).transposes).toBe(1);
  });
});
