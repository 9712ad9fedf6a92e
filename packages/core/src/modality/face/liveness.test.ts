import { cardOf } from "@tessera/testkit/cards";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tensorType } from "../../graph/model.ts";
import { f32, type Tensor, view } from "../../graph/tensor.ts";
import { imageOf } from "../../signal/image.ts";
import { imageClassCard } from "../card.ts";
import { expandBox, judgeLiveness, type LivenessJudge, softmax } from "./liveness.ts";

const card = imageClassCard(cardOf("minifasnet-v2-2.7-80"));
const box = { x: 100, y: 100, width: 40, height: 50, score: 1 };

describe("the box MiniFASNet looks at", () => {
  test("golden: enlarged about its centre", () => {
    // 40 x 50 about (120, 125), times 2.7: 108 x 135, from (66, 57.5) to (174, 192.5), both ends inclusive, fractions cut.
    expect(expandBox(box, { width: 640, height: 480 }, 2.7)).toEqual({ x: 66, y: 57, width: 109, height: 136 });
  });

  test("golden: pushed back inside at a corner, keeping its size", () => {
    expect(expandBox({ ...box, x: 0, y: 0 }, { width: 640, height: 480 }, 2.7)).toEqual({ x: 0, y: 0, width: 109, height: 136 });
    expect(expandBox({ ...box, x: 600, y: 430 }, { width: 640, height: 480 }, 2.7)).toEqual({
      x: 531,
      y: 344,
      width: 109,
      height: 136,
    });
  });

  test("golden: enlarged less where the picture is too small", () => {
    // The height allows (100 - 1) / 50 = 1.98.
    expect(expandBox({ ...box, x: 30, y: 25 }, { width: 200, height: 100 }, 2.7)).toEqual({
      x: 10,
      y: 0,
      width: 80,
      height: 100,
    });
  });

  test("always lies inside the picture", () => {
    const number = fc.double({ min: -50, max: 300, noNaN: true });
    const size = fc.double({ min: 0.5, max: 400, noNaN: true });
    fc.assert(
      fc.property(
        number,
        number,
        size,
        size,
        fc.integer({ min: 2, max: 300 }),
        fc.integer({ min: 2, max: 300 }),
        (x, y, width, height, w, h) => {
          const rect = expandBox({ x, y, width, height }, { width: w, height: h }, 2.7);
          expect(Math.min(rect.x, rect.y, rect.width - 1, rect.height - 1)).toBeGreaterThanOrEqual(0);
          expect(rect.x + rect.width).toBeLessThanOrEqual(w);
          expect(rect.y + rect.height).toBeLessThanOrEqual(h);
        },
      ),
    );
  });

  test("a box without an area is refused", () => {
    const refused = expect.objectContaining({ code: "IMAGE_INVALID" });
    expect(() => expandBox({ ...box, width: 0 }, { width: 10, height: 10 }, 2.7)).toThrow(refused);
    expect(() => expandBox({ ...box, height: Number.NaN }, { width: 10, height: 10 }, 2.7)).toThrow(refused);
  });
});

describe("judging liveness", () => {
  function judge(values: number[], seen: Tensor[] = []): LivenessJudge {
    return {
      card,
      session: {
        inputs: [{ name: "input", type: tensorType("float32", [1, 3, 80, 80]) }],
        outputs: [],
        run: (feeds) => {
          seen.push(feeds.get("input") as Tensor);
          return Promise.resolve(new Map([["logits", f32([1, values.length], values)]]));
        },
        time: () => Promise.reject(new Error("not timed here")),
        close: () => Promise.resolve(),
      },
    };
  }
  const image = imageOf(
    200,
    200,
    3,
    Uint8Array.from({ length: 120_000 }, (_, i) => [200, 100, 50][i % 3] as number),
  );

  test("class 1 of the softmax is the living face, and the network sees BGR 0..255", async () => {
    const seen: Tensor[] = [];
    const result = await judgeLiveness(judge([1, 3, 0], seen), image, { ...box, x: 50, y: 50 });
    expect(result.real).toBeCloseTo(Math.exp(3) / (Math.E + Math.exp(3) + 1), 6);
    expect(result.classes.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
    const [tensor] = seen;
    expect(tensor?.shape).toEqual([1, 3, 80, 80]);
    const data = view(tensor as Tensor, "float32");
    expect([data[0], data[6400], data[12800]]).toEqual([50, 100, 200]);
  });

  test("no face and a wrong number of classes are refused", async () => {
    await expect(judgeLiveness(judge([1, 2, 3]), image, undefined)).rejects.toThrow(
      expect.objectContaining({ code: "FACE_NOT_FOUND" }),
    );
    await expect(judgeLiveness(judge([1, 2]), image, { ...box, x: 50, y: 50 })).rejects.toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
  });

  test("softmax stands large numbers", () => {
    expect(softmax([1000, 1000])).toEqual([0.5, 0.5]);
    expect(softmax([-1000, 0])).toEqual([0, 1]);
  });
});
