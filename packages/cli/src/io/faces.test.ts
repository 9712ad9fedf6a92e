import { readFileSync } from "node:fs";
import { join } from "node:path";
import { normaliseRows } from "@tessera/core/biometrics/similarity";
import type { Session } from "@tessera/core/graph/runtime";
import { faceDetectorCard, faceEmbeddingCard, imageClassCard } from "@tessera/core/modality/card";
import { overlap } from "@tessera/core/modality/face/boxes";
import { chooseFace, detectFaces, type FaceDetector } from "@tessera/core/modality/face/detect";
import { embedMany, type FaceEmbedder } from "@tessera/core/modality/face/embed";
import { judgeLiveness } from "@tessera/core/modality/face/liveness";
import { readImage } from "@tessera/media/images";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardOf } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, test } from "vitest";

const shared = sharedDir();

async function load(path: string): Promise<Session> {
  const runtime = await ortNodeRuntime({ worker: false });
  return runtime.load(readFileSync(join(shared ?? "", "models", path)));
}

async function yunet(): Promise<FaceDetector> {
  return { session: await load("face-detection/yunet-n-320.onnx"), card: faceDetectorCard(cardOf("yunet-n-320")) };
}

async function ultralight(): Promise<FaceDetector> {
  return { session: await load("face-detection/ultralight-rfb-320.onnx"), card: faceDetectorCard(cardOf("ultralight-rfb-320")) };
}

/** The first `people` of LFW with two pictures, both of each. */
function twins(people: number): string[] {
  const rows = readFileSync(join(shared ?? "", "data/lfw/manifest.csv"), "utf8")
    .trim()
    .split("\n")
    .slice(1);
  const byPerson = new Map<string, string[]>();
  for (const row of rows) {
    const [path = "", person = "", , role] = row.split(",");
    if (role === "eval") byPerson.set(person, [...(byPerson.get(person) ?? []), path]);
  }
  return [...byPerson.values()]
    .filter((paths) => paths.length > 1)
    .slice(0, people)
    .flatMap((paths) => paths.slice(0, 2));
}

const picture = (path: string): ReturnType<typeof readImage> => readImage(join(shared ?? "", "data/lfw", path));

describe.skipIf(shared === undefined)("faces in real pictures (needs ../shared)", () => {
  test("two detectors find the same central face, YuNet's landmarks lie in it like a face's", async () => {
    const [first, second] = [await yunet(), await ultralight()];
    for (const path of twins(3)) {
      const image = await picture(path);
      const a = chooseFace(await detectFaces(first, image), image, "central");
      const b = chooseFace(await detectFaces(second, image), image, "central");
      if (!a?.landmarks || !b) throw new Error(`no face in ${path}`);
      expect(overlap(a, b)).toBeGreaterThan(0.5);
      const [leftEye, rightEye, nose, leftMouth, rightMouth] = a.landmarks;
      if (!leftEye || !rightEye || !nose || !leftMouth || !rightMouth) throw new Error("five landmarks");
      expect(leftEye.x).toBeLessThan(rightEye.x);
      expect(leftMouth.x).toBeLessThan(rightMouth.x);
      expect(Math.max(leftEye.y, rightEye.y)).toBeLessThan(nose.y);
      expect(nose.y).toBeLessThan(Math.min(leftMouth.y, rightMouth.y));
      for (const p of a.landmarks) {
        expect(p.x > a.x && p.x < a.x + a.width && p.y > a.y && p.y < a.y + a.height).toBe(true);
      }
    }
  });

  test("pictures of one person are nearer than those of any two", async () => {
    const embedder: FaceEmbedder = {
      session: await load("face-embedding/mobilefacenet-foamliu-128.onnx"),
      card: faceEmbeddingCard(cardOf("mobilefacenet-foamliu-128")),
    };
    const sources = twins(6).map((name) => ({ name, load: () => picture(name) }));
    const faces = await embedMany({ detector: await yunet(), embedder }, sources, { choice: "central" });
    expect(faces.failures).toEqual([]);
    const { data, dim, count } = normaliseRows(faces);
    const cosine = (i: number, j: number): number => {
      let sum = 0;
      for (let k = 0; k < dim; k++) sum += (data[i * dim + k] as number) * (data[j * dim + k] as number);
      return sum;
    };
    const genuine: number[] = [];
    const impostor: number[] = [];
    for (let i = 0; i < count; i++)
      for (let j = i + 1; j < count; j++) (i >> 1 === j >> 1 ? genuine : impostor).push(cosine(i, j));
    expect([genuine.length, impostor.length]).toEqual([6, 60]);
    expect(Math.min(...genuine)).toBeGreaterThan(Math.max(...impostor));
  });

  test("news photographs of people look alive to MiniFASNet more often than not", async () => {
    const card = imageClassCard(cardOf("minifasnet-v2-2.7-80"));
    const judge = { session: await load("face-liveness/minifasnet-v2-2.7-80.onnx"), card };
    const detector = await yunet();
    const real: number[] = [];
    for (const path of twins(4)) {
      const image = await picture(path);
      const face = chooseFace(await detectFaces(detector, image), image, "central");
      const result = await judgeLiveness(judge, image, face);
      expect(result.classes.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
      real.push(result.real);
    }
    real.sort((a, b) => a - b);
    expect(real[4]).toBeGreaterThan(0.5);
  });
});
