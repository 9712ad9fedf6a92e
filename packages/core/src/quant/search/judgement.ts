import { intervalAround } from "../../biometrics/smoothed.ts";

/** What judging a point on the people of the search gave. Plain finite numbers: a journal holds it. */
export interface Judgement {
  /** What counts: TAR expected to be lost at the FAR against float, see `operatingLoss`; a fraction, negative where the point is better. */
  readonly loss: number;
  /** Influence of each person on it, which pairs any two judgements of a search. */
  readonly influence: readonly number[];
  /** TAR that these very people lose, smoothed, with its 95 % interval; fractions. */
  readonly smoothed: Difference;
  /** Decisions that changed among the comparisons nearest to the threshold, of `nearPairs`. */
  readonly flips: number;
  readonly nearPairs: number;
  /** Spread (standard deviation) of the scores' shifts among those: what quantization adds as noise where it counts. */
  readonly spread: number;
  /** Mean shift of impostor scores: above zero, strangers came closer. */
  readonly impostorShift: number;
  /** Largest shift of any score. */
  readonly worstShift: number;
  readonly cosineMean: number;
  readonly cosineMin: number;
}

/** A difference with its 95 % interval over people. */
export interface Difference {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Probability that intervals of a search hold. */
export const SEARCH_CONFIDENCE = 0.95;

/** A point's loss with its interval. */
export function lossInterval({ loss, influence }: Judgement): Difference {
  return around(loss, influence);
}

/** Loss of `candidate` minus loss of `current`, paired by people: below zero the candidate loses less. */
export function lossDifference(current: Judgement, candidate: Judgement): Difference {
  const moved = candidate.influence.map((own, person) => own - (current.influence[person] ?? Number.NaN));
  return around(candidate.loss - current.loss, moved);
}

function around(value: number, influence: readonly number[]): Difference {
  const { low, high } = intervalAround(value, Float64Array.from(influence), SEARCH_CONFIDENCE);
  return { value, low, high };
}

/** Options of {@link prefer}. */
export interface PreferOptions {
  /** How much further strangers may come closer before a point is refused whatever else it gains. */
  readonly impostorRoom?: number;
  /** Where the loss cannot tell two points apart, the spread of shifts must fall by this share. */
  readonly leastGain?: number;
}

/** Defaults of {@link PreferOptions}. Measured on a MobileFaceNet: two runs of the same plan on kernels of two formats differ by 0.0001 in the mean impostor shift. */
export const PREFER_DEFAULTS = { impostorRoom: 2e-4, leastGain: 0.01 } as const satisfies PreferOptions;

/** Whether a candidate takes the place of the current point, and why. */
export interface Preference {
  readonly accepted: boolean;
  readonly why: string;
  readonly difference: Difference;
}

/**
 * The rule of the search. A candidate is refused when strangers come closer; taken when its loss is less by the interval; refused when it is more; and
 * where people cannot tell the two apart, taken when the scores near the threshold scatter less.
 */
export function prefer(current: Judgement, candidate: Judgement, options: PreferOptions = {}): Preference {
  const { impostorRoom, leastGain } = { ...PREFER_DEFAULTS, ...options };
  const difference = lossDifference(current, candidate);
  const moved = candidate.impostorShift - Math.max(0, current.impostorShift);
  if (moved > impostorRoom)
    return { accepted: false, difference, why: `strangers come closer by ${candidate.impostorShift.toFixed(5)} on average` };
  if (difference.high < 0) return { accepted: true, difference, why: `loses less: ${range(difference)} points of TAR` };
  if (difference.low > 0) return { accepted: false, difference, why: `loses more: ${range(difference)} points of TAR` };
  const change = candidate.spread / current.spread - 1;
  const words = `scores near the threshold scatter ${Math.abs(change * 100).toFixed(1)} % ${change < 0 ? "less" : "more"}`;
  return change <= -leastGain
    ? { accepted: true, difference, why: `as good in TAR (${range(difference)} points), and ${words}` }
    : { accepted: false, difference, why: `no gain: TAR ${range(difference)} points, ${words}` };
}

function range({ value, low, high }: Difference): string {
  const points = (v: number): string => `${v > 0 ? "+" : ""}${(v * 100).toFixed(3)}`;
  return `${points(value)} (${points(low)} to ${points(high)})`;
}
