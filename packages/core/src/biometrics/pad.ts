import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { clopperPearson } from "./binomial.ts";
import { type Interval, impostorsNeeded, thresholdAtFar } from "./rates.ts";
import { countAtLeast, countBelow, distributionOf, type Scores } from "./scores.ts";

/** How this file counts, printed in report headers. Terms of ISO/IEC 30107-3. */
export const PAD_CONVENTION =
  "score = liveness, larger is more bona fide; classified as attack when score < threshold; APCER per species = share of its attacks classified " +
  "as bona fide; headline = largest APCER over species; BPCER = share of bona fide presentations classified as attack; exact binomial intervals, " +
  "which assume independent presentations; ACER (the mean of both) is a legacy figure that the standard has dropped";

/** Liveness scores of bona fide presentations and of attacks by species (presentation attack instrument). */
export interface PadScores {
  readonly bonaFide: Scores;
  readonly attacks: ReadonlyMap<string, Scores>;
  /** Presentations that gave no score at all, reported apart. */
  readonly bonaFideNonResponses?: number;
  readonly attackNonResponses?: ReadonlyMap<string, number>;
}

/** A share of presentations with its exact interval. */
export interface PadRate {
  readonly rate: number;
  readonly errors: number;
  readonly presentations: number;
  /** Two-sided. */
  readonly interval: Interval;
  /** One-sided upper bound at the same confidence: what a limit is judged by. */
  readonly upper: number;
}

/** PAD at one threshold. */
export interface PadPoint {
  readonly kind: "pad-point";
  readonly threshold: number;
  readonly apcerBySpecies: ReadonlyMap<string, PadRate>;
  /** The headline: the worst species, never the mean. */
  readonly apcer: PadRate & { readonly species: string };
  readonly bpcer: PadRate;
  /** Share of attacks of a species without a response. */
  readonly apnrrBySpecies: ReadonlyMap<string, PadRate>;
  readonly bpnrr: PadRate | undefined;
  /** (APCER + BPCER) / 2, for comparison with older papers only. */
  readonly legacyAcer: number;
  readonly convention: string;
}

/** No operating point: a species has too few attacks for the APCER asked. */
export interface PadInsufficient {
  readonly kind: "insufficient-data";
  readonly apcerLimit: number;
  readonly species: string;
  readonly needsMore: number;
  readonly says: string;
}

/** Options of the PAD figures. */
export interface PadOptions {
  readonly confidence?: number;
}

/** Defaults of the PAD figures. */
export const PAD_DEFAULTS = { confidence: 0.95 } as const satisfies Required<PadOptions>;

/**
 * APCER and BPCER at a threshold.
 *
 * @throws SCORES_INVALID without attacks or bona fide presentations, or with scores that are not finite.
 * @example
 * padAt({ bonaFide, attacks: new Map([["print", prints], ["replay", replays]]) }, 0.5).apcer.species;
 */
export function padAt(scores: PadScores, threshold: number, options: PadOptions = {}): PadPoint {
  if (scores.attacks.size === 0) throw fail("SCORES_INVALID", "Cannot judge attack detection: there are no attacks");
  const confidence = options.confidence ?? PAD_DEFAULTS.confidence;
  const bonaFide = distributionOf(scores.bonaFide, "bona fide");
  const apcerBySpecies = new Map<string, PadRate>();
  for (const [species, list] of scores.attacks) {
    const attacks = distributionOf(list, species);
    apcerBySpecies.set(species, padRate(countAtLeast(attacks, threshold), attacks.count, confidence));
  }
  const bpcer = padRate(countBelow(bonaFide, threshold), bonaFide.count, confidence);
  // Of equal rates the one with the higher upper bound: the less certain species.
  const [species, worst] = [...apcerBySpecies].reduce((a, b) =>
    b[1].rate > a[1].rate || (b[1].rate === a[1].rate && b[1].upper > a[1].upper) ? b : a,
  );
  const apnrr = [...(scores.attackNonResponses ?? [])].map(([name, silent]) => {
    const presented = (scores.attacks.get(name)?.length ?? 0) + silent;
    return [name, padRate(silent, presented, confidence)] as const;
  });
  const silent = scores.bonaFideNonResponses;
  return {
    kind: "pad-point",
    threshold,
    apcerBySpecies,
    apcer: { ...worst, species },
    bpcer,
    apnrrBySpecies: new Map(apnrr),
    bpnrr: silent === undefined ? undefined : padRate(silent, silent + bonaFide.count, confidence),
    legacyAcer: (worst.rate + bpcer.rate) / 2,
    convention: PAD_CONVENTION,
  };
}

function padRate(errors: number, presentations: number, confidence: number): PadRate {
  return {
    rate: errors / presentations,
    errors,
    presentations,
    interval: clopperPearson(errors, presentations, { confidence }),
    upper: clopperPearson(errors, presentations, { confidence, sides: "upper" }).high,
  };
}

/**
 * BPCER at a limit on APCER: 0.1 gives BPCER10, 0.05 BPCER20, 0.01 BPCER100. The threshold is the smallest that keeps *every* species within
 * the limit. A species with fewer than 3 / limit attacks cannot show the limit and is answered with what is missing.
 *
 * @throws SCORES_INVALID like {@link padAt}, and unless 0 < limit < 1.
 */
export function bpcerAtApcer(scores: PadScores, apcerLimit: number, options: PadOptions = {}): PadPoint | PadInsufficient {
  if (!(apcerLimit > 0 && apcerLimit < 1))
    throw fail("SCORES_INVALID", `Cannot answer APCER ${apcerLimit}: it must lie between 0 and 1`);
  let threshold = Number.NEGATIVE_INFINITY;
  for (const [species, list] of scores.attacks) {
    const needsMore = impostorsNeeded(apcerLimit) - list.length;
    if (needsMore > 0) {
      const says = `insufficient data, needs ${needsMore} more attacks of species ${species} for APCER ${apcerLimit} (has ${list.length})`;
      return { kind: "insufficient-data", apcerLimit, species, needsMore, says };
    }
    threshold = Math.max(threshold, thresholdAtFar(distributionOf(list, species), apcerLimit));
  }
  return padAt(scores, threshold, options);
}

/** What became of one attack on the whole system. */
export interface SystemAttack {
  readonly species: string;
  /** Attack detection let it through. */
  readonly padPassed: boolean;
  /** The comparison matched the attacked person. */
  readonly matched: boolean;
}

/** IAPAR of a full system. */
export interface SystemAttackRates {
  readonly kind: "iapar";
  readonly bySpecies: ReadonlyMap<string, PadRate>;
  readonly worst: PadRate & { readonly species: string };
  /** IAPAR + FRR: punishes accepting attacks and refusing owners alike. */
  readonly riapar: number;
}

/**
 * Impostor attack presentation accept rate (ISO/IEC 30107-3) per species: an attack succeeds when detection passes it *and* the comparison
 * matches. `frr` is the false reject rate of bona fide attempts at the same settings.
 *
 * @throws SCORES_INVALID without attacks.
 */
export function iapar(attacks: readonly SystemAttack[], options: PadOptions & { readonly frr: number }): SystemAttackRates {
  if (attacks.length === 0) throw fail("SCORES_INVALID", "Cannot judge a system: there are no attacks");
  const confidence = options.confidence ?? PAD_DEFAULTS.confidence;
  const counts = new Map<string, [accepted: number, all: number]>();
  for (const { species, padPassed, matched } of attacks) {
    const [accepted, all] = counts.get(species) ?? [0, 0];
    counts.set(species, [accepted + (padPassed && matched ? 1 : 0), all + 1]);
  }
  const bySpecies = new Map(
    [...counts].map(([species, [accepted, all]]) => [species, padRate(accepted, all, confidence)] as const),
  );
  const [species, worst] = [...bySpecies].reduce((a, b) => (b[1].rate > a[1].rate ? b : a), at([...bySpecies], 0));
  return { kind: "iapar", bySpecies, worst: { ...worst, species }, riapar: worst.rate + options.frr };
}
