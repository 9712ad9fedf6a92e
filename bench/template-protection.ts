/**
 * What the store's template protection keeps and what it hides, on embeddings of LFW where `shared` is there and on synthetic people where it is
 * not: accuracy under one key, unlinkability across keys, renewal, and what a thief of the key gets. Run from the root:
 *
 *   npx tsx --conditions=source bench/template-protection.ts [--shared ../shared] [--people 400] [--json]
 *
 * Tables go to stderr; with --json the report goes to stdout.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "@tessera/core/base/random";
import { parseManifest } from "@tessera/core/biometrics/dataset";
import { unlinkability } from "@tessera/core/biometrics/unlinkability";
import { faceDetectorCard, faceEmbeddingCard } from "@tessera/core/modality/card";
import { acquireFaces } from "@tessera/core/modality/face/acquire";
import { embedCrops } from "@tessera/core/modality/face/embed";
import { keyedRotation, rotate, rotateBack } from "@tessera/gateway/store/rotation";
import { readImage } from "@tessera/media/images";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardOf } from "@tessera/testkit/cards";

const { values: flags } = parseArgs({
  options: {
    shared: { type: "string", default: "../shared" },
    people: { type: "string", default: "400" },
    json: { type: "boolean", default: false },
  },
});
const random = seededRandom(30_136);
const ROUNDS = 10;

interface Person {
  readonly first: Float32Array;
  readonly second: Float32Array;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

/** Two pictures each of people of LFW who have two. */
async function lfwPeople(shared: string, count: number): Promise<Person[]> {
  const lfw = join(shared, "data/lfw");
  const manifest = parseManifest(readFileSync(join(lfw, "manifest.csv"), "utf8"), { file: "manifest.csv" });
  const bySubject = new Map<string, number[]>();
  for (const row of manifest.paths.keys()) {
    const subject = manifest.subjects?.[row] ?? "";
    bySubject.set(subject, [...(bySubject.get(subject) ?? []), row]);
  }
  const rows = [...bySubject.values()]
    .filter((of) => of.length >= 2)
    .slice(0, count)
    .flatMap((of) => of.slice(0, 2));
  const runtime = await ortNodeRuntime({ worker: false });
  const load = async (path: string) => runtime.load(readFileSync(join(shared, "models", path)));
  const card = faceEmbeddingCard(cardOf("mobilefacenet-foamliu-128"));
  const detector = { session: await load("face-detection/yunet-n-320.onnx"), card: faceDetectorCard(cardOf("yunet-n-320")) };
  const sources = rows.map((row) => manifest.paths[row] ?? "").map((name) => ({ name, load: () => readImage(join(lfw, name)) }));
  const crops = await acquireFaces({ detector, card }, sources, { choice: "central", onNoFace: "centre-crop" });
  const { data, dim } = await embedCrops({ session: await load("face-embedding/mobilefacenet-foamliu-128.onnx"), card }, crops);
  const vector = (i: number) => unit(data.slice(i * dim, (i + 1) * dim));
  return Array.from({ length: rows.length / 2 }, (_, i) => ({ first: vector(2 * i), second: vector(2 * i + 1) }));
}

function syntheticPeople(count: number): Person[] {
  const draw = (near: Float32Array, spread: number) =>
    unit(near.map((value) => value + (spread * random.normal()) / Math.sqrt(near.length)));
  return Array.from({ length: count }, () => {
    const centre = draw(new Float32Array(128), 1);
    return { first: draw(centre, 0.7), second: draw(centre, 0.7) };
  });
}

/** A key nobody has used before, from a counter: the store draws them at random. */
let keys = 0;
function freshKey(): Uint8Array {
  return createHash("sha256").update(`bench key ${keys++}`).digest();
}

function stored(vector: Float32Array, key: Uint8Array): Float32Array {
  return rotate(keyedRotation(key, vector.length), vector);
}

const real = existsSync(join(flags.shared, "data/lfw/manifest.csv"));
const people = real ? await lfwPeople(flags.shared, Number(flags.people)) : syntheticPeople(Number(flags.people));
say(`${people.length} people, two captures each, ${real ? "LFW through MobileFaceNet" : "synthetic"}`);

/** Scores of one person's two captures, and of each with ten other people's. */
function scores(template: (person: Person, which: "first" | "second") => Float32Array): {
  mated: Float64Array;
  nonMated: Float64Array;
} {
  const first = people.map((person) => template(person, "first"));
  const second = people.map((person) => template(person, "second"));
  const mated = Float64Array.from(first, (vector, i) => cosine(vector, second[i] ?? vector));
  const nonMated: number[] = [];
  for (const [i, vector] of first.entries()) {
    for (let k = 1; k <= 10; k++) nonMated.push(cosine(vector, second[(i + k * 7) % people.length] ?? vector));
  }
  return { mated, nonMated: Float64Array.from(nonMated) };
}

const plain = scores((person, which) => person[which]);
const one = freshKey();
const oneKey = scores((person, which) => stored(person[which], one));
/** Several times over with other keys each time: the fewer the scores, the more chance alone seems to link. */
const many = Array.from({ length: ROUNDS }, () => scores((person, which) => stored(person[which], freshKey())));
const manyKeys = {
  mated: Float64Array.from(many.flatMap(({ mated }) => [...mated])),
  nonMated: Float64Array.from(many.flatMap(({ nonMated }) => [...nonMated])),
};
const kept = plain.mated.reduce((most, score, i) => Math.max(most, Math.abs(score - (oneKey.mated[i] ?? 0))), 0);

/** Threshold at which one in a hundred of the strangers here passes. */
const threshold = plain.nonMated.toSorted().at(Math.floor(0.99 * plain.nonMated.length)) ?? 1;
const share = (values: Float64Array) => values.filter((score) => score >= threshold).length / values.length;

const revoked = Float64Array.from(people, ({ first }) => cosine(stored(first, freshKey()), stored(first, freshKey())));
const stolen = people.map(({ first }) => {
  const rotation = keyedRotation(freshKey(), first.length);
  return cosine(rotateBack(rotation, rotate(rotation, first)), first);
});

const report = {
  data: real ? "lfw" : "synthetic",
  people: people.length,
  greatestCosineChange: kept,
  threshold,
  acceptedGenuine: { plain: share(plain.mated), oneKey: share(oneKey.mated), differentKeys: share(manyKeys.mated) },
  acceptedImpostor: { plain: share(plain.nonMated), oneKey: share(oneKey.nonMated), differentKeys: share(manyKeys.nonMated) },
  unlinkability: {
    plain: unlinkability(plain.mated, plain.nonMated),
    oneKey: unlinkability(oneKey.mated, oneKey.nonMated),
    differentKeys: unlinkability(manyKeys.mated, manyKeys.nonMated),
  },
  // The very same vector before and after renewal, compared as stored.
  renewal: { rejectedShare: 1 - share(revoked), meanScore: revoked.reduce((a, b) => a + b, 0) / revoked.length },
  stolenKey: { recoveredShare: stolen.filter((score) => score > 0.9999).length / stolen.length },
};

say(`largest change of a cosine under one key: ${kept.toExponential(1)}`);
say("                      D_sys   by chance (95 %)   genuine accepted   strangers accepted");
for (const [name, key] of [
  ["unprotected", "plain"],
  ["one key for all", "oneKey"],
  ["a key for each", "differentKeys"],
] as const) {
  const { dSys, chance } = report.unlinkability[key];
  const cells = [dSys.toFixed(4), `${chance.mean.toFixed(4)} (${chance.p95.toFixed(4)})`];
  const shares = [report.acceptedGenuine[key], report.acceptedImpostor[key]].map((value) => `${(100 * value).toFixed(1)} %`);
  say(`${name.padEnd(20)} ${cells[0]}   ${cells[1]}   ${shares[0]?.padStart(12)}   ${shares[1]?.padStart(15)}`);
}
say(`renewed: ${(100 * report.renewal.rejectedShare).toFixed(1)} % of old templates no longer match their own new ones`);
say(
  `stolen key: ${(100 * report.stolenKey.recoveredShare).toFixed(1)} % of vectors recovered: the transform is no one-way function`,
);
if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
