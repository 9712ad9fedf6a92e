import { fail, isTesseraError } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import type { Model, ValueInfo } from "@tessera/core/graph/model";
import type { Encoding } from "@tessera/core/graph/plan";
import { dequantizeTensor, LEVELS } from "@tessera/core/graph/quantize";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { countOf, fromNumbers } from "@tessera/core/graph/tensor";
import { FEED_ATTEMPTS, randomFeeds } from "@tessera/core/passes/proof-inputs";
import { openSamples } from "../io/samples.ts";

/** Inputs to run models on, and where they come from. */
export interface Inputs {
  readonly says: string;
  readonly count: number;
  /** What each input is called, for people. */
  readonly names?: readonly string[];
  feeds(limit?: number): Iterable<Feeds>;
}

/** Where inputs are to come from: a folder of samples, or random numbers. */
export interface InputOptions {
  readonly folder: string | undefined;
  readonly trials: number;
  readonly seed: number;
  /** Encodings of inputs that a quantized file rounds at once: random numbers are drawn from these grids, where every rounding rule agrees. */
  readonly grids?: ReadonlyMap<string, Encoding>;
}

/** The samples of a folder, or random inputs that the session really takes: for symbolic sizes, the first of the usual ones with which it runs. */
export async function inputsFor(session: Pick<Session, "inputs" | "run">, options: InputOptions): Promise<Inputs> {
  const { folder, trials, seed, grids = new Map() } = options;
  if (folder !== undefined) {
    const samples = openSamples(folder, session.inputs);
    return {
      says: `${samples.count} samples of ${folder}`,
      count: samples.count,
      names: samples.names,
      feeds: (limit) => samples.feeds(limit),
    };
  }
  const model = inputsOnly(session.inputs);
  const attempt = await workingAttempt(session, model, seed);
  const shapes = [...randomFeeds(model, { seed, trial: 0, attempt })].map(([name, t]) => `${name} [${t.shape}]`).join(", ");
  return {
    says: `${trials} random input${trials === 1 ? "" : "s"}, ${shapes}, seed ${seed}`,
    count: trials,
    names: Array.from({ length: trials }, (_, i) => `random input ${i}`),
    *feeds(limit = trials) {
      // Another seed, not another trial: trials differ in sizes too.
      for (let i = 0; i < Math.min(limit, trials); i++) {
        const at = { seed: seed + i * 1009, trial: 0, attempt };
        yield onGrids(randomFeeds(model, at), grids, at.seed);
      }
    },
  };
}

async function workingAttempt(session: Pick<Session, "run">, model: Model, seed: number): Promise<number> {
  let refusal: unknown;
  for (let attempt = 0; attempt < FEED_ATTEMPTS; attempt++) {
    try {
      await session.run(randomFeeds(model, { seed, trial: 0, attempt }));
      return attempt;
    } catch (error) {
      if (!isTesseraError(error)) throw error;
      refusal ??= error;
    }
  }
  throw fail("DATA_MISSING", "Cannot run the model on random inputs: it takes none of the sizes that were tried", {
    cause: refusal,
    hint: "Give real inputs with --inputs",
  });
}

/** Float inputs that have a grid get any of its values, all equally likely. */
function onGrids(feeds: Feeds, grids: ReadonlyMap<string, Encoding>, seed: number): Feeds {
  const random = seededRandom(seed);
  return new Map(
    [...feeds].map(([name, tensor]) => {
      const encoding = grids.get(name);
      if (encoding === undefined || encoding.scale.length !== 1 || tensor.dtype !== "float32") return [name, tensor] as const;
      const [low, high] = encoding.range ?? LEVELS[encoding.dtype];
      const values = Float64Array.from({ length: countOf(tensor.shape) }, () => low + random.int(high - low + 1));
      return [name, dequantizeTensor(fromNumbers(encoding.dtype, tensor.shape, values), encoding)] as const;
    }),
  );
}

/** A model of inputs alone: all that random feeds look at. */
function inputsOnly(inputs: readonly ValueInfo[]): Model {
  return {
    kind: "model",
    graph: { name: "", inputs, outputs: [], nodes: [], constants: new Map(), types: new Map() },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  };
}

/** The first of some inputs. @throws DATA_MISSING when there is none */
export function firstFeeds(inputs: Inputs): Feeds {
  for (const feeds of inputs.feeds(1)) return feeds;
  throw fail("DATA_MISSING", "Cannot run the model: there is no sample");
}
