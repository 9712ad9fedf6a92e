import { clampTo, formTimes, type RoundingProblem, roundEven } from "./round-quadratic.ts";

/** Integers of one filter, and how far its output is from the exact one: eᵀHe in squared steps. */
export interface RoundedFilter {
  readonly integers: Float64Array;
  readonly error: number;
}

/** Rounds over all weights after which {@link descend} stops even if a step were left; a handful is usual. */
const SWEEPS = 40;

/** Steps that gain less than this share of the diagonal are rounding noise of the sums, and would go round in circles. */
const LEAST_GAIN = 1e-9;

/**
 * Improves integers by moving one at a time by the whole step that helps most, in turn, until none helps: coordinate descent on the form. Never makes
 * it worse; the result is a point that no change of a single weight improves.
 */
export function descend(problem: RoundingProblem, start: Float64Array): RoundedFilter {
  const { exact, limit, form } = problem;
  const { size, data } = form;
  const integers = Float64Array.from(start);
  const slope = formTimes(
    form,
    exact.map((v, i) => v - (integers[i] as number)),
  );
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let moved = false;
    for (let i = 0; i < size; i++) {
      const curve = data[i * size + i] as number;
      const now = integers[i] as number;
      const step = clampTo(limit, now + roundEven((slope[i] as number) / curve)) - now;
      if (step === 0 || step * (2 * (slope[i] as number) - step * curve) <= LEAST_GAIN * curve) continue;
      integers[i] = now + step;
      for (let j = 0; j < size; j++) slope[j] = (slope[j] as number) - step * (data[i * size + j] as number);
      moved = true;
    }
    if (!moved) break;
  }
  // The slope is He as it is by now, so eᵀHe comes for nothing.
  let error = 0;
  for (let i = 0; i < size; i++) error += ((exact[i] as number) - (integers[i] as number)) * (slope[i] as number);
  return { integers, error };
}
