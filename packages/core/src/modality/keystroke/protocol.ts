import { fail } from "../../base/error.ts";
import { seededRandom } from "../../base/random.ts";
import type { Interval } from "../../biometrics/rates.ts";
import { BOOTSTRAP_DEFAULTS, percentileInterval } from "../../biometrics/resample.ts";
import type { TrainOptions } from "./detector.ts";
import { type DetectorId, scoreSample, trainDetector } from "./detectors.ts";
import { type KeystrokeSet, type KeystrokeSubject, rowOf, rowsOf } from "./samples.ts";

/** Who is trained on what and tested with what. */
export interface KeystrokeProtocol {
  /** First repetitions of a person that a detector learns from; all later ones are genuine attempts. */
  readonly train: number;
  /** First repetitions of everybody else that are impostor attempts: people to whom the text is new. */
  readonly impostors: number;
}

/** The protocol of Killourhy & Maxion 2009: 200 of 400 repetitions to learn, 200 genuine attempts, 5 of each of the other 50 people. */
export const CMU_PROTOCOL: KeystrokeProtocol = { train: 200, impostors: 5 };

/** The same idea for a set with fewer repetitions: the first half of the shortest person to learn, impostors as in {@link CMU_PROTOCOL}. */
export function halfProtocol(set: KeystrokeSet): KeystrokeProtocol {
  const shortest = set.subjects.reduce((least, s) => Math.min(least, s.samples.rows), Number.POSITIVE_INFINITY);
  return { train: Math.floor(shortest / 2), impostors: Math.min(CMU_PROTOCOL.impostors, shortest) };
}

/** Error rates of one person's detector. */
export interface UserRates {
  /** Where the share of missed impostors equals that of false alarms. */
  readonly eer: number;
  /** Smallest share of genuine attempts refused at a threshold that no impostor passes. */
  readonly zeroMissFalseAlarm: number;
}

/** How {@link userRates} counts, for the head of a report. */
export const KEYSTROKE_CONVENTION =
  "alarm at score >= threshold; per person: EER by the straight line between the two neighbouring ROC points on either side of miss = false alarm, zero-miss = " +
  "lowest false-alarm rate at which no impostor is missed; then mean and standard deviation (n - 1) over people";

/**
 * EER and zero-miss false-alarm rate from anomaly scores (larger is less alike), as Killourhy & Maxion 2009 count them: one ROC point for each
 * distinct score and one above all, joined by lines.
 *
 * @throws SCORES_INVALID when a list is empty or a score is not finite.
 */
export function userRates(scores: { readonly genuine: Float64Array; readonly impostor: Float64Array }): UserRates {
  const genuine = sorted(scores.genuine, "genuine");
  const impostor = sorted(scores.impostor, "impostor");
  // Thresholds downwards: `g` genuine and `i` impostor attempts raise the alarm.
  let g = 0;
  let i = 0;
  let before = { miss: 1, alarm: 0 };
  let eer = Number.NaN;
  let zeroMiss = Number.NaN;
  while (g < genuine.length || i < impostor.length) {
    const threshold = Math.max(genuine[g] ?? Number.NEGATIVE_INFINITY, impostor[i] ?? Number.NEGATIVE_INFINITY);
    while (g < genuine.length && genuine[g] === threshold) g++;
    while (i < impostor.length && impostor[i] === threshold) i++;
    const here = { miss: 1 - i / impostor.length, alarm: g / genuine.length };
    const gap = here.miss - here.alarm;
    if (Number.isNaN(eer) && gap < 0) {
      const gapBefore = before.miss - before.alarm;
      eer = before.miss + (gapBefore / (gapBefore - gap)) * (here.miss - before.miss);
    }
    if (Number.isNaN(zeroMiss) && i === impostor.length) zeroMiss = here.alarm;
    before = here;
  }
  return { eer, zeroMissFalseAlarm: zeroMiss };
}

function sorted(scores: Float64Array, what: string): Float64Array {
  if (scores.length === 0) throw fail("SCORES_INVALID", `Cannot rank ${what} scores: there are none`);
  const bad = scores.findIndex((s) => !Number.isFinite(s));
  if (bad >= 0) throw fail("SCORES_INVALID", `Cannot rank ${what} scores: number ${bad} is ${scores[bad]}`);
  return scores.toSorted().reverse();
}

/** One person's part of an evaluation. */
export interface UserResult extends UserRates {
  readonly subject: string;
  readonly genuine: number;
  readonly impostor: number;
}

/** A mean over people, its standard deviation over people (n - 1) and an interval by resampling people. */
export interface OverUsers {
  readonly mean: number;
  readonly sd: number;
  readonly interval: Interval;
}

/** What a protocol says about a way of scoring. */
export interface KeystrokeEvaluation {
  readonly kind: "keystroke-evaluation";
  readonly protocol: KeystrokeProtocol;
  readonly users: readonly UserResult[];
  readonly eer: OverUsers;
  readonly zeroMissFalseAlarm: OverUsers;
}

/** One person's enrolment and the attempts on it. Rows are features. */
export interface Attempts {
  readonly subject: string;
  readonly train: KeystrokeSubject["samples"];
  readonly genuine: readonly Float64Array[];
  readonly impostor: readonly Float64Array[];
}

/** The attempts on each person in turn. No sample of anybody else is ever learned from. @throws INSUFFICIENT_DATA when somebody has too few repetitions. */
export function attemptsOf(set: Pick<KeystrokeSet, "name" | "subjects">, protocol: KeystrokeProtocol): readonly Attempts[] {
  const { train, impostors } = protocol;
  if (set.subjects.length < 2 || train < 2 || impostors < 1)
    throw fail(
      "INSUFFICIENT_DATA",
      `Cannot evaluate ${set.name}: it takes two people, two repetitions to learn from and one of each impostor`,
    );
  for (const { id, samples } of set.subjects)
    if (samples.rows <= train || samples.rows < impostors)
      throw fail(
        "INSUFFICIENT_DATA",
        `Cannot evaluate ${set.name}: person ${id} has ${samples.rows} repetitions, the protocol learns from the first ${train} and needs more`,
        { hint: "Learn from fewer repetitions (--train), take fewer as impostors (--impostors), or leave that person out" },
      );
  return set.subjects.map((person) => ({
    subject: person.id,
    train: rowsOf(person.samples, 0, train),
    genuine: range(train, person.samples.rows).map((i) => rowOf(person.samples, i)),
    impostor: set.subjects.flatMap((other) => (other === person ? [] : range(0, impostors).map((i) => rowOf(other.samples, i)))),
  }));
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Rates of each person's scores and their means over people. */
export function summariseUsers(
  protocol: KeystrokeProtocol,
  people: readonly { readonly subject: string; readonly genuine: Float64Array; readonly impostor: Float64Array }[],
): KeystrokeEvaluation {
  const users = people.map(({ subject, genuine, impostor }) => ({
    subject,
    genuine: genuine.length,
    impostor: impostor.length,
    ...userRates({ genuine, impostor }),
  }));
  return {
    kind: "keystroke-evaluation",
    protocol,
    users,
    eer: overUsers(users.map((u) => u.eer)),
    zeroMissFalseAlarm: overUsers(users.map((u) => u.zeroMissFalseAlarm)),
  };
}

/**
 * Trains a detector for each person and tests it by a protocol.
 *
 * @throws INSUFFICIENT_DATA when somebody has too few repetitions.
 */
export function evaluateDetector(
  set: KeystrokeSet,
  detector: DetectorId,
  options: { readonly protocol?: KeystrokeProtocol } & TrainOptions = {},
): KeystrokeEvaluation {
  const { protocol = halfProtocol(set), ...training } = options;
  return summariseUsers(
    protocol,
    attemptsOf(set, protocol).map(({ subject, train, genuine, impostor }) => {
      const trained = trainDetector(detector, train, training);
      const scores = (samples: readonly Float64Array[]): Float64Array =>
        Float64Array.from(samples, (x) => scoreSample(trained, x));
      return { subject, genuine: scores(genuine), impostor: scores(impostor) };
    }),
  );
}

/**
 * Mean, standard deviation and interval over people. The interval draws people with replacement, each with the rate that the protocol gave them; it
 * leaves out that everybody's impostors are the same few people, so that it is narrow for a set with few.
 */
export function overUsers(rates: readonly number[]): OverUsers {
  const n = rates.length;
  const mean = rates.reduce((sum, r) => sum + r, 0) / n;
  const sd = Math.sqrt(rates.reduce((sum, r) => sum + (r - mean) ** 2, 0) / (n - 1));
  const { replicates, seed, confidence } = { ...BOOTSTRAP_DEFAULTS, replicates: 2000 };
  const random = seededRandom(seed);
  const means = Float64Array.from({ length: replicates }, () => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += rates[random.int(n)] as number;
    return sum / n;
  });
  const { low, high } = percentileInterval(means, confidence);
  return { mean, sd, interval: { low, high, confidence, method: "user-bootstrap" } };
}
