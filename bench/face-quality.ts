/**
 * What the measures of face quality are on LFW, and how recognition falls as a picture is spoilt: the ground under the bounds of
 * packages/core/src/modality/face/quality.ts. The measures are spread over the calibration pictures; the spoiling is done to one picture of the
 * genuine pairs of LFW folds 1 and 2 (folds 3 to 5 are left for reporting), against the threshold of FAR 1e-3 of the clean pictures' impostors. From the root:
 *
 *   npx tsx --conditions=source bench/face-quality.ts [--pairs N] [--only REGEXP] [--json FILE]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { faceDetectorCard, faceEmbeddingCard } from "@tessera/core/modality/card";
import { alignFace, templateOf } from "@tessera/core/modality/face/align";
import { cropsOf } from "@tessera/core/modality/face/crops";
import { chooseFace, detectFaces, type FaceDetector } from "@tessera/core/modality/face/detect";
import { embedCrops, type FaceEmbedder } from "@tessera/core/modality/face/embed";
import { type FaceQuality, faceQuality } from "@tessera/core/modality/face/quality";
import { crop } from "@tessera/core/signal/crop";
import { type Image, toRgb } from "@tessera/core/signal/image";
import { resize } from "@tessera/core/signal/resize";
import { warpAffine } from "@tessera/core/signal/warp";
import { readImage } from "@tessera/media/images";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardOf } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";

const { values: flags } = parseArgs({
  options: { pairs: { type: "string", default: "300" }, only: { type: "string", default: "" }, json: { type: "string" } },
});
const shared = sharedDir();
if (shared === undefined) throw new Error("the shared folder is not there");
const lfw = join(shared, "data/lfw");
const runtime = await ortNodeRuntime({ worker: false });
const load = (path: string) => runtime.load(readFileSync(join(shared, "models", path)), { threads: 1 });
const detector: FaceDetector = {
  session: await load("face-detection/yunet-n-320.onnx"),
  card: faceDetectorCard(cardOf("yunet-n-320")),
};
const embedder: FaceEmbedder = {
  session: await load("face-embedding/mobilefacenet-foamliu-128.onnx"),
  card: faceEmbeddingCard(cardOf("mobilefacenet-foamliu-128")),
};
const { width, height, placement } = embedder.card.input;

interface Looked {
  readonly quality: FaceQuality;
  readonly vector: Float32Array;
}

async function look(image: Image): Promise<Looked | undefined> {
  const faces = await detectFaces(detector, image);
  const face = chooseFace(faces, image, "central");
  if (face?.landmarks === undefined) return undefined;
  const template = templateOf(placement, width);
  const aligned = alignFace(image, face.landmarks, { template, width, height });
  const { data } = await embedCrops(embedder, cropsOf([aligned], [""]));
  const norm = Math.hypot(...data);
  return { quality: faceQuality(face, { picture: image, aligned, template }), vector: data.map((v) => v / norm) };
}

async function picture(path: string): Promise<Image> {
  return toRgb(await readImage(join(lfw, path)));
}

function mapped(image: Image, change: (value: number) => number): Image {
  const table = Uint8Array.from({ length: 256 }, (_, v) => Math.min(255, Math.max(0, Math.round(change(v)))));
  return { ...image, data: image.data.map((v) => at(table, v)) };
}

/** A Gaussian blur, separable, of standard deviation `sigma` pixels; edges repeat. */
function blurred(image: Image, sigma: number): Image {
  const reach = Math.ceil(3 * sigma);
  const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)));
  const sum = kernel.reduce((a, b) => a + b, 0);
  const pass = (data: ArrayLike<number>, along: "x" | "y"): Float64Array => {
    const out = new Float64Array(data.length);
    for (let y = 0; y < image.height; y++)
      for (let x = 0; x < image.width; x++)
        for (let c = 0; c < 3; c++) {
          let total = 0;
          for (let k = -reach; k <= reach; k++) {
            const sx = along === "x" ? Math.min(image.width - 1, Math.max(0, x + k)) : x;
            const sy = along === "y" ? Math.min(image.height - 1, Math.max(0, y + k)) : y;
            total += (kernel[k + reach] as number) * (data[(sy * image.width + sx) * 3 + c] as number);
          }
          out[(y * image.width + x) * 3 + c] = total / sum;
        }
    return out;
  };
  return { ...image, data: Uint8Array.from(pass(pass(image.data, "x"), "y"), Math.round) };
}

function smaller(image: Image, scale: number): Image {
  const size = { width: Math.round(image.width * scale), height: Math.round(image.height * scale) };
  return resize(image, size, { filter: "area" });
}

/** Turned about the middle of the picture. */
function tilted(image: Image, degrees: number): Image {
  const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const [x, y] = [(image.width - 1) / 2, (image.height - 1) / 2];
  return warpAffine(image, [c, -s, x - c * x + s * y, s, c, y - s * x - c * y], { width: image.width, height: image.height });
}

/** What is left when `share` of the width is cut off on the left. */
function cutOff(image: Image, share: number): Image {
  const x = Math.round(share * image.width);
  return crop(image, { x, y: 0, width: image.width - x, height: image.height });
}

const SPOILS: readonly {
  readonly name: string;
  readonly measure: keyof FaceQuality;
  readonly change: (image: Image) => Image;
}[] = [
  { name: "as it is", measure: "sharpness", change: (image) => image },
  ...[1, 1.5, 2, 2.5, 3, 4].map((sigma) => ({
    name: `blur ${sigma} px`,
    measure: "sharpness" as const,
    change: (image: Image) => blurred(image, sigma),
  })),
  ...[15, 25, 35, 45].map((degrees) => ({
    name: `tilted by ${degrees}`,
    measure: "rollDegrees" as const,
    change: (image: Image) => tilted(image, degrees),
  })),
  ...[0.3, 0.34, 0.38, 0.42, 0.46].map((share) => ({
    name: `left ${share} cut off`,
    measure: "cutShare" as const,
    change: (image: Image) => cutOff(image, share),
  })),
  ...[0.6, 0.45, 0.35, 0.28, 0.22, 0.18].map((scale) => ({
    name: `size x ${scale}`,
    measure: "eyeDistance" as const,
    change: (image: Image) => smaller(image, scale),
  })),
  ...[0.5, 0.3, 0.2, 0.13, 0.08, 0.05].map((gain) => ({
    name: `light x ${gain}`,
    measure: "brightness" as const,
    change: (image: Image) => mapped(image, (v) => v * gain),
  })),
  ...[1.5, 2, 2.5, 3, 4, 6].map((gain) => ({
    name: `light x ${gain}`,
    measure: "brightness" as const,
    change: (image: Image) => mapped(image, (v) => v * gain),
  })),
];

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function cosine(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += at(a, i) * at(b, i);
  return sum;
}

const say = (text: string): void => void process.stderr.write(`${text}\n`);
const fixed = (value: number, digits = 1): string => value.toFixed(digits).padStart(8);

const manifest = readFileSync(join(lfw, "manifest.csv"), "utf8").trim().split("\n").slice(1);
const calibration = manifest.filter((line) => line.endsWith(",calib")).map((line) => line.split(",")[0] ?? "");
const spread: FaceQuality[] = [];
for (const path of calibration) {
  const seen = await look(await picture(path));
  if (seen) spread.push(seen.quality);
}
say(`measures of ${spread.length} of ${calibration.length} calibration pictures: quantiles 0, 1, 5, 50, 95, 99, 100 %`);
const measures = Object.keys(at(spread, 0)) as (keyof FaceQuality)[];
const quantiles = measures.map((measure) => {
  const values = spread.map((q) => q[measure]);
  const row = [0, 0.01, 0.05, 0.5, 0.95, 0.99, 1].map((share) => quantile(values, share));
  say(`${measure.padEnd(14)}${row.map((v) => fixed(v, 2)).join("")}`);
  return { measure, row };
});

const pairs = readFileSync(join(lfw, "pairs.csv"), "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => line.split(","))
  .filter(([fold, , , genuine]) => (fold === "1" || fold === "2") && genuine === "1")
  .slice(0, Number(flags.pairs));
const references: (Looked | undefined)[] = [];
for (const [, path = ""] of pairs) references.push(await look(await picture(path)));
const clean: (Looked | undefined)[] = [];
for (const [, , path = ""] of pairs) clean.push(await look(await picture(path)));
const impostors: number[] = [];
for (const [i, a] of references.entries())
  for (const [j, b] of clean.entries())
    if (a && b && pairs[i]?.[1]?.split("/")[1] !== pairs[j]?.[2]?.split("/")[1]) impostors.push(cosine(a.vector, b.vector));
impostors.sort((a, b) => b - a);
const threshold = at(impostors, Math.floor(impostors.length * 1e-3));
say(`threshold of FAR 1e-3 over ${impostors.length} impostor comparisons: ${threshold.toFixed(4)}`);
say("turned by (the two pictures' greater |yaw|), pairs of folds 1 and 2: TAR");
const turned = [
  [0, 15],
  [15, 25],
  [25, 35],
  [35, 45],
  [45, 90],
].map(([low = 0, high = 0]) => {
  let count = 0;
  let accepted = 0;
  for (const [i, a] of references.entries()) {
    const b = clean[i];
    if (!a || !b) continue;
    const yaw = Math.max(Math.abs(a.quality.yawDegrees), Math.abs(b.quality.yawDegrees));
    if (yaw < low || yaw >= high) continue;
    count++;
    if (cosine(a.vector, b.vector) >= threshold) accepted++;
  }
  say(`${low}..${high}   ${count} pairs   ${fixed(accepted / Math.max(1, count), 3)}`);
  return { low, high, count, tar: accepted / Math.max(1, count) };
});
say("spoilt by           no face   5 % of it   median   TAR of faces found");
const rows = [];
for (const { name, measure, change } of SPOILS.filter((spoil) => new RegExp(flags.only).test(spoil.name))) {
  const values: number[] = [];
  let missing = 0;
  let accepted = 0;
  for (const [i, [, , path = ""]] of pairs.entries()) {
    const reference = references[i];
    const seen = await look(change(await picture(path)));
    if (seen === undefined || reference === undefined) missing++;
    else {
      values.push(seen.quality[measure]);
      if (cosine(reference.vector, seen.vector) >= threshold) accepted++;
    }
  }
  const row = {
    name,
    measure,
    missing,
    low: quantile(values, 0.05),
    median: quantile(values, 0.5),
    tar: accepted / values.length,
  };
  rows.push(row);
  say(
    `${name.padEnd(18)}${fixed(missing, 0)}   ${fixed(row.low, 2)} ${fixed(row.median, 2)}   ${fixed(row.tar, 3)}   ${measure}`,
  );
}

if (flags.json !== undefined)
  writeFileSync(flags.json, `${JSON.stringify({ quantiles, threshold, rows, turned }, undefined, 2)}\n`);
