import { enumerateRounding } from "./enumerate-rounding.ts";
import { descend } from "./round-descent.ts";
import { nearestPlane, type PlaneOrder, planeOrder } from "./round-nearest-plane.ts";
import { nearestIntegers, type QuadraticForm, type RoundingProblem, roundingError } from "./round-quadratic.ts";

/** Integers of one filter, and how far its output is from the exact one: eᵀHe in squared steps. */
export interface RoundedFilter {
  readonly integers: Float64Array;
  readonly error: number;
}

/** Filters with at most this many weights are enumerated, unless the caller says otherwise: a depthwise 3 x 3 has nine. */
export const ENUMERATED_SIZE = 10;

/** A solver for filters that share a form: rounds one filter's weights, given in steps, to integers in [-limit, limit]. */
export type FilterRounder = (exact: Float64Array, limit: number) => RoundedFilter;

/**
 * Rounds weights so that a filter's output errs least under the form of its inputs, which must be positive definite (see `dampedForm`).
 *
 * - up to `enumerate` weights: all ways to round each up or down are tried, so the result is the best of them; then single weights may still leave
 *   for other integers where that helps
 * - more: the better of two starts, the nearest integers and those of the nearest plane method, each improved by coordinate descent
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
      return settled(problem, enumerateRounding(problem));
    };
  }
  const plane: PlaneOrder = planeOrder(form);
  return (exact, limit) => {
    const problem: RoundingProblem = { exact, limit, form };
    const near = settled(problem, nearestIntegers(problem));
    const far = settled(problem, nearestPlane(problem, plane));
    return far.error < near.error ? far : near;
  };
}

function settled(problem: RoundingProblem, start: Float64Array): RoundedFilter {
  const integers = descend(problem, start);
  return { integers, error: roundingError(problem, integers) };
}
