import { fail } from "../base/error.ts";

/** Ways to bring the scores of a modality to a common scale. */
export const NORMALISATIONS = ["z", "min-max", "tanh"] as const;

/** One of {@link NORMALISATIONS}. */
export type NormalisationMethod = (typeof NORMALISATIONS)[number];

/**
 * (score - shift) / scale, for tanh then through 0.5 (tanh(0.01 x) + 1) (Jain, Nandakumar & Ross 2005, Score normalization in multimodal biometric systems).
 * - `z`: mean and deviation of the impostor scores.
 * - `min-max`: least score and range of all scores: the extremes of the fit decide, so one outlier spoils it.
 * - `tanh`: mean and deviation of the genuine scores; Hampel's estimators of the original are commonly left out, as here.
 */
export interface Normalisation {
  readonly method: NormalisationMethod;
  readonly shift: number;
  readonly scale: number;
}

/** Fits a normalisation. @throws SCORES_INVALID when the scores that it rests on do not vary */
export function fitNormalisation(
  method: NormalisationMethod,
  scores: { readonly genuine: Float64Array; readonly impostor: Float64Array },
): Normalisation {
  const { genuine, impostor } = scores;
  if (method === "min-max") {
    const [low, high] = extremes([genuine, impostor]);
    return { method, shift: low, scale: positive(method, high - low) };
  }
  const { mean, deviation } = momentsOf(method === "z" ? impostor : genuine);
  return { method, shift: mean, scale: positive(method, deviation) };
}

/** The score on the common scale. */
export function normalised({ method, shift, scale }: Normalisation, score: number): number {
  const value = (score - shift) / scale;
  return method === "tanh" ? 0.5 * (Math.tanh(0.01 * value) + 1) : value;
}

/** Least and largest of some lists together. */
export function extremes(lists: readonly Float64Array[]): readonly [low: number, high: number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const list of lists)
    for (const value of list) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  return [low, high];
}

/** Mean and population deviation. */
export function momentsOf(values: Float64Array): { readonly mean: number; readonly deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(variance) };
}

function positive(method: NormalisationMethod, scale: number): number {
  if (!(scale > 0) || !Number.isFinite(scale))
    throw fail("SCORES_INVALID", `Cannot normalise scores by ${method}: those that it rests on do not vary`);
  return scale;
}
