import { type CostKey, type CostRate, type CostTable, type Work, workOf } from "@tessera/core/targets/predictor/cost";
import { ORT_NODE_COSTS } from "@tessera/core/targets/predictor/costs/ort-node";
import type { Kernel } from "@tessera/core/targets/predictor/kernel";
import type { Target } from "@tessera/core/targets/target";

/** What is known of a runtime's kernels before anything is fitted. */
export type Structure = Pick<CostTable, "blocks" | "vector">;

/** Blocks by runtime: those of ONNX Runtime's NCHWc layout and packed matrices, and of XNNPACK's and MLAS's WebAssembly kernels. */
export const STRUCTURE: Readonly<Record<Target["runtime"], Structure>> = {
  "ort-node": { blocks: ORT_NODE_COSTS.blocks, vector: ORT_NODE_COSTS.vector },
  "ort-web": { blocks: {}, vector: {} },
  litert: { blocks: {}, vector: {} },
};

/** A measured network. */
export interface CostPoint {
  readonly id: string;
  readonly ms: number;
  readonly kernels: readonly Kernel[];
  /** How much it counts; 1 unless given. */
  readonly weight?: number;
}

/** Parts of the work that a kind is priced by. */
const PARTS: readonly (keyof Work)[] = ["start", "mac", "element", "window", "gather", "tail"];

function rowOf(kernels: readonly Kernel[], structure: Structure): ReadonlyMap<string, number> {
  const row = new Map<string, number>([["run", 1]]);
  const add = (name: string, amount: number): void => {
    if (amount > 0) row.set(name, (row.get(name) ?? 0) + amount);
  };
  for (const kernel of kernels) {
    const work = workOf(kernel, structure);
    for (const part of PARTS) add(`${kernel.kind}/${kernel.numbers} ${part}`, work[part] / 1000);
  }
  return row;
}

/** No kernel takes longer than this to start, nanoseconds (rows are in thousands): larger prices are noise of kinds that few networks have. */
const LONGEST_START = 25_000;

function ceiling(name: string): number {
  return name.endsWith(" start") ? LONGEST_START : Number.POSITIVE_INFINITY;
}

/** Least squares of relative errors with no price below zero, errors beyond 15 % counting less and less; by coordinate descent. */
function solve(rows: readonly ReadonlyMap<string, number>[], times: readonly number[], counts: readonly number[]) {
  const names = [...new Set(rows.flatMap((row) => [...row.keys()]))].sort();
  const matrix = rows.map((row) => names.map((name) => row.get(name) ?? 0));
  const prices = new Float64Array(names.length);
  const expected = (i: number): number => (matrix[i] as number[]).reduce((sum, v, j) => sum + v * (prices[j] as number), 0);
  let weights = times.map((t, i) => (counts[i] as number) / t);
  for (let pass = 0; pass < 12; pass++) {
    const gram = names.map(() => new Float64Array(names.length));
    const right = new Float64Array(names.length);
    matrix.forEach((row, i) => {
      const w = (weights[i] as number) ** 2;
      row.forEach((v, a) => {
        if (v === 0) return;
        right[a] = (right[a] as number) + w * v * (times[i] as number);
        row.forEach((u, b) => {
          (gram[a] as Float64Array)[b] = ((gram[a] as Float64Array)[b] as number) + w * v * u;
        });
      });
    });
    for (let sweep = 0; sweep < 3000; sweep++) {
      let moved = 0;
      for (let a = 0; a < names.length; a++) {
        const line = gram[a] as Float64Array;
        const scale = line[a] as number;
        if (!(scale > 0)) continue;
        let rest = right[a] as number;
        for (let b = 0; b < names.length; b++) rest -= (line[b] as number) * (prices[b] as number);
        const next = Math.min(ceiling(names[a] as string), Math.max(0, (prices[a] as number) + rest / scale));
        moved = Math.max(moved, Math.abs(next - (prices[a] as number)) * Math.sqrt(scale));
        prices[a] = next;
      }
      if (moved < 1e-7) break;
    }
    // Other work on the machine makes times longer and never shorter.
    weights = times.map((t, i) => {
      const error = (t - expected(i)) / t;
      return (counts[i] as number) / t / Math.sqrt(1 + (error / (error > 0 ? 0.2 : 0.3)) ** 2);
    });
  }
  return { prices: new Map(names.map((name, j) => [name, prices[j] as number])), expected };
}

/** A table's figures, without its words. */
export type FittedTable = Pick<CostTable, "run" | "rates" | "blocks" | "vector">;

/** How a point came out. */
export interface FitError {
  readonly id: string;
  readonly ms: number;
  readonly expected: number;
  readonly error: number;
}

function short(value: number): number {
  return Number(value.toPrecision(3));
}

/** Fits prices to measured networks. */
export function fitCosts(
  points: readonly CostPoint[],
  structure: Structure,
): { readonly table: FittedTable; readonly errors: FitError[] } {
  const times = points.map((p) => p.ms * 1000);
  const { prices, expected } = solve(
    points.map((p) => rowOf(p.kernels, structure)),
    times,
    points.map((p) => p.weight ?? 1),
  );
  const rates: Partial<Record<CostKey, CostRate>> = {};
  for (const [name, price] of prices) {
    const [key, part] = name.split(" ") as [CostKey, keyof Work];
    if (!key.includes("/")) continue;
    rates[key] = { ...rates[key], ...(price > 0 ? { [part]: short(price) } : {}) };
  }
  return {
    table: {
      run: short(prices.get("run") ?? 0),
      rates,
      ...structure,
    },
    errors: points.map(({ id, ms }, i) => ({ id, ms, expected: expected(i) / 1000, error: expected(i) / (ms * 1000) - 1 })),
  };
}
