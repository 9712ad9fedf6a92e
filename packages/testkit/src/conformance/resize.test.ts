import { seededRandom } from "@tessera/core/base/random";
import { float } from "@tessera/core/graph/node";
import { f32, i64 } from "@tessera/core/graph/tensor";
import { RESIZE } from "@tessera/core/ops/resize";
import fc from "fast-check";
import { seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

const close = { relative: 1e-5, absolute: 2e-4 };

interface Choice {
  readonly planes: readonly number[];
  readonly from: readonly number[];
  readonly to: readonly number[];
  readonly bySizes: boolean;
  readonly axes: boolean;
  readonly coordinates: string;
  readonly nearest: string;
  readonly exclude: number;
  readonly policy: string;
  readonly seed: number;
}

function list(min: number, max: number, length: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
}

const COORDINATES = [
  "half_pixel",
  "half_pixel_symmetric",
  "pytorch_half_pixel",
  "align_corners",
  "asymmetric",
  "tf_crop_and_resize",
];

function choice(ranks: readonly number[], coordinates: readonly string[]): fc.Arbitrary<Choice> {
  return fc.constantFrom(...ranks).chain((rank) =>
    fc.record({
      planes: list(1, 2, 2),
      from: list(1, 7, rank),
      to: list(1, 12, rank),
      bySizes: fc.boolean(),
      axes: fc.boolean(),
      coordinates: fc.constantFrom(...coordinates),
      nearest: fc.constantFrom("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
      exclude: fc.nat({ max: 1 }),
      policy: fc.constantFrom("stretch", "stretch", "not_larger", "not_smaller"),
      seed: fc.nat(),
    }),
  );
}

/** The scale of an axis: in quarters, which exporters write and single precision holds exactly. */
function quarters(c: Choice, axis: number): number {
  return Math.max(1, Math.round((4 * (c.to[axis] as number)) / (c.from[axis] as number))) / 4;
}

/**
 * Whether onnxruntime looks at every axis. It copies an axis whose scale is 1 even when a roi crops it; with antialias one whose size stays the same
 * even when its scale is not 1; and always everything when no size changes.
 */
function seen(c: Choice, antialias = false): boolean {
  const still = c.from.every((size, i) => (c.bySizes ? c.to[i] === size : Math.floor(size * quarters(c, i)) === size));
  if (still && !c.bySizes && c.from.some((_, i) => quarters(c, i) !== 1)) return false;
  return c.from.every((size, i) => {
    const scale = c.bySizes ? (c.to[i] as number) / size : quarters(c, i);
    const to = c.bySizes ? (c.to[i] as number) : Math.floor(size * scale);
    if (c.coordinates === "tf_crop_and_resize") return scale !== 1 && to !== size;
    return !antialias || scale === 1 || to !== size;
  });
}

/**
 * Whether the nearest cell is beyond doubt: scales that single precision holds exactly, or no coordinate next to a tie. Elsewhere it depends on the order
 * of the runtime's roundings.
 */
function decided(c: Choice): boolean {
  const ratios = c.from.map((size, i) => (c.to[i] as number) / size);
  const shared = c.policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  const stretched = c.policy === "stretch" || !c.axes || c.coordinates === "tf_crop_and_resize";
  return c.from.every((size, axis) => {
    const scale = !c.bySizes ? quarters(c, axis) : stretched ? (ratios[axis] as number) : shared;
    const to = !c.bySizes ? Math.floor(size * scale) : stretched ? (c.to[axis] as number) : Math.round(size * scale);
    const exact = Number.isInteger(scale * 16) && c.coordinates !== "align_corners";
    const tie = c.nearest.startsWith("round") ? 0.5 : 0;
    const near = (x: number): boolean => Math.abs(x - tie - Math.round(x - tie)) < 1e-4;
    const at = (i: number): number => {
      if (c.coordinates === "align_corners") return (i * (size - 1)) / Math.max(1, to - 1);
      return c.coordinates === "asymmetric" ? i / scale : (i + 0.5) / scale - 0.5;
    };
    // Corners and whole cells are hit exactly by everybody who does not scale.
    const doubtful = (i: number): boolean =>
      near(at(i)) && !(c.coordinates === "align_corners" && (i === 0 || size === 1 || to === size));
    return exact || c.coordinates === "tf_crop_and_resize" || !Array.from({ length: to }, (_, i) => i).some(doubtful);
  });
}

function resizeCase(c: Choice, mode: string, more: Readonly<Record<string, number>> = {}): OpCase {
  const shape = [...c.planes, ...c.from];
  const random = seededRandom(c.seed);
  const axes = c.axes ? c.from.map((_, i) => i + 2) : undefined;
  const front = c.axes ? [] : c.planes;
  const sizes = [...front, ...c.to];
  const scales = [...front.map(() => 1), ...c.from.map((_, i) => quarters(c, i))];
  const spots = front.length + c.from.length;
  const roi = [
    ...front.map(() => 0),
    ...c.from.map(() => random.next() * 0.6 - 0.2),
    ...front.map(() => 1),
    ...c.from.map(() => 0.6 + random.next() * 0.6),
  ];
  const crop = c.coordinates === "tf_crop_and_resize";
  const policy = c.bySizes && c.axes && !crop && more["antialias"] === undefined ? c.policy : "stretch";
  return {
    op: "Resize",
    inputs: [
      seededTensor("float32", shape, { seed: c.seed }),
      crop ? f32([2 * spots], roi) : undefined,
      c.bySizes ? undefined : f32([scales.length], scales),
      c.bySizes ? i64([sizes.length], sizes) : undefined,
    ],
    constant: [1, 2, 3],
    attributes: {
      mode,
      axes,
      coordinate_transformation_mode: c.coordinates,
      ...(mode === "nearest" ? { nearest_mode: c.nearest } : {}),
      ...(crop ? { extrapolation_value: float(7.5) } : {}),
      ...(policy === "stretch" ? {} : { keep_aspect_ratio_policy: policy }),
      ...more,
    },
  };
}

function gridCase(mode: string, ranks: readonly number[]): fc.Arbitrary<OpCase> {
  return fc
    .constantFrom(...ranks)
    .chain((rank) =>
      fc.record({
        planes: list(1, 2, 2),
        from: list(1, 5, rank),
        to: list(1, 4, rank),
        padding_mode: fc.constantFrom("zeros", "border", "reflection"),
        align_corners: fc.nat({ max: 1 }),
        seed: fc.nat(),
      }),
    )
    .map(({ planes, from, to, padding_mode, align_corners, seed }) => ({
      op: "GridSample",
      inputs: [
        seededTensor("float32", [...planes, ...from], { seed }),
        seededTensor("float32", [planes[0] as number, ...to, from.length], { seed: seed + 1, min: -1.6, max: 1.6 }),
      ],
      attributes: { mode, padding_mode, align_corners },
    }));
}

function affineCase(): fc.Arbitrary<OpCase> {
  return fc
    .constantFrom(2, 3)
    .chain((rank) =>
      fc.record({
        batch: fc.integer({ min: 1, max: 3 }),
        size: list(2, 5, rank),
        align_corners: fc.nat({ max: 1 }),
        seed: fc.nat(),
      }),
    )
    .map(({ batch, size, align_corners, seed }) => ({
      op: "AffineGrid",
      inputs: [
        seededTensor("float32", [batch, size.length, size.length + 1], { seed, min: -2, max: 2 }),
        i64([size.length + 2], [batch, 3, ...size]),
      ],
      constant: [1],
      attributes: { align_corners },
    }));
}

opConformance("resampling", {
  family: RESIZE,
  rows: {
    AffineGrid: { cases: affineCase(), tolerance: { absolute: 2e-6 } },
    "GridSample, cubic": { op: "GridSample", cases: gridCase("cubic", [2]), tolerance: close },
    "GridSample, linear": { op: "GridSample", cases: gridCase("linear", [2, 3]), tolerance: close, runs: 80 },
    "GridSample, nearest": { op: "GridSample", cases: gridCase("nearest", [2, 3]), runs: 60 },
    "Resize, cubic": {
      op: "Resize",
      cases: choice([2], COORDINATES)
        .filter((c) => seen(c))
        .map((c) => resizeCase(c, "cubic", { exclude_outside: c.exclude })),
      tolerance: close,
      runs: 120,
    },
    "Resize, cubic with antialias": {
      op: "Resize",
      cases: choice([2], ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
        .filter((c) => seen(c, true))
        .map((c) => resizeCase(c, "cubic", { antialias: 1, exclude_outside: c.exclude })),
      tolerance: close,
      runs: 80,
    },
    "Resize, linear": {
      op: "Resize",
      cases: choice([1, 2, 3], COORDINATES)
        .filter((c) => seen(c))
        .map((c) => resizeCase(c, "linear")),
      tolerance: close,
      runs: 120,
    },
    "Resize, linear with antialias": {
      op: "Resize",
      cases: choice([2], ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"])
        .filter((c) => seen(c, true))
        .map((c) => resizeCase(c, "linear", { antialias: 1 })),
      tolerance: close,
      runs: 80,
    },
    "Resize, nearest": {
      op: "Resize",
      // Not half_pixel_symmetric: its sums end on ties.
      cases: choice(
        [1, 2, 3],
        COORDINATES.filter((name) => name !== "half_pixel_symmetric"),
      )
        .filter((c) => seen(c) && decided(c))
        .map((c) => resizeCase(c, "nearest")),
      runs: 200,
    },
  },
});
