import type { Random } from "@tessera/core/base/random";
import { type AttributeInput, float } from "@tessera/core/graph/node";
import { f32, fromNumbers, i64 } from "@tessera/core/graph/tensor";
import { pick, randomFloats, randomShape } from "./old-file.ts";
import { one, range, type UpgradeCase } from "./upgrade-cases.ts";

const AUTO_PADS = [undefined, "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"] as const;

/** Spatial attributes of a window over two axes: explicit pads, or automatic ones. */
function windowAttributes(random: Random): Record<string, AttributeInput | undefined> {
  const autoPad = pick(random, AUTO_PADS);
  const isExplicit = autoPad === undefined || autoPad === "NOTSET";
  return {
    auto_pad: autoPad,
    pads: isExplicit && random.next() < 0.7 ? [random.int(2), random.int(2), random.int(2), random.int(2)] : undefined,
    strides: random.next() < 0.7 ? [1 + random.int(3), 1 + random.int(2)] : undefined,
    kernel_shape: [2 + random.int(2), 2 + random.int(2)],
  };
}

function recurrent(op: "RNN" | "GRU" | "LSTM", gates: number): UpgradeCase {
  return {
    says: `${op}, one way or both`,
    opsets: [7, 13],
    needsShapes: "the runtime's recurrent operators check the rank of outputs",
    make(random) {
      const [steps, batch, width, hidden] = randomShape(random, 4, 4) as [number, number, number, number];
      const direction = pick(random, [undefined, "forward", "reverse", "bidirectional"]);
      const ways = direction === "bidirectional" ? 2 : 1;
      const constants = {
        w: randomFloats(random, [ways, gates * hidden, width]),
        r: randomFloats(random, [ways, gates * hidden, hidden]),
        b: randomFloats(random, [ways, 2 * gates * hidden]),
      };
      return one(
        op,
        { x: randomFloats(random, [steps, batch, width]) },
        { direction, hidden_size: hidden },
        { constants, outputs: { all: "float32", last: "float32" } },
      );
    },
  };
}

/** Operators whose later versions are said to leave old nodes as they were, most of all those whose text was rewritten on the way. */
export const UNCHANGED_CASES: readonly UpgradeCase[] = [
  {
    says: "AveragePool with all kinds of pads",
    tolerance: 1e-6,
    opsets: [7, 10, 11, 19],
    make(random, opset) {
      const attributes = {
        ...windowAttributes(random),
        count_include_pad: random.int(2),
        ceil_mode: opset >= 10 && random.next() < 0.3 ? 1 : undefined,
      };
      return one("AveragePool", { x: randomFloats(random, [1, 2, 7, 8]) }, attributes);
    },
  },
  {
    says: "MaxPool with all kinds of pads, dilations and indices",
    opsets: [7, 8, 10, 11],
    make(random, opset) {
      const attributes = { ...windowAttributes(random), ceil_mode: opset >= 10 && random.next() < 0.3 ? 1 : undefined };
      const outputs =
        opset >= 8 && random.next() < 0.5 ? ({ y: "float32", indices: "int64" } as const) : ({ y: "float32" } as const);
      return one("MaxPool", { x: randomFloats(random, [1, 2, 7, 8]) }, attributes, { outputs });
    },
  },
  {
    says: "LpPool",
    opsets: [7, 11],
    make: (random) =>
      one(
        "LpPool",
        { x: randomFloats(random, [1, 2, 7, 8]) },
        { ...windowAttributes(random), p: pick(random, [undefined, 1, 3]) },
      ),
  },
  {
    says: "Conv",
    opsets: [7, 11],
    make(random) {
      const attributes = windowAttributes(random);
      return one("Conv", { x: randomFloats(random, [1, 2, 7, 8]) }, attributes, {
        constants: { w: randomFloats(random, [4, 2, ...(attributes["kernel_shape"] as number[])]) },
      });
    },
  },
  {
    says: "ConvTranspose with automatic pads or a wanted output shape",
    opsets: [7, 10, 11],
    make(random) {
      const autoPad = pick(random, [undefined, "SAME_UPPER", "SAME_LOWER"]);
      const attributes = {
        auto_pad: autoPad,
        strides: [2, 3],
        output_shape: autoPad !== undefined && random.next() < 0.5 ? [9, 13] : undefined,
      };
      return one("ConvTranspose", { x: randomFloats(random, [1, 2, 4, 5]) }, attributes, {
        constants: { w: randomFloats(random, [2, 3, 3, 4]) },
      });
    },
  },
  {
    says: "OneHot, negative indices included",
    opsets: [9, 10],
    make: (random) =>
      one(
        "OneHot",
        { x: i64([4], [0, -1, 2, 5]) },
        { axis: pick(random, [undefined, 0, -1]) },
        { constants: { depth: i64([1], [4]), values: f32([2], [0.5, 2]) } },
      ),
  },
  {
    says: "Gemm with its three inputs",
    opsets: [7, 9, 11],
    make: (random) =>
      one(
        "Gemm",
        { a: randomFloats(random, [3, 4]) },
        { transB: 1, alpha: float(0.5), beta: float(2) },
        { constants: { b: randomFloats(random, [5, 4]), c: randomFloats(random, [5]) } },
      ),
  },
  recurrent("RNN", 1),
  recurrent("GRU", 3),
  recurrent("LSTM", 4),
  {
    says: "MeanVarianceNormalization",
    opsets: [9],
    make: (random) => one("MeanVarianceNormalization", { x: randomFloats(random, randomShape(random, 4)) }, {}),
  },
  {
    says: "LRN",
    opsets: [7],
    make: (random) => one("LRN", { x: randomFloats(random, [2, 6, 3, 3]) }, { size: pick(random, [1, 3, 5]) }),
  },
  {
    says: "DepthToSpace",
    opsets: [7, 10],
    make: (random) => one("DepthToSpace", { x: randomFloats(random, [1, 8, 2, 3]) }, { blocksize: 2 }),
  },
  {
    says: "SpaceToDepth",
    opsets: [7],
    make: (random) => one("SpaceToDepth", { x: randomFloats(random, [1, 2, 4, 6]) }, { blocksize: 2 }),
  },
  {
    says: "Mod of integers of both signs, and of floats",
    opsets: [10, 12],
    make(random) {
      const [a, b] = [
        [-7, 7, -7, 7],
        [3, -3, -3, 3],
      ];
      if (random.next() < 0.5)
        return one("Mod", { a: i64([4], a as number[]), b: i64([4], b as number[]) }, {}, { outputs: { y: "int64" } });
      return one("Mod", { a: f32([4], a as number[]), b: f32([4], b as number[]) }, { fmod: 1 });
    },
  },
  {
    says: "Flatten",
    opsets: [7, 9, 11],
    make: (random) => one("Flatten", { x: randomFloats(random, [2, 3, 4]) }, { axis: pick(random, [undefined, 0, 1, 3]) }),
  },
  {
    says: "Concat",
    opsets: [7, 11],
    make: (random) =>
      one("Concat", { a: randomFloats(random, [2, 3]), b: randomFloats(random, [2, 3]) }, { axis: random.int(2) }),
  },
  {
    says: "Gather",
    opsets: [7, 11],
    make: (random) => one("Gather", { x: randomFloats(random, [4, 3]), at: i64([2, 1], [2, 0]) }, { axis: random.int(2) }),
  },
  {
    says: "ArgMax and ArgMin where several are equal",
    opsets: [7, 11, 12],
    make: (random) =>
      one(
        pick(random, ["ArgMax", "ArgMin"]),
        {
          x: fromNumbers(
            "float32",
            [3, 4],
            Array.from({ length: 12 }, () => random.int(2)),
          ),
        },
        { axis: random.int(2), keepdims: random.int(2) },
        { outputs: { y: "int64" } },
      ),
  },
  {
    says: "TopK with ties",
    opsets: [10],
    make: (random) =>
      one(
        "TopK",
        {
          x: fromNumbers(
            "float32",
            [3, 6],
            Array.from({ length: 18 }, () => random.int(4)),
          ),
        },
        { axis: 1 },
        { constants: { k: i64([1], [3]) }, outputs: { y: "float32", at: "int64" } },
      ),
  },
  {
    says: "CumSum",
    opsets: [11],
    make: (random) =>
      one(
        "CumSum",
        { x: randomFloats(random, [3, 4]) },
        { exclusive: random.int(2), reverse: random.int(2) },
        { constants: { axis: i64([], [1]) } },
      ),
  },
  {
    says: "ScatterElements",
    opsets: [11, 15],
    make: (random) =>
      one(
        "ScatterElements",
        { x: randomFloats(random, [3, 4]), at: i64([2, 2], [1, -1, 2, 1]), v: randomFloats(random, [2, 2]) },
        { axis: random.int(2) },
      ),
  },
  {
    says: "ScatterND",
    opsets: [11, 13],
    make: (random) =>
      one("ScatterND", { x: randomFloats(random, [4, 2]), at: i64([2, 1], [1, 3]), v: randomFloats(random, [2, 2]) }, {}),
  },
  {
    says: "GatherND",
    opsets: [11, 12],
    make: (random) => one("GatherND", { x: randomFloats(random, [4, 2]), at: i64([2, 1], [1, 3]) }, {}),
  },
  {
    says: "Max, Min, Sum and Mean of several",
    opsets: [7, 8, 12],
    make: (random) =>
      one(
        pick(random, ["Max", "Min", "Sum", "Mean"]),
        { a: randomFloats(random, [2, 3]), b: randomFloats(random, [2, 3]), c: randomFloats(random, [2, 3]) },
        {},
      ),
  },
  {
    says: "Reshape with zeros and a size to be found",
    opsets: [7, 13],
    make: (random) =>
      one(
        "Reshape",
        { x: randomFloats(random, [2, 3, 4]) },
        {},
        {
          constants: {
            shape: i64(
              [2],
              pick(random, [
                [0, -1],
                [-1, 4],
                [6, 4],
              ]),
            ),
          },
        },
      ),
  },
  {
    says: "PRelu with a slope for each channel",
    opsets: [7, 9, 15],
    make: (random) =>
      one("PRelu", { x: randomFloats(random, [2, 3, 4]) }, {}, { constants: { slope: randomFloats(random, [3, 1]) } }),
  },
  {
    says: "Pow",
    opsets: [7, 12, 13],
    make: (random) => one("Pow", { x: f32([3], [1, 2, 3.5]), power: f32([3], [2, random.next(), -1]) }, {}),
  },
  {
    says: "QuantizeLinear with one scale",
    opsets: [10, 13],
    make: (random) =>
      one(
        "QuantizeLinear",
        { x: randomFloats(random, [3, 4]) },
        {},
        { constants: { scale: f32([], [0.05]), zero: fromNumbers("uint8", [], [100]) }, outputs: { y: "uint8" } },
      ),
  },
  {
    says: "DequantizeLinear with one scale",
    opsets: [10, 13],
    make: () =>
      one(
        "DequantizeLinear",
        { x: fromNumbers("int8", [2, 2], [-128, 0, 5, 127]) },
        {},
        { constants: { scale: f32([], [0.05]), zero: fromNumbers("int8", [], [3]) } },
      ),
  },
  {
    says: "NonMaxSuppression",
    opsets: [10],
    make: (random) =>
      one(
        "NonMaxSuppression",
        {
          boxes: f32([1, 3, 4], [0, 0, 1, 1, 0, 0.1, 1, 1.1, 2, 2, 3, 3]),
          scores: f32([1, 1, 3], [random.next(), random.next(), random.next()]),
        },
        {},
        { constants: { most: i64([1], [3]), overlap: f32([1], [0.5]), least: f32([1], [0]) }, outputs: { y: "int64" } },
      ),
  },
  { says: "Range", opsets: [11], make: () => one("Range", { from: f32([], [1]), to: f32([], [5]), step: f32([], [0.75]) }, {}) },
  {
    says: "Slice with negative steps and axes",
    opsets: [10, 11],
    make: (random) =>
      one(
        "Slice",
        { x: randomFloats(random, [4, 5]) },
        {},
        {
          constants: {
            s: i64([2], [-1, 3]),
            e: i64([2], [-5, -100]),
            a: i64([2], [0, 1]),
            t: i64([2], [pick(random, [-1, -2]), -1]),
          },
        },
      ),
  },
  {
    says: "Pad by inputs",
    opsets: [11, 13, 18],
    make: (random) =>
      one(
        "Pad",
        { x: randomFloats(random, [3, 4]) },
        { mode: pick(random, [undefined, "constant", "reflect", "edge"]) },
        { constants: { pads: i64([4], [1, 0, 2, 1]) } },
      ),
  },
  {
    says: "Clip by inputs, bounds crossed too",
    opsets: [11, 12],
    make: (random) =>
      one(
        "Clip",
        { x: randomFloats(random, [3, 4]) },
        {},
        { constants: { min: f32([], [pick(random, [-1, 0.5])]), max: f32([], [pick(random, [1, 0.2])]) } },
      ),
  },
  {
    says: "InstanceNormalization",
    opsets: [7],
    make: (random) =>
      one(
        "InstanceNormalization",
        { x: randomFloats(random, [2, 3, 4]) },
        {},
        { constants: { scale: randomFloats(random, [3]), b: randomFloats(random, [3]) } },
      ),
  },
  {
    says: "activations",
    opsets: [7],
    make: (random) =>
      one(
        pick(random, [
          "Elu",
          "Selu",
          "HardSigmoid",
          "LeakyRelu",
          "Softplus",
          "Softsign",
          "Relu",
          "Sigmoid",
          "Tanh",
          "Exp",
          "Sqrt",
          "Neg",
          "Abs",
        ]),
        { x: randomFloats(random, [3, 4]) },
        {},
      ),
  },
  {
    says: "LpNormalization",
    opsets: [7],
    make: (random) =>
      one(
        "LpNormalization",
        { x: randomFloats(random, [3, 4]) },
        { p: 1 + random.int(2), axis: pick(random, [undefined, 0, 1]) },
      ),
  },
  {
    says: "Resize of opsets 13 to 18",
    opsets: range(13, 18),
    make: (random) =>
      one(
        "Resize",
        { x: randomFloats(random, [1, 2, 4, 5]) },
        {
          mode: pick(random, ["nearest", "linear", "cubic"]),
          coordinate_transformation_mode: pick(random, ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"]),
        },
        { constants: { scales: f32([4], [1, 1, 1.7, 0.6]) }, inputs: ["x", "", "scales"] },
      ),
  },
];
