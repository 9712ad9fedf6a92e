import { seededRandom } from "@tessera/core/base/random";
import { DTYPES, type DType, isFloat } from "@tessera/core/graph/dtype";
import { countOf, fromNumbers, stringTensor, type Tensor } from "@tessera/core/graph/tensor";
import fc from "fast-check";

/** Options of {@link arbShape}. */
export interface ShapeOptions {
  readonly minRank?: number;
  readonly maxRank?: number;
  /** Smallest size of an axis; 0 allows empty tensors. */
  readonly minSize?: number;
  readonly maxSize?: number;
}

/** A shape: rank 0 to 4, sizes 0 to 5 unless bounded otherwise. Size 0 comes seldom, so that most tensors hold something. */
export function arbShape({ minRank = 0, maxRank = 4, minSize = 0, maxSize = 5 }: ShapeOptions = {}): fc.Arbitrary<number[]> {
  const sizes = fc.integer({ min: Math.max(1, minSize), max: maxSize });
  const size = minSize > 0 ? sizes : fc.oneof({ weight: 19, arbitrary: sizes }, { weight: 1, arbitrary: fc.constant(0) });
  return fc.array(size, { minLength: minRank, maxLength: maxRank });
}

/** Options of {@link arbTensor}. */
export interface ValueOptions {
  readonly min?: number;
  readonly max?: number;
  /** Values that stand in now and then, e.g. NaN. Not clamped. */
  readonly special?: readonly number[];
  /** Whole numbers, also in float types. */
  readonly whole?: boolean;
}

const WORDS = ["", "a", "b", "ab", "zz", "\u00e9", "Tessera"];

/** A tensor of a type and shape with values drawn from a seed: shapes shrink, values do not. Default range -10..10, or 0..10 for unsigned types. */
export function arbTensor(dtype: DType, shape: readonly number[], options: ValueOptions = {}): fc.Arbitrary<Tensor> {
  return fc.integer({ min: 0, max: 2 ** 30 }).map((seed) => seededTensor(dtype, shape, { ...options, seed }));
}

/** The tensor that {@link arbTensor} makes for a seed. */
export function seededTensor(dtype: DType, shape: readonly number[], options: ValueOptions & { readonly seed: number }): Tensor {
  const random = seededRandom(options.seed);
  const count = countOf(shape);
  if (dtype === "string")
    return stringTensor(
      shape,
      Array.from({ length: count }, () => WORDS[random.int(WORDS.length)] as string),
    );
  const { class: kind } = DTYPES[dtype];
  const min = options.min ?? (kind === "uint" || kind === "bool" ? 0 : -10);
  const max = kind === "bool" ? 1 : (options.max ?? 10);
  const whole = options.whole ?? !isFloat(dtype);
  // NaN, infinities and fractions have no integer form.
  const special = (options.special ?? []).filter((v) => isFloat(dtype) || Number.isInteger(v));
  const values = Array.from({ length: count }, () => {
    if (special.length > 0 && random.next() < 0.15) return special[random.int(special.length)] as number;
    return whole ? min + random.int(Math.floor(max) - Math.ceil(min) + 1) : min + random.next() * (max - min);
  });
  return fromNumbers(dtype, shape, values);
}

/** A shape that broadcasts to `to`: leading axes dropped, some sizes 1. */
export function arbBroadcastable(to: readonly number[]): fc.Arbitrary<number[]> {
  return fc
    .tuple(fc.integer({ min: 0, max: to.length }), fc.array(fc.boolean(), { minLength: to.length, maxLength: to.length }))
    .map(([drop, ones]) => to.map((size, i) => (ones[i] ? 1 : size)).slice(drop));
}

/** An axis of a rank, counted from the front or, as a negative number, from the back. */
export function arbAxis(rank: number): fc.Arbitrary<number> {
  return fc.integer({ min: -rank, max: rank - 1 });
}

/** Different axes of a rank, each counted from either side. */
export function arbAxes(rank: number, options: { readonly minLength?: number } = {}): fc.Arbitrary<number[]> {
  const { minLength = 0 } = options;
  const all = Array.from({ length: rank }, (_, i) => i);
  return fc
    .tuple(
      fc.shuffledSubarray(all, { minLength: Math.min(minLength, rank) }),
      fc.array(fc.boolean(), { minLength: rank, maxLength: rank }),
    )
    .map(([axes, back]) => axes.map((axis, i) => (back[i] ? axis - rank : axis)));
}
