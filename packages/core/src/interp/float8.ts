import type { DType } from "../graph/dtype.ts";

/** The four 8-bit float formats of ONNX (FP8 Formats for Deep Learning, arXiv 2209.05433; the "uz" forms, arXiv 2206.02915). */
interface Float8 {
  readonly mantissaBits: number;
  readonly bias: number;
  /** Largest finite magnitude. */
  readonly largest: number;
  readonly infinity: number | undefined;
  readonly nan: number;
  /** Whether there is one zero only, and the bits of -0 are NaN. */
  readonly unsignedZero: boolean;
}

const FORMATS = {
  float8e4m3fn: { mantissaBits: 3, bias: 7, largest: 448, infinity: undefined, nan: 0x7f, unsignedZero: false },
  float8e4m3fnuz: { mantissaBits: 3, bias: 8, largest: 240, infinity: undefined, nan: 0x80, unsignedZero: true },
  float8e5m2: { mantissaBits: 2, bias: 15, largest: 57344, infinity: 0x7c, nan: 0x7f, unsignedZero: false },
  float8e5m2fnuz: { mantissaBits: 2, bias: 16, largest: 57344, infinity: undefined, nan: 0x80, unsignedZero: true },
} as const satisfies Record<string, Float8>;

/** Name of an 8-bit float format. */
export type Float8Name = keyof typeof FORMATS;

/** Whether the element type is an 8-bit float. */
export function isFloat8(dtype: DType): dtype is Float8Name {
  return Object.hasOwn(FORMATS, dtype);
}

/** The number that 8 bits stand for. */
export function fromFloat8(bits: number, name: Float8Name): number {
  const format: Float8 = FORMATS[name];
  const magnitude = bits & 0x7f;
  const sign = bits & 0x80 ? -1 : 1;
  if (format.unsignedZero && bits === 0x80) return Number.NaN;
  if (format.infinity !== undefined && magnitude >= format.infinity)
    return magnitude === format.infinity ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (!format.unsignedZero && format.infinity === undefined && magnitude === format.nan) return Number.NaN;
  const steps = 1 << format.mantissaBits;
  const exponent = magnitude >> format.mantissaBits;
  const mantissa = magnitude & (steps - 1);
  if (exponent === 0) return sign * (mantissa / steps) * 2 ** (1 - format.bias);
  return sign * (1 + mantissa / steps) * 2 ** (exponent - format.bias);
}

/**
 * The 8 bits of a number rounded to nearest, ties to even. Beyond the largest finite value: that value with `saturate`, otherwise infinity
 * where the format has one and NaN where it has not.
 */
export function toFloat8(value: number, options: { readonly name: Float8Name; readonly saturate: boolean }): number {
  const format: Float8 = FORMATS[options.name];
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const nan = format.unsignedZero ? 0x80 : format.nan | sign;
  if (Number.isNaN(value)) return format.unsignedZero ? 0x80 : format.nan;
  const size = Math.abs(value);
  const steps = 1 << format.mantissaBits;
  const lowest = 1 - format.bias;
  const exponent = size === 0 || size === Number.POSITIVE_INFINITY ? lowest : Math.max(lowest, Math.floor(Math.log2(size)));
  const scaled = (size / 2 ** exponent) * steps;
  const even = Math.abs(scaled - Math.trunc(scaled)) === 0.5 ? 2 * Math.round(scaled / 2) : Math.round(scaled);
  const rounded = (even / steps) * 2 ** exponent;
  if (rounded > format.largest || size === Number.POSITIVE_INFINITY) {
    if (options.saturate) return sign | bitsOf(format.largest, format);
    return format.infinity === undefined ? nan : sign | format.infinity;
  }
  if (rounded === 0) return format.unsignedZero ? 0 : sign;
  return sign | bitsOf(rounded, format);
}

// `size` is positive and exactly representable.
function bitsOf(size: number, format: Float8): number {
  const steps = 1 << format.mantissaBits;
  const lowest = 1 - format.bias;
  if (size < 2 ** lowest) return Math.round((size / 2 ** lowest) * steps);
  const exponent = Math.floor(Math.log2(size));
  return ((exponent + format.bias) << format.mantissaBits) | Math.round((size / 2 ** exponent - 1) * steps);
}
