import { cardOf } from "@tessera/testkit/cards";
import { describe, expect, test } from "vitest";
import { fail } from "../../base/error.ts";
import { tensorType } from "../../graph/model.ts";
import type { Feeds, Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { type Image, imageOf } from "../../signal/image.ts";
import { faceDetectorCard, faceEmbeddingCard } from "../card.ts";
import { acquireFaces, centreCrop, type FaceSource } from "./acquire.ts";
import { ARCFACE_112 } from "./align.ts";
import type { Face } from "./boxes.ts";
import { cropAt, cropsOf, selectCrops } from "./crops.ts";
import { chooseFace, detectFaces, type FaceDetector, frame } from "./detect.ts";
import { embedCrops, embedMany, type FaceEmbedder } from "./embed.ts";

const detectorCard = faceDetectorCard(cardOf("yunet-n-320"));
const embedderCard = faceEmbeddingCard(cardOf("mobilefacenet-foamliu-128"));

function session(input: { name: string; shape: (number | string)[] }, run: (feeds: Feeds) => Feeds): Session {
  return {
    inputs: [{ name: input.name, type: tensorType("float32", input.shape) }],
    outputs: [],
    run: (feeds) => Promise.resolve(run(feeds)),
    time: () => Promise.reject(new Error("not timed here")),
    close: () => Promise.resolve(),
  };
}

/** A detector that sees a face where the picture has a red pixel: a template-shaped face, its corner at that pixel. */
function redDetector(): FaceDetector {
  const run = (feeds: Feeds): Feeds => {
    const tensor = feeds.get("input");
    if (!tensor) throw fail("DATA_MISSING", "Cannot run: no input");
    const blueGreenRed = view(tensor, "float32");
    const outputs = new Map<string, ReturnType<typeof f32>>();
    for (const stride of [8, 16, 32]) {
      const cells = (320 / stride) ** 2;
      const cls = new Float32Array(cells);
      const bbox = new Float32Array(cells * 4);
      const kps = new Float32Array(cells * 10);
      if (stride === 8) {
        for (let i = 0; i < 320 * 320; i++) {
          if (blueGreenRed[2 * 320 * 320 + i] !== 255 || blueGreenRed[i] !== 0) continue;
          const [x, y] = [i % 320, Math.floor(i / 320)];
          cls[0] = 1;
          bbox.set([(x + 56) / 8, (y + 56) / 8, Math.log(14), Math.log(14)]);
          kps.set(ARCFACE_112.flatMap((p) => [(x + p.x) / 8, (y + p.y) / 8]));
        }
      }
      outputs.set(`cls_${stride}`, f32([1, cells, 1], cls));
      outputs.set(`obj_${stride}`, f32([1, cells, 1], cls));
      outputs.set(`bbox_${stride}`, f32([1, cells, 4], bbox));
      outputs.set(`kps_${stride}`, f32([1, cells, 10], kps));
    }
    return outputs;
  };
  return { session: session({ name: "input", shape: [1, 3, 320, 320] }, run), card: detectorCard };
}

/** An embedder whose first number is the first of its input, the second the batch it ran in; counts its runs. */
function countingEmbedder(batch: number | string): FaceEmbedder & { readonly batches: number[] } {
  const batches: number[] = [];
  const run = (feeds: Feeds): Feeds => {
    const tensor = feeds.get("input0");
    if (!tensor) throw fail("DATA_MISSING", "Cannot run: no input");
    const data = view(tensor, "float32");
    const rows = tensor.shape[0] as number;
    batches.push(rows);
    const out = new Float32Array(rows * 128);
    for (let i = 0; i < rows; i++) out.set([data[i * 3 * 112 * 112] as number, rows], i * 128);
    return new Map([["output0", f32([rows, 128], out)]]);
  };
  return { session: session({ name: "input0", shape: [batch, 3, 112, 112] }, run), card: embedderCard, batches };
}

function picture(mark?: { x: number; y: number }): Image {
  const data = new Uint8Array(250 * 250 * 3).fill(100);
  if (mark) data.set([255, 0, 0], (mark.y * 250 + mark.x) * 3);
  return imageOf(250, 250, 3, data);
}

const source = (name: string, image: Image): FaceSource => ({ name, load: () => Promise.resolve(image) });

describe("framing", () => {
  test("pad leaves a small picture alone, fit enlarges it, stretch fills", () => {
    const image = imageOf(100, 50, 1, new Uint8Array(5000).fill(9));
    const size = { width: 320, height: 320 };
    const pad = frame(image, size, "pad");
    expect([pad.scaleX, pad.scaleY, pad.image.data[49 * 320 + 99], pad.image.data[50 * 320]]).toEqual([1, 1, 9, 0]);
    const fit = frame(image, size, "fit");
    expect([fit.scaleX, fit.scaleY, fit.image.data[159 * 320 + 319], fit.image.data[160 * 320]]).toEqual([3.2, 3.2, 9, 0]);
    const stretch = frame(image, size, "stretch");
    expect([stretch.scaleX, stretch.scaleY, stretch.image.data.at(-1)]).toEqual([3.2, 6.4, 9]);
  });

  test("pad shrinks what is larger than the frame", () => {
    const pad = frame(imageOf(640, 320, 1, new Uint8Array(640 * 320)), { width: 320, height: 320 }, "pad");
    expect([pad.scaleX, pad.scaleY, pad.image.width, pad.image.height]).toEqual([0.5, 0.5, 320, 320]);
  });
});

describe("finding faces", () => {
  test("boxes and landmarks come back in pixels of the picture, whatever the placement", async () => {
    for (const kind of ["pad", "fit", "stretch"] as const) {
      const detector = { ...redDetector(), card: { ...detectorCard, input: { ...detectorCard.input, placement: { kind } } } };
      // A red block, so that enlarging leaves pure red inside it.
      const data = new Uint8Array(160 * 160 * 3);
      for (let y = 20; y < 24; y++) for (let x = 30; x < 34; x++) data.set([255, 0, 0], (y * 160 + x) * 3);
      const faces = await detectFaces(detector, imageOf(160, 160, 3, data));
      expect(faces).toHaveLength(1);
      const scale = kind === "pad" ? 1 : 2;
      // The last pure red pixel of the frame marks the corner.
      expect(faces[0]?.x).toBeCloseTo(kind === "pad" ? 33 : 66 / 2, 3);
      expect(faces[0]?.width).toBeCloseTo(112 / scale, 3);
      expect((faces[0]?.landmarks?.[2]?.x ?? 0) - (faces[0]?.x ?? 0)).toBeCloseTo(56.0252 / scale, 3);
    }
  });

  test("the chosen face is the largest, the most central or the best", () => {
    const faces: Face[] = [
      { x: 0, y: 0, width: 50, height: 50, score: 0.7 },
      { x: 110, y: 110, width: 20, height: 20, score: 0.8 },
      { x: 200, y: 0, width: 30, height: 30, score: 0.9 },
    ];
    expect(chooseFace(faces, { width: 250, height: 250 }, "largest")).toBe(faces[0]);
    expect(chooseFace(faces, { width: 250, height: 250 }, "central")).toBe(faces[1]);
    expect(chooseFace(faces, { width: 250, height: 250 }, "best")).toBe(faces[2]);
    expect(chooseFace([], { width: 250, height: 250 }, "best")).toBeUndefined();
  });
});

describe("acquiring faces", () => {
  const tools = { detector: redDetector(), card: embedderCard };

  test("a found face is cut out where its landmarks are", async () => {
    const crops = await acquireFaces(tools, [source("a", picture({ x: 40, y: 60 }))]);
    expect([crops.count, crops.acquired[0], crops.failures.length]).toEqual([1, 1, 0]);
    // Its template corner is the red pixel.
    expect([...cropAt(crops, 0).data.subarray(0, 6)]).toEqual([255, 0, 0, 100, 100, 100]);
  });

  test("a picture without a face is rejected and counted, or its centre stands in and it is still counted", async () => {
    const sources = [source("none", picture()), source("one", picture({ x: 10, y: 10 }))];
    const rejected = await acquireFaces(tools, sources);
    expect([...rejected.acquired]).toEqual([0, 1]);
    expect(rejected.failures).toEqual([expect.objectContaining({ index: 0, name: "none", why: "no-face", used: "nothing" })]);
    expect(cropAt(rejected, 0).data.every((v) => v === 0)).toBe(true);
    const stoodIn = await acquireFaces(tools, sources, { onNoFace: "centre-crop" });
    expect([...stoodIn.acquired]).toEqual([1, 1]);
    expect(stoodIn.failures).toEqual([expect.objectContaining({ index: 0, why: "no-face", used: "centre-crop" })]);
    expect(cropAt(stoodIn, 0).data.every((v) => v === 100)).toBe(true);
  });

  test("an unreadable picture is a failure to acquire, another error is not hidden", async () => {
    const unreadable: FaceSource = {
      name: "bad",
      load: () => Promise.reject(fail("IMAGE_INVALID", "Cannot decode the picture: cut short")),
    };
    const crops = await acquireFaces(tools, [unreadable], { onNoFace: "centre-crop" });
    expect(crops.failures).toEqual([
      expect.objectContaining({ why: "unreadable", used: "nothing", message: expect.stringContaining("cut short") }),
    ]);
    expect([...crops.acquired]).toEqual([0]);
    const broken: FaceSource = { name: "gone", load: () => Promise.reject(fail("IO", "Cannot read gone: no such file")) };
    await expect(acquireFaces(tools, [broken])).rejects.toThrow("no such file");
  });

  test("progress is told and an abort is heard", async () => {
    const seen: string[] = [];
    const sources = [source("a", picture()), source("b", picture({ x: 1, y: 1 }))];
    await acquireFaces(tools, sources, { onProgress: (done, failures) => seen.push(`${done}/${failures}`) });
    expect(seen).toEqual(["1/1", "2/1"]);
    const controller = new AbortController();
    const run = acquireFaces(tools, sources, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(run).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
  });

  test("the central square is the middle of the shorter side's share", () => {
    const image = imageOf(
      4,
      2,
      3,
      Uint8Array.from({ length: 24 }, (_, i) => i),
    );
    expect([...centreCrop(image, { width: 2, height: 2, share: 1 }).data]).toEqual([3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20]);
  });
});

describe("embedding", () => {
  const crops = cropsOf(
    [10, 20, 30, 40, 50].map((level) => imageOf(112, 112, 3, new Uint8Array(112 * 112 * 3).fill(level))),
    ["a", "b", "c", "d", "e"],
  );
  const normalised = (level: number): number => Math.fround((level / 255 - 0.485) / 0.229);
  const firsts = (set: { readonly data: Float32Array }): number[] =>
    Array.from({ length: set.data.length / 128 }, (_, i) => set.data[i * 128] as number);

  test.each([
    [1, [1, 1, 1, 1, 1]],
    [2, [2, 2, 2]],
    ["N", [2, 2, 1]],
  ])("a model of batch %s gets batches of %j and every row its own face", async (batch, expected) => {
    const embedder = countingEmbedder(batch);
    const set = await embedCrops(embedder, crops, { batch: 2 });
    expect(embedder.batches).toEqual(expected);
    expect([set.count, set.dim]).toEqual([5, 128]);
    expect(firsts(set)).toEqual([10, 20, 30, 40, 50].map(normalised));
  });

  test("rows that were not acquired are not run and stay zero", async () => {
    const embedder = countingEmbedder(2);
    const set = await embedCrops(embedder, { ...crops, acquired: Uint8Array.of(0, 1, 0, 0, 1) });
    expect(firsts(set)).toEqual([0, normalised(20), 0, 0, normalised(50)]);
    expect(embedder.batches).toEqual([2]);
    const last = await embedCrops(countingEmbedder(2), { ...crops, acquired: Uint8Array.of(1, 1, 1, 0, 0) });
    expect(firsts(last)).toEqual([normalised(10), normalised(20), normalised(30), 0, 0]);
  });

  test("another pre-processing can be given", async () => {
    const pixels = { layout: "NCHW", colour: "RGB", scale: 1, mean: [0, 0, 0], std: [1, 1, 1] } as const;
    expect(firsts(await embedCrops(countingEmbedder(1), crops, { pixels }))).toEqual([10, 20, 30, 40, 50]);
  });

  test("pictures to embeddings in one stream equals acquiring, then embedding", async () => {
    const detector = redDetector();
    const sources = [source("a", picture({ x: 3, y: 9 })), source("b", picture()), source("c", picture({ x: 99, y: 50 }))];
    const embedder = countingEmbedder(2);
    const stream = await embedMany({ detector, embedder }, sources);
    const apart = await embedCrops(countingEmbedder(2), await acquireFaces({ detector, card: embedderCard }, sources));
    expect(stream.data).toEqual(apart.data);
    expect([...stream.acquired]).toEqual([1, 0, 1]);
    expect(stream.names).toEqual(["a", "b", "c"]);
    expect(stream.failures).toHaveLength(1);
  });

  test("crops of another size, missing tensors and a wrong dimension are refused", async () => {
    const small = cropsOf([imageOf(96, 112, 3, new Uint8Array(96 * 112 * 3))], ["a"]);
    await expect(embedCrops(countingEmbedder(1), small)).rejects.toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    const { session: loaded, card } = countingEmbedder(1);
    const named = (input: string, tensor: string, dimension: number): FaceEmbedder => ({
      session: loaded,
      card: { ...card, input: { ...card.input, tensor: input }, output: { ...card.output, tensor, dimension } },
    });
    await expect(embedCrops(named("nope", "output0", 128), crops)).rejects.toThrow(
      expect.objectContaining({ code: "DATA_MISSING" }),
    );
    await expect(embedCrops(named("input0", "nope", 128), crops)).rejects.toThrow(
      expect.objectContaining({ code: "DATA_MISSING" }),
    );
    await expect(embedCrops(named("input0", "output0", 192), crops)).rejects.toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
  });

  test("selected rows keep their pixels and names", () => {
    const two = selectCrops(crops, [4, 1]);
    expect([two.count, two.names, cropAt(two, 0).data[0], cropAt(two, 1).data[0]]).toEqual([2, ["e", "b"], 50, 20]);
    expect(() => cropsOf([imageOf(2, 1, 1, new Uint8Array(2))], ["grey"])).toThrow(
      expect.objectContaining({ code: "IMAGE_INVALID" }),
    );
  });
});
