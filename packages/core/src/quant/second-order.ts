import { enumerateRounding } from "./enumerate-rounding.ts";
import { descend, type RoundedFilter } from "./round-descent.ts";
import { nearestPlane, type PlaneOrder, planeOrder } from "./round-nearest-plane.ts";
import { nearestIntegers, type QuadraticForm, type RoundingProblem, roundingError } from "./round-quadratic.ts";

/** Filters with at most this many weights are enumerated, unless the caller says otherwise: a depthwise 3 x 3 has nine. */
export const ENUMERATED_SIZE = 10;

/** A solver for filters that share a form: rounds one filter's weights, given in steps, to integers in [-limit, limit]. */
export type FilterRounder = (exact: Float64Array, limit: number) => RoundedFilter;

/**
 * Rounds weights so that a filter's output errs least under the form of its inputs, which must be positive definite (see `dampedForm`).
 *
 * - up to `enumerate` weights: all ways to round each up or down are tried, so the result is the best of them; then single weights may still leave
 *   for other integers where that helps
 * - more: the integers of the nearest plane method, improved by coordinate descent; the nearest integers where even those are better
 *
 * Never worse than the nearest integers under the form.
 */
export function filterRounder(
  form: QuadraticForm,
  { enumerate = ENUMERATED_SIZE }: { readonly enumerate?: number } = {},
): FilterRounder {
  if (form.size <= enumerate) {
    return (exact, limit) => {
      const problem: RoundingProblem = { exact, limit, form };
      return descend(problem, enumerateRounding(problem));
    };
  }
  const plane: PlaneOrder = planeOrder(form);
  return (exact, limit) => {
    const problem: RoundingProblem = { exact, limit, form };
    const found = descend(problem, nearestPlane(problem, plane));
    const nearest = nearestIntegers(problem);
    const error = roundingError(problem, nearest);
    return found.error <= error ? found : { integers: nearest, error };
  };
}
