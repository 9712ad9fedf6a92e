import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";
import { parseAliases, parseManifest } from "@tessera/core/biometrics/dataset";
import { normaliseRows } from "@tessera/core/biometrics/similarity";
import type { Runtime } from "@tessera/core/graph/runtime";
import { type FaceEmbeddingCard, faceDetectorCard } from "@tessera/core/modality/card";
import { cropAt, cropsOf, type FaceCrops } from "@tessera/core/modality/face/crops";
import { embedCrops } from "@tessera/core/modality/face/embed";
import { laplacianVariance } from "@tessera/core/modality/face/quality";
import { energySpeech } from "@tessera/core/modality/voice/activity";
import { embedVoice, type VoiceEmbedder } from "@tessera/core/modality/voice/embed";
import { voiceQuality } from "@tessera/core/modality/voice/quality";
import { type Image, toGrey } from "@tessera/core/signal/image";
import type { Sound } from "@tessera/core/signal/sound";
import { decodeWav } from "@tessera/core/signal/wav";
import { cardOf } from "@tessera/testkit/cards";
import { loadFaceData } from "../../packages/cli/src/work/faces.ts";
import { createRuntimes } from "../../packages/cli/src/work/runtime.ts";
import type { Pair, PairSource, Recordings } from "./chimera.ts";
import { degradedFace, degradedVoice } from "./degrade.ts";

/** A modality's recordings, as they are and with every probe degraded by chance. */
export interface Modality {
  readonly clean: Recordings;
  readonly poor: Recordings;
  readonly pairs: PairSource;
  readonly names: readonly string[];
}

/** Speakers, with the corpus of each. */
export interface Speakers extends Modality {
  readonly corpora: readonly string[];
}

/** Embeddings computed before, by what they depend on. */
async function kept(
  folder: string | undefined,
  key: unknown,
  make: () => Promise<readonly Float32Array[]>,
): Promise<readonly Float32Array[]> {
  if (folder === undefined) return make();
  const path = join(folder, `${createHash("sha256").update(JSON.stringify(key)).digest("hex").slice(0, 24)}.f32`);
  if (existsSync(path)) {
    const bytes = readFileSync(path);
    const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    const dim = at(all, 0);
    return Array.from({ length: (all.length - 1) / dim }, (_, i) => all.slice(1 + i * dim, 1 + (i + 1) * dim));
  }
  const rows = await make();
  mkdirSync(folder, { recursive: true });
  const dim = at(rows, 0).length;
  const all = new Float32Array(1 + rows.length * dim);
  all[0] = dim;
  rows.forEach((row, i) => {
    all.set(row, 1 + i * dim);
  });
  writeFileSync(path, new Uint8Array(all.buffer));
  return rows;
}

function pairsOf(people: Int32Array, allowed: (a: number, b: number) => boolean): PairSource {
  const of = new Map<number, number[]>();
  people.forEach((person, i) => {
    const own = of.get(person);
    if (own === undefined) of.set(person, [i]);
    else own.push(i);
  });
  const genuine = new Map(
    [...of].map(
      ([person, own]) =>
        [person, own.flatMap((a) => own.flatMap((b): Pair[] => (a !== b && allowed(a, b) ? [[a, b]] : [])))] as const,
    ),
  );
  return { genuine, of };
}

/** 0..1 along a straight line through two points. */
function share(value: number, low: number, high: number): number {
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}

/** Quality of a face: the worse of sharpness and light, each 0 at what a badly degraded face of the calibration people has and 1 at what a clean one has. */
function faceQualities(crops: readonly Image[], calibration: readonly Image[]): Float64Array {
  const measures = (face: Image): readonly [number, number] => {
    const grey = toGrey(face);
    return [Math.log(1 + laplacianVariance(grey)), Math.log(1 + grey.data.reduce((sum, v) => sum + v, 0) / grey.data.length)];
  };
  const middle = (faces: readonly Image[], which: 0 | 1): number => {
    const values = faces.map((face) => measures(face)[which]).sort((a, b) => a - b);
    return at(values, values.length >> 1);
  };
  const bad = calibration.map((face, i) => degradedFace(face, 0.9, i));
  const [sharp, light] = ([0, 1] as const).map((which) => [middle(bad, which), middle(calibration, which)] as const) as [
    readonly [number, number],
    readonly [number, number],
  ];
  return Float64Array.from(crops, (face) => {
    const [s, l] = measures(face);
    return Math.min(share(s, ...sharp), share(l, ...light));
  });
}

/** Faces of the people of LFW with two pictures or more. Severity of a poor probe: uniform in 0..1. */
export async function lfwFaces(
  shared: string,
  runtime: Runtime,
  options: { readonly cache?: string | undefined; readonly say: (text: string) => void },
): Promise<Modality> {
  const card = cardOf("mobilefacenet-foamliu-128") as FaceEmbeddingCard;
  const folder = join(shared, "data/lfw");
  const { say } = options;
  const { samples: crops, manifest } = await loadFaceData(folder, {
    runtimes: createRuntimes(),
    card,
    detector: { path: join(shared, "models/face-detection/yunet-n-320.onnx"), card: faceDetectorCard(cardOf("yunet-n-320")) },
    onNoFace: "reject",
    choice: "central",
    useCache: true,
    progress: { stage: say, at: () => {}, note: say, end: () => {} },
    signal: new AbortController().signal,
  });
  const subjects = manifest.subjects ?? [];
  const roles = manifest.columns.get("role") ?? [];
  // People under two names would be impostors of themselves.
  const aliases = new Set(parseAliases(readFileSync(join(folder, "aliases.csv"), "utf8"), { file: "aliases.csv" }).flat());
  const usable = subjects.flatMap((name, row) =>
    roles[row] === "eval" && crops.acquired[row] === 1 && !aliases.has(name) ? [row] : [],
  );
  const counts = new Map<string, number>();
  for (const row of usable) counts.set(at(subjects, row), (counts.get(at(subjects, row)) ?? 0) + 1);
  const rows = usable.filter((row) => (counts.get(at(subjects, row)) ?? 0) >= 2);
  const names = [...new Set(rows.map((row) => at(subjects, row)))];
  const people = Int32Array.from(rows, (row) => names.indexOf(at(subjects, row)));
  const faces = rows.map((row) => cropAt(crops, row));
  const random = seededRandom(11);
  const poorFaces = faces.map((face, i) => degradedFace(face, random.next(), i));
  const model = readFileSync(join(shared, "models/face-embedding/mobilefacenet-foamliu-128.onnx"));
  const embed = async (images: readonly Image[], what: string): Promise<readonly Float32Array[]> =>
    kept(options.cache, ["face", what, card.modelSha256, rows.length, crops.names.length], async () => {
      say(`embedding ${images.length} ${what} faces`);
      const session = await runtime.load(model, { threads: 2 });
      const list: FaceCrops = cropsOf(
        images,
        images.map((_, i) => String(i)),
      );
      const { data, dim } = normaliseRows(await embedCrops({ session, card }, list));
      await session.close();
      return images.map((_, i) => data.slice(i * dim, (i + 1) * dim));
    });
  const calibration = subjects.flatMap((_, row) =>
    roles[row] === "calib" && crops.acquired[row] === 1 ? [cropAt(crops, row)] : [],
  );
  const enrolled = await embed(faces, "clean");
  const poor = await embed(poorFaces, "poor");
  return {
    names,
    clean: { people, enrolled, probes: enrolled, qualities: faceQualities(faces, calibration) },
    poor: { people, enrolled, probes: poor, qualities: faceQualities(poorFaces, calibration) },
    pairs: pairsOf(people, () => true),
  };
}

/** Quality of a voice: how far its speech stands above its noise, 0 at 3 dB and 1 at 35 dB. */
function qualityOf(sound: Sound): number {
  return share(voiceQuality(sound, energySpeech(sound)).aboveNoiseDb, 3, 35);
}

/** The speakers of LibriSpeech (those of ten utterances, and the cohort of two cuts of one) and EmoDB. */
export async function speakers(
  shared: string,
  embedder: VoiceEmbedder,
  options: { readonly cache?: string | undefined; readonly key: string; readonly say: (text: string) => void },
): Promise<Speakers> {
  const { say } = options;
  const sets = ["voice-librispeech", "voice-emodb"].flatMap((set) => {
    const manifest = parseManifest(readFileSync(join(shared, "data", set, "manifest.csv"), "utf8"), { file: "manifest.csv" });
    return manifest.paths.map((path, row) => ({
      path: join(shared, "data", set, path),
      name: `${set}/${manifest.subjects?.[row]}`,
      corpus: set,
      text: set === "voice-emodb" ? at(manifest.columns.get("text") ?? [], row) : path,
    }));
  });
  const names = [...new Set(sets.map((clip) => clip.name))];
  const people = Int32Array.from(sets, (clip) => names.indexOf(clip.name));
  const clean = sets.map((clip) => decodeWav(readFileSync(clip.path)));
  const random = seededRandom(12);
  const poor = clean.map((sound, i) => degradedVoice(sound, random.next(), i));
  const embed = async (sounds: readonly Sound[], what: string): Promise<readonly Float32Array[]> =>
    kept(options.cache, ["voice", what, options.key, embedder.card, sets.length], async () => {
      say(`embedding ${sounds.length} ${what} voices`);
      const rows: Float32Array[] = [];
      for (const sound of sounds) rows.push(await embedVoice(embedder, sound));
      return rows;
    });
  const enrolled = await embed(clean, "clean");
  return {
    names,
    corpora: names.map((name) => name.slice(0, name.indexOf("/"))),
    clean: { people, enrolled, probes: enrolled, qualities: Float64Array.from(clean, qualityOf) },
    poor: { people, enrolled, probes: await embed(poor, "poor"), qualities: Float64Array.from(poor, qualityOf) },
    pairs: pairsOf(people, (a, b) => at(sets, a).text !== at(sets, b).text),
  };
}
