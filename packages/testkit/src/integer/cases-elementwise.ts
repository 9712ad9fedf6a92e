import type { Random } from "@tessera/core/base/random";
import type { BuiltinOperator } from "@tessera/core/formats/tflite/builtin-operators";
import { float, makeNode } from "@tessera/core/graph/node";
import { f32 } from "@tessera/core/graph/tensor";
import { type CaseSpec, randomInts } from "./case-builder.ts";
import { activation, pick, randomGrid, randomScale, TO_NCHW, type Width } from "./cases-sums.ts";

/** NHWC sizes, and a second operand of the same or a smaller shape. */
function shapes(random: Random): { readonly a: readonly number[]; readonly b: readonly number[] } {
  const a = [1 + random.int(2), 1 + random.int(4), 1 + random.int(4), 1 + random.int(8)];
  const [n, h, w, c] = a as [number, number, number, number];
  const b = pick(random, [
    [n, h, w, c],
    [n, h, w, c],
    [1, 1, 1, c],
    [n, 1, 1, c],
    [n, h, w, 1],
    [1, 1, 1, 1],
  ]);
  return { a, b };
}

/** ADD, SUB, MUL over two inputs or an input and a constant. */
export function binaryCase(
  random: Random,
  id: string,
  how: { readonly op: "ADD" | "SUB" | "MUL"; readonly width: Width },
): CaseSpec {
  const { op, width } = how;
  const { a, b } = shapes(random);
  const one = randomGrid(random, width);
  const two = random.int(4) === 0 ? one : randomGrid(random, width);
  const [s1, s2] = [one.scale[0] as number, two.scale[0] as number];
  const typical = op === "MUL" ? s1 * s2 * (width === "int8" ? 100 : 8000) : Math.max(s1, s2);
  const outScale = Math.fround(typical * 2 ** (random.next() * 4 - 1.5));
  const constant = random.int(4) === 0;
  const act = activation(random, "y");
  const names = { ADD: "Add", SUB: "Sub", MUL: "Mul" } as const;
  const kinds = { ADD: "AddOptions", SUB: "SubOptions", MUL: "MulOptions" } as const;
  const pot = op === "MUL" ? {} : { potScaleInt16: false };
  const limits: readonly [number, number] = width === "int8" ? [-128, 127] : [-32768, 32767];
  return {
    id,
    operator: op,
    version: width === "int8" ? 2 : op === "ADD" ? 3 : op === "SUB" ? 5 : 4,
    options: { kind: kinds[op], fusedActivationFunction: act.code, ...pot },
    tensors: [
      { name: "a", shape: a, dtype: width, ...one, order: TO_NCHW },
      {
        name: "b",
        shape: b,
        dtype: width,
        ...two,
        order: TO_NCHW,
        ...(constant
          ? {
              values: randomInts(
                random,
                b.reduce((x, y) => x * y, 1),
                limits,
              ),
            }
          : {}),
      },
      {
        name: "y",
        shape: a,
        dtype: width,
        scale: [outScale],
        zeroPoint: [width === "int8" ? random.int(256) - 128 : 0],
        order: TO_NCHW,
      },
    ],
    inputs: ["a", "b"],
    outputs: ["y"],
    feeds: constant ? ["a"] : ["a", "b"],
    nodes: [makeNode(names[op], { inputs: ["a", "b"], outputs: [act.before] }), ...act.nodes],
    extra: act.extra,
  };
}

/** MAXIMUM or MINIMUM, all with one grid. */
export function extremumCase(random: Random, id: string, op: "MAXIMUM" | "MINIMUM"): CaseSpec {
  const { a, b } = shapes(random);
  const grid = randomGrid(random, "int8");
  return {
    id,
    operator: op,
    version: 2,
    options: { kind: "MaximumMinimumOptions" },
    tensors: [
      { name: "a", shape: a, dtype: "int8", ...grid, order: TO_NCHW },
      { name: "b", shape: b, dtype: "int8", ...grid, order: TO_NCHW },
      { name: "y", shape: a, dtype: "int8", ...grid, order: TO_NCHW },
    ],
    inputs: ["a", "b"],
    outputs: ["y"],
    feeds: ["a", "b"],
    nodes: [makeNode(op === "MAXIMUM" ? "Max" : "Min", { inputs: ["a", "b"], outputs: ["y"] })],
  };
}

/** PRELU with a slope for each channel, of any sign. */
export function preluCase(random: Random, id: string): CaseSpec {
  const shape = [1, 1 + random.int(5), 1 + random.int(5), 1 + random.int(9)];
  const channels = shape[3] as number;
  const grid = randomGrid(random, "int8");
  return {
    id,
    operator: "PRELU",
    version: 1,
    tensors: [
      { name: "x", shape, dtype: "int8", ...grid, order: TO_NCHW },
      {
        name: "slope",
        shape: [1, 1, channels],
        dtype: "int8",
        scale: [randomScale(random, -10, -6)],
        zeroPoint: [random.int(256) - 128],
        values: randomInts(random, channels, [-128, 127]),
        order: [2, 0, 1],
      },
      {
        name: "y",
        shape,
        dtype: "int8",
        scale: [Math.fround((grid.scale[0] as number) * 2 ** (random.next() * 3 - 1.5))],
        zeroPoint: [random.int(256) - 128],
        order: TO_NCHW,
      },
    ],
    inputs: ["x", "slope"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [makeNode("PRelu", { inputs: ["x", "slope"], outputs: ["y"] })],
  };
}

/** Operators of one value, in the words of TFLite. */
export type UnaryName = "LOGISTIC" | "TANH" | "HARD_SWISH" | "LEAKY_RELU" | "RELU" | "RELU6" | "QUANTIZE" | "ELU";

const UNARY_NODES: Readonly<
  Record<UnaryName, { readonly op: string; readonly options?: CaseSpec["options"]; readonly version: number }>
> = {
  LOGISTIC: { op: "Sigmoid", version: 2 },
  TANH: { op: "Tanh", version: 2 },
  HARD_SWISH: { op: "HardSwish", options: { kind: "HardSwishOptions" }, version: 1 },
  LEAKY_RELU: { op: "LeakyRelu", version: 2 },
  RELU: { op: "Relu", version: 2 },
  RELU6: { op: "Clip", version: 2 },
  QUANTIZE: { op: "Identity", options: { kind: "QuantizeOptions" }, version: 2 },
  ELU: { op: "Elu", version: 1 },
};

/** Output grids that kernels fix. */
const FIXED: Readonly<Partial<Record<UnaryName, Readonly<Record<Width, readonly [number, number]>>>>> = {
  LOGISTIC: { int8: [1 / 256, -128], int16: [1 / 32768, 0] },
  TANH: { int8: [1 / 128, 0], int16: [1 / 32768, 0] },
};

/** A function of each value, over 256 inputs in order and then at random. */
export function unaryCase(random: Random, id: string, how: { readonly op: UnaryName; readonly width: Width }): CaseSpec {
  const { op, width } = how;
  const row = UNARY_NODES[op];
  const grid =
    op === "LOGISTIC" || op === "TANH"
      ? {
          scale: [
            width === "int8" ? randomScale(random, -9, 0) : pick(random, [2 ** -12, 2 ** -11, randomScale(random, -14, -10)]),
          ],
          zeroPoint: [width === "int8" ? random.int(256) - 128 : 0],
        }
      : op === "HARD_SWISH"
        ? { scale: [randomScale(random, -8, -3)], zeroPoint: [random.int(256) - 128] }
        : randomGrid(random, width);
  const fixed = FIXED[op]?.[width];
  const same = op === "RELU6";
  const scale =
    fixed?.[0] ?? (same ? (grid.scale[0] as number) : Math.fround((grid.scale[0] as number) * 2 ** (random.next() * 3 - 1.5)));
  const zeroPoint = fixed?.[1] ?? (same ? (grid.zeroPoint[0] as number) : width === "int8" ? random.int(256) - 128 : 0);
  const alpha = Math.fround(random.next() * 0.5);
  const shape = [1, 300];
  const clip = op === "RELU6" ? ["low", "high"] : [];
  return {
    id,
    operator: op satisfies BuiltinOperator,
    version: row.version,
    ...(op === "LEAKY_RELU"
      ? { options: { kind: "LeakyReluOptions", alpha } }
      : row.options === undefined
        ? {}
        : { options: row.options }),
    tensors: [
      { name: "x", shape, dtype: width, ...grid },
      { name: "y", shape, dtype: width, scale: [scale], zeroPoint: [zeroPoint] },
    ],
    inputs: ["x"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [
      makeNode(
        row.op,
        { inputs: ["x", ...clip], outputs: ["y"] },
        op === "LEAKY_RELU" ? { attributes: { alpha: float(alpha) } } : {},
      ),
    ],
    ...(op === "RELU6"
      ? {
          extra: new Map([
            ["low", f32([], [0])],
            ["high", f32([], [6])],
          ]),
        }
      : {}),
  };
}
