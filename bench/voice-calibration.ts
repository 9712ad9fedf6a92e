/**
 * What normalisation by a cohort and calibration are worth for voices: the 450 trials of LibriSpeech's five speakers, by cosine, by s-norm and by adaptive
 * s-norm, each brought to log-likelihood ratios by a line that was fitted to pairs of the 40 cohort speakers (each normalised by the other 38 or 39).
 * Nothing is fitted to the five. EER and least costs say what scores could do, actual costs what the ratios did. With five speakers of one session each the
 * figures compare methods; they do not predict. Run from the root:
 *
 *   npx tsx --conditions=source bench/voice-calibration.ts [--model MODEL --card CARD] [--json FILE]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { calibrated, cllr, fitLogistic, minCllr } from "@tessera/core/biometrics/calibration";
import { parseManifest, parsePairList } from "@tessera/core/biometrics/dataset";
import { actualDcf, minDcf } from "@tessera/core/biometrics/dcf";
import { equalErrorRate } from "@tessera/core/biometrics/eer";
import { distributionOf } from "@tessera/core/biometrics/scores";
import { voiceEmbeddingCard } from "@tessera/core/modality/card";
import { enrolMean } from "@tessera/core/modality/enrol";
import { parseCard } from "@tessera/core/modality/read-card";
import { embedVoice } from "@tessera/core/modality/voice/embed";
import { type CohortStatistics, cohortStatistics, normaliseScore } from "@tessera/core/modality/voice/score-norm";
import { decodeWav } from "@tessera/core/signal/wav";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardPath } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";

const { values: flags } = parseArgs({
  options: { model: { type: "string" }, card: { type: "string" }, json: { type: "string" } },
});
const shared = sharedDir();
if (shared === undefined) throw new Error("the shared folder is not there");
const folder = join(shared, "data/voice-librispeech");

const card = voiceEmbeddingCard(parseCard(readFileSync(flags.card ?? cardPath("tinysv-dvector-256"))));
const runtime = await ortNodeRuntime({ worker: false });
const session = await runtime.load(readFileSync(flags.model ?? join(shared, "models/voice/tinysv-dvector-256.onnx")));

interface Recording {
  readonly person: string;
  readonly vector: Float32Array;
}

const recordings = new Map<string, Recording & { readonly role: string }>();
const manifest = parseManifest(readFileSync(join(folder, "manifest.csv"), "utf8"));
for (const [i, path] of manifest.paths.entries()) {
  const vector = await embedVoice({ session, card }, decodeWav(readFileSync(join(folder, path))));
  recordings.set(path, { person: at(manifest.subjects ?? [], i), vector, role: at(manifest.columns.get("role") ?? [], i) });
}
await session.close();

/** The cohort's people, each with one template. */
const cohort = [...recordings.values()].filter(({ role }) => role === "cohort");
const templates = [...new Set(cohort.map(({ person }) => person))].map((person) => ({
  person,
  vector: enrolMean(cohort.filter((own) => own.person === person).map(({ vector }) => vector)),
}));

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

type Compare = (a: Recording, b: Recording) => number;

/** Scores of one side against the cohort without the people of the trial. */
function statistics(side: Recording, trial: readonly Recording[], top?: number): CohortStatistics {
  const others = templates.filter(({ person }) => trial.every((one) => one.person !== person));
  return cohortStatistics(
    Float64Array.from(others, ({ vector }) => cosine(vector, side.vector)),
    top,
  );
}

function normalised(top?: number): Compare {
  return (a, b) => {
    const trial = { enrolled: statistics(a, [a, b], top), probe: statistics(b, [a, b], top) };
    return normaliseScore(cosine(a.vector, b.vector), trial, "s");
  };
}

const METHODS: Readonly<Record<string, Compare>> = {
  cosine: (a, b) => cosine(a.vector, b.vector),
  "s-norm": normalised(),
  "as-norm, top 10": normalised(10),
};

type Trial = readonly [a: Recording, b: Recording, genuine: boolean];

const fitting: readonly Trial[] = cohort.flatMap((a, i) => cohort.slice(i + 1).map((b): Trial => [a, b, a.person === b.person]));
const trials = parsePairList(readFileSync(join(folder, "trials.csv"), "utf8"));
const recording = (path: string): Recording => {
  const found = recordings.get(path);
  if (found === undefined) throw new Error(`the manifest has no ${path}`);
  return found;
};
const reported: readonly Trial[] = trials.pathsA.map(
  (path, i): Trial => [recording(path), recording(at(trials.pathsB, i)), trials.genuine[i] === 1],
);

function classes(
  trials: readonly Trial[],
  compare: Compare,
): { readonly genuine: Float64Array; readonly impostor: Float64Array } {
  const of = (wanted: boolean): Float64Array =>
    Float64Array.from(
      trials.filter(([, , genuine]) => genuine === wanted),
      ([a, b]) => compare(a, b),
    );
  return { genuine: of(true), impostor: of(false) };
}

/** One genuine trial in twenty: rarer ones would be weighed by less than one of these 225 impostors. */
const COSTS = { prior: 0.05 };

const rows = Object.entries(METHODS).map(([method, compare]) => {
  const fit = fitLogistic(classes(fitting, compare));
  const scores = classes(reported, compare);
  const ratio = (score: number): number => calibrated(fit, score);
  const ratios = { genuine: scores.genuine.map(ratio), impostor: scores.impostor.map(ratio) };
  const ranked = { genuine: distributionOf(ratios.genuine), impostor: distributionOf(ratios.impostor) };
  return {
    method,
    eer: equalErrorRate(ranked).raw.rate,
    minDcf: minDcf(ranked, COSTS),
    actualDcf: actualDcf(ranked, COSTS),
    minCllr: minCllr(ratios),
    cllr: cllr(ratios),
    scale: fit.scale,
    offset: fit.offset,
  };
});

const { genuine, impostor } = classes(reported, at(Object.values(METHODS), 0));
const people = new Set(reported.map(([a]) => a.person)).size;
process.stdout.write(`${card.name}: ${genuine.length} genuine and ${impostor.length} impostor trials of ${people} people, `);
process.stdout.write(`calibrated on ${fitting.length} pairs of ${templates.length} others\n`);
process.stdout.write("method             EER    minDCF actDCF minCllr Cllr\n");
for (const row of rows) {
  const figures = [row.eer, row.minDcf, row.actualDcf, row.minCllr, row.cllr].map((value) => value.toFixed(4));
  process.stdout.write(`${row.method.padEnd(18)} ${figures.join(" ")}\n`);
}
if (flags.json) writeFileSync(flags.json, `${JSON.stringify({ model: card.name, costs: COSTS, rows }, undefined, 2)}\n`);
