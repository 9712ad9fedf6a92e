import { isTesseraError } from "../base/error.ts";
import { DTYPES, type DType, isFloat } from "../graph/dtype.ts";
import type { Model } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { countOf, sameTensor, type Tensor, toNumbers } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { FEED_ATTEMPTS, hasFurtherAttempts, randomFeeds } from "./proof-inputs.ts";

/** Runs a model on some inputs. The reference interpreter is one; the command uses a real runtime with its own rewriting switched off. */
export type Executor = (model: Model, feeds: readonly Feeds[]) => Promise<readonly (Feeds | Error)[]>;

/** Options of {@link prove}. */
export interface ProofOptions {
  /** Random inputs tried, besides the given ones. */
  readonly trials?: number;
  readonly seed?: number;
  /** The user's real inputs; tried first. */
  readonly feeds?: readonly Feeds[];
  /** Largest allowed difference, as a share of the largest magnitude in the reference output. */
  readonly tolerance?: number;
  readonly execute?: Executor;
}

/** Defaults of {@link ProofOptions}. Folding an affine into float32 weights moves results by a few 1e-6; a wrong rewrite by far more than 1e-4. */
export const PROOF_DEFAULTS = { trials: 2, seed: 1, tolerance: 1e-4 } as const;

/** How two outputs differ. */
export interface Difference {
  readonly output: string;
  /** Largest absolute difference divided by the largest magnitude of the reference; infinite for another shape, type or NaN. */
  readonly relative: number;
  readonly why?: string;
}

/** What a proof found. */
export interface Proof {
  readonly kind: "proved" | "refuted" | "undecided";
  /** Inputs on which both models ran. */
  readonly inputs: number;
  /** The largest difference over inputs and outputs. */
  readonly worst: Difference | undefined;
  /** The input that refuted it, or the reason why nothing could be decided. */
  readonly counterexample?: Feeds;
  readonly why?: string;
}

/** An executor over the reference interpreter. */
export const interpExecutor: Executor = async (model, feeds) =>
  feeds.map((feed) => {
    try {
      return interpret(model.graph, feed);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  });

/** Floats that are compared as numbers; 8-bit and 4-bit ones are compared bit by bit. */
function isReal(dtype: DType): boolean {
  return isFloat(dtype) && DTYPES[dtype].bits >= 16;
}

/** The largest difference between two tensors, relative to the reference's largest magnitude. Equal NaNs and infinities are no difference. */
export function tensorDifference(reference: Tensor, other: Tensor): number {
  if (reference.dtype !== other.dtype || reference.shape.join() !== other.shape.join()) return Number.POSITIVE_INFINITY;
  if (!isReal(reference.dtype)) return sameTensor(reference, other) ? 0 : Number.POSITIVE_INFINITY;
  const a = toNumbers(reference);
  const b = toNumbers(other);
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
    if (Object.is(x, y) || x === y) continue;
    const d = Math.abs(x - y);
    if (!Number.isFinite(d)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, d);
  }
  return worst === 0 ? 0 : worst / (scale || Number.MIN_VALUE);
}

/** The largest difference over the outputs of two runs. */
export function outputsDifference(reference: Feeds, other: Feeds): Difference | undefined {
  let worst: Difference | undefined;
  for (const [output, tensor] of reference) {
    const found = other.get(output);
    const relative = found === undefined ? Number.POSITIVE_INFINITY : tensorDifference(tensor, found);
    if (worst === undefined || relative > worst.relative) {
      const shapes =
        found === undefined ? "is missing" : `is ${found.dtype}[${found.shape}], was ${tensor.dtype}[${tensor.shape}]`;
      worst = { output, relative, ...(Number.isFinite(relative) ? {} : { why: shapes }) };
    }
  }
  return worst;
}

/** What the original model gives for the inputs of a proof: made once, held against as many changed models as there are. */
export interface Reference {
  readonly cases: readonly { readonly feeds: Feeds; readonly outputs: Feeds }[];
  /** Why there is no case, or fewer than wanted. */
  readonly why: string;
}

/** Whether outputs say anything: one of them must have an element, and one that is not NaN. Sizes too small for a layer can give empty outputs. */
function saysSomething(outputs: Feeds): boolean {
  for (const tensor of outputs.values()) {
    if (countOf(tensor.shape) === 0) continue;
    if (!isReal(tensor.dtype)) return true;
    if (toNumbers(tensor).some((v) => !Number.isNaN(v))) return true;
  }
  return false;
}

/**
 * Runs the original on the user's inputs and typed random ones. Where it fails on a random input (an index out of range, a size that is too small) other
 * sizes are tried; inputs on which it fails altogether, or gives nothing but NaN, do not count.
 */
export async function runReference(model: Model, options: ProofOptions = {}): Promise<Reference> {
  const { trials, seed } = { ...PROOF_DEFAULTS, ...options };
  const execute = options.execute ?? interpExecutor;
  const given: Feeds[] = [...(options.feeds ?? [])];
  let why = "no input was given";
  const attempts = new Array<number>(trials).fill(0);
  const pick = (trial: number): Feeds | undefined => {
    try {
      return randomFeeds(model, { seed, trial, attempt: attempts[trial] as number });
    } catch (error) {
      if (!isTesseraError(error)) throw error;
      why = error.message;
      return undefined;
    }
  };
  const cases: { feeds: Feeds; outputs: Feeds }[] = [];
  const further = hasFurtherAttempts(model);
  const first = attempts.map((_, trial) => pick(trial));
  let waiting = attempts.map((_, trial) => trial).filter((trial) => first[trial] !== undefined);
  const run = async (list: readonly Feeds[]): Promise<readonly boolean[]> => {
    if (list.length === 0) return [];
    const results = await execute(model, list);
    return list.map((feeds, i) => {
      const outputs = results[i];
      if (outputs === undefined || outputs instanceof Error) {
        why = `the model itself fails on the inputs tried: ${outputs?.message ?? "no result"}`;
        return false;
      }
      if (!saysSomething(outputs)) {
        why = "the model gives nothing but NaN, or nothing at all, on the inputs tried";
        return false;
      }
      cases.push({ feeds, outputs });
      return true;
    });
  };
  const ran = await run([...given, ...waiting.map((trial) => first[trial] as Feeds)]);
  waiting = waiting.filter((_, i) => ran[given.length + i] === false);
  for (let attempt = 1; further && attempt < FEED_ATTEMPTS && waiting.length > 0; attempt++) {
    for (const trial of waiting) attempts[trial] = attempt;
    const next = waiting.map(pick);
    const ok = await run(next.filter((f) => f !== undefined));
    const results = [...ok];
    waiting = waiting.filter((_, i) => next[i] === undefined || results.shift() === false);
  }
  return { cases, why };
}

/** Holds a changed model against what the original gave. "undecided" when the original could not be run on any input, never "proved". */
export async function proveAgainst(reference: Reference, after: Model, options: ProofOptions = {}): Promise<Proof> {
  const { tolerance } = { ...PROOF_DEFAULTS, ...options };
  const { cases, why } = reference;
  if (cases.length === 0) return { kind: "undecided", inputs: 0, worst: undefined, why };
  const results = await (options.execute ?? interpExecutor)(
    after,
    cases.map((c) => c.feeds),
  );
  let worst: Difference | undefined;
  for (const [i, { feeds, outputs }] of cases.entries()) {
    const result = results[i];
    if (result === undefined || result instanceof Error) {
      const difference = {
        output: "",
        relative: Number.POSITIVE_INFINITY,
        why: `the changed model fails: ${result?.message ?? "no result"}`,
      };
      return { kind: "refuted", inputs: i + 1, worst: difference, counterexample: feeds };
    }
    const difference = outputsDifference(outputs, result);
    if (difference && (worst === undefined || difference.relative > worst.relative)) worst = difference;
    if (difference && difference.relative > tolerance)
      return { kind: "refuted", inputs: i + 1, worst: difference, counterexample: feeds };
  }
  return { kind: "proved", inputs: cases.length, worst };
}

/** Compares two models: {@link runReference} of the first, {@link proveAgainst} of the second. */
export async function prove(before: Model, after: Model, options: ProofOptions = {}): Promise<Proof> {
  return proveAgainst(await runReference(before, options), after, options);
}
