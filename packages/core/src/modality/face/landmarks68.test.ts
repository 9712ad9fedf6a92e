import { describe, expect, test } from "vitest";
import type { Feeds, Session } from "../../graph/runtime.ts";
import { f32, view } from "../../graph/tensor.ts";
import { imageOf } from "../../signal/image.ts";
import { decodeCorners } from "./corners.ts";
import { fiveOf68, landmarksOf } from "./landmarks68.ts";

const numbered = Array.from({ length: 68 }, (_, i) => ({ x: i, y: 2 * i }));

describe("landmarks of 68 points", () => {
  test("give lids' middle, tip of the nose and mouth corners", () => {
    expect(fiveOf68(numbered)).toEqual([39, 45, 30, 54, 59].map((x) => ({ x, y: 2 * x })));
    expect(() => fiveOf68(numbered.slice(1))).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
  });

  test("are fed the grey face box over 256 and come back in pixels of the picture", async () => {
    let fed: Feeds | undefined;
    const session = {
      run: async (feeds: Feeds) => {
        fed = feeds;
        return new Map([
          [
            "out",
            f32(
              [1, 136],
              Float32Array.from({ length: 136 }, (_, i) => (i % 2 === 0 ? 0.5 : 0.25)),
            ),
          ],
        ]);
      },
    } as unknown as Session;
    const image = imageOf(40, 30, 3, new Uint8Array(40 * 30 * 3).fill(128));
    const face = { x: 30, y: 10, width: 20, height: 8, score: 1 };
    const points = await landmarksOf({ session, input: "in", output: "out", side: 4 }, image, face);
    for (const p of points) {
      expect(p.x).toBeCloseTo(40, 6);
      expect(p.y).toBeCloseTo(12, 6);
    }
    const input = fed?.get("in");
    expect(input?.shape).toEqual([1, 1, 4, 4]);
    // The right half of the box lies outside the picture and is black.
    expect(Array.from(view(input as ReturnType<typeof f32>, "float32").subarray(0, 4))).toEqual([0.5, 0.5, 0, 0]);
  });
});

describe("boxes that a network decodes itself", () => {
  test("are shares of the input; background and boxes without area are left out", () => {
    const scores = new Float32Array(4420 * 2);
    const boxes = new Float32Array(4420 * 4);
    scores[7] = 0.75;
    boxes.set([0.25, 0.5, 0.5, 0.75], 12);
    scores[9] = 0.9;
    boxes.set([0.5, 0.5, 0.5, 0.75], 16);
    scores[11] = 0.5;
    boxes.set([0, 0, 1, 1], 20);
    const outputs = new Map([
      ["scores", scores],
      ["boxes", boxes],
    ]);
    expect(decodeCorners(outputs, { width: 320, height: 240, minScore: 0.6 })).toEqual([
      { x: 80, y: 120, width: 80, height: 60, score: 0.75 },
    ]);
  });
});
