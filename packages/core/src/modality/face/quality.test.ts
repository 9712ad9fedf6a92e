import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Image, imageOf } from "../../signal/image.ts";
import type { Point } from "../../signal/warp.ts";
import type { Face } from "./boxes.ts";
import { brokenFaceLimits, FACE_LIMITS, type FaceQuality, faceQuality, hasRival, laplacianVariance, yawOf } from "./quality.ts";

/** A head of which the nose stands out by 27 of 63 mm, turned about the vertical axis, then tilted and scaled in the picture. */
function landmarks(turn: number, tilt = 0, scale = 1, shift: Point = { x: 0, y: 0 }): readonly Point[] {
  const model = [
    [-31.5, -40, 0],
    [31.5, -40, 0],
    [0, 0, 27],
    [-25, 35, 0],
    [25, 35, 0],
  ] as const;
  const [y, t] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
  return model.map(([px, py, pz]) => {
    const x = px * Math.cos(y) + pz * Math.sin(y);
    return {
      x: shift.x + scale * (x * Math.cos(t) - py * Math.sin(t)),
      y: shift.y + scale * (x * Math.sin(t) + py * Math.cos(t)),
    };
  });
}

const grey = (side: number, value: (x: number, y: number) => number) =>
  imageOf(
    side,
    side,
    1,
    Uint8Array.from({ length: side * side }, (_, i) => value(i % side, Math.floor(i / side))),
  );

const face = (box: Partial<Face> = {}): Face => ({
  x: 20,
  y: 10,
  width: 60,
  height: 80,
  score: 0.9,
  landmarks: landmarks(0),
  ...box,
});

const view = (width: number, height: number, aligned: Image, template = landmarks(0)) => ({
  picture: { width, height },
  aligned,
  template,
});

describe("measures of a face", () => {
  test("the turn of a head is found from its landmarks, whatever its tilt, size and place", () => {
    const angle = fc.double({ min: -60, max: 60, noNaN: true });
    fc.assert(
      fc.property(angle, angle, fc.double({ min: 0.2, max: 5, noNaN: true }), angle, (turn, tilt, scale, shift) => {
        expect(yawOf(landmarks(turn, tilt, scale, { x: shift, y: -shift }))).toBeCloseTo(turn, 6);
      }),
    );
  });

  test("eyes in one place are a head that cannot be seen", () => {
    const points = landmarks(0).map((p, i) => (i === 1 ? { x: -31.5, y: -40 } : p));
    expect(yawOf(points)).toBe(90);
  });

  test("size and tilt are what they are in the picture", () => {
    const measured = faceQuality(
      face({ x: -20, landmarks: landmarks(0, 30, 0.5) }),
      view(
        200,
        100,
        grey(4, () => 9),
      ),
    );
    expect(measured.faceShare).toBe(0.8);
    expect(measured.eyeDistance).toBeCloseTo(31.5, 9);
    expect(measured.rollDegrees).toBeCloseTo(30, 9);
    expect([measured.brightness, measured.sharpness]).toEqual([9, 0]);
  });

  test("what is cut off is the share of the inner face that the picture does not hold", () => {
    // Landmarks that span 100 x 100 from (60, 60) on: the inner face is (30, 30) to (190, 190), 16 rows and columns of 10 pixels, asked in their middle.
    const points: readonly Point[] = [
      { x: 60, y: 60 },
      { x: 160, y: 60 },
      { x: 110, y: 110 },
      { x: 60, y: 160 },
      { x: 160, y: 160 },
    ];
    const moved = (dx: number, dy: number) => points.map(({ x, y }) => ({ x: x + dx, y: y + dy }));
    const share = (width: number, height: number, landmarks = points) =>
      faceQuality(
        face({ landmarks }),
        view(
          width,
          height,
          grey(4, () => 0),
          points,
        ),
      ).cutShare;
    expect(share(1000, 1000)).toBe(0);
    expect(share(192, 192)).toBe(0);
    expect(share(110, 1000)).toBe(0.5);
    expect(share(1000, 110)).toBe(0.5);
    expect(share(1000, 1000, moved(-70, 0))).toBe(4 / 16);
    expect(share(1000, 1000, moved(0, -70))).toBe(4 / 16);
    expect(share(1000, 1000, moved(-70, -70))).toBe(1 - (12 * 12) / 256);
    expect(share(1000, 1000, moved(-500, 0))).toBe(1);
    // A face of twice the size is asked in the same places of the face.
    const twice = points.map(({ x, y }) => ({ x: 2 * x, y: 2 * y }));
    expect(share(220, 1000, twice)).toBe(0.5);
  });

  test("sharpness is the variance of the Laplacian", () => {
    // A chequerboard of 0 and 10: the Laplacian is +-40 everywhere, in equal numbers.
    expect(laplacianVariance(grey(8, (x, y) => ((x + y) % 2) * 10))).toBe(1600);
    // A single bright pixel in the middle of 5 x 5: one -4 v, four v, four 0.
    const point = grey(5, (x, y) => (x === 2 && y === 2 ? 9 : 0));
    expect(laplacianVariance(point)).toBeCloseTo((36 ** 2 + 4 * 81) / 9, 9);
    // Neither light nor a slope is sharp.
    expect(laplacianVariance(grey(9, (x, y) => 3 * x + 2 * y + 7))).toBe(0);
    expect(laplacianVariance(grey(2, (x) => x * 100))).toBe(0);
  });

  test("brightness is the mean, of luma where there are colours", () => {
    const red = imageOf(
      4,
      4,
      3,
      Uint8Array.from({ length: 48 }, (_, i) => (i % 3 === 0 ? 200 : 0)),
    );
    expect(faceQuality(face(), view(100, 100, red)).brightness).toBe(60);
    expect(
      faceQuality(
        face(),
        view(
          100,
          100,
          grey(4, (x) => (x % 2) * 100),
        ),
      ).brightness,
    ).toBe(50);
  });

  test("a face without landmarks cannot be measured", () => {
    const { landmarks: _, ...bare } = face();
    expect(() =>
      faceQuality(
        bare,
        view(
          9,
          9,
          grey(4, () => 0),
        ),
      ),
    ).toThrow(expect.objectContaining({ code: "FACE_NOT_FOUND" }));
  });
});

const GOOD: FaceQuality = {
  faceShare: 0.5,
  eyeDistance: 60,
  yawDegrees: 0,
  rollDegrees: 0,
  cutShare: 0,
  sharpness: 200,
  brightness: 120,
};

describe("limits of a face", () => {
  test("a good face breaks none", () => {
    expect(brokenFaceLimits(GOOD)).toEqual([]);
  });

  test("each limit is broken just beyond its bound and not on it, on either side where there are two", () => {
    for (const { code, measure, side, bound } of FACE_LIMITS) {
      const beyond = side === "least" ? [bound - 1e-6] : side === "most" ? [bound + 1e-6] : [bound + 1e-6, -bound - 1e-6];
      expect(brokenFaceLimits({ ...GOOD, [measure]: bound })).toEqual([]);
      if (side === "within") expect(brokenFaceLimits({ ...GOOD, [measure]: -bound })).toEqual([]);
      for (const value of beyond) expect(brokenFaceLimits({ ...GOOD, [measure]: value })).toEqual([code]);
    }
  });

  test("what is not a number is no good face, and one code is given once", () => {
    const none = Object.fromEntries(Object.keys(GOOD).map((key) => [key, Number.NaN])) as unknown as FaceQuality;
    expect(brokenFaceLimits(none)).toEqual([...new Set(FACE_LIMITS.map((limit) => limit.code))]);
  });

  test("a rival is another face of comparable size", () => {
    const chosen = face();
    expect(hasRival([chosen], chosen)).toBe(false);
    expect(hasRival([face({ width: 30, height: 50 }), chosen], chosen)).toBe(false);
    expect(hasRival([chosen, face({ width: 50, height: 60 })], chosen)).toBe(true);
  });
});
