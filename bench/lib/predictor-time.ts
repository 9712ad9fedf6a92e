import { seededRandom } from "@tessera/core/base/random";
import { isFloat } from "@tessera/core/graph/dtype";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { countOf, f32, fromNumbers } from "@tessera/core/graph/tensor";
import type { Target } from "@tessera/core/targets/target";
import { litertRuntime } from "@tessera/runtimes/litert";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { ortWebRuntime } from "@tessera/runtimes/ort-web";

const RUNTIMES: Readonly<Record<Target["runtime"], () => Promise<Runtime>>> = {
  "ort-node": ortNodeRuntime,
  "ort-web": ortWebRuntime,
  litert: litertRuntime,
};

/** The runtime behind a target. */
export function runtimeOf(target: Target): Promise<Runtime> {
  return RUNTIMES[target.runtime]();
}

/** A session with an input of its own. */
export interface Timed {
  readonly session: Session;
  readonly feeds: Feeds;
  /** The least time of a run, milliseconds, of as many as fit into the budget of each round: by the clock, or of the processor where that is less. */
  least(options: { readonly budgetMs: number; readonly rounds: number }): Promise<number>;
  close(): Promise<void>;
}

/** Loads a file on one thread, with noise for its inputs. */
export async function openTimed(runtime: Runtime, bytes: Uint8Array): Promise<Timed> {
  const session = await runtime.load(bytes, { threads: 1 });
  const random = seededRandom(3);
  const feeds: Feeds = new Map(
    session.inputs.map(({ name, type }) => {
      if (type.kind !== "tensor") throw new Error(`cannot feed ${name}`);
      const shape = (type.shape ?? []).map((d) => (typeof d === "number" ? d : 1));
      const count = countOf(shape);
      if (isFloat(type.dtype))
        return [
          name,
          f32(
            shape,
            Array.from({ length: count }, () => random.normal()),
          ),
        ];
      // A sampling rate is the one integer that these models take.
      return [name, fromNumbers(type.dtype, shape, Array(count).fill(name === "sr" ? 16_000 : 1))];
    }),
  );
  return {
    session,
    feeds,
    async least({ budgetMs, rounds }) {
      const first = await session.time(feeds, { runs: 2, warmup: 1 });
      let least = Math.min(...first.wallMs);
      const runs = Math.max(2, Math.min(60, Math.floor(budgetMs / least)));
      for (let round = 0; round < rounds; round++) {
        const { wallMs, cpuMs } = await session.time(feeds, { runs, warmup: 1 });
        // Long runs never have a processor to themselves on a busy machine: their processor time is nearer to the truth.
        least = Math.min(least, ...wallMs, cpuMs / runs);
      }
      return least;
    },
    close: () => session.close(),
  };
}
