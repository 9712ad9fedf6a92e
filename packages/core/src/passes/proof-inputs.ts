import { fail } from "../base/error.ts";
import { type Random, seededRandom } from "../base/random.ts";
import type { Dim } from "../graph/dim.ts";
import { isFloat } from "../graph/dtype.ts";
import type { Model } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { countOf, f32, fromNumbers, type Tensor } from "../graph/tensor.ts";

/** Which random input of a model is wanted. */
export interface RandomFeedsOptions {
  readonly seed: number;
  /** Different trials give different values and, where they may differ, different sizes. */
  readonly trial: number;
  /** 0 first. Later attempts of a trial take larger and larger sizes, for models that refuse small ones. */
  readonly attempt?: number;
}

/** Sizes of symbolic dimensions in the first attempt, by trial and symbol. 1 first: models are most often fed one sample. */
const SMALL_SIZES = [1, 3, 2, 5];

/**
 * Sizes of all but the leading symbolic dimension in later attempts: powers of two for convolutions and pools, 224 and 112 for pictures, 512 and
 * 576 for windows of sound with and without context, 80 for filter banks.
 */
const LATER_SIZES = [16, 64, 512, 256, 576, 128, 32, 224, 112, 80, 1024, 4096, 8, 16_000];

/** Attempts that {@link randomFeeds} has different sizes for. */
export const FEED_ATTEMPTS = 1 + LATER_SIZES.length;

/** Values of integer inputs of one element, which are more often a setting (a sampling rate, a switch) than data; "small" draws from 0 to 7. */
const SETTINGS = ["small", 16_000, 8000, 1, 0] as const;

/** No input of a proof is larger than this many elements. */
const MAX_ELEMENTS = 2 ** 24;

/** Sizes for the names of symbolic dimensions; every "?" is a dimension of its own. */
function sizeOf(dim: Dim, symbols: Map<string, number>, at: RandomFeedsOptions): number {
  if (typeof dim === "number") return dim;
  const known = symbols.get(dim);
  if (known !== undefined && dim !== "?") return known;
  const index = symbols.size;
  const attempt = at.attempt ?? 0;
  const small = SMALL_SIZES[(at.trial * (index + 1)) % SMALL_SIZES.length] as number;
  const size = attempt === 0 || index === 0 ? small : (LATER_SIZES[(attempt - 1) % LATER_SIZES.length] as number);
  symbols.set(dim === "?" ? `?${index}` : dim, size);
  return size;
}

/** A sum of three uniform numbers is normal enough, and several times cheaper for pictures than logarithms and cosines. */
function noise(count: number, random: Random): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = 2 * (random.next() + random.next() + random.next() - 1.5);
  return values;
}

/**
 * Typed random inputs for a model: floats are about normal within -3 to 3, integers small and not negative, booleans fair; integer inputs of one element go through plausible
 * settings; symbolic sizes get the same number wherever they appear. Deterministic in seed, trial and attempt.
 *
 * @throws DATA_MISSING for an input whose type is not a tensor of known rank, or that would be too large
 */
export function randomFeeds(model: Model, options: RandomFeedsOptions): Feeds {
  const attempt = options.attempt ?? 0;
  const random = seededRandom(options.seed * 7919 + options.trial * 31 + attempt);
  const symbols = new Map<string, number>();
  const feeds = new Map<string, Tensor>();
  for (const input of model.graph.inputs) {
    if (model.graph.constants.has(input.name)) continue;
    if (input.type.kind !== "tensor" || input.type.shape === undefined) {
      throw fail("DATA_MISSING", `Cannot make a random value for input ${input.name}: its type or rank is not known`);
    }
    const shape = input.type.shape.map((d) => sizeOf(d, symbols, options));
    const count = countOf(shape);
    if (count > MAX_ELEMENTS)
      throw fail("DATA_MISSING", `Cannot make a random value for input ${input.name}: [${shape}] is too large for a trial`);
    const { dtype } = input.type;
    const setting = SETTINGS[(options.trial + attempt) % SETTINGS.length] as (typeof SETTINGS)[number];
    const draw = isFloat(dtype)
      ? () => random.normal()
      : dtype === "bool"
        ? () => random.int(2)
        : count === 1 && setting !== "small" && (dtype === "int64" || dtype === "int32")
          ? () => setting
          : () => random.int(8);
    if (dtype === "float32") {
      feeds.set(input.name, f32(shape, noise(count, random)));
      continue;
    }
    const values = new Float64Array(count);
    for (let i = 0; i < count; i++) values[i] = draw();
    feeds.set(input.name, fromNumbers(dtype, shape, values));
  }
  return feeds;
}

/** Whether a model has sizes or settings that a further attempt would choose otherwise. */
export function hasFurtherAttempts(model: Model): boolean {
  return model.graph.inputs.some(
    (i) =>
      i.type.kind === "tensor" &&
      (i.type.shape?.some((d) => typeof d === "string") ||
        (!isFloat(i.type.dtype) && countOf((i.type.shape ?? [0]) as number[]) === 1)),
  );
}
