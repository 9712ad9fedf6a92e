import { at } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import { type ComparisonScores, compareAll, rankScores } from "../../biometrics/compare.ts";
import { allPairs, numberSubjects } from "../../biometrics/design.ts";
import { equalErrorRate } from "../../biometrics/eer.ts";
import { comparePaired } from "../../biometrics/paired.ts";
import { type Interval, impostorsNeeded, operatingPoint } from "../../biometrics/rates.ts";
import { separation } from "../../biometrics/separation.ts";
import { normaliseRows } from "../../biometrics/similarity.ts";
import type { PixelContract } from "../../signal/pixels.ts";
import { changeCrops, GEOMETRY_VARIANTS, type GeometryVariant } from "./contract-geometry.ts";
import { type ContractVariant, contractVariants } from "./contract-variants.ts";
import { type FaceCrops, selectCrops } from "./crops.ts";
import { separationDifference } from "./d-prime.ts";
import { embedCrops, type FaceEmbedder } from "./embed.ts";

/** Options of {@link testContract}. */
export interface ContractTestOptions {
  /** Crops used at most: people with several pictures first, no more than four of each. */
  readonly maxCrops: number;
  readonly maxPerPerson: number;
  /** FARs to judge at; the lowest one that the crops can answer is taken. */
  readonly fars: readonly number[];
  /** Of each interval. High, because ten variants are tried and none should look better by luck. */
  readonly confidence: number;
  readonly replicates: number;
  readonly seed: number;
  /** A gain below these is not called a gain, however certain: near twins ((x - 127.5) / 128 and / 127.5) differ a little, always. */
  readonly minDPrimeGain: number;
  readonly minTarGain: number;
  /** Also try other ways of cutting faces out (turned, tighter, looser, shifted, smoothed): half as long again. */
  readonly geometry: boolean;
  readonly onProgress?: (done: number, variants: number) => void;
  readonly signal?: AbortSignal;
}

/** Defaults of {@link testContract}. */
export const CONTRACT_TEST_DEFAULTS: ContractTestOptions = {
  maxCrops: 600,
  maxPerPerson: 4,
  fars: [1e-3, 1e-2, 1e-1],
  confidence: 0.99,
  replicates: 1000,
  seed: 112,
  minDPrimeGain: 0.02,
  minTarGain: 0.002,
  geometry: false,
};

/** How well one pre-processing separates people. */
export interface VariantResult {
  readonly name: string;
  readonly pixels: PixelContract;
  readonly dPrime: number;
  readonly eer: number;
  readonly tar: number;
}

/**
 * A variant against the declared contract: variant minus declared. "same": the difference of d' is certainly below what counts as a gain, so
 * the mistake would do no harm; "untold": the crops do not suffice to tell; "failed": the network gave no usable embeddings.
 */
export interface VariantComparison extends VariantResult {
  readonly verdict: "better" | "worse" | "same" | "untold" | "failed";
  readonly dPrimeGain: Differs;
  readonly tarGain: Differs;
}

/** A difference and its interval over people. */
export interface Differs {
  readonly value: number;
  readonly interval: Interval;
}

/** What came of trying the usual mistakes. */
export interface ContractTest {
  readonly kind: "contract-test";
  /** "questioned": another pre-processing separates people better. "confirmed": every other one is worse, or does the same. Else "unresolved". */
  readonly verdict: "confirmed" | "questioned" | "unresolved";
  readonly says: string;
  readonly far: number;
  readonly crops: number;
  readonly people: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly declared: VariantResult;
  /** Best d' first. */
  readonly variants: readonly VariantComparison[];
}

/**
 * Tests a card's pre-processing instead of believing it: embeds labelled crops under the declared contract and under the usual mistakes, and
 * compares d' and TAR at a FAR on the same comparisons. A variant is "better" ("worse") when d' or TAR gains (loses) more than the minimum
 * with an interval that leaves out zero, and the other figure does not speak against it.
 * @throws SCORES_INVALID or INSUFFICIENT_DATA when the crops hold too few people with two pictures; as {@link embedCrops}
 */
export async function testContract(
  embedder: FaceEmbedder,
  labelled: { readonly crops: FaceCrops; readonly subjects: readonly string[] },
  options: Partial<ContractTestOptions> = {},
): Promise<ContractTest> {
  const settings = { ...CONTRACT_TEST_DEFAULTS, ...options };
  const rows = chooseRows(labelled.crops, labelled.subjects, settings);
  const crops = selectCrops(labelled.crops, rows);
  const { subjects, people } = numberSubjects(rows.map((row) => at(labelled.subjects, row)));
  const design = allPairs(subjects);
  const declaredPixels = embedder.card.input;
  const score = async (pixels: PixelContract, faces = crops): Promise<ComparisonScores> => {
    const embeddings = await embedCrops(embedder, faces, { pixels, ...(settings.signal && { signal: settings.signal }) });
    return compareAll(normaliseRows(embeddings), design);
  };
  const reference = await score(declaredPixels);
  const [genuine, impostor] = [reference.genuine.scores.length, reference.impostor.length];
  const far = settings.fars.toSorted((a, b) => a - b).find((rate) => impostor >= impostorsNeeded(rate));
  if (far === undefined || genuine === 0) {
    throw fail(
      "INSUFFICIENT_DATA",
      `Cannot test the pre-processing: ${rows.length} crops make ${genuine} genuine and ${impostor} impostor comparisons`,
    );
  }
  const declared: VariantResult = { name: "declared", pixels: pixelsOf(declaredPixels), ...figures(reference, far) };
  const own = pixelsOf(declaredPixels);
  const tried: readonly (ContractVariant & { readonly cut?: GeometryVariant })[] = [
    ...contractVariants(own),
    ...(settings.geometry ? GEOMETRY_VARIANTS.map((cut) => ({ name: cut.name, pixels: own, cut })) : []),
  ];
  const variants: VariantComparison[] = [];
  for (const [i, { name, pixels, cut }] of tried.entries()) {
    const faces = cut === undefined ? crops : changeCrops(crops, cut);
    const scores = await score(pixels, faces).catch(ignoreUnusable);
    variants.push({ name, pixels, ...(scores ? compareVariant(reference, scores, { far, settings }) : FAILED) });
    settings.onProgress?.(i + 1, tried.length);
  }
  variants.sort((a, b) => b.dPrime - a.dPrime);
  const found = {
    kind: "contract-test" as const,
    far,
    crops: rows.length,
    people: people.length,
    genuine,
    impostor,
    declared,
    variants,
  };
  return { ...found, ...conclude(embedder.card.name, variants) };
}

const NOTHING: Differs = { value: Number.NaN, interval: { low: Number.NaN, high: Number.NaN, confidence: 0, method: "none" } };

const FAILED = { dPrime: 0, eer: 1, tar: 0, verdict: "failed", dPrimeGain: NOTHING, tarGain: NOTHING } as const;

/** Wrong numbers may drive a network to zero or infinite embeddings: such a variant has failed, and that is an answer. */
function ignoreUnusable(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "SCORES_INVALID") return undefined;
  throw error;
}

function pixelsOf({ layout, colour, scale, mean, std }: PixelContract): PixelContract {
  return { layout, colour, scale, mean, std };
}

function figures(scores: ComparisonScores, far: number): { readonly dPrime: number; readonly eer: number; readonly tar: number } {
  const ranked = rankScores(scores);
  const point = operatingPoint(ranked, far);
  return {
    dPrime: separation(ranked).dPrime,
    eer: equalErrorRate(ranked).convexHull.rate,
    tar: point.kind === "operating-point" ? point.tar : Number.NaN,
  };
}

function compareVariant(
  reference: ComparisonScores,
  variant: ComparisonScores,
  { far, settings }: { readonly far: number; readonly settings: ContractTestOptions },
): Omit<VariantComparison, "name" | "pixels"> {
  const [point] = comparePaired(reference, variant, { ...settings, fars: [far], flipLimit: 0 }).points;
  const tarGain = point?.kind === "paired-point" ? point.ownThresholds : NOTHING;
  const dPrimeGain = separationDifference(reference, variant, settings);
  const slack = settings.minDPrimeGain * dPrimeGain.reference;
  const dPrimeSign = signOf(dPrimeGain, slack);
  const tarSign = signOf(tarGain, settings.minTarGain);
  const sum = dPrimeSign * tarSign < 0 ? 0 : dPrimeSign + tarSign;
  const { low, high } = dPrimeGain.interval;
  const calm = low > -slack && high < slack ? "same" : "untold";
  const verdict = sum > 0 ? "better" : sum < 0 ? "worse" : calm;
  return { ...figures(variant, far), verdict, dPrimeGain: { value: dPrimeGain.value, interval: dPrimeGain.interval }, tarGain };
}

function signOf({ value, interval }: Differs, least: number): number {
  if (value >= least && interval.low > 0) return 1;
  return value <= -least && interval.high < 0 ? -1 : 0;
}

function conclude(name: string, variants: readonly VariantComparison[]): Pick<ContractTest, "verdict" | "says"> {
  const better = variants.filter((variant) => variant.verdict === "better");
  const untold = variants.filter((variant) => variant.verdict === "untold");
  const list = (found: readonly VariantComparison[]): string => found.map((variant) => variant.name).join("; ");
  if (better.length > 0) {
    const says = `The pre-processing that the card of ${name} declares is doubtful: people are told apart better with ${list(better)}`;
    return { verdict: "questioned", says };
  }
  if (untold.length > 0) {
    const says = `No usual mistake beats the declared pre-processing of ${name}, but these cannot be told from it here: ${list(untold)}`;
    return { verdict: "unresolved", says };
  }
  return {
    verdict: "confirmed",
    says: `No usual mistake separates people better than the declared pre-processing of ${name}, and those that matter do worse`,
  };
}

/** Rows of people with at least two pictures, person by person in the order of the data, then single pictures (they make impostors). */
function chooseRows(crops: FaceCrops, subjects: readonly string[], settings: ContractTestOptions): readonly number[] {
  if (subjects.length !== crops.count) {
    throw fail("SCORES_INVALID", `Cannot test the pre-processing: ${crops.count} crops have ${subjects.length} subjects`);
  }
  const byPerson = new Map<string, number[]>();
  for (const [row, subject] of subjects.entries()) {
    if (crops.acquired[row] !== 1) continue;
    const known = byPerson.get(subject);
    if (known) known.push(row);
    else byPerson.set(subject, [row]);
  }
  const people = [...byPerson.values()];
  const several = people.filter((rows) => rows.length > 1).flatMap((rows) => rows.slice(0, settings.maxPerPerson));
  const single = people.filter((rows) => rows.length === 1).flat();
  return [...several, ...single].slice(0, settings.maxCrops).sort((a, b) => a - b);
}
