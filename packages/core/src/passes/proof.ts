import { fail, isTesseraError } from "../base/error.ts";
import { seededRandom } from "../base/random.ts";
import type { Dim } from "../graph/dim.ts";
import { isFloat } from "../graph/dtype.ts";
import type { Model } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { countOf, fromNumbers, sameTensor, type Tensor, toNumbers } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";

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

/** Sizes tried for a symbolic dimension, by trial. 1 first: models are most often fed one sample. */
const SYMBOL_SIZES = [1, 3, 2, 5];

function sizeOf(dim: Dim, symbols: Map<string, number>, trial: number): number {
  if (typeof dim === "number") return dim;
  const known = symbols.get(dim);
  if (known !== undefined && dim !== "?") return known;
  const size = SYMBOL_SIZES[trial % SYMBOL_SIZES.length] as number;
  symbols.set(dim, size);
  return size;
}

/**
 * Typed random inputs for a model: floats are normal, integers small and not negative, booleans fair; symbolic sizes get the same number
 * wherever they appear. Deterministic in seed and trial. @throws DATA_MISSING for an input whose type is not a tensor of known rank
 */
export function randomFeeds(model: Model, options: { readonly seed: number; readonly trial: number }): Feeds {
  const random = seededRandom(options.seed * 7919 + options.trial);
  const symbols = new Map<string, number>();
  const feeds = new Map<string, Tensor>();
  for (const input of model.graph.inputs) {
    if (model.graph.constants.has(input.name)) continue;
    if (input.type.kind !== "tensor" || input.type.shape === undefined) {
      throw fail("DATA_MISSING", `Cannot make a random value for input ${input.name}: its type or rank is not known`);
    }
    const shape = input.type.shape.map((d) => sizeOf(d, symbols, options.trial));
    const { dtype } = input.type;
    const draw = isFloat(dtype) ? () => random.normal() : dtype === "bool" ? () => random.int(2) : () => random.int(8);
    feeds.set(input.name, fromNumbers(dtype, shape, Array.from({ length: countOf(shape) }, draw)));
  }
  return feeds;
}

/** The largest difference between two tensors, relative to the reference's largest magnitude. Equal NaNs and infinities are no difference. */
export function tensorDifference(reference: Tensor, other: Tensor): number {
  if (reference.dtype !== other.dtype || reference.shape.join() !== other.shape.join()) return Number.POSITIVE_INFINITY;
  if (!isFloat(reference.dtype)) return sameTensor(reference, other) ? 0 : Number.POSITIVE_INFINITY;
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

/**
 * Compares two models on the user's inputs and typed random ones. Inputs on which the first model itself fails (an index out of range, say) do not
 * count; when none counts the answer is "undecided", never "proved".
 */
export async function prove(before: Model, after: Model, options: ProofOptions = {}): Promise<Proof> {
  const { trials, seed, tolerance } = { ...PROOF_DEFAULTS, ...options };
  const execute = options.execute ?? interpExecutor;
  const feeds: Feeds[] = [...(options.feeds ?? [])];
  let why = "no input was given";
  try {
    for (let trial = 0; trial < trials; trial++) feeds.push(randomFeeds(before, { seed, trial }));
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    why = error.message;
  }
  const references = await execute(before, feeds);
  const usable = feeds
    .map((feed, i) => ({ feed, reference: references[i] }))
    .filter((r) => r.reference !== undefined && !(r.reference instanceof Error));
  const firstError = references.find((r) => r instanceof Error);
  if (firstError instanceof Error) why = `the model itself fails on the inputs tried: ${firstError.message}`;
  if (usable.length === 0) return { kind: "undecided", inputs: 0, worst: undefined, why };
  const results = await execute(
    after,
    usable.map((u) => u.feed),
  );
  let worst: Difference | undefined;
  for (const [i, { feed, reference }] of usable.entries()) {
    const result = results[i];
    if (result === undefined || result instanceof Error) {
      const difference = {
        output: "",
        relative: Number.POSITIVE_INFINITY,
        why: `the changed model fails: ${result?.message ?? "no result"}`,
      };
      return { kind: "refuted", inputs: i + 1, worst: difference, counterexample: feed };
    }
    const difference = outputsDifference(reference as Feeds, result);
    if (difference && (worst === undefined || difference.relative > worst.relative)) worst = difference;
    if (difference && difference.relative > tolerance)
      return { kind: "refuted", inputs: i + 1, worst: difference, counterexample: feed };
  }
  return { kind: "proved", inputs: usable.length, worst };
}
