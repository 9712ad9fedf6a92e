import { fail } from "../base/error.ts";
import { clampTo, formTimes, quadraticError, type RoundingProblem } from "./round-quadratic.ts";

/** Most weights of a filter whose roundings are all tried: 2 ** 16 of them take about a millisecond. */
export const ENUMERATE_AT_MOST = 16;

/**
 * The best way to round each weight up or down, found by trying all of them: exact, 2^n for n weights that are not integers already. The ways are gone
 * through in Gray code order, so that from one to the next a single weight changes and the error follows by the difference
 * -2δ(He)ᵢ + δ²Hᵢᵢ. Of equals, the first in that order.
 *
 * @throws PLAN_INVALID for more than {@link ENUMERATE_AT_MOST} weights
 */
export function enumerateRounding({ exact, limit, form }: RoundingProblem): Float64Array {
  const { size, data } = form;
  if (size > ENUMERATE_AT_MOST)
    throw fail("PLAN_INVALID", `Cannot try all roundings of ${size} weights: at most ${ENUMERATE_AT_MOST} are tried`);
  const current = Float64Array.from(exact, (v) => clampTo(limit, Math.floor(v)));
  const free: number[] = [];
  exact.forEach((v, i) => {
    if (clampTo(limit, Math.ceil(v)) !== current[i]) free.push(i);
  });
  const errors = exact.map((v, i) => v - (current[i] as number));
  const slope = formTimes(form, errors);
  let cost = quadraticError(form, errors);
  let least = cost;
  let best = Float64Array.from(current);
  const isUp = new Uint8Array(free.length);
  for (let n = 1; n < 2 ** free.length; n++) {
    // The bit that changes from one Gray code to the next is the lowest one set in the counter.
    const bit = 31 - Math.clz32(n & -n);
    const i = free[bit] as number;
    const step = isUp[bit] === 1 ? -1 : 1;
    isUp[bit] = 1 - (isUp[bit] as number);
    cost += (data[i * size + i] as number) - 2 * step * (slope[i] as number);
    current[i] = (current[i] as number) + step;
    for (let j = 0; j < size; j++) slope[j] = (slope[j] as number) - step * (data[i * size + j] as number);
    if (cost < least) {
      least = cost;
      best = Float64Array.from(current);
    }
  }
  return best;
}
