import { float } from "@tessera/core/graph/node";
import { f32, i64 } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { describe, test } from "vitest";
import type { Tolerance } from "../../compare-tensors.ts";
import { arbShape, seededTensor } from "../../op-arbitraries.ts";
import type { LowerCase } from "./prove.ts";
import { type LowerRuntime, proveLowered } from "./run-lowered.ts";

interface Row {
  readonly cases: fc.Arbitrary<LowerCase>;
  readonly tolerance?: Tolerance;
  readonly runs?: number;
  readonly runtimes?: readonly LowerRuntime[];
}

/** Sums of some dozen products in float32, in another order. */
const SUMS: Tolerance = { absolute: 1e-4, relative: 1e-5 };
/** A function approximated to a few units in the last place. */
const APPROXIMATE: Tolerance = { absolute: 2e-6, relative: 2e-5 };

const seed = fc.nat();
const small = fc.integer({ min: 1, max: 3 });

/** Windows of convolutions and pools over pictures, with every way to pad. */
const arbWindow = fc
  .record({
    batch: fc.integer({ min: 1, max: 2 }),
    channels: fc.integer({ min: 1, max: 4 }),
    size: fc.tuple(fc.integer({ min: 5, max: 9 }), fc.integer({ min: 5, max: 9 })),
    kernel: fc.tuple(small, small),
    strides: fc.tuple(small, small),
    dilations: fc.constantFrom([1, 1], [1, 1], [2, 1], [2, 2]),
    padding: fc.constantFrom("none", "SAME_UPPER", "SAME_LOWER", "VALID", "half", "any", "any"),
    pads: fc.array(fc.nat(2), { minLength: 4, maxLength: 4 }),
    seed,
  })
  .map((w) => {
    // A window that begins in the padding and ends in it reads nothing, which pools do not define.
    const limit = (pad: number, i: number): number => Math.min(pad, (w.kernel[i % 2] as number) - 1);
    const half = w.kernel.map((k) => Math.floor(k / 2));
    const pads = w.padding === "half" ? [...half, ...half] : w.padding === "any" ? w.pads.map((p, i) => limit(p, i)) : undefined;
    const autoPad = ["SAME_UPPER", "SAME_LOWER", "VALID"].includes(w.padding) ? w.padding : undefined;
    return { ...w, attributes: { strides: w.strides, auto_pad: autoPad, pads } };
  });

function conv(kind: "full" | "depthwise" | "grouped"): fc.Arbitrary<LowerCase> {
  return fc.tuple(arbWindow, small, fc.boolean()).map(([w, factor, biased]): LowerCase => {
    const channels = kind === "grouped" ? 4 : kind === "depthwise" ? w.channels + 1 : w.channels;
    const group = kind === "full" ? 1 : kind === "grouped" ? 2 : channels;
    const outputs = kind === "full" ? factor + 1 : kind === "grouped" ? 2 * factor : channels * factor;
    const weight = [outputs, channels / group, ...w.kernel];
    return {
      op: "Conv",
      attributes: { ...w.attributes, dilations: [...w.dilations], group },
      inputs: [
        seededTensor("float32", [w.batch, channels, ...w.size], { seed: w.seed, min: -2, max: 2 }),
        seededTensor("float32", weight, { seed: w.seed + 1, min: -1, max: 1 }),
        biased ? seededTensor("float32", [outputs], { seed: w.seed + 2 }) : undefined,
      ],
      constant: [1, 2],
    };
  });
}

const deconv: fc.Arbitrary<LowerCase> = fc
  .tuple(arbWindow, small, fc.tuple(fc.nat(1), fc.nat(1)))
  .map(([w, outputs, extra]): LowerCase => {
    const input = [w.batch, w.channels, 4, 3];
    const output_padding = extra.map((e, i) => Math.min(e, (w.strides[i] as number) - 1));
    const pads = w.attributes.pads?.map((p, i) => Math.min(p, Math.floor(((w.kernel[i % 2] as number) - 1) / 2)));
    return {
      op: "ConvTranspose",
      attributes: { strides: w.strides, pads, ...(w.attributes.auto_pad === undefined && { output_padding }) },
      inputs: [
        seededTensor("float32", input, { seed: w.seed, min: -2, max: 2 }),
        seededTensor("float32", [w.channels, outputs, ...w.kernel], { seed: w.seed + 1, min: -1, max: 1 }),
        seededTensor("float32", [outputs], { seed: w.seed + 2 }),
      ],
      constant: [1, 2],
    };
  });

function pool(op: string, attributes: object = {}): fc.Arbitrary<LowerCase> {
  return fc.tuple(arbWindow, fc.nat(1), fc.nat(1)).map(([w, ceil_mode, count_include_pad]): LowerCase => {
    const counted = op === "AveragePool" && w.attributes.auto_pad === undefined ? { count_include_pad } : {};
    const rounded = w.attributes.auto_pad === undefined ? { ceil_mode } : {};
    return {
      op,
      attributes: { ...w.attributes, kernel_shape: w.kernel, ...counted, ...rounded, ...attributes },
      inputs: [seededTensor("float32", [w.batch, w.channels, ...w.size], { seed: w.seed })],
    };
  });
}

function unary(
  op: string,
  options: { readonly attributes?: LowerCase["attributes"]; readonly range?: object } = {},
): fc.Arbitrary<LowerCase> {
  return fc.tuple(arbShape({ minSize: 1, minRank: 1 }), seed).map(
    ([shape, s]): LowerCase => ({
      op,
      attributes: options.attributes ?? {},
      inputs: [seededTensor("float32", shape, { min: -4, max: 4, ...options.range, seed: s })],
    }),
  );
}

/** Two operands that broadcast, either of them stored, either of lower rank. */
function binary(op: string, range: object = {}): fc.Arbitrary<LowerCase> {
  return fc
    .tuple(arbShape({ minSize: 1, minRank: 1 }), fc.nat(), fc.nat(3), fc.boolean(), fc.constantFrom([], [0], [1]), seed)
    .map(([shape, ones, drop, swap, constant, s]): LowerCase => {
      const other = shape.map((n, i) => (ones & (1 << i) ? 1 : n)).slice(Math.min(drop, shape.length - 1));
      const shapes = swap ? [other, shape] : [shape, other];
      return {
        op,
        inputs: shapes.map((own, i) => seededTensor("float32", own, { ...range, seed: s + i })),
        constant,
      };
    });
}

function alongAxis(op: string, attributes: object = {}): fc.Arbitrary<LowerCase> {
  return fc
    .tuple(arbShape({ minSize: 1, minRank: 1, maxRank: 5, maxSize: 4 }), fc.nat(), seed)
    .map(([shape, pick, s]): LowerCase => {
      const axis = (pick % (2 * shape.length)) - shape.length;
      return { op, attributes: { axis, ...attributes }, inputs: [seededTensor("float32", shape, { seed: s })] };
    });
}

const concat: fc.Arbitrary<LowerCase> = fc
  .tuple(arbShape({ minSize: 1, minRank: 1 }), fc.nat(), fc.array(small, { minLength: 2, maxLength: 4 }), seed)
  .map(([shape, pick, sizes, s]): LowerCase => {
    const axis = (pick % (2 * shape.length)) - shape.length;
    const at = axis < 0 ? axis + shape.length : axis;
    return {
      op: "Concat",
      attributes: { axis },
      inputs: sizes.map((n, i) =>
        seededTensor(
          "float32",
          shape.map((size, k) => (k === at ? n : size)),
          { seed: s + i },
        ),
      ),
      constant: s % 3 === 0 ? [1] : [],
    };
  });

function pad(mode: string): fc.Arbitrary<LowerCase> {
  return fc
    .tuple(
      arbShape({ minSize: 3, minRank: 1 }),
      fc.array(fc.nat(2), { minLength: 8, maxLength: 8 }),
      fc.constantFrom(0, 0, 1.5, -2),
      seed,
    )
    .map(([shape, cells, value, s]): LowerCase => {
      const pads = [...cells.slice(0, shape.length), ...cells.slice(4, 4 + shape.length)];
      return {
        op: "Pad",
        attributes: { mode },
        inputs: [
          seededTensor("float32", shape, { seed: s }),
          i64([pads.length], pads),
          ...(mode === "constant" && value !== 0 ? [f32([], [value])] : []),
        ],
        constant: [1, 2],
      };
    });
}

const gemm: fc.Arbitrary<LowerCase> = fc.tuple(small, small, small, fc.nat(1), fc.boolean(), seed).map(
  ([m, n, k, transB, biased, s]): LowerCase => ({
    op: "Gemm",
    attributes: { transB },
    inputs: [
      seededTensor("float32", [m, k], { seed: s }),
      seededTensor("float32", transB ? [n, k] : [k, n], { seed: s + 1 }),
      biased ? seededTensor("float32", [n], { seed: s + 2 }) : undefined,
    ],
    constant: [1, 2],
  }),
);

const matmul: fc.Arbitrary<LowerCase> = fc
  .tuple(
    fc.array(small, { maxLength: 2 }),
    small,
    small,
    small,
    fc.constantFrom("matrix", "stored matrix", "batch", "stored batch"),
    seed,
  )
  .map(
    ([batch, m, n, k, kind, s]): LowerCase => ({
      op: "MatMul",
      inputs: [
        seededTensor("float32", [...batch, m, k], { seed: s }),
        seededTensor("float32", [...(kind.endsWith("batch") ? batch : []), k, n], { seed: s + 1 }),
      ],
      constant: kind.startsWith("stored") ? [1] : [],
    }),
  );

const prelu: fc.Arbitrary<LowerCase> = fc
  .tuple(arbShape({ minSize: 1, minRank: 2 }), fc.constantFrom("channel", "one", "full"), seed)
  .map(([shape, kind, s]): LowerCase => {
    const slope = kind === "one" ? [1] : kind === "full" ? shape.slice(1) : [shape[1] as number, ...shape.slice(2).map(() => 1)];
    return {
      op: "PRelu",
      inputs: [seededTensor("float32", shape, { seed: s }), seededTensor("float32", slope, { seed: s + 1, min: -1, max: 1 })],
      constant: [1],
    };
  });

const clip: fc.Arbitrary<LowerCase> = fc
  .tuple(
    arbShape({ minSize: 1 }),
    fc.constantFrom([0, 6], [-1, 1], [0, undefined], [undefined, 2], [-2, 3], [undefined, undefined]),
    seed,
  )
  .map(
    ([shape, bounds, s]): LowerCase => ({
      op: "Clip",
      inputs: [seededTensor("float32", shape, { seed: s }), ...bounds.map((b) => (b === undefined ? undefined : f32([], [b])))],
      constant: [1, 2],
    }),
  );

const reshape: fc.Arbitrary<LowerCase> = fc.tuple(fc.constantFrom(...reshapes()), seed).map(
  ([[from, to], s]): LowerCase => ({
    op: "Reshape",
    inputs: [seededTensor("float32", from, { seed: s }), i64([to.length], to)],
    constant: [1],
  }),
);

function reshapes(): [number[], number[]][] {
  return [
    [
      [1, 6, 2, 2],
      [1, 24],
    ],
    [
      [2, 6, 1, 1],
      [2, 6],
    ],
    [
      [1, 6, 2, 2],
      [1, 2, 3, 4],
    ],
    [
      [2, 12],
      [2, 3, 2, 2],
    ],
    [[24], [2, 3, 4]],
  ];
}

const ROWS: Readonly<Record<string, Row>> = {
  Conv: { cases: conv("full"), tolerance: SUMS, runs: 40 },
  "Conv, depthwise": { cases: conv("depthwise"), tolerance: SUMS, runs: 40 },
  "Conv, grouped": { cases: conv("grouped"), tolerance: SUMS, runs: 20 },
  ConvTranspose: { cases: deconv, tolerance: SUMS, runs: 40 },
  MaxPool: { cases: pool("MaxPool"), runs: 40 },
  AveragePool: { cases: pool("AveragePool"), tolerance: SUMS, runs: 40 },
  GlobalAveragePool: { cases: unaryOf("GlobalAveragePool", 4), tolerance: SUMS },
  GlobalMaxPool: { cases: unaryOf("GlobalMaxPool", 4) },
  Gemm: { cases: gemm, tolerance: SUMS },
  MatMul: { cases: matmul, tolerance: SUMS },
  Add: { cases: binary("Add") },
  Sub: { cases: binary("Sub") },
  Mul: { cases: binary("Mul") },
  Div: { cases: binary("Div", { min: 1 }), tolerance: APPROXIMATE },
  PRelu: { cases: prelu },
  Clip: { cases: clip },
  Relu: { cases: unary("Relu") },
  LeakyRelu: { cases: unary("LeakyRelu", { attributes: { alpha: float(0.2) } }) },
  Sigmoid: { cases: unary("Sigmoid"), tolerance: APPROXIMATE },
  Tanh: { cases: unary("Tanh"), tolerance: APPROXIMATE },
  HardSwish: { cases: unary("HardSwish"), tolerance: APPROXIMATE },
  Elu: { cases: unary("Elu"), tolerance: APPROXIMATE },
  Gelu: { cases: unary("Gelu"), tolerance: APPROXIMATE },
  "Gelu, approximated": { cases: unary("Gelu", { attributes: { approximate: "tanh" } }), tolerance: APPROXIMATE },
  Abs: { cases: unary("Abs") },
  Neg: { cases: unary("Neg") },
  Exp: { cases: unary("Exp"), tolerance: APPROXIMATE },
  Log: { cases: unary("Log", { range: { min: 0.1 } }), tolerance: APPROXIMATE },
  Sqrt: { cases: unary("Sqrt", { range: { min: 0 } }), tolerance: APPROXIMATE },
  Floor: { cases: unary("Floor") },
  Ceil: { cases: unary("Ceil") },
  Round: { cases: unary("Round") },
  Sin: { cases: unary("Sin"), tolerance: APPROXIMATE },
  Cos: { cases: unary("Cos"), tolerance: APPROXIMATE },
  Softmax: { cases: alongAxis("Softmax"), tolerance: APPROXIMATE },
  LogSoftmax: { cases: alongAxis("LogSoftmax"), tolerance: APPROXIMATE },
  LpNormalization: { cases: alongAxis("LpNormalization"), tolerance: APPROXIMATE },
  Concat: { cases: concat },
  Pad: { cases: pad("constant") },
  "Pad, reflecting": { cases: pad("reflect") },
  Reshape: { cases: reshape },
};

function unaryOf(op: string, rank: number): fc.Arbitrary<LowerCase> {
  return fc
    .tuple(arbShape({ minSize: 1, minRank: rank, maxRank: rank }), seed)
    .map(([shape, s]): LowerCase => ({ op, inputs: [seededTensor("float32", shape, { seed: s })] }));
}

describe("an operator lowered to TFLite", () => {
  for (const [sentence, row] of Object.entries(ROWS)) {
    test(`computes on real runtimes what the interpreter computes: ${sentence}`, async () => {
      const property = fc.asyncProperty(row.cases, fc.constantFrom("nhwc", "nchw"), async (c, layout) => {
        await proveLowered(c, {
          layout,
          ...(row.tolerance !== undefined && { tolerance: row.tolerance }),
          ...(row.runtimes !== undefined && { runtimes: row.runtimes }),
        });
      });
      await fc.assert(property, { numRuns: row.runs ?? 12, seed: 3 });
    });
  }
});
