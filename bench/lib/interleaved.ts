import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";

/** Something to be timed. */
export interface Contestant {
  readonly name: string;
  readonly run: () => Promise<unknown>;
}

/** What it took, milliseconds: median and quartiles over all runs, and the median over rounds of its time as a share of the first contestant's. */
export interface Timed {
  readonly name: string;
  readonly medianMs: number;
  readonly lowMs: number;
  readonly highMs: number;
  readonly ratio: number;
  readonly ratioLow: number;
  readonly ratioHigh: number;
}

function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return at(sorted, Math.min(sorted.length - 1, Math.floor(p * sorted.length)));
}

/** Times contestants by turns, in another order each round: what happens to the machine happens to all of them. */
export async function timeInterleaved(
  contestants: readonly Contestant[],
  { rounds, runs, seed = 1 }: { readonly rounds: number; readonly runs: number; readonly seed?: number },
): Promise<readonly Timed[]> {
  const random = seededRandom(seed);
  const all = contestants.map(() => [] as number[]);
  const medians = contestants.map(() => [] as number[]);
  for (let round = 0; round < rounds; round++) {
    const order = contestants.map((_, i) => [random.next(), i] as const).sort(([a], [b]) => a - b);
    for (const [, i] of order) {
      const { run } = at(contestants, i);
      await run();
      const times: number[] = [];
      for (let k = 0; k < runs; k++) {
        const start = performance.now();
        await run();
        times.push(performance.now() - start);
      }
      at(all, i).push(...times);
      at(medians, i).push(quantile(times, 0.5));
    }
  }
  return contestants.map(({ name }, i) => {
    const ratios = at(medians, i).map((ms, round) => ms / at(at(medians, 0), round));
    return {
      name,
      medianMs: quantile(at(all, i), 0.5),
      lowMs: quantile(at(all, i), 0.25),
      highMs: quantile(at(all, i), 0.75),
      ratio: quantile(ratios, 0.5),
      ratioLow: quantile(ratios, 0.25),
      ratioHigh: quantile(ratios, 0.75),
    };
  });
}
