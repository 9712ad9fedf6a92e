/**
 * Face and voice together, on people who do not exist: each speaker of LibriSpeech and EmoDB gets the face of a person of LFW. Speakers and faces are parted
 * in two halves, fusions are fitted on one and reported on the other and the other way round (normalisation, weights, densities and thresholds: everything),
 * over many partings and pairings; figures are of all reported halves together, intervals resample the people behind the faces and the speakers. The plain
 * logistic fusion was chosen as the one to be judged before anything was run; the others stand beside it. One modality alone is given what a fusion is given:
 * fusions that know qualities are held against the better modality that knows its own too, or what that knowledge is worth would pass for a gain of fusing.
 * Run from the root:
 *
 *   npx tsx --conditions=source bench/fusion.ts [--voice MODEL --voice-card CARD] [--repeats N] [--cache FOLDER] [--json FILE]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";
import { sha256Hex } from "@tessera/core/base/sha256";
import { cllr, minCllr } from "@tessera/core/biometrics/calibration";
import { type CrossedFigure, crossedFigures } from "@tessera/core/biometrics/crossed";
import { applyFusion, type FusionModel } from "@tessera/core/biometrics/fusion";
import { type FusionOptions, type FusionTrials, fitFusion } from "@tessera/core/biometrics/fusion-fit";
import { thresholdAtFar } from "@tessera/core/biometrics/rates";
import { distributionOf } from "@tessera/core/biometrics/scores";
import { voiceEmbeddingCard } from "@tessera/core/modality/card";
import { parseCard } from "@tessera/core/modality/read-card";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardPath } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { addPairing, axisOf, type ChimericTrials, drawn, noTrials, scored } from "./lib/chimera.ts";
import { lfwFaces, speakers } from "./lib/chimera-data.ts";

const { values: flags } = parseArgs({
  options: {
    voice: { type: "string" },
    "voice-card": { type: "string" },
    repeats: { type: "string", default: "20" },
    replicates: { type: "string", default: "500" },
    cache: { type: "string" },
    json: { type: "string" },
  },
});
const shared = sharedDir();
if (shared === undefined) throw new Error("the shared folder is not there");

const FARS = [1e-2, 1e-3];
/** The FAR that thresholds are fitted for on the one half and tried at on the other. */
const TRIED_FAR = 1e-2;
const COUNTS = { genuine: 30, impostor: 6 };

const CONDITIONS = [
  { id: "clean", says: "pictures and recordings as they are", face: "clean", voice: "clean" },
  { id: "poor-face", says: "probe faces blurred, dark and noisy by chance", face: "poor", voice: "clean" },
  { id: "poor-voice", says: "probe voices with white noise by chance", face: "clean", voice: "poor" },
  { id: "poor-both", says: "both", face: "poor", voice: "poor" },
] as const;

interface Fusion {
  readonly options: Partial<FusionOptions>;
  readonly quality: boolean;
  /** The rule of one modality, fitted as the fusion is. */
  readonly alone?: "face" | "voice";
}

const FUSIONS: Readonly<Record<string, Fusion>> = {
  "face + quality": { options: { method: "logistic" }, quality: true, alone: "face" },
  "voice + quality": { options: { method: "logistic" }, quality: true, alone: "voice" },
  logistic: { options: { method: "logistic" }, quality: false },
  "logistic + quality": { options: { method: "logistic" }, quality: true },
  "sum, z": { options: { method: "sum" }, quality: false },
  "sum, z, by d'": { options: { method: "sum", weights: "d-prime" }, quality: false },
  "sum, z + quality": { options: { method: "sum" }, quality: true },
  "densities, kde": { options: { method: "likelihood-ratio" }, quality: false },
  "densities, kde + quality": { options: { method: "likelihood-ratio" }, quality: true },
  "densities, gaussian": { options: { method: "likelihood-ratio", density: "gaussian" }, quality: false },
};

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const runtime = await ortNodeRuntime({ worker: false });
const voiceModel = readFileSync(flags.voice ?? join(shared, "models/voice/tinysv-dvector-256.onnx"));
const voiceCard = voiceEmbeddingCard(parseCard(readFileSync(flags["voice-card"] ?? cardPath("tinysv-dvector-256"))));
const voiceSession = await runtime.load(voiceModel, { threads: 2 });
const faces = await lfwFaces(shared, runtime, { cache: flags.cache, say });
const voices = await speakers(
  shared,
  { session: voiceSession, card: voiceCard },
  { cache: flags.cache, key: sha256Hex(voiceModel), say },
);
await voiceSession.close();

const repeats = Number(flags.repeats);
const comparable = (a: number, b: number): boolean => voices.corpora[a] === voices.corpora[b];

/** Two halves of the people; speakers are parted within each kind: of ten utterances or more, of two cuts, by corpus. */
function halves(seed: number): readonly { readonly faces: readonly number[]; readonly speakers: readonly number[] }[] {
  const random = seededRandom(seed);
  const split = (list: readonly number[]): readonly [readonly number[], readonly number[]] => {
    const shuffled = drawn(list, list.length, random);
    // Odd ones go to either side by chance.
    const half = (list.length + random.int(2)) >> 1;
    return [shuffled.slice(0, half), shuffled.slice(half)];
  };
  const kinds = new Map<string, number[]>();
  voices.names.forEach((_, speaker) => {
    const kind = `${voices.corpora[speaker]} ${(voices.pairs.of.get(speaker) ?? []).length > 2}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), speaker]);
  });
  const parts = [...kinds.values()].map(split);
  const faceParts = split(faces.names.map((_, person) => person));
  return [0, 1].map((side) => ({ faces: at(faceParts, side), speakers: parts.flatMap((part) => at(part, side)) }));
}

/** The comparisons of every half of every repeat. */
const rounds = Array.from({ length: repeats }, (_, repeat) =>
  halves(1000 + repeat).map((people, side) => {
    const trials = noTrials();
    const random = seededRandom(5000 + 2 * repeat + side);
    addPairing(trials, { ...people, comparable }, { face: faces.pairs, voice: voices.pairs, counts: COUNTS, random });
    return trials;
  }),
);

interface Columns extends FusionTrials {
  readonly modalities: Readonly<Record<"face" | "voice", { readonly scores: Float64Array; readonly qualities: Float64Array }>>;
}

function columnsOf(trials: ChimericTrials, condition: (typeof CONDITIONS)[number]): Columns {
  return {
    genuine: Uint8Array.from(trials.genuine),
    modalities: {
      face: scored(faces[condition.face], trials.face.pairs),
      voice: scored(voices[condition.voice], trials.voice.pairs),
    },
  };
}

function fitted(columns: Columns, { options, quality }: Fusion): FusionModel {
  if (quality) return fitFusion(columns, options);
  const plain = Object.fromEntries(Object.entries(columns.modalities).map(([name, { scores }]) => [name, { scores }]));
  return fitFusion({ genuine: columns.genuine, modalities: plain }, options);
}

function answers(model: FusionModel, { genuine, modalities }: Columns, alone: Fusion["alone"]): Float64Array {
  const { face, voice } = modalities;
  return Float64Array.from(genuine, (_, i) => {
    const scores = {
      face: { score: at(face.scores, i), quality: at(face.qualities, i) },
      voice: { score: at(voice.scores, i), quality: at(voice.qualities, i) },
    };
    return applyFusion(model, alone === undefined ? scores : { [alone]: scores[alone] }) as number;
  });
}

/** How many of each class are on the wrong side of a threshold that other people set. */
interface Tried {
  matched: number;
  missed: number;
}

function judge(condition: (typeof CONDITIONS)[number]) {
  const names = ["face", "voice", ...Object.keys(FUSIONS)];
  const lists = new Map(names.map((name) => [name, [] as Float64Array[]]));
  const tried = new Map<string, Tried>(names.map((name) => [name, { matched: 0, missed: 0 }]));
  for (const round of rounds) {
    const columns = round.map((trials) => columnsOf(trials, condition));
    for (const side of [0, 1]) {
      const [fit, report] = [at(columns, 1 - side), at(columns, side)];
      for (const name of names) {
        const fusion = FUSIONS[name];
        const score = (of: Columns): Float64Array =>
          fusion === undefined ? of.modalities[name as "face" | "voice"].scores : answers(model as FusionModel, of, fusion.alone);
        const model = fusion === undefined ? undefined : fitted(fit, fusion);
        const [own, other] = [score(report), score(fit)];
        (lists.get(name) as Float64Array[]).push(own);
        const threshold = thresholdAtFar(
          distributionOf(
            other.filter((_, i) => fit.genuine[i] === 0),
            "impostor",
          ),
          TRIED_FAR,
        );
        const counts = tried.get(name) as Tried;
        own.forEach((value, i) => {
          if (report.genuine[i] === 1 && value < threshold) counts.missed++;
          if (report.genuine[i] === 0 && value >= threshold) counts.matched++;
        });
      }
    }
  }
  const all = rounds.flat();
  const joined = <T>(pick: (trials: ChimericTrials) => readonly T[]): T[] => all.flatMap((trials) => [...pick(trials)]);
  const trials = {
    genuine: Uint8Array.from(joined((t) => t.genuine)),
    axes: [
      axisOf({ pairs: [], a: joined((t) => t.face.a), b: joined((t) => t.face.b) }, faces.names.length),
      axisOf({ pairs: [], a: joined((t) => t.voice.a), b: joined((t) => t.voice.b) }, voices.names.length),
    ],
  };
  const systems = Object.fromEntries(
    names.map((name) => [name, Float64Array.from((lists.get(name) as Float64Array[]).flatMap((l) => [...l]))]),
  );
  const options = { fars: FARS, replicates: Number(flags.replicates) };
  const eers = crossedFigures(
    trials,
    { face: systems["face"] as Float64Array, voice: systems["voice"] as Float64Array },
    { ...options, replicates: 1, reference: "face" },
  ).systems;
  // The better single modality is whichever has the lower error on the very comparisons reported: the harder of the two to beat.
  const best = (eers.get("face")?.eer.value ?? 1) <= (eers.get("voice")?.eer.value ?? 1) ? "face" : "voice";
  const report = crossedFigures(trials, systems, { ...options, reference: best });
  const eerOf = (name: string): number => report.systems.get(name)?.eer.value ?? 1;
  // Knowledge that harms is left aside.
  const bestTold = [best, "face + quality", "voice + quality"].reduce((least, name) =>
    eerOf(name) < eerOf(least) ? name : least,
  );
  const againstTold = crossedFigures(trials, systems, { ...options, reference: bestTold }).differences;
  // What knowing the quality brings, the rest being the same.
  const { logistic, "logistic + quality": both } = systems as Record<string, Float64Array>;
  const quality = crossedFigures(trials, { logistic, "logistic + quality": both } as Record<string, Float64Array>, {
    ...options,
    reference: "logistic",
  }).differences.get("logistic + quality");
  const ofClass = (scores: Float64Array, is: 0 | 1): Float64Array => scores.filter((_, i) => trials.genuine[i] === is);
  const costs = Object.fromEntries(
    Object.entries(systems).map(([name, scores]) => {
      const classes = { genuine: ofClass(scores, 1), impostor: ofClass(scores, 0) };
      return [name, { ...(name in FUSIONS ? { cllr: cllr(classes) } : {}), minCllr: minCllr(classes) }];
    }),
  );
  const mates = trials.genuine.reduce((sum, is) => sum + is, 0);
  const others = trials.genuine.length - mates;
  const rates = Object.fromEntries(
    [...tried].map(([name, { matched, missed }]) => [name, { fmr: matched / others, fnmr: missed / mates }]),
  );
  return { condition, best, bestTold, againstTold, genuine: mates, impostor: others, report, rates, costs, quality };
}

const percent = (value: number): string => `${(100 * value).toFixed(2)}`;
const range = ({ value, interval }: CrossedFigure): string =>
  `${percent(value)} [${percent(interval.low)}, ${percent(interval.high)}]`;

say(
  `${faces.names.length} people with ${faces.clean.enrolled.length} faces, ${voices.names.length} speakers with ${voices.clean.enrolled.length} recordings (10 of them with more than one utterance); ${repeats} partings`,
);
const results = CONDITIONS.map((condition) => {
  const result = judge(condition);
  say(
    `\n${condition.id}: ${condition.says}; ${result.genuine} genuine and ${result.impostor} impostor comparisons; better alone: ${result.best}`,
  );
  say(
    `${"system".padEnd(27)}${["EER %", ...FARS.map((far) => `TAR % at FAR ${far}`), `FMR / FNMR % at ${TRIED_FAR} fitted`, "Cllr (least)"].map((t) => t.padEnd(27)).join(" ")}`,
  );
  for (const [name, { eer, tar }] of result.report.systems) {
    const rates = result.rates[name];
    const costs = result.costs[name] as { readonly cllr?: number; readonly minCllr: number } | undefined;
    say(
      `${name.padEnd(27)}${[range(eer), ...tar.map(range), `${percent(rates?.fmr ?? 0)} / ${percent(rates?.fnmr ?? 0)}`, `${costs?.cllr?.toFixed(3) ?? ""} (${costs?.minCllr?.toFixed(3)})`].map((t) => t.padEnd(27)).join(" ")}`,
    );
    const withQuality = FUSIONS[name]?.quality === true;
    const base = withQuality ? result.bestTold : result.best;
    const difference = (withQuality ? result.againstTold : result.report.differences).get(name);
    if (difference !== undefined && name in FUSIONS && FUSIONS[name]?.alone === undefined)
      say(
        `${`  minus ${base}`.padEnd(27)}${[range(difference.eer), ...difference.tar.map(range)].map((t) => t.padEnd(27)).join(" ")}`,
      );
  }
  const { quality } = result;
  if (quality !== undefined)
    say(
      `${"logistic: with - without q".padEnd(27)}${[range(quality.eer), ...quality.tar.map(range)].map((t) => t.padEnd(27)).join(" ")}`,
    );
  return result;
});
if (flags.json !== undefined) {
  const plain = results.map(({ report, againstTold, ...rest }) => ({
    ...rest,
    differencesToBestTold: Object.fromEntries(againstTold),
    systems: Object.fromEntries(report.systems),
    differences: Object.fromEntries(report.differences),
    convention: report.convention,
  }));
  writeFileSync(
    flags.json,
    `${JSON.stringify({ kind: "bench-fusion", voice: voiceCard.name, repeats, counts: COUNTS, results: plain }, undefined, 1)}\n`,
  );
}
