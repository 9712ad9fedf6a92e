/**
 * What the measures of voice quality are on LibriSpeech and EmoDB, and how recognition falls as a recording is spoilt: the ground under the bounds of
 * packages/core/src/modality/voice/quality.ts. One cut of each of the 40 people of the LibriSpeech cohort is enrolled, the other spoilt and verified,
 * against the threshold of FAR 1e-2 of the clean cuts' impostors; the 5 people of `eval` are left to report on. From the root, after bench/gateway-models.ts:
 *
 *   npx tsx --conditions=source bench/voice-quality.ts --models FOLDER [--json FILE]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";
import { voiceActivityCard, voiceEmbeddingCard } from "@tessera/core/modality/card";
import { parseCard } from "@tessera/core/modality/read-card";
import { type SpeechDetector, speechOf } from "@tessera/core/modality/voice/activity";
import { embedVoice, type VoiceEmbedder } from "@tessera/core/modality/voice/embed";
import { type VoiceQuality, voiceQuality } from "@tessera/core/modality/voice/quality";
import { type Sound, soundOf } from "@tessera/core/signal/sound";
import { decodeWav } from "@tessera/core/signal/wav";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { sharedDir } from "@tessera/testkit/shared";

const { values: flags } = parseArgs({ options: { models: { type: "string" }, json: { type: "string" } } });
const shared = sharedDir();
const { models } = flags;
if (shared === undefined || models === undefined) throw new Error("needs the shared folder, and --models FOLDER");
const runtime = await ortNodeRuntime({ worker: false });
const open = async (name: string) => ({
  session: await runtime.load(readFileSync(join(models, "int8", `${name}.onnx`)), { threads: 1 }),
  card: parseCard(readFileSync(join(models, "int8", `${name}.card.json`))),
});
const [vad, voice] = [await open("vad"), await open("voice")];
const detector: SpeechDetector = { session: vad.session, card: voiceActivityCard(vad.card) };
const embedder: VoiceEmbedder = { session: voice.session, card: voiceEmbeddingCard(voice.card) };

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const rows = (set: string) =>
  readFileSync(join(shared, "data", set, "manifest.csv"), "utf8")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
const sound = (set: string, path: string) => decodeWav(readFileSync(join(shared, "data", set, path)));
const quantile = (values: readonly number[], share: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN;

interface Heard {
  readonly quality: VoiceQuality;
  readonly vector: Float32Array;
}

async function hear(recording: Sound): Promise<Heard> {
  const speech = await speechOf(detector, recording);
  const [first, last] = [speech.segments[0], speech.segments.at(-1)];
  const spoken = first && last ? soundOf(recording.rateHz, recording.samples.subarray(first.from, last.to)) : recording;
  return { quality: voiceQuality(recording, speech), vector: await embedVoice(embedder, spoken) };
}

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += at(a, i) * at(b, i);
  return sum;
}

const power = ({ samples }: Sound) => samples.reduce((sum, v) => sum + v * v, 0) / samples.length;

/** White noise so far below the recording, dB. */
function noisy(recording: Sound, db: number): Sound {
  const random = seededRandom(5);
  const size = Math.sqrt(power(recording) / 10 ** (db / 10));
  return soundOf(
    recording.rateHz,
    recording.samples.map((v) => v + size * random.normal()),
  );
}

/** Amplified so that the given share of samples passes full scale, and cut there. */
function clipped(recording: Sound, share: number): Sound {
  const sizes = recording.samples.map(Math.abs).sort();
  const gain = 1 / (sizes[Math.floor((1 - share) * sizes.length)] ?? 1);
  return soundOf(
    recording.rateHz,
    recording.samples.map((v) => Math.max(-1, Math.min(1, v * gain))),
  );
}

/** So many seconds from the first speech on. */
async function shortened(recording: Sound, seconds: number): Promise<Sound> {
  const from = (await speechOf(detector, recording)).segments[0]?.from ?? 0;
  return soundOf(recording.rateHz, recording.samples.subarray(from, from + Math.round(seconds * recording.rateHz)));
}

/** Fainter, as a recorder of 16 bits keeps it. */
const fainter = (recording: Sound, db: number) =>
  soundOf(
    recording.rateHz,
    recording.samples.map((v) => Math.round(v * 10 ** (-db / 20) * 32_768) / 32_768),
  );

const measures: readonly (keyof VoiceQuality)[] = ["speechSeconds", "levelDb", "clippedShare", "aboveNoiseDb"];
const spread = [];
for (const [set, of] of [
  ["voice-librispeech", (row: readonly string[]) => row[4] === "cohort"],
  ["voice-emodb", () => true],
] as const) {
  const seen: VoiceQuality[] = [];
  for (const [path = ""] of rows(set)
    .filter(of)
    .filter((_, i) => set !== "voice-emodb" || i % 2 === 0)) {
    const recording = sound(set, path);
    seen.push(voiceQuality(recording, await speechOf(detector, recording)));
  }
  say(`measures of ${seen.length} recordings of ${set}: quantiles 0, 1, 5, 50, 95, 100 %`);
  for (const measure of measures) {
    const row = [0, 0.01, 0.05, 0.5, 0.95, 1].map((share) =>
      quantile(
        seen.map((q) => q[measure]),
        share,
      ),
    );
    say(`${measure.padEnd(16)}${row.map((v) => v.toFixed(measure === "clippedShare" ? 5 : 1).padStart(9)).join("")}`);
    spread.push({ set, measure, row });
  }
}

const people = new Map<string, string[]>();
for (const [path = "", subject = "", , , role] of rows("voice-librispeech"))
  if (role === "cohort") people.set(subject, [...(people.get(subject) ?? []), path]);
const cuts = [...people.values()].map((paths) => paths.map((path) => sound("voice-librispeech", path)));
const enrolled: Heard[] = [];
const clean: Heard[] = [];
for (const [a, b] of cuts) {
  if (!a || !b) continue;
  enrolled.push(await hear(a));
  clean.push(await hear(b));
}
const impostors: number[] = [];
for (const [i, a] of enrolled.entries())
  for (const [j, b] of clean.entries()) if (i !== j) impostors.push(cosine(a.vector, b.vector));
impostors.sort((a, b) => b - a);
const threshold = at(impostors, Math.floor(impostors.length * 1e-2));
say(`threshold of FAR 1e-2 over ${impostors.length} impostor comparisons: ${threshold.toFixed(4)}`);
const SPOILS: readonly {
  readonly name: string;
  readonly measure: keyof VoiceQuality;
  readonly change: (recording: Sound) => Sound | Promise<Sound>;
}[] = [
  { name: "as it is", measure: "aboveNoiseDb", change: (recording) => recording },
  ...[30, 20, 15, 10, 5, 0].map((db) => ({
    name: `noise at ${db} dB`,
    measure: "aboveNoiseDb" as const,
    change: (s: Sound) => noisy(s, db),
  })),
  ...[2, 1.5, 1, 0.75, 0.5, 0.35].map((seconds) => ({
    name: `${seconds} s`,
    measure: "speechSeconds" as const,
    change: (s: Sound) => shortened(s, seconds),
  })),
  ...[0.001, 0.01, 0.03, 0.1, 0.2].map((share) => ({
    name: `${100 * share} % clipped`,
    measure: "clippedShare" as const,
    change: (s: Sound) => clipped(s, share),
  })),
  ...[20, 30, 40, 50].map((db) => ({
    name: `${db} dB fainter`,
    measure: "levelDb" as const,
    change: (s: Sound) => fainter(s, db),
  })),
];
say("spoilt by          no speech   5 % of it   median   TAR of those with speech");
const table = [];
for (const { name, measure, change } of SPOILS) {
  const values: number[] = [];
  let accepted = 0;
  let silent = 0;
  for (const [i, [, recording]] of cuts.entries()) {
    const reference = enrolled[i];
    if (!recording || !reference) continue;
    const { quality, vector } = await hear(await change(recording));
    if (quality.speechSeconds === 0) {
      silent++;
      continue;
    }
    values.push(quality[measure]);
    if (cosine(reference.vector, vector) >= threshold) accepted++;
  }
  const row = {
    name,
    measure,
    silent,
    low: quantile(values, 0.05),
    median: quantile(values, 0.5),
    tar: accepted / values.length,
  };
  table.push(row);
  const digits = measure === "clippedShare" ? 4 : 2;
  say(
    `${name.padEnd(18)}${String(silent).padStart(9)}   ${row.low.toFixed(digits).padStart(9)} ${row.median.toFixed(digits).padStart(8)}   ${row.tar.toFixed(3)}   ${measure}`,
  );
}
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ spread, threshold, table }, undefined, 2)}\n`);
