import type { Model } from "@tessera/core/graph/model";
import { float, makeNode } from "@tessera/core/graph/node";
import type { Encoding } from "@tessera/core/graph/plan";
import { i64, type Tensor } from "@tessera/core/graph/tensor";
import type { SchemeName } from "@tessera/core/targets/scheme";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbShape, seededTensor } from "../../op-arbitraries.ts";
import { plannedFor, roundedOutputs, stepsApart } from "./planned.ts";
import { caseFeeds, caseModel, describeLowerCase, type LowerCase } from "./prove.ts";
import { type LowerRuntime, loweredFile, runLowered } from "./run-lowered.ts";

interface Row {
  readonly cases: fc.Arbitrary<LowerCase>;
  /** Largest distance from the exact result, rounded once, in steps of the output. One: where the kernel rounds its multiplier and sums. */
  readonly steps?: Readonly<Partial<Record<SchemeName, number>>>;
  readonly schemes?: readonly SchemeName[];
  /** Put behind a LeakyRelu: the operator moves integers, and alone it has none to move. */
  readonly moves?: true;
}

const seed = fc.nat();
const small = fc.integer({ min: 1, max: 3 });

const picture = arbShape({ minRank: 4, maxRank: 4, minSize: 2, maxSize: 6 });

function conv(kind: "full" | "depthwise" | "grouped"): fc.Arbitrary<LowerCase> {
  return fc.tuple(picture, small, small, fc.boolean(), seed).map(([shape, factor, stride, biased, s]): LowerCase => {
    const channels = kind === "grouped" ? 4 : (shape[1] as number);
    const group = kind === "full" ? 1 : kind === "grouped" ? 2 : channels;
    const outputs = kind === "full" ? factor + 1 : kind === "grouped" ? 2 * factor : channels * factor;
    return {
      op: "Conv",
      attributes: { group, strides: [stride, stride], pads: [1, 1, 1, 1] },
      inputs: [
        seededTensor("float32", [shape[0] as number, channels, ...shape.slice(2)], { seed: s, min: -2, max: 3 }),
        seededTensor("float32", [outputs, channels / group, 3, 3], { seed: s + 1, min: -1, max: 1 }),
        biased ? seededTensor("float32", [outputs], { seed: s + 2, min: -3, max: 3 }) : undefined,
      ],
      constant: [1, 2],
    };
  });
}

const deconv: fc.Arbitrary<LowerCase> = fc.tuple(picture, small, fc.nat(1), seed).map(
  ([shape, outputs, pad, s]): LowerCase => ({
    op: "ConvTranspose",
    attributes: { strides: [2, 2], pads: [pad, pad, pad, pad] },
    inputs: [
      seededTensor("float32", shape, { seed: s, min: -2, max: 3 }),
      seededTensor("float32", [shape[1] as number, outputs, 3, 3], { seed: s + 1, min: -1, max: 1 }),
      seededTensor("float32", [outputs], { seed: s + 2, min: -3, max: 3 }),
    ],
    constant: [1, 2],
  }),
);

const gemm: fc.Arbitrary<LowerCase> = fc.tuple(small, small, fc.integer({ min: 1, max: 20 }), fc.nat(1), seed).map(
  ([m, n, k, transB, s]): LowerCase => ({
    op: "Gemm",
    attributes: { transB },
    inputs: [
      seededTensor("float32", [m, k], { seed: s, min: -1, max: 4 }),
      seededTensor("float32", transB ? [n, k] : [k, n], { seed: s + 1 }),
      seededTensor("float32", [n], { seed: s + 2 }),
    ],
    constant: [1, 2],
  }),
);

const matmul: fc.Arbitrary<LowerCase> = fc.tuple(small, small, fc.integer({ min: 1, max: 9 }), seed).map(
  ([m, n, k, s]): LowerCase => ({
    op: "MatMul",
    inputs: [seededTensor("float32", [2, m, k], { seed: s, min: -1, max: 4 }), seededTensor("float32", [k, n], { seed: s + 1 })],
    constant: [1],
  }),
);

function binary(op: string): fc.Arbitrary<LowerCase> {
  return fc.tuple(arbShape({ minSize: 1, minRank: 1 }), fc.nat(), fc.constantFrom([], [1]), seed).map(
    ([shape, ones, constant, s]): LowerCase => ({
      op,
      inputs: [
        seededTensor("float32", shape, { seed: s, min: -3, max: 5 }),
        seededTensor(
          "float32",
          shape.map((n, i) => (ones & (1 << i) ? 1 : n)),
          { seed: s + 1, min: -1, max: 2 },
        ),
      ],
      constant,
    }),
  );
}

function unary(
  op: string,
  attributes: LowerCase["attributes"] = {},
  shapes = arbShape({ minSize: 1, minRank: 1 }),
): fc.Arbitrary<LowerCase> {
  return fc.tuple(shapes, seed).map(
    ([shape, s]): LowerCase => ({
      op,
      attributes: attributes ?? {},
      inputs: [seededTensor("float32", shape, { seed: s, min: -4, max: 6 })],
    }),
  );
}

function pool(op: string): fc.Arbitrary<LowerCase> {
  return unary(op, { kernel_shape: [2, 2], strides: [2, 2] }, picture);
}

const prelu: fc.Arbitrary<LowerCase> = fc.tuple(picture, seed).map(
  ([shape, s]): LowerCase => ({
    op: "PRelu",
    inputs: [
      seededTensor("float32", shape, { seed: s, min: -4, max: 4 }),
      seededTensor("float32", [shape[1] as number, 1, 1], { seed: s + 1, min: -0.5, max: 1 }),
    ],
    constant: [1],
  }),
);

const concat: fc.Arbitrary<LowerCase> = fc.tuple(picture, seed).map(
  ([shape, s]): LowerCase => ({
    op: "Concat",
    attributes: { axis: 1 },
    inputs: [0, 1].map((i) => seededTensor("float32", shape, { seed: s + i, min: -2 * i, max: 3 })),
  }),
);

const pad: fc.Arbitrary<LowerCase> = fc.tuple(picture, seed).map(
  ([shape, s]): LowerCase => ({
    op: "Pad",
    inputs: [seededTensor("float32", shape, { seed: s, min: -2, max: 3 }), i64([8], [0, 0, 1, 2, 0, 0, 2, 0])],
    constant: [1],
  }),
);

/** The case with a LeakyRelu before each of its inputs that is fed. */
function behindLeaky(c: LowerCase): Model {
  const model = caseModel(c);
  const { graph } = model;
  const slope = { attributes: { alpha: float(0.5) } };
  const before = graph.inputs.map(({ name }) => makeNode("LeakyRelu", { inputs: [name], outputs: [`${name}_leaky`] }, slope));
  const fed = new Set(graph.inputs.map((i) => i.name));
  const nodes = graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map((name) => (fed.has(name) ? `${name}_leaky` : name)) }));
  return { ...model, graph: { ...graph, nodes: [...before, ...nodes] } };
}

const ONE_STEP = { int8: 1.01, int16x8: 1.01 };
/** The tables of the 16-bit kernels are right to two steps. */
const TABLES = { int8: 1.01, int16x8: 2.01 };
const INT8: readonly SchemeName[] = ["int8"];

const ROWS: Readonly<Record<string, Row>> = {
  Conv: { cases: conv("full") },
  "Conv, depthwise": { cases: conv("depthwise") },
  "Conv, grouped": { cases: conv("grouped") },
  ConvTranspose: { cases: deconv },
  Gemm: { cases: gemm },
  MatMul: { cases: matmul },
  Add: { cases: binary("Add") },
  Sub: { cases: binary("Sub") },
  Mul: { cases: binary("Mul") },
  MaxPool: { cases: pool("MaxPool"), moves: true },
  AveragePool: { cases: pool("AveragePool"), moves: true },
  GlobalAveragePool: { cases: unary("GlobalAveragePool", {}, picture) },
  LeakyRelu: { cases: unary("LeakyRelu", { alpha: float(0.2) }) },
  PRelu: { cases: prelu, schemes: INT8 },
  Sigmoid: { cases: unary("Sigmoid") },
  Tanh: { cases: unary("Tanh"), steps: TABLES },
  HardSwish: { cases: unary("HardSwish"), schemes: INT8 },
  Softmax: { cases: unary("Softmax", { axis: -1 }), steps: TABLES },
  Concat: { cases: concat, moves: true },
  Pad: { cases: pad, moves: true },
};

const RUNTIMES: readonly LowerRuntime[] = ["litert", "tfjs"];

describe("an operator lowered to TFLite in integers", () => {
  for (const [sentence, row] of Object.entries(ROWS)) {
    for (const scheme of row.schemes ?? (["int8", "int16x8"] as const)) {
      test(`computes on real runtimes what the plan says: ${sentence} in ${scheme}`, async () => {
        const limit = (row.steps ?? ONE_STEP)[scheme] ?? 1.01;
        const property = fc.asyncProperty(row.cases, async (c) => {
          const feeds = caseFeeds(c);
          const planned = plannedFor(row.moves ? behindLeaky(c) : caseModel(c), feeds, scheme);
          const lowered = loweredFile(planned.model, { plan: planned.plan });
          expect(lowered.report.floatIslands).toEqual([]);
          const want = roundedOutputs(planned, feeds).get("y0") as Tensor;
          const step = (planned.plan.tensors.get("y0") as Encoding).scale[0] as number;
          for (const runtime of RUNTIMES) {
            let apart: number;
            try {
              apart = stepsApart((await runLowered(lowered, feeds, runtime)).get("y0") as Tensor, want, step);
            } catch (error) {
              throw new Error(`${describeLowerCase(c)}\non ${runtime}: ${error}`, { cause: error });
            }
            if (!(apart <= limit)) throw new Error(`${describeLowerCase(c)}\non ${runtime}: ${apart} steps apart`);
          }
        });
        await fc.assert(property, { numRuns: 6, seed: 3 });
      });
    }
  }
});
