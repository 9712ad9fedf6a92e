/**
 * A face and a voice network in one graph: fused and proved by the command, timed as one session against two, quantized as one with inputs of both kinds, judged
 * on chimeras (LFW people with speakers of LibriSpeech and EmoDB) branch by branch and as a fused embedding, and converted. Run from the root:
 *
 *   npx tsx --conditions=source bench/fuse.ts [--voice MODEL --voice-card CARD] [--out FOLDER] [--json FILE] [--rounds N] [--time-only]
 *
 * --time-only takes up the files that an earlier run left in FOLDER and only times them: for a quiet machine.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";
import { rankScores } from "@tessera/core/biometrics/compare";
import { parseManifest } from "@tessera/core/biometrics/dataset";
import { equalErrorRate } from "@tessera/core/biometrics/eer";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import {
  type FaceEmbeddingCard,
  faceDetectorCard,
  faceEmbeddingCard,
  type VoiceEmbeddingCard,
  voiceEmbeddingCard,
} from "@tessera/core/modality/card";
import { cropAt } from "@tessera/core/modality/face/crops";
import { parseCard } from "@tessera/core/modality/read-card";
import { voiceFeatures } from "@tessera/core/modality/voice/embed";
import { writePixels } from "@tessera/core/signal/pixels";
import { decodeWav } from "@tessera/core/signal/wav";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardOf, cardPath } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { loadFaceData } from "../packages/cli/src/work/faces.ts";
import { createRuntimes } from "../packages/cli/src/work/runtime.ts";
import { drawn } from "./lib/chimera.ts";
import { timeInterleaved } from "./lib/interleaved.ts";
import { tessera } from "./lib/tessera.ts";

const { values: flags } = parseArgs({
  options: {
    voice: { type: "string" },
    "voice-card": { type: "string" },
    out: { type: "string" },
    json: { type: "string" },
    rounds: { type: "string", default: "40" },
    "time-only": { type: "boolean", default: false },
  },
});
const found = sharedDir();
if (found === undefined) throw new Error("the shared folder is not there");
const shared: string = found;
const out = flags.out ?? mkdtempSync(join(tmpdir(), "tessera-fuse-"));
const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

const faceModel = join(shared, "models/face-embedding/mobilefacenet-foamliu-128.onnx");
const voiceModel = flags.voice ?? join(shared, "models/voice/tinysv-dvector-256.onnx");
const voiceCardFile = flags["voice-card"] ?? cardPath("tinysv-dvector-256");
const fusedFile = join(out, "fused.onnx");
const int8File = join(out, "fused.int8.onnx");

/** Pictures of a person, and as many recordings of the speaker. */
const PICTURES = 5;

interface Item {
  readonly feeds: Feeds;
  readonly person: string;
  readonly corpus: string;
}

/** The cards of the branches in the fused file. */
function branchCards(): { readonly face: FaceEmbeddingCard; readonly voice: VoiceEmbeddingCard } {
  const read = (name: string) => parseCard(readFileSync(join(out, `fused.${name}.card.json`)));
  return { face: faceEmbeddingCard(read("face")), voice: voiceEmbeddingCard(read("voice")) };
}

function fuse(): void {
  const cards = join(out, "cards");
  mkdirSync(cards, { recursive: true });
  const cardName = (model: string): string => join(cards, `${basename(model, extname(model))}.card.json`);
  copyFileSync(cardPath("mobilefacenet-foamliu-128"), cardName(faceModel));
  copyFileSync(voiceCardFile, cardName(voiceModel));
  tessera("fuse", faceModel, voiceModel, "--head", "concat", "--cards", cards, "-o", fusedFile);
}

/** Faces of LFW by person, for calibration and for evaluation, as tensors of the card. */
async function faceTensors(card: FaceEmbeddingCard) {
  const { samples: crops, manifest } = await loadFaceData(join(shared, "data/lfw"), {
    runtimes: createRuntimes(),
    card: cardOf("mobilefacenet-foamliu-128") as FaceEmbeddingCard,
    detector: { path: join(shared, "models/face-detection/yunet-n-320.onnx"), card: faceDetectorCard(cardOf("yunet-n-320")) },
    onNoFace: "reject",
    choice: "central",
    useCache: true,
    progress: { stage: say, at: () => {}, note: say, end: () => {} },
    signal: new AbortController().signal,
  });
  const { width, height } = card.input;
  const tensorOf = (row: number): Tensor => {
    const data = new Float32Array(3 * width * height);
    writePixels(cropAt(crops, row), card.input, { out: data, offset: 0 });
    return f32([1, 3, height, width], data);
  };
  const roles = manifest.columns.get("role") ?? [];
  const rows = Array.from(crops.names.keys()).filter((row) => crops.acquired[row] === 1);
  const people = new Map<string, number[]>();
  for (const row of rows) {
    if (roles[row] !== "eval") continue;
    const name = at(manifest.subjects ?? [], row);
    people.set(name, [...(people.get(name) ?? []), row]);
  }
  return {
    tensorOf,
    calibration: rows.filter((row) => roles[row] === "calib"),
    people: [...people.values()].filter((own) => own.length >= PICTURES),
  };
}

/** Recordings of the speakers, one window each. */
function voiceTensors(card: VoiceEmbeddingCard) {
  return ["voice-librispeech", "voice-emodb"].flatMap((set) => {
    const manifest = parseManifest(readFileSync(join(shared, "data", set, "manifest.csv"), "utf8"), { file: "manifest.csv" });
    return manifest.paths.map((path, row) => {
      const [first] = voiceFeatures(card, decodeWav(readFileSync(join(shared, "data", set, path))));
      return {
        corpus: set,
        speaker: `${set}/${manifest.subjects?.[row]}`,
        role: manifest.columns.get("role")?.[row] ?? "eval",
        tensor: f32([1, ...card.input.shape], first as Float32Array),
      };
    });
  });
}

/** Writes calibration inputs as the command takes them: a folder per input. */
function writeInputs(name: string, tensors: readonly Tensor[]): void {
  const folder = join(out, "inputs", name.replaceAll(/[^A-Za-z0-9._-]/g, "_"));
  mkdirSync(folder, { recursive: true });
  tensors.forEach((tensor, i) => {
    writeFileSync(join(folder, `${String(i).padStart(4, "0")}.f32`), tensor.bytes);
  });
}

/** Chimeras of the speakers that were not calibrated on (and EmoDB's): every recording with a face of its person. */
function chimeras(
  faces: Awaited<ReturnType<typeof faceTensors>>,
  voices: ReturnType<typeof voiceTensors>,
  cards: ReturnType<typeof branchCards>,
): readonly Item[] {
  const tested = voices.filter((voice) => voice.role === "eval");
  const speakers = [...new Set(tested.map((voice) => voice.speaker))];
  return [0, 1, 2, 3, 4].flatMap((pairing) => {
    const random = seededRandom(100 + pairing);
    // So many pictures that no two recordings of a chimera have the same one, whose cosine to itself would flatter.
    const people = drawn(faces.people, speakers.length, random);
    return speakers.flatMap((speaker, i) => {
      const own = tested.filter((voice) => voice.speaker === speaker).slice(0, PICTURES);
      const rows = at(people, i);
      return own.map(
        (voice, k): Item => ({
          person: `${pairing} ${speaker}`,
          corpus: `${pairing} ${voice.corpus}`,
          feeds: new Map([
            [cards.face.input.tensor, faces.tensorOf(at(rows, k))],
            [cards.voice.input.tensor, voice.tensor],
          ]),
        }),
      );
    });
  });
}

const unit = (tensor: Tensor): Float64Array => {
  const values = Float64Array.from(toNumbers(tensor));
  const length = Math.hypot(...values);
  return values.map((v) => v / length);
};
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * at(b, i), 0);

/** Unit embeddings of all items, by output. */
async function embedded(session: Session, items: readonly Item[]): Promise<ReadonlyMap<string, readonly Float64Array[]>> {
  const lists = new Map<string, Float64Array[]>(session.outputs.map((o) => [o.name, []]));
  for (const { feeds } of items) for (const [name, tensor] of await session.run(feeds)) lists.get(name)?.push(unit(tensor));
  return lists;
}

/** EER over the comparisons within a pairing and a corpus; face and voice alike count as one item of a person, so that all outputs have the same comparisons. */
function eerOf(vectors: readonly Float64Array[], items: readonly Item[]): number {
  const genuine: number[] = [];
  const impostor: number[] = [];
  items.forEach((a, i) => {
    for (let j = i + 1; j < items.length; j++) {
      const b = at(items, j);
      if (a.corpus !== b.corpus) continue;
      (a.person === b.person ? genuine : impostor).push(dot(at(vectors, i), at(vectors, j)));
    }
  });
  return equalErrorRate(rankScores({ genuine: Float64Array.from(genuine), impostor: Float64Array.from(impostor) })).raw.rate;
}

async function judged(runtime: Runtime, items: readonly Item[]) {
  const [float, integer] = [await runtime.load(readFileSync(fusedFile)), await runtime.load(readFileSync(int8File))];
  const [a, b] = [await embedded(float, items), await embedded(integer, items)];
  await float.close();
  await integer.close();
  return [...a].map(([output, vectors]) => {
    const other = b.get(output) as readonly Float64Array[];
    const cosines = vectors.map((v, i) => dot(v, at(other, i))).sort((x, y) => x - y);
    return {
      output,
      cosineMedian: at(cosines, cosines.length >> 1),
      cosineLeast: at(cosines, 0),
      eerFloat: eerOf(vectors, items),
      eerInt8: eerOf(other, items),
    };
  });
}

/** A conversion by the command, and how it ended. */
function converted(to: string) {
  const file = join(out, `fused.${to}`);
  const main = fileURLToPath(new URL("../packages/cli/src/main.ts", import.meta.url));
  const run = spawnSync(
    process.execPath,
    ["--conditions=source", "--import", "tsx", main, "convert", fusedFile, "-o", file, "--quiet"],
    {
      encoding: "utf8",
      maxBuffer: 1 << 26,
    },
  );
  const words = `${run.stdout}${run.stderr}`.trim().split("\n");
  return { to, ok: run.status === 0, sizeBytes: existsSync(file) ? statSync(file).size : 0, says: words.slice(-3) };
}

/** One session against two, on one thread and on two. */
async function timed(
  item: Feeds,
  files: { readonly face: string; readonly voice: string; readonly fused: string },
  rounds: number,
) {
  const { face, voice } = branchCards();
  const original = voiceEmbeddingCard(parseCard(readFileSync(voiceCardFile)));
  const here = await ortNodeRuntime({ worker: false });
  const apart = await ortNodeRuntime();
  const only = (from: string, to: string): Feeds => new Map([[to, item.get(from) as Tensor]]);
  const faceFeeds = only(face.input.tensor, cardOf("mobilefacenet-foamliu-128").input.tensor);
  const voiceFeeds = only(voice.input.tensor, original.input.tensor);
  const rows = [];
  for (const threads of [1, 2]) {
    const load = (runtime: Runtime, file: string, more = {}): Promise<Session> =>
      runtime.load(readFileSync(file), { threads, ...more });
    const [f, v] = [await load(here, files.face), await load(here, files.voice)];
    const [f2, v2] = [await load(apart, files.face), await load(apart, files.voice)];
    const [one, side] = [await load(here, files.fused), await load(here, files.fused, { parallel: true })];
    const contestants = [
      { name: "two sessions, one after the other", run: async () => [await f.run(faceFeeds), await v.run(voiceFeeds)] },
      { name: "one fused session", run: () => one.run(item) },
      { name: "one fused session, branches side by side", run: () => side.run(item) },
      { name: "two sessions in two worker threads at once", run: () => Promise.all([f2.run(faceFeeds), v2.run(voiceFeeds)]) },
      { name: "face alone", run: () => f.run(faceFeeds) },
      { name: "voice alone", run: () => v.run(voiceFeeds) },
    ];
    rows.push({ threads, rows: await timeInterleaved(contestants, { rounds, runs: 8 }) });
    for (const session of [f, v, f2, v2, one, side]) await session.close();
  }
  return rows;
}

mkdirSync(out, { recursive: true });
if (!flags["time-only"]) {
  fuse();
  say(`fused and proved: ${fusedFile}`);
}
const cards = branchCards();
const faces = await faceTensors(cards.face);
const voices = voiceTensors(cards.voice);
const report: Record<string, unknown> = { kind: "bench-fuse", voice: cards.voice.name };
if (!flags["time-only"]) {
  const cohort = voices.filter((voice) => voice.role === "cohort").map((voice) => voice.tensor);
  const seen = faces.calibration.slice(0, cohort.length);
  writeInputs(cards.face.input.tensor, seen.map(faces.tensorOf));
  writeInputs(cards.voice.input.tensor, cohort);
  tessera("quantize", fusedFile, "--inputs", join(out, "inputs"), "-o", int8File);
  say(`quantized on ${cohort.length} samples of both: ${statSync(fusedFile).size} bytes became ${statSync(int8File).size}`);
  const items = chimeras(faces, voices, cards);
  const rows = await judged(await ortNodeRuntime({ worker: false }), items);
  say(`INT8 against FP32 on ${items.length} recordings of chimeras: least and median cosine, EER %`);
  for (const row of rows)
    say(
      `  ${row.output.padEnd(16)} ${row.cosineLeast.toFixed(5)}  ${row.cosineMedian.toFixed(5)}  ${(100 * row.eerFloat).toFixed(2)} -> ${(100 * row.eerInt8).toFixed(2)}`,
    );
  const conversions = ["tflite", "ort"].map(converted);
  for (const { to, ok, sizeBytes, says } of conversions)
    say(`to .${to}: ${ok ? `${sizeBytes} bytes` : "failed"}; ${says.join(" | ")}`);
  Object.assign(report, {
    calibration: cohort.length,
    quantized: rows,
    conversions,
    bytes: { fused: statSync(fusedFile).size, int8: statSync(int8File).size },
  });
}
const [sample] = chimeras(faces, voices, cards);
const times = await timed((sample as Item).feeds, { face: faceModel, voice: voiceModel, fused: fusedFile }, Number(flags.rounds));
for (const { threads, rows } of times) {
  say(`\n${threads} thread${threads === 1 ? "" : "s"} a session: median [quartiles] ms, share of the first by rounds`);
  for (const row of rows)
    say(
      `  ${row.name.padEnd(46)} ${row.medianMs.toFixed(2).padStart(7)} [${row.lowMs.toFixed(2)}, ${row.highMs.toFixed(2)}]  ${row.ratio.toFixed(3)} [${row.ratioLow.toFixed(3)}, ${row.ratioHigh.toFixed(3)}]`,
    );
}
Object.assign(report, { times });
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(report, undefined, 1)}\n`);
