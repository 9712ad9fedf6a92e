/**
 * Speaker verification on the three voice sets of the shared folder: LibriSpeech (read, 450 trials), EmoDB (acted emotions, 3,000), the Free Spoken Digit
 * Dataset (single digits at 8 kHz, 3,000), by TinySV's d-vector and, where it was converted (bench/peers/ge2e_export.py), by the GE2E encoder; in FP32 and
 * INT8; by cosine, s-norm and adaptive s-norm against the 40 cohort speakers of LibriSpeech. Integers are calibrated on the cohort, and scores are brought
 * to log-likelihood ratios by a line fitted to its pairs (each normalised by the others): nothing is fitted to those who are judged. With 3 to 5 speakers a
 * set the intervals, which resample speakers, say how little is known. Run from the root:
 *
 *   npx tsx --conditions=source bench/voice.ts [--ge2e MODEL.onnx] [--replicates N] [--out FOLDER] [--json FILE]
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { calibrated, cllr, fitLogistic, minCllr } from "@tessera/core/biometrics/calibration";
import { type ComparisonScores, compareAll, rankScores } from "@tessera/core/biometrics/compare";
import { actualDcf, minDcf } from "@tessera/core/biometrics/dcf";
import { equalErrorRate } from "@tessera/core/biometrics/eer";
import { bootstrapEer } from "@tessera/core/biometrics/eer-interval";
import { distributionOf } from "@tessera/core/biometrics/scores";
import type { Embeddings } from "@tessera/core/biometrics/similarity";
import { type VoiceEmbeddingCard, voiceEmbeddingCard } from "@tessera/core/modality/card";
import { parseCard } from "@tessera/core/modality/read-card";
import { adaptiveTop, cohortTemplates, normaliseComparisons } from "@tessera/core/modality/voice/cohort";
import { cohortStatistics, normaliseScore } from "@tessera/core/modality/voice/score-norm";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardPath } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { calibrationRows, evaluationSet } from "../packages/cli/src/work/accuracy.ts";
import { embedAll } from "../packages/cli/src/work/embed.ts";
import type { PeopleData } from "../packages/cli/src/work/people-data.ts";
import { selectSamples } from "../packages/cli/src/work/samples.ts";
import { loadVoiceData } from "../packages/cli/src/work/voices.ts";
import { tessera } from "./lib/tessera.ts";

const { values: flags } = parseArgs({
  options: {
    ge2e: {
      type: "string",
      default: join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "tessera-ge2e/ge2e-256.onnx"),
    },
    replicates: { type: "string", default: "500" },
    out: { type: "string" },
    json: { type: "string" },
  },
});
const shared = sharedDir();
if (shared === undefined) throw new Error("the shared folder is not there");
const folder = flags.out ?? mkdtempSync(join(tmpdir(), "tessera-voice-"));
mkdirSync(folder, { recursive: true });
const SETS = ["voice-librispeech", "voice-emodb", "voice-fsdd"] as const;
const NORMS = ["cosine", "s-norm", "as-norm"] as const;
const COSTS = { prior: 0.05 };

interface Network {
  readonly name: string;
  readonly card: VoiceEmbeddingCard;
  /** Files by what they are called in the table. */
  readonly files: readonly (readonly [string, string])[];
}

function networkOf(
  name: string,
  model: string,
  about: { card: string; schemes: readonly (readonly [string, string])[] },
): Network {
  const quantized = about.schemes.map(([title, scheme]) => {
    const file = join(folder, `${name}.${scheme}.onnx`);
    const words = ["--scheme", scheme, "--calib", join(shared ?? "", "data/voice-librispeech"), "--card", about.card];
    tessera("quantize", model, "-o", file, ...words, "--quiet");
    return [title, file] as const;
  });
  return {
    name,
    card: voiceEmbeddingCard(parseCard(readFileSync(about.card))),
    files: [["FP32", model], ...quantized],
  };
}

const networks = [
  networkOf("TinySV", join(shared, "models/voice/tinysv-dvector-256.onnx"), {
    card: cardPath("tinysv-dvector-256"),
    schemes: [["INT8 static", "static"]],
  }),
  ...(existsSync(flags.ge2e)
    ? [
        networkOf("GE2E", flags.ge2e, {
          card: flags.ge2e.replace(/\.onnx$/, ".card.json"),
          schemes: [
            ["INT8 static, LSTM in float", "static"],
            ["INT8 dynamic", "dynamic"],
            ["INT8 weights", "weights"],
          ],
        }),
      ]
    : []),
];
if (networks.length === 1) console.error(`GE2E is not at ${flags.ge2e}: its rows are left out`);

/** Pairs of the cohort, scored as trials are, with the people of a pair taken out of the cohort that normalises it. */
function cohortPairs(unit: Embeddings, people: readonly string[], norm: (typeof NORMS)[number]) {
  const persons = [...new Set(people)];
  const templates = cohortTemplates(unit, people);
  const top = adaptiveTop(templates);
  const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, k) => sum + v * (b[k] as number), 0);
  const row = (set: Embeddings, i: number) => set.data.subarray(i * set.dim, (i + 1) * set.dim);
  const against = people.map((_, i) => persons.map((_, c) => dot(row(unit, i), row(templates, c))));
  const scores = { genuine: [] as number[], impostor: [] as number[] };
  people.forEach((a, i) => {
    people.slice(i + 1).forEach((b, rest) => {
      const j = i + 1 + rest;
      const cosine = dot(row(unit, i), row(unit, j));
      const others = (item: number) => {
        const kept = at(against, item).filter((_, c) => persons[c] !== a && persons[c] !== b);
        return cohortStatistics(Float64Array.from(kept), norm === "as-norm" ? top : undefined);
      };
      const score = norm === "cosine" ? cosine : normaliseScore(cosine, { enrolled: others(i), probe: others(j) }, "s");
      scores[a === b ? "genuine" : "impostor"].push(score);
    });
  });
  return { genuine: Float64Array.from(scores.genuine), impostor: Float64Array.from(scores.impostor) };
}

function figures(scores: ComparisonScores, cohort: { readonly genuine: Float64Array; readonly impostor: Float64Array }) {
  const ranked = rankScores(scores);
  const eer = equalErrorRate(ranked);
  const interval = bootstrapEer(scores, ranked, { replicates: Number(flags.replicates), seed: 1 });
  const line = fitLogistic(cohort);
  const ratios = (list: Float32Array) => Float64Array.from(list, (score) => calibrated(line, score));
  const classes = { genuine: scores.genuine.scores, impostor: scores.impostor };
  const [genuine, impostor] = [ratios(classes.genuine), ratios(classes.impostor)];
  return {
    eer: eer.raw.rate,
    eerHull: eer.convexHull.rate,
    eerLow: interval.low,
    eerHigh: interval.high,
    minDcf: minDcf(ranked, COSTS),
    actualDcf: actualDcf({ genuine: distributionOf(genuine), impostor: distributionOf(impostor) }, COSTS),
    cllr: cllr({ genuine, impostor }),
    minCllr: minCllr(classes),
  };
}

const runtime = await ortNodeRuntime();
const progress = { stage() {}, at() {}, note() {}, end() {} };
const { signal } = new AbortController();
const rows: (ReturnType<typeof figures> & Record<"set" | "network" | "file" | "scores", string> & { readonly trials: number })[] =
  [];
for (const { name, card, files } of networks) {
  const loaded = new Map<string, PeopleData>();
  for (const set of SETS) loaded.set(set, await loadVoiceData(join(shared, "data", set), { card, progress, signal }));
  const speech = loaded.get("voice-librispeech") as PeopleData;
  const cohortRows = calibrationRows(speech);
  const people = cohortRows.map((row) => at(speech.manifest.subjects ?? [], row));
  for (const [title, path] of files) {
    const bytes = readFileSync(path);
    const embed = async (data: PeopleData, wanted: readonly number[]): Promise<Embeddings> =>
      (await embedAll(runtime, bytes, { card, samples: selectSamples(data.samples, wanted) })).unit;
    const cohortUnit = await embed(speech, cohortRows);
    const cohort = cohortTemplates(cohortUnit, people);
    for (const [setName, data] of loaded) {
      const set = evaluationSet(data, { protocol: "pair-list" });
      const unit = await embed(data, set.rows);
      const cosines = compareAll(unit, set.design);
      for (const norm of NORMS) {
        const options = { unit, cohort, ...(norm === "as-norm" ? { top: adaptiveTop(cohort) } : {}) };
        const scores = norm === "cosine" ? cosines : normaliseComparisons(cosines, options);
        const found = figures(scores, cohortPairs(cohortUnit, people, norm));
        rows.push({ set: setName, network: name, file: title, scores: norm, trials: set.genuine + set.impostor, ...found });
      }
    }
  }
}

const percent = (v: number): string => (100 * v).toFixed(2).padStart(6);
console.error(
  "set                trials network file                        scores    EER %  (95 % over speakers)   hull  minDCF actDCF  Cllr minCllr",
);
for (const row of rows.sort((a, b) => SETS.indexOf(a.set as never) - SETS.indexOf(b.set as never))) {
  const costs = [row.minDcf, row.actualDcf, row.cllr, row.minCllr].map((v) => v.toFixed(3).padStart(6)).join(" ");
  console.error(
    `${row.set.padEnd(18)} ${String(row.trials).padStart(6)} ${row.network.padEnd(7)} ${row.file.padEnd(27)} ${row.scores.padEnd(8)} ${percent(row.eer)} (${percent(row.eerLow)} ..${percent(row.eerHigh)}) ${percent(row.eerHull)}  ${costs}`,
  );
}
const report = JSON.stringify({ costs: { miss: 1, falseAccept: 1, ...COSTS }, rows }, undefined, 1);
if (flags.json === undefined) console.log(report);
else writeFileSync(flags.json, report);
