import { float } from "@tessera/core/graph/node";
import { i64 } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import type { Tolerance } from "../../compare-tensors.ts";
import { arbShape, arbTensor, seededTensor } from "../../op-arbitraries.ts";
import type { LowerCase } from "./prove.ts";

/** What is tried of one rewrite. */
export interface Proof {
  readonly cases: fc.Arbitrary<LowerCase>;
  /** How far the reference interpreter may be off after the rewrite; equal to the bit unless given. */
  readonly tolerance?: Tolerance;
  /** Operators that must be gone, when that is not the case's own. */
  readonly gone?: readonly string[];
  /** Cases that are refused when they are emitted, and are not run. */
  readonly refused?: (c: LowerCase) => boolean;
}

/** TFLite's kernels take weights that are constants. */
function hasFedWeights(c: LowerCase): boolean {
  return !c.constant?.includes(1);
}

function isDilated(c: LowerCase): boolean {
  return (c.attributes as { readonly dilations?: readonly number[] }).dilations?.[0] !== 1;
}

const CLOSE: Tolerance = { absolute: 2e-5, relative: 2e-5 };

const seed = fc.nat();
const positive = { min: 0.1, max: 3 };

function picture(ranks: { readonly minRank?: number; readonly maxRank?: number } = {}): fc.Arbitrary<number[]> {
  return arbShape({ minRank: ranks.minRank ?? 3, maxRank: ranks.maxRank ?? 5, minSize: 1, maxSize: 4 });
}

function unary(
  op: string,
  attributes: LowerCase["attributes"][] = [{}],
  range: object = { min: -4, max: 4 },
): fc.Arbitrary<LowerCase> {
  return fc
    .tuple(arbShape({ minSize: 1 }), seed, fc.constantFrom(...attributes))
    .map(([shape, s, own]) => ({ op, attributes: own ?? {}, inputs: [seededTensor("float32", shape, { ...range, seed: s })] }));
}

/** X and one value by channel for each further input. */
function byChannel(op: string, count: number, attributes: object = {}): fc.Arbitrary<LowerCase> {
  return fc.tuple(picture(), seed, fc.boolean()).map(([shape, s, stored]) => ({
    op,
    attributes: { ...attributes },
    inputs: [
      seededTensor("float32", shape, { seed: s }),
      ...Array.from({ length: count }, (_, i) =>
        seededTensor("float32", [shape[1] as number], { seed: s + i + 1, ...(i === 3 ? positive : {}) }),
      ),
    ],
    constant: stored ? Array.from({ length: count }, (_, i) => i + 1) : [],
  }));
}

function reduction(op: string, range: object = {}): fc.Arbitrary<LowerCase> {
  return fc.tuple(arbShape({ minRank: 1, minSize: 1 }), seed, fc.nat({ max: 1 }), fc.nat()).map(([shape, s, keepdims, pick]) => {
    const axes = shape.map((_, i) => i).filter((i) => pick & (1 << i));
    return {
      op,
      attributes: { keepdims },
      inputs: [seededTensor("float32", shape, { ...range, seed: s }), axes.length === 0 ? undefined : i64([axes.length], axes)],
      constant: [1],
    };
  });
}

const gemm = fc
  .record({
    m: fc.integer({ min: 1, max: 4 }),
    n: fc.integer({ min: 1, max: 4 }),
    k: fc.integer({ min: 1, max: 4 }),
    transA: fc.nat({ max: 1 }),
    transB: fc.nat({ max: 1 }),
    alpha: fc.constantFrom(1, 0.5, -2),
    beta: fc.constantFrom(1, 3),
    c: fc.constantFrom("none", "scalar", "one", "row", "wide row", "column", "full"),
    constant: fc.constantFrom([1], [1, 2], [], [2]),
    seed,
  })
  .map(({ m, n, k, transA, transB, alpha, beta, c, constant, seed: s }): LowerCase => {
    const shapes: Record<string, number[]> = { scalar: [], one: [1], row: [n], "wide row": [1, n], column: [m, 1], full: [m, n] };
    const shape = shapes[c];
    return {
      op: "Gemm",
      attributes: { transA, transB, alpha: float(alpha), beta: float(beta) },
      inputs: [
        seededTensor("float32", transA ? [k, m] : [m, k], { seed: s }),
        seededTensor("float32", transB ? [n, k] : [k, n], { seed: s + 1 }),
        ...(shape === undefined ? [] : [seededTensor("float32", shape, { seed: s + 2 })]),
      ],
      constant,
    };
  });

const matmul = fc
  .record({
    batch: arbShape({ maxRank: 2, minSize: 1, maxSize: 3 }),
    m: fc.integer({ min: 1, max: 4 }),
    k: fc.integer({ min: 1, max: 4 }),
    n: fc.integer({ min: 1, max: 4 }),
    vector: fc.constantFrom("", "a", "b"),
    stored: fc.boolean(),
    seed,
  })
  .map(
    ({ batch, m, k, n, vector, stored, seed: s }): LowerCase => ({
      op: "MatMul",
      inputs: [
        seededTensor("float32", vector === "a" ? [k] : [...batch, m, k], { seed: s }),
        seededTensor("float32", vector === "b" ? [k] : [k, n], { seed: s + 1 }),
      ],
      constant: stored ? [1] : [],
    }),
  );

/** Windows over one axis. */
function oneDim(op: string, weights: boolean): fc.Arbitrary<LowerCase> {
  return fc
    .record({
      size: fc.integer({ min: 5, max: 9 }),
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 2 }),
      pads: fc.tuple(fc.nat({ max: 1 }), fc.nat({ max: 1 })),
      dilation: fc.integer({ min: 1, max: 2 }),
      out: fc.integer({ min: 1, max: 3 }),
      p: fc.integer({ min: 1, max: 2 }),
      stored: fc.boolean(),
      seed,
    })
    .map((c): LowerCase => {
      const pads = c.kernel === 1 ? [0, 0] : c.pads;
      const w = op === "ConvTranspose" ? [2, c.out, c.kernel] : [c.out, 2, c.kernel];
      return {
        op,
        attributes: {
          kernel_shape: [c.kernel],
          strides: [c.stride],
          pads,
          ...(op !== "LpPool" && op !== "AveragePool" && { dilations: [c.dilation] }),
          ...(op === "LpPool" && { p: c.p }),
        },
        inputs: [
          seededTensor("float32", [1, 2, c.size], { seed: c.seed }),
          ...(weights
            ? [seededTensor("float32", w, { seed: c.seed + 1 }), seededTensor("float32", [c.out], { seed: c.seed + 2 })]
            : []),
        ],
        constant: c.stored ? [1, 2] : [2],
      };
    });
}

function many(op: string): fc.Arbitrary<LowerCase> {
  return fc.tuple(arbShape({ minSize: 1 }), fc.integer({ min: 1, max: 4 }), seed).map(([shape, count, s]) => ({
    op,
    inputs: Array.from({ length: count }, (_, i) => seededTensor("float32", shape, { seed: s + i })),
  }));
}

const block = fc.record({
  block: fc.integer({ min: 1, max: 3 }),
  depth: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 1, max: 3 }),
  w: fc.integer({ min: 1, max: 3 }),
  seed,
});

/** Operators that TFLite does not have, by sentence. */
export const PROOFS: Readonly<Record<string, Proof>> = {
  BatchNormalization: { cases: byChannel("BatchNormalization", 4, { epsilon: float(1e-3) }), tolerance: CLOSE },
  InstanceNormalization: { cases: byChannel("InstanceNormalization", 2, { epsilon: float(0.1) }), tolerance: CLOSE },
  LayerNormalization: {
    cases: fc.tuple(arbShape({ minRank: 1, minSize: 1 }), seed, fc.nat()).map(([shape, s, a]) => {
      const axis = a % shape.length;
      const tail = shape.slice(axis);
      return {
        op: "LayerNormalization",
        attributes: { axis: a & 64 ? axis : axis - shape.length, epsilon: float(0.1) },
        inputs: [
          seededTensor("float32", shape, { seed: s }),
          seededTensor("float32", tail, { seed: s + 1 }),
          ...(a & 128 ? [seededTensor("float32", tail, { seed: s + 2 })] : []),
        ],
        outputs: ["y", a & 256 ? "mean" : "", a & 512 ? "inverse" : ""],
      };
    }),
    tolerance: CLOSE,
  },
  GroupNormalization: {
    cases: fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), picture(), seed)
      .map(([groups, each, shape, s]) => ({
        op: "GroupNormalization",
        attributes: { num_groups: groups, epsilon: float(0.1) },
        inputs: [
          seededTensor("float32", [shape[0] as number, groups * each, ...shape.slice(2)], { seed: s }),
          seededTensor("float32", [groups * each], { seed: s + 1 }),
          seededTensor("float32", [groups * each], { seed: s + 2 }),
        ],
      })),
    tolerance: CLOSE,
  },
  RMSNormalization: {
    cases: fc.tuple(arbShape({ minRank: 1, minSize: 1 }), seed, fc.nat()).map(([shape, s, a]) => ({
      op: "RMSNormalization",
      attributes: { axis: a % shape.length, epsilon: float(0.1) },
      inputs: [
        seededTensor("float32", shape, { seed: s }),
        seededTensor("float32", shape.slice(a % shape.length), { seed: s + 1 }),
      ],
    })),
    tolerance: CLOSE,
  },
  MeanVarianceNormalization: {
    cases: arbShape({ minRank: 4, maxRank: 4, minSize: 2, maxSize: 4 })
      .chain((shape) => arbTensor("float32", shape))
      .map((x) => ({ op: "MeanVarianceNormalization", inputs: [x] })),
    tolerance: CLOSE,
  },
  "LpNormalization p=1": {
    cases: fc.tuple(arbShape({ minRank: 1, minSize: 1 }), seed, fc.nat()).map(([shape, s, a]) => ({
      op: "LpNormalization",
      attributes: { p: 1, axis: a % shape.length },
      inputs: [seededTensor("float32", shape, { seed: s, ...positive })],
    })),
    tolerance: CLOSE,
  },
  HardSigmoid: { cases: unary("HardSigmoid", [{}, { alpha: float(0.7), beta: float(0.1) }]), tolerance: { absolute: 2e-7 } },
  Softplus: { cases: unary("Softplus", [{}], { min: -30, max: 30 }), tolerance: CLOSE },
  Mish: { cases: unary("Mish"), tolerance: CLOSE },
  Selu: { cases: unary("Selu", [{}, { alpha: float(0.5), gamma: float(2) }]), tolerance: CLOSE, gone: ["Selu"] },
  Elu: { cases: unary("Elu", [{ alpha: float(0.3) }, { alpha: float(2) }]), tolerance: CLOSE, gone: [] },
  Celu: { cases: unary("Celu", [{}, { alpha: float(0.3) }]), tolerance: CLOSE },
  Erf: { cases: unary("Erf"), tolerance: { absolute: 5e-7 } },
  Softsign: { cases: unary("Softsign"), tolerance: { ulps: 1 } },
  ThresholdedRelu: { cases: unary("ThresholdedRelu", [{}, { alpha: float(-1) }]) },
  Shrink: { cases: unary("Shrink", [{}, { lambd: float(1), bias: float(0.5) }]) },
  Reciprocal: { cases: unary("Reciprocal") },
  Tan: { cases: unary("Tan", [{}], { min: -1, max: 1 }), tolerance: CLOSE },
  Sinh: { cases: unary("Sinh"), tolerance: { absolute: 1e-5, relative: 1e-5 } },
  Cosh: { cases: unary("Cosh"), tolerance: CLOSE },
  IsNaN: { cases: unary("IsNaN", [{}], { special: [Number.NaN, Number.POSITIVE_INFINITY] }) },
  ReduceL1: { cases: reduction("ReduceL1"), tolerance: CLOSE },
  ReduceL2: { cases: reduction("ReduceL2"), tolerance: CLOSE },
  ReduceSumSquare: { cases: reduction("ReduceSumSquare"), tolerance: CLOSE },
  ReduceLogSum: { cases: reduction("ReduceLogSum", positive), tolerance: CLOSE },
  ReduceLogSumExp: { cases: reduction("ReduceLogSumExp", { min: -90, max: 90 }), tolerance: CLOSE },
  Gemm: { cases: gemm, tolerance: { absolute: 2e-4 }, gone: [] },
  MatMul: { cases: matmul, tolerance: { absolute: 2e-4 }, gone: [] },
  "MatMul of a constant by what comes in": {
    cases: matmul.map((c) => ({ ...c, constant: [0] })),
    tolerance: { absolute: 2e-4 },
    gone: [],
  },
  "Conv of one axis": { cases: oneDim("Conv", true), tolerance: CLOSE, gone: [], refused: hasFedWeights },
  "ConvTranspose of one axis": {
    cases: oneDim("ConvTranspose", true),
    tolerance: CLOSE,
    gone: [],
    refused: (c) => hasFedWeights(c) || isDilated(c),
  },
  "MaxPool of one axis": { cases: oneDim("MaxPool", false), gone: [], refused: isDilated },
  "AveragePool of one axis": { cases: oneDim("AveragePool", false), tolerance: CLOSE, gone: [] },
  LpPool: { cases: oneDim("LpPool", false), tolerance: CLOSE },
  Sum: { cases: many("Sum"), tolerance: CLOSE },
  Mean: { cases: many("Mean"), tolerance: CLOSE },
  Max: { cases: many("Max"), gone: [] },
  Min: { cases: many("Min"), gone: [] },
  "DepthToSpace CRD": {
    cases: block.map(({ block: b, depth, h, w, seed: s }) => ({
      op: "DepthToSpace",
      attributes: { blocksize: b, mode: "CRD" },
      inputs: [seededTensor("float32", [2, depth * b * b, h, w], { seed: s })],
    })),
    gone: [],
  },
  Trilu: {
    cases: fc
      .tuple(arbShape({ minRank: 2, minSize: 1 }), seed, fc.integer({ min: -2, max: 3 }), fc.nat({ max: 1 }))
      .map(([shape, s, k, upper]) => ({
        op: "Trilu",
        attributes: { upper },
        inputs: [seededTensor("float32", shape, { seed: s }), k === 3 ? undefined : i64([], [k])],
        constant: [1],
      })),
  },
  "Mod of the sign of the dividend": {
    cases: fc.tuple(arbShape({ minSize: 1 }), seed).map(([shape, s]) => ({
      op: "Mod",
      attributes: { fmod: 1 },
      inputs: [seededTensor("float32", shape, { seed: s }), seededTensor("float32", shape, { seed: s + 1, min: 0.5, max: 3 })],
    })),
    gone: [],
    tolerance: CLOSE,
  },
  "Clip by computed bounds": {
    cases: fc.tuple(arbShape({ minSize: 1 }), seed, fc.nat({ max: 3 })).map(([shape, s, which]) => ({
      op: "Clip",
      inputs: [
        seededTensor("float32", shape, { seed: s }),
        which & 1 ? seededTensor("float32", [], { seed: s + 1, min: -3, max: 0 }) : undefined,
        which & 2 ? seededTensor("float32", [], { seed: s + 2, min: 1, max: 3 }) : undefined,
      ],
    })),
  },
  "LRN of even size": {
    cases: arbShape({ minRank: 4, maxRank: 4, minSize: 1 }).chain((shape) =>
      fc.tuple(arbTensor("float32", shape), fc.constantFrom(2, 4)).map(([x, size]) => ({
        op: "LRN",
        attributes: { size, alpha: float(0.5) },
        inputs: [x],
      })),
    ),
    tolerance: CLOSE,
  },
  Xor: {
    cases: fc.tuple(arbShape({ minSize: 1 }), seed).map(([shape, s]) => ({
      op: "Xor",
      inputs: [seededTensor("bool", shape, { seed: s }), seededTensor("bool", shape, { seed: s + 1 })],
    })),
  },
};
