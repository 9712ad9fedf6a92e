import type { Random } from "@tessera/core/base/random";
import { type Attribute, type Graph, type Node, tensorType } from "@tessera/core/graph/model";
import { type AttributeInput, float, floats, graphAttribute, makeNode } from "@tessera/core/graph/node";
import { f32, fromNumbers, i64 } from "@tessera/core/graph/tensor";
import { type OldModel, pick, randomFloats, randomShape, some } from "./old-file.ts";

/** One operator as it used to be, in random forms. */
export interface UpgradeCase {
  readonly says: string;
  /** Opsets in which the form exists. */
  readonly opsets: readonly number[];
  readonly make: (random: Random, opset: number) => OldModel;
  /** Largest accepted difference; 0 (bit-equal) unless the successor computes in other steps. */
  readonly tolerance?: number;
  /** Why the case is not run with shapes unknown: the runtime itself cannot take it. */
  readonly needsShapes?: string;
  /** Outputs that the runtime fills otherwise than the specification of both opsets says; not compared with it. */
  readonly uncompared?: readonly string[];
}

type Attributes = Readonly<Record<string, AttributeInput | undefined>>;

/** A model of one node whose inputs are the feeds and then the constants, in order, unless given. */
export function one(
  op: string,
  feeds: OldModel["feeds"],
  attributes: Attributes,
  options: Partial<OldModel> & { readonly inputs?: readonly string[] } = {},
): OldModel {
  const outputs = options.outputs ?? { y: "float32" };
  const inputs = options.inputs ?? [...Object.keys(feeds), ...Object.keys(options.constants ?? {})];
  return {
    nodes: [makeNode(op, { inputs, outputs: Object.keys(outputs) }, { attributes })],
    outputs,
    feeds,
    ...(options.constants === undefined ? {} : { constants: options.constants }),
  };
}

/** The integers from `from` up to and with `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** An axis, sometimes counted from the end where the opset allows it. */
function signed(
  random: Random,
  axis: number,
  options: { readonly rank: number; readonly opset: number; readonly since?: number },
): number {
  return options.opset >= (options.since ?? 11) && random.next() < 0.5 ? axis - options.rank : axis;
}

function reduction(op: string, until: number): UpgradeCase {
  return {
    says: `${op} over some axes or all`,
    opsets: [7, 11, 12, 13, 17].filter((v) => v < until),
    make(random, opset) {
      const shape = randomShape(random, 1 + random.int(4));
      const positive = fromNumbers(
        "float32",
        shape,
        Array.from(
          randomFloats(random, shape).bytes.subarray(
            0,
            shape.reduce((a, b) => a * b, 1),
          ),
          (v) => 0.5 + v / 256,
        ),
      );
      const axes =
        random.next() < 0.3
          ? undefined
          : some(
              random,
              shape.map((_, i) => signed(random, i, { rank: shape.length, opset })),
            );
      return one(op, { x: positive }, { axes, keepdims: random.next() < 0.3 ? undefined : random.int(2) });
    },
  };
}

function softmax(op: string): UpgradeCase {
  return {
    says: `${op} from an axis on`,
    opsets: [7, 9, 11, 12],
    // The runtime sums in another order when the axes are not laid out flat.
    tolerance: 2e-7,
    make(random, opset) {
      const shape = randomShape(random, 1 + random.int(4));
      if (random.next() < 0.3) shape[shape.length - 1] = 1;
      const axis =
        shape.length > 1 && random.next() < 0.3
          ? undefined
          : signed(random, random.int(shape.length), { rank: shape.length, opset });
      return one(op, { x: randomFloats(random, shape) }, { axis });
    },
  };
}

/** y = x * 2 + previous, along the second axis, for each item of a batch. */
function oldScan(random: Random): OldModel {
  const [batch, steps, width] = randomShape(random, 3) as [number, number, number];
  const info = (name: string) => ({ name, type: tensorType("float32", [width]) });
  const body: Graph = {
    name: "step",
    inputs: [info("before"), info("item")],
    outputs: [info("after"), info("seen")],
    nodes: [
      makeNode("Add", { inputs: ["item", "item"], outputs: ["twice"] }),
      makeNode("Add", { inputs: ["twice", "before"], outputs: ["after"] }),
      makeNode("Sub", { inputs: ["after", "item"], outputs: ["seen"] }),
    ],
    constants: new Map(),
    types: new Map(),
  };
  const attributes: Record<string, Attribute> = { body: graphAttribute(body), num_scan_inputs: { kind: "int", value: 1 } };
  if (random.next() < 0.5) attributes["directions"] = { kind: "ints", value: [1] };
  return {
    nodes: [makeNode("Scan", { inputs: ["", "start", "x"], outputs: ["last", "all"] }, { attributes })],
    outputs: { last: "float32", all: "float32" },
    feeds: { start: randomFloats(random, [batch, width]), x: randomFloats(random, [batch, steps, width]) },
  };
}

function batchNorm(
  random: Random,
  spatial: boolean,
): { feeds: OldModel["feeds"]; constants: Record<string, ReturnType<typeof f32>> } {
  const shape = [1 + random.int(3), ...randomShape(random, 3)];
  const parameter = spatial ? [shape[1] as number] : shape.slice(1);
  const positive = Float32Array.from({ length: parameter.reduce((a, b) => a * b, 1) }, () => 0.1 + random.next());
  return {
    feeds: { x: randomFloats(random, shape) },
    constants: {
      scale: randomFloats(random, parameter),
      b: randomFloats(random, parameter),
      mean: randomFloats(random, parameter),
      variance: f32(parameter, positive),
    },
  };
}

const REDUCTIONS = [
  "ReduceL1",
  "ReduceL2",
  "ReduceLogSum",
  "ReduceLogSumExp",
  "ReduceMax",
  "ReduceMean",
  "ReduceMin",
  "ReduceProd",
  "ReduceSumSquare",
];

/** Cases for every row of the upgrade table; a test counts that none is missing. */
export const UPGRADE_CASES: readonly UpgradeCase[] = [
  ...REDUCTIONS.map((op) => reduction(op, 18)),
  reduction("ReduceSum", 13),
  softmax("Softmax"),
  softmax("LogSoftmax"),
  softmax("Hardmax"),
  {
    says: "Squeeze of given axes or of all of size one",
    opsets: [7, 11, 12],
    make(random, opset) {
      const shape = randomShape(random, 4, 3).map((d) => (random.next() < 0.5 ? 1 : d));
      const ones = shape.flatMap((d, i) => (d === 1 ? [signed(random, i, { rank: 4, opset })] : []));
      return one(
        "Squeeze",
        { x: randomFloats(random, shape) },
        { axes: ones.length === 0 || random.next() < 0.3 ? undefined : some(random, ones) },
      );
    },
  },
  {
    says: "Unsqueeze",
    opsets: [7, 11, 12],
    make(random, opset) {
      const shape = randomShape(random, random.int(4));
      const rank = shape.length + 2;
      const first = random.int(rank - 1);
      const axes = [first, first + 1 + random.int(rank - 1 - first)];
      return one("Unsqueeze", { x: randomFloats(random, shape) }, { axes: axes.map((a) => signed(random, a, { rank, opset })) });
    },
  },
  {
    says: "Split in given or in equal parts",
    opsets: [7, 11, 12],
    make(random) {
      const equal = random.next() < 0.5;
      const parts = equal ? [2, 2, 2] : [1, 3, 2];
      const axis = random.int(3);
      const shape = randomShape(random, 3);
      shape[axis] = 6;
      return one(
        "Split",
        { x: randomFloats(random, shape) },
        { axis: axis === 0 ? undefined : axis, split: equal ? undefined : parts },
        { outputs: { a: "float32", b: "float32", c: "float32" } },
      );
    },
  },
  {
    says: "Split in equal parts by the number of outputs, or in parts given as input",
    opsets: range(13, 17),
    make(random) {
      const outputs = { a: "float32", b: "float32" } as const;
      const x = randomFloats(random, [3, 4]);
      return random.next() < 0.5
        ? one("Split", { x }, { axis: -1 }, { outputs })
        : one("Split", { x }, { axis: 1 }, { outputs, constants: { parts: i64([2], [1, 3]) } });
    },
  },
  {
    says: "Slice by attributes, also from the end and beyond it",
    opsets: [7, 8, 9],
    make(random) {
      const shape = randomShape(random, 3, 6);
      const axes = random.next() < 0.3 ? undefined : some(random, [0, 1, 2]);
      const count = axes?.length ?? 1 + random.int(3);
      const starts = Array.from({ length: count }, () => pick(random, [0, 1, -1, -2]));
      const ends = Array.from({ length: count }, () => pick(random, [1, 3, -1, 2 ** 31 - 1, Number.MAX_SAFE_INTEGER]));
      return one("Slice", { x: randomFloats(random, shape) }, { axes, starts, ends });
    },
  },
  {
    says: "TopK by attribute",
    opsets: [7, 8, 9],
    make(random) {
      const shape = randomShape(random, 3).map((d) => d + 2);
      return one(
        "TopK",
        { x: randomFloats(random, shape) },
        { k: 1 + random.int(3), axis: random.int(3) },
        { outputs: { values: "float32", indices: "int64" } },
      );
    },
  },
  {
    says: "DFT along its default axis or another, one-sided or inverse",
    opsets: [17, 18, 19],
    tolerance: 1e-5,
    make(random) {
      const shape = [...randomShape(random, 3), 2];
      const inverse = random.int(2);
      const axis = random.next() < 0.4 ? undefined : pick(random, [0, 1, 2, -2, -3]);
      if (inverse === 0 && random.next() < 0.5) {
        shape[3] = 1;
        return one("DFT", { x: randomFloats(random, shape) }, { axis, onesided: random.int(2) });
      }
      return random.next() < 0.5
        ? one("DFT", { x: randomFloats(random, shape) }, { axis, inverse })
        : one("DFT", { x: randomFloats(random, shape) }, { axis, inverse }, { constants: { length: i64([], [6]) } });
    },
  },
  {
    says: "Clip with none, one or two bounds, float and double",
    opsets: [7, 9, 10],
    make(random) {
      const x = randomFloats(random, randomShape(random, 3));
      return one(
        "Clip",
        { x },
        { min: random.next() < 0.5 ? float(-0.7) : undefined, max: random.next() < 0.5 ? float(0.9) : undefined },
      );
    },
  },
  {
    says: "Clip behind an operator that nobody knows the types of",
    opsets: [7, 10],
    make(random) {
      const x = randomFloats(random, randomShape(random, 3));
      const nodes: Node[] = [
        makeNode("Gelu", { inputs: ["x"], outputs: ["g"] }, { domain: "com.microsoft" }),
        makeNode("Clip", { inputs: ["g"], outputs: ["y"] }, { attributes: { min: float(-0.1), max: float(0.5) } }),
      ];
      return { nodes, outputs: { y: "float32" }, feeds: { x } };
    },
  },
  {
    says: "Pad by attributes, in all modes, also cropping",
    opsets: [7, 10],
    make(random) {
      const shape = randomShape(random, 4).map((d) => d + 2);
      const mode = pick(random, [undefined, "constant", "reflect", "edge"]);
      const low = mode === undefined || mode === "constant" ? -1 : 0;
      const pads = Array.from({ length: 8 }, () => low + random.int(3 - low - 1));
      return one("Pad", { x: randomFloats(random, shape) }, { mode, pads, value: random.next() < 0.5 ? float(1.5) : undefined });
    },
  },
  {
    says: "Dropout with a ratio",
    opsets: [7, 9, 10, 11],
    make: (random) =>
      one(
        "Dropout",
        { x: randomFloats(random, randomShape(random, 3)) },
        { ratio: random.next() < 0.5 ? float(0.3) : undefined },
      ),
  },
  {
    says: "Dropout whose mask of floats is read",
    opsets: [7, 9],
    // Outside training the mask is all ones; the runtime gives zeros before opset 12, where the text leaves it open.
    uncompared: ["mask"],
    make: (random) =>
      one("Dropout", { x: randomFloats(random, randomShape(random, 3)) }, {}, { outputs: { y: "float32", mask: "float32" } }),
  },
  {
    says: "Upsample with scales as attribute or input",
    opsets: [7, 8, 9],
    needsShapes: "the runtime's Upsample wants to know the rank",
    tolerance: 1e-6,
    make(random, opset) {
      const scales = [1, 1, 1 + random.int(3), 1 + random.int(3)];
      const feeds = { x: randomFloats(random, randomShape(random, 4)) };
      const mode = pick(random, [undefined, "nearest", "linear"]);
      if (opset < 9) return one("Upsample", feeds, { mode, scales: floats(scales) });
      return one("Upsample", feeds, { mode }, { constants: { scales: f32([4], scales) } });
    },
  },
  {
    says: "Resize of opset 10, enlarging by any factor and shrinking linearly",
    opsets: [10],
    tolerance: 1e-6,
    make(random) {
      const mode = pick(random, [undefined, "nearest", "linear"]);
      const factors = mode === "linear" ? [0.5, 1, 1.5, 2, 2.6] : [1, 1.5, 2, 2.6, 3];
      const shape = [...randomShape(random, 2), ...randomShape(random, 2).map((d) => d + 2)];
      return one(
        "Resize",
        { x: randomFloats(random, shape) },
        { mode },
        { constants: { scales: f32([4], [1, 1, pick(random, factors), pick(random, factors)]) } },
      );
    },
  },
  {
    says: "Resize of opsets 11 and 12 by scales or sizes, with all that may be empty",
    opsets: [11, 12],
    tolerance: 1e-6,
    make(random) {
      const feeds = { x: randomFloats(random, [1, 2, 4, 5]) };
      const bySizes = random.next() < 0.5;
      const mode = pick(random, ["nearest", "linear", "cubic"]);
      const coordinates = pick(random, ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "tf_crop_and_resize"]);
      const constants = {
        roi: coordinates === "tf_crop_and_resize" ? f32([8], [0, 0, 0.1, 0.2, 1, 1, 0.9, 0.7]) : f32([0], []),
        scales: bySizes ? f32([0], []) : f32([4], [1, 1, 2, 1.6]),
        ...(bySizes ? { sizes: i64([4], [1, 2, 7, 3]) } : {}),
      };
      const attributes = {
        mode,
        coordinate_transformation_mode: coordinates,
        nearest_mode: pick(random, [undefined, "floor", "ceil", "round_prefer_ceil"]),
      };
      return one("Resize", feeds, attributes, { constants });
    },
  },
  {
    says: "Resize with tf_half_pixel_for_nn",
    opsets: [11, 12],
    make(random) {
      const constants = {
        roi: f32([0], []),
        scales: f32([4], [1, 1, pick(random, [0.5, 0.8, 1.5, 2, 3]), pick(random, [0.6, 1.3, 2])]),
      };
      const attributes = {
        mode: "nearest",
        coordinate_transformation_mode: "tf_half_pixel_for_nn",
        nearest_mode: pick(random, ["floor", "round_prefer_floor"]),
      };
      return one("Resize", { x: randomFloats(random, [1, 2, 5, 6]) }, attributes, { constants });
    },
  },
  {
    says: "GridSample with its old mode names",
    opsets: [16, 19],
    tolerance: 1e-6,
    make(random) {
      const [n, h, w] = randomShape(random, 3) as [number, number, number];
      const attributes = {
        mode: pick(random, [undefined, "bilinear", "nearest", "bicubic"]),
        padding_mode: pick(random, ["zeros", "border", "reflection"]),
        align_corners: random.int(2),
      };
      return one(
        "GridSample",
        { x: randomFloats(random, [n, 2, h + 1, w + 1]), grid: randomFloats(random, [n, 3, 4, 2]) },
        attributes,
      );
    },
  },
  {
    says: "RoiAlign without the shift by half a pixel",
    opsets: [10, 15],
    make(random) {
      const rois = f32([2, 4], [0.5, 0.7, 5.2, 6, 1, 2, 7, 6.5]);
      const attributes = { output_height: 3, output_width: 2, sampling_ratio: 2, mode: pick(random, ["avg", "max"]) };
      return one("RoiAlign", { x: randomFloats(random, [2, 2, 8, 8]), rois, batch: i64([2], [0, 1]) }, attributes);
    },
  },
  {
    says: "Scatter",
    opsets: [9, 10],
    make: (random) =>
      one(
        "Scatter",
        { x: randomFloats(random, [3, 4]), at: i64([2, 2], [1, 0, 2, 1]), values: randomFloats(random, [2, 2]) },
        { axis: random.int(2) },
      ),
  },
  {
    says: "BatchNormalization per channel",
    opsets: [7, 8, 9, 13],
    make(random, opset) {
      const { feeds, constants } = batchNorm(random, true);
      return one(
        "BatchNormalization",
        feeds,
        { epsilon: float(1e-3), momentum: float(0.9), spatial: opset < 9 && random.next() < 0.5 ? 1 : undefined },
        { constants },
      );
    },
  },
  {
    says: "BatchNormalization per position",
    opsets: [7, 8],
    tolerance: 2e-5,
    make(random) {
      const { feeds, constants } = batchNorm(random, false);
      return one("BatchNormalization", feeds, { epsilon: float(1e-3), spatial: 0 }, { constants });
    },
  },
  {
    says: "GroupNormalization with parameters per group",
    opsets: [18, 20],
    tolerance: 1e-5,
    make(random) {
      const groups = 1 + random.int(3);
      const shape = [1 + random.int(2), groups * (1 + random.int(3)), ...randomShape(random, 2)];
      return one(
        "GroupNormalization",
        { x: randomFloats(random, shape) },
        { num_groups: groups, epsilon: float(1e-3) },
        { constants: { scale: randomFloats(random, [groups]), bias: randomFloats(random, [groups]) } },
      );
    },
  },
  {
    says: "Scan over a batch of sequences, forwards and backwards",
    opsets: [8],
    needsShapes: "the runtime's Scan checks the rank",
    make: oldScan,
  },
];
