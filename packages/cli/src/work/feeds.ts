import { fail, isTesseraError } from "@tessera/core/base/error";
import type { Model, ValueInfo } from "@tessera/core/graph/model";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { FEED_ATTEMPTS, randomFeeds } from "@tessera/core/passes/proof-inputs";
import { openSamples } from "../io/samples.ts";

/** Inputs to run models on, and where they come from. */
export interface Inputs {
  readonly says: string;
  readonly count: number;
  feeds(limit?: number): Iterable<Feeds>;
}

/** Where inputs are to come from: a folder of samples, or random numbers. */
export interface InputOptions {
  readonly folder: string | undefined;
  readonly trials: number;
  readonly seed: number;
}

/** The samples of a folder, or random inputs that the session really takes: for symbolic sizes, the first of the usual ones with which it runs. */
export async function inputsFor(session: Session, options: InputOptions): Promise<Inputs> {
  const { folder, trials, seed } = options;
  if (folder !== undefined) {
    const samples = openSamples(folder, session.inputs);
    return { says: `${samples.count} samples of ${folder}`, count: samples.count, feeds: (limit) => samples.feeds(limit) };
  }
  const model = inputsOnly(session.inputs);
  const attempt = await workingAttempt(session, model, seed);
  const shapes = [...randomFeeds(model, { seed, trial: 0, attempt })].map(([name, t]) => `${name} [${t.shape}]`).join(", ");
  return {
    says: `${trials} random input${trials === 1 ? "" : "s"}, ${shapes}, seed ${seed}`,
    count: trials,
    *feeds(limit = trials) {
      // Another seed, not another trial: trials differ in sizes too.
      for (let i = 0; i < Math.min(limit, trials); i++) yield randomFeeds(model, { seed: seed + i * 1009, trial: 0, attempt });
    },
  };
}

async function workingAttempt(session: Session, model: Model, seed: number): Promise<number> {
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
