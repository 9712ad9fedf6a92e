import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { flatGather, gatherOf, runsOf } from "./index-map.ts";
import { sizeOf, stridesOf } from "./layout.ts";

/** The map of an output of `sizes` whose source element is the sum of what each axis says. */
function mapOf(sizes: readonly number[], moves: readonly ((i: number) => number)[]): Int32Array {
  const strides = stridesOf(sizes);
  return Int32Array.from({ length: sizeOf(sizes) }, (_, at) =>
    sizes.reduce((sum, size, d) => sum + (moves[d]?.(Math.floor(at / (strides[d] as number)) % size) ?? 0), 0),
  );
}

/** What a copy by runs with strides [output, input] gives. */
function copied(
  runs: readonly { readonly size: number; readonly strides: readonly number[] }[],
  count: number,
  first: number,
): number[] {
  const out = new Array<number>(count).fill(-1);
  const walk = (d: number, to: number, from: number): void => {
    const run = runs[d];
    if (run === undefined) out[to] = from;
    else
      for (let i = 0; i < run.size; i++) walk(d + 1, to + i * (run.strides[0] as number), from + i * (run.strides[1] as number));
  };
  walk(0, 0, first);
  return out;
}

describe("movements of elements", () => {
  it("are copies where each axis goes in even steps, also steps inside steps", () => {
    const sizes = [4, 6];
    // Rows twice each, columns by halves in turns.
    const map = mapOf(sizes, [(i) => Math.floor(i / 2) * 6 + 5, (i) => (i % 2) * 3 + Math.floor(i / 2)]);
    const runs = runsOf({ sizes, map }, stridesOf(sizes));
    expect(runs?.map((run) => run.size)).toEqual([2, 2, 3, 2]);
    expect(copied(runs ?? [], map.length, map[0] as number)).toEqual([...map]);
    expect(runsOf({ sizes: [3], map: Int32Array.of(0, 2, 3) }, [1])).toBeUndefined();
    expect(runsOf({ sizes: [2, 2], map: Int32Array.of(0, 1, 2, 4) }, [2, 1])).toBeUndefined();
  });

  it("are gathers along an axis where the indices of that axis go any way", () => {
    const indices = fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(indices, indices, (rows, columns) => {
        const source = [5, 5, 3];
        const sizes = [rows.length, columns.length, 3];
        let block = { sizes, map: mapOf(sizes, [(i) => (rows[i] as number) * 15, (i) => (columns[i] as number) * 3, (i) => i]) };
        let data = Array.from({ length: 75 }, (_, i) => i);
        const wanted = [...block.map];
        let shape: readonly number[] = source;
        for (let turn = 0; turn < 3; turn++) {
          const plan = gatherOf(block, shape);
          if (plan === undefined) break;
          const { outer, depth, inner } = plan;
          data = Array.from({ length: outer * plan.indices.length * inner }, (_, at) => {
            const o = Math.floor(at / (plan.indices.length * inner));
            const index = plan.indices[Math.floor(at / inner) % plan.indices.length] as number;
            return data[(o * depth + index) * inner + (at % inner)] as number;
          });
          block = plan.rest as typeof block;
          shape = plan.sizes;
        }
        expect([...block.map].map((from) => data[from])).toEqual(wanted);
        expect(runsOf(block, stridesOf(sizes))).toBeDefined();
      }),
    );
  });

  it("are no gather along an axis that another one moves along too", () => {
    // Two blocks of four, and inside them elements by a choice of blocks.
    const map = mapOf([2, 3], [(i) => i, (i) => [0, 4, 2][i] as number]);
    expect(gatherOf({ sizes: [2, 3], map }, [8])).toBeUndefined();
    expect(flatGather(map, 8)).toEqual({ depth: 8, inner: 1, indices: map });
    expect(flatGather(Int32Array.of(4, 5, 0, 1), 8)).toEqual({ depth: 4, inner: 2, indices: Int32Array.of(2, 0) });
  });
});
