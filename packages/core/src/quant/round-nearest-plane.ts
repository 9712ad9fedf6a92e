import { invariant } from "../base/assert.ts";
import { cholesky } from "../base/cholesky.ts";
import { clampTo, type QuadraticForm, type RoundingProblem, roundEven } from "./round-quadratic.ts";

/** What {@link nearestPlane} needs of a form, worked out once for all filters that share it. */
export interface PlaneOrder {
  /** The weight that is decided k-th from the end: the last entry is decided first. */
  readonly order: Int32Array;
  /** f64[size, size], strictly upper: how much of the error of a decided weight the open one takes over, in the order above. */
  readonly carry: Float64Array;
}

/**
 * Factors a positive definite form for {@link nearestPlane}: H = RᵀR with R upper triangular, so that eᵀHe = Σᵢ rᵢᵢ² (eᵢ + Σⱼ rᵢⱼ/rᵢᵢ eⱼ)², j > i.
 * Weights with the largest diagonal are decided first, while all others can still make up for them.
 */
export function planeOrder({ size, data }: QuadraticForm): PlaneOrder {
  const order = Int32Array.from({ length: size }, (_, i) => i).sort(
    (a, b) => (data[a * size + a] as number) - (data[b * size + b] as number) || a - b,
  );
  const reordered = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) reordered[i * size + j] = data[(order[i] as number) * size + (order[j] as number)] as number;
  // R is the transpose of the lower factor.
  const factor = cholesky({ rows: size, cols: size, data: reordered });
  invariant(factor !== undefined, "the form is positive definite");
  const lower = factor.data;
  const carry = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = i + 1; j < size; j++) carry[i * size + j] = (lower[j * size + i] as number) / (lower[i * size + i] as number);
  return { order, carry };
}

/**
 * Rounds weights one after the other, each to the integer nearest to where the errors made so far want it: Babai's nearest plane method (1986) on the
 * lattice of integers under the form. It makes the same decisions as the second-order rounding of Frantar et al. (GPTQ, 2022), from the form's own
 * Cholesky factor and without its inverse.
 */
export function nearestPlane({ exact, limit }: Pick<RoundingProblem, "exact" | "limit">, plane: PlaneOrder): Float64Array {
  const { order, carry } = plane;
  const size = order.length;
  const integers = new Float64Array(size);
  const errors = new Float64Array(size);
  for (let i = size - 1; i >= 0; i--) {
    const at = order[i] as number;
    let wanted = exact[at] as number;
    for (let j = i + 1; j < size; j++) wanted += (carry[i * size + j] as number) * (errors[j] as number);
    const integer = clampTo(limit, roundEven(wanted));
    integers[at] = integer;
    errors[i] = (exact[at] as number) - integer;
  }
  return integers;
}
