import { fail } from "../base/error.ts";
import type { Model } from "../graph/model.ts";
import type { QuantDType } from "../graph/plan.ts";
import { LEVELS, roundHalfEven } from "../graph/quantize.ts";
import { type Tensor, view } from "../graph/tensor.ts";
import { activationEncoding } from "./encoding.ts";
import { eachSample, exposeValues, type ObserveOptions, type Samples } from "./observe.ts";
import type { Placement } from "./placement.ts";
import type { ValueRange } from "./range.ts";

/** Options of {@link embeddingRange}. */
export interface EmbeddingRangeOptions {
  readonly dtype: QuantDType;
  readonly symmetric: boolean;
}

/** A range for raw embeddings, and what rounding to it alone does to their direction. */
export interface EmbeddingRange {
  readonly range: ValueRange;
  /** Mean of 1 - cosine between an embedding and what is left of it. */
  readonly angularError: number;
  /** The same for the range of all that was seen. */
  readonly angularErrorMinMax: number;
}

/** Ends are tried from what was seen down to a tenth of it, in steps of 1 percent. */
const STEPS = 90;

/**
 * The range (so the scale and zero point) of a raw embedding whose rounding turns embeddings least: least mean of 1 - cosine over f32[rows, dim]. Under
 * cosine the length of an embedding counts for nothing, so outliers may be cut where that costs less angle than coarser steps for the rest; squared
 * error, which long embeddings dominate, does not know that. Both ends are searched in turn, from the whole range.
 * On a MobileFaceNet it hardly matters: rounding its embedding to 8 bits alone costs 0.00005 of cosine, and 0.000045 with the range found here.
 *
 * @throws CALIBRATION_EMPTY without embeddings
 */
export function embeddingRange(rows: Float32Array, dim: number, options: EmbeddingRangeOptions): EmbeddingRange {
  if (rows.length === 0 || rows.length % dim !== 0)
    throw fail("CALIBRATION_EMPTY", `Cannot choose the range of an embedding: ${rows.length} numbers are no rows of ${dim}`);
  let low = 0;
  let high = 0;
  for (const v of rows) {
    low = Math.min(low, v);
    high = Math.max(high, v);
  }
  if (options.symmetric) {
    high = Math.max(high, -low);
    low = -high;
  }
  const cost = (range: ValueRange): number => angularError(rows, dim, { range, ...options });
  const whole: ValueRange = { min: low, max: high };
  const wholeError = cost(whole);
  let best = whole;
  let least = wholeError;
  const consider = (range: ValueRange): void => {
    const error = cost(range);
    if (error < least) {
      least = error;
      best = range;
    }
  };
  const shrunk = Array.from({ length: STEPS }, (_, i) => 1 - (i + 1) / 100);
  if (options.symmetric) for (const f of shrunk) consider({ min: low * f, max: high * f });
  else {
    for (let round = 0; round < 2; round++) {
      const { min } = best;
      for (const f of [1, ...shrunk]) consider({ min, max: high * f });
      const { max } = best;
      for (const f of [1, ...shrunk]) consider({ min: low * f, max });
    }
  }
  return { range: best, angularError: least, angularErrorMinMax: wholeError };
}

function angularError(
  rows: Float32Array,
  dim: number,
  { range, dtype, symmetric }: EmbeddingRangeOptions & { readonly range: ValueRange },
): number {
  const encoding = activationEncoding(range, { dtype, symmetric, reason: "" });
  const [low, high] = LEVELS[dtype];
  const scale = encoding.scale[0] as number;
  const zero = encoding.zeroPoint[0] as number;
  let sum = 0;
  for (let at = 0; at < rows.length; at += dim) {
    let dot = 0;
    let exact = 0;
    let rounded = 0;
    for (let i = at; i < at + dim; i++) {
      const v = rows[i] as number;
      const q = Math.max(low, Math.min(high, roundHalfEven(Math.fround(v / scale)) + zero)) - zero;
      dot += v * q;
      exact += v * v;
      rounded += q * q;
    }
    sum += exact === 0 ? 0 : rounded === 0 ? 1 : 1 - dot / Math.sqrt(exact * rounded);
  }
  return (sum * dim) / rows.length;
}

/** The value whose encoding an embedding output has: itself, or the one whose integers reach it unchanged; `undefined` where it stays in float. */
export function embeddingTensor(placement: Placement, output: string): string | undefined {
  const owner = placement.shared.get(output) ?? output;
  return placement.activations.includes(owner) ? owner : undefined;
}

/**
 * {@link embeddingRange} from samples, for `rangeOf` of a static plan.
 *
 * @param model - the float model with channels as they will be quantized
 * @param tensor - the value with the embeddings, all of a row behind the batch axis: see {@link embeddingTensor}
 * @throws as {@link embeddingRange}, and DATA_MISSING when the model has no such value
 */
export async function observeEmbeddingRange(
  model: Model,
  tensor: string,
  samples: Samples,
  options: ObserveOptions & EmbeddingRangeOptions,
): Promise<EmbeddingRange> {
  const parts: Float32Array[] = [];
  let dim = 0;
  const visit = (_: string, value: Tensor): void => {
    const data = view(value, "float32").slice();
    dim = data.length / (value.shape[0] ?? 1);
    parts.push(data);
  };
  await eachSample(exposeValues(model, [tensor]), [tensor], samples, { ...options, visit });
  const all = new Float32Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return embeddingRange(all, dim, options);
}
