import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { decodeUltralight, ultralightPriors } from "./ultralight.ts";
import { decodeYunet } from "./yunet.ts";

function yunetOutputs(
  width: number,
  height: number,
  fill: (role: string, length: number) => Float32Array,
): Map<string, Float32Array> {
  const outputs = new Map<string, Float32Array>();
  for (const stride of [8, 16, 32]) {
    const cells = Math.ceil(width / stride) * Math.ceil(height / stride);
    for (const [role, numbers] of [
      ["cls", 1],
      ["obj", 1],
      ["bbox", 4],
      ["kps", 10],
    ] as const) {
      outputs.set(`${role}_${stride}`, fill(role, cells * numbers));
    }
  }
  return outputs;
}

describe("YuNet", () => {
  test("one cell gives the box and landmarks worked out by hand", () => {
    const outputs = yunetOutputs(320, 320, (_, length) => new Float32Array(length));
    // Row 3, column 5 of the stride-16 level (20 columns).
    const cell = 3 * 20 + 5;
    outputs.get("cls_16")?.set([0.81], cell);
    outputs.get("obj_16")?.set([1.7], cell); // clamped to 1
    outputs.get("bbox_16")?.set([0.5, -0.25, Math.log(2), Math.log(3)], cell * 4);
    outputs.get("kps_16")?.set([0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1], cell * 10);
    const faces = decodeYunet(outputs, { width: 320, height: 320, minScore: 0.6 });
    expect(faces).toHaveLength(1);
    const [face] = faces;
    expect(face?.score).toBeCloseTo(0.9, 6);
    expect(face?.width).toBeCloseTo(32, 4);
    expect(face?.height).toBeCloseTo(48, 4);
    expect(face?.x).toBeCloseTo(5.5 * 16 - 16, 4);
    expect(face?.y).toBeCloseTo(2.75 * 16 - 24, 4);
    expect(face?.landmarks).toEqual([
      { x: 80, y: 48 },
      { x: 96, y: 48 },
      { x: 88, y: 56 },
      { x: 80, y: 64 },
      { x: 96, y: 64 },
    ]);
  });

  test("equals a cell-by-cell re-implementation on random outputs of a frame that is not square", () => {
    const random = seededRandom(7);
    const [width, height, minScore] = [200, 136, 0.4];
    const outputs = yunetOutputs(width, height, (_, length) => Float32Array.from({ length }, () => random.normal()));
    const expected: number[][] = [];
    for (const s of [8, 16, 32]) {
      const get = (role: string, i: number): number => outputs.get(`${role}_${s}`)?.[i] as number;
      let i = 0;
      for (let row = 0; row < Math.ceil(height / s); row++) {
        for (let col = 0; col < Math.ceil(width / s); col++, i++) {
          const clamp = (v: number): number => Math.max(0, Math.min(1, v));
          const score = Math.sqrt(clamp(get("cls", i)) * clamp(get("obj", i)));
          if (score < minScore) continue;
          const [w, h] = [Math.exp(get("bbox", 4 * i + 2)) * s, Math.exp(get("bbox", 4 * i + 3)) * s];
          const points = Array.from({ length: 10 }, (_, k) => ((k % 2 === 0 ? col : row) + get("kps", 10 * i + k)) * s);
          expected.push([
            (col + get("bbox", 4 * i)) * s - w / 2,
            (row + get("bbox", 4 * i + 1)) * s - h / 2,
            w,
            h,
            score,
            ...points,
          ]);
        }
      }
    }
    const faces = decodeYunet(outputs, { width, height, minScore });
    expect(expected.length).toBeGreaterThan(20);
    expect(faces.map((f) => [f.x, f.y, f.width, f.height, f.score, ...(f.landmarks ?? []).flatMap((p) => [p.x, p.y])])).toEqual(
      expected,
    );
  });

  test("not-a-number and infinite boxes are left out; wrong lengths and missing outputs are refused", () => {
    const wild = yunetOutputs(32, 32, (role, length) => new Float32Array(length).fill(role === "bbox" ? 1e9 : 1));
    expect(decodeYunet(wild, { width: 32, height: 32, minScore: 0.5 })).toEqual([]);
    const nan = yunetOutputs(32, 32, (_, length) => new Float32Array(length).fill(Number.NaN));
    expect(decodeYunet(nan, { width: 32, height: 32, minScore: 0 })).toEqual([]);
    expect(() => decodeYunet(wild, { width: 64, height: 32, minScore: 0.5 })).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH" }),
    );
    expect(() => decodeYunet(new Map(), { width: 64, height: 32, minScore: 0.5 })).toThrow(
      expect.objectContaining({ code: "DATA_MISSING" }),
    );
  });
});

describe("Ultra-Light", () => {
  test("has 4,420 priors at 320 x 240, first and last as the training code lays them", () => {
    const priors = ultralightPriors(320, 240);
    expect(priors.length).toBe(4420 * 4);
    expect([...priors.subarray(0, 4)]).toEqual([4 / 320, 4 / 240, 10 / 320, 10 / 240]);
    expect([...priors.subarray(4, 8)]).toEqual([4 / 320, 4 / 240, 16 / 320, 16 / 240]);
    // Last cell of the 5 x 4 level: row 3 of 64 pixels, centre at 224 of 240; a box of 256 is clipped to the height.
    expect([...priors.subarray(-4)]).toEqual([288 / 320, 224 / 240, 256 / 320, 1]);
    expect(priors.every((v) => v >= 0 && v <= 1)).toBe(true);
  });

  test("decodes offsets with variances 0.1 and 0.2", () => {
    const scores = new Float32Array(4420 * 2);
    const boxes = new Float32Array(4420 * 4);
    // Prior 3600 is the first of the stride-16 level: centre (8, 8), side 32.
    scores.set([0.1, 0.9], 3600 * 2);
    boxes.set([1, -2, 5 * Math.log(2), 0], 3600 * 4);
    const faces = decodeUltralight(
      new Map([
        ["scores", scores],
        ["boxes", boxes],
      ]),
      { width: 320, height: 240, minScore: 0.5 },
    );
    expect(faces).toHaveLength(1);
    const [face] = faces;
    expect(face?.score).toBeCloseTo(0.9, 6);
    expect(face?.width).toBeCloseTo(64, 3);
    expect(face?.height).toBeCloseTo(32, 6);
    expect(face?.x).toBeCloseTo(8 + 3.2 - 32, 3);
    expect(face?.y).toBeCloseTo(8 - 6.4 - 16, 5);
    expect(face?.landmarks).toBeUndefined();
  });
});
