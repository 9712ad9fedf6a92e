import { at } from "@tessera/core/base/assert";
import { toNumbers } from "@tessera/core/graph/tensor";
import { addDifference, createDifference, differenceOf } from "@tessera/core/quant/compare-tensors";
import { measureInterleaved } from "@tessera/runtimes/measure";
import { openRunnable } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { type InputOptions, inputsFor } from "./feeds.ts";
import type { Side } from "./parity.ts";
import { commonBatch, inRuns } from "./rows.ts";

/** Times of one of two files. */
export interface SideTimes {
  readonly runtime: string;
  readonly p50Ms: number;
  readonly p90Ms: number;
}

/** The same network as two files, each on its runtime of this machine; plain JSON. */
export interface SideBySide {
  readonly inputs: string;
  readonly outputs: readonly {
    readonly output: string;
    readonly cosine: number;
    readonly maxAbs: number;
    readonly sqnrDb: number;
  }[];
  readonly reference: SideTimes;
  readonly changed: SideTimes;
  /** Time of the changed file divided by that of the reference, in turns of one run, median and 95 % interval. A run is a run, whatever its batch. */
  readonly ratio: { readonly median: number; readonly low: number; readonly high: number };
}

/** Rounds of the timing, and runs in each. */
const TIMING = { rounds: 15, runs: 3 } as const;
/** JSON has no infinity: values that do not differ at all are put at this. */
const NO_DIFFERENCE_DB = 200;

/** Runs two files against each other on the same inputs: how their outputs differ, and how long they take, as each runtime runs them at its best. */
export async function sideBySide(
  reference: Side,
  changed: Side,
  options: { readonly inputs: InputOptions; readonly seed: number; readonly progress: Progress; readonly signal: AbortSignal },
): Promise<SideBySide> {
  const { progress, signal, seed } = options;
  const first = await openRunnable(reference.runtime, reference.file);
  try {
    const second = await openRunnable(changed.runtime, changed.file);
    try {
      const batch = commonBatch(first, second);
      const [a, b] = batch === undefined ? [first, second] : [inRuns(first, batch), inRuns(second, batch)];
      const inputs = await inputsFor(a, options.inputs);
      const sums = new Map(first.outputs.map(({ name }) => [name, createDifference()] as const));
      progress.stage("running side by side", inputs.count);
      let done = 0;
      for (const feeds of inputs.feeds()) {
        signal.throwIfAborted();
        const [x, y] = [await a.run(feeds), await b.run(feeds)];
        for (const [name, sum] of sums) {
          const [one, other] = [x.get(name), y.get(name)];
          if (one === undefined || other === undefined || one.dtype === "string") continue;
          addDifference(sum, Float32Array.from(toNumbers(one)), Float32Array.from(toNumbers(other)));
        }
        progress.at(++done);
      }
      progress.stage("timing side by side", TIMING.rounds);
      const contestants = [];
      for (const [i, session] of [first, second].entries()) {
        const own = await inputsFor(session, { ...options.inputs, trials: 1 });
        const [feeds = new Map()] = [...own.feeds(1)];
        contestants.push({ name: String(i), session, feeds });
      }
      const { rows } = await measureInterleaved(contestants, {
        ...TIMING,
        seed,
        signal,
        onRound: (round) => progress.at(round),
      });
      const times = (side: Side, i: number): SideTimes => ({
        runtime: `${side.runtime.id} ${side.runtime.version}`,
        p50Ms: at(rows, i).p50Ms,
        p90Ms: at(rows, i).p90Ms,
      });
      const { speedup } = at(rows, 1);
      return {
        inputs: inputs.says,
        outputs: [...sums].map(([output, sum]) => {
          const { cosine, maxAbs, sqnrDb } = differenceOf(sum);
          return { output, cosine, maxAbs, sqnrDb: Math.max(-NO_DIFFERENCE_DB, Math.min(NO_DIFFERENCE_DB, sqnrDb)) };
        }),
        reference: times(reference, 0),
        changed: times(changed, 1),
        ratio: { median: 1 / speedup.value, low: 1 / speedup.high, high: 1 / speedup.low },
      };
    } finally {
      await second.close();
    }
  } finally {
    await first.close();
  }
}
