import type { Random } from "@tessera/core/base/random";
import { PADDINGS } from "@tessera/core/formats/tflite/enums";
import { makeNode } from "@tessera/core/graph/node";
import { i64 } from "@tessera/core/graph/tensor";
import type { CaseSpec, CaseTensor } from "./case-builder.ts";
import { activation, pick, randomGrid, randomScale, TO_NCHW, windowAxis } from "./cases-sums.ts";

/** MAX_POOL_2D or AVERAGE_POOL_2D. */
export function poolCase(random: Random, id: string, average: boolean): CaseSpec {
  const same = random.int(2) === 0;
  const strides = [1 + random.int(3), 1 + random.int(3)] as const;
  const kernel = [1 + random.int(4), 1 + random.int(4)] as const;
  const y = windowAxis(random, { same, stride: strides[0], dilation: 1, kernel: kernel[0] });
  const x = windowAxis(random, { same, stride: strides[1], dilation: 1, kernel: kernel[1] });
  const batch = 1 + random.int(2);
  const channels = 1 + random.int(6);
  const grid = randomGrid(random, "int8");
  const act = activation(random, "y");
  return {
    id,
    operator: average ? "AVERAGE_POOL_2D" : "MAX_POOL_2D",
    version: 2,
    options: {
      kind: "Pool2DOptions",
      padding: same ? PADDINGS.SAME : PADDINGS.VALID,
      strideH: strides[0],
      strideW: strides[1],
      filterHeight: kernel[0],
      filterWidth: kernel[1],
      fusedActivationFunction: act.code,
    },
    tensors: [
      { name: "x", shape: [batch, y.size, x.size, channels], dtype: "int8", ...grid, order: TO_NCHW },
      { name: "y", shape: [batch, y.out, x.out, channels], dtype: "int8", ...grid, order: TO_NCHW },
    ],
    inputs: ["x"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [
      makeNode(
        average ? "AveragePool" : "MaxPool",
        { inputs: ["x"], outputs: [act.before] },
        { attributes: { strides, kernel_shape: kernel, pads: [y.before, x.before, y.after, x.after] } },
      ),
      ...act.nodes,
    ],
    extra: act.extra,
  };
}

/** MEAN or SUM over height and width, over channels, or over one of them. */
export function reduceCase(random: Random, id: string, sum: boolean): CaseSpec {
  const shape = [1 + random.int(2), 1 + random.int(7), 1 + random.int(7), 1 + random.int(9)];
  const axes = pick(random, [[1, 2], [1, 2], [2, 1], [3], [1], [2], [1, 2, 3]]);
  const keep = random.int(2) === 0;
  const grid = randomGrid(random, "int8");
  const count = axes.reduce((n, axis) => n * (shape[axis] as number), 1);
  const scale = Math.fround((grid.scale[0] as number) * (sum ? count : 1) * 2 ** (random.next() * 3 - 2));
  const outShape = keep ? shape.map((s, i) => (axes.includes(i) ? 1 : s)) : shape.filter((_, i) => !axes.includes(i));
  // Axes of the Model: 0, 2, 3 and 1 in the order of TFLite.
  const inModel = [0, 2, 3, 1];
  const order = keep
    ? { order: TO_NCHW }
    : outShape.length === 3 && outShape[2] === shape[3] && !axes.includes(3)
      ? { order: [0, 2, 1] }
      : {};
  return {
    id,
    operator: sum ? "SUM" : "MEAN",
    version: 2,
    options: { kind: "ReducerOptions", keepDims: keep },
    tensors: [
      { name: "x", shape, dtype: "int8", ...grid, order: TO_NCHW },
      { name: "axes", shape: [axes.length], dtype: "int32", values: axes, fileOnly: true },
      { name: "y", shape: outShape, dtype: "int8", scale: [scale], zeroPoint: [random.int(256) - 128], ...order },
    ],
    inputs: ["x", "axes"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [
      makeNode(
        sum ? "ReduceSum" : "ReduceMean",
        { inputs: ["x", "model_axes"], outputs: ["y"] },
        { attributes: { keepdims: keep ? 1 : 0 } },
      ),
    ],
    extra: new Map([
      [
        "model_axes",
        i64(
          [axes.length],
          axes.map((axis) => inModel[axis] as number),
        ),
      ],
    ]),
  };
}

/** SOFTMAX over the last axis. */
export function softmaxCase(random: Random, id: string): CaseSpec {
  const shape = [1 + random.int(4), 1 + random.int(30)];
  return {
    id,
    operator: "SOFTMAX",
    version: 2,
    options: { kind: "SoftmaxOptions", beta: 1 },
    tensors: [
      { name: "x", shape, dtype: "int8", scale: [randomScale(random, -9, 1)], zeroPoint: [random.int(256) - 128] },
      { name: "y", shape, dtype: "int8", scale: [1 / 256], zeroPoint: [-128] },
    ],
    inputs: ["x"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [makeNode("Softmax", { inputs: ["x"], outputs: ["y"] }, { attributes: { axis: -1 } })],
  };
}

/** L2_NORMALIZATION over channels. */
export function l2Case(random: Random, id: string): CaseSpec {
  const shape = [1 + random.int(3), 1 + random.int(pick(random, [4, 40, 600]))];
  return {
    id,
    operator: "L2_NORMALIZATION",
    version: 2,
    options: { kind: "L2NormOptions" },
    tensors: [
      { name: "x", shape, dtype: "int8", ...randomGrid(random, "int8") },
      { name: "y", shape, dtype: "int8", scale: [1 / 128], zeroPoint: [0] },
    ],
    inputs: ["x"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [makeNode("LpNormalization", { inputs: ["x"], outputs: ["y"] }, { attributes: { axis: -1, p: 2 } })],
  };
}

/** RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR in each coordinate mode. */
export function resizeCase(random: Random, id: string, linear: boolean): CaseSpec {
  const shape = [1, 1 + random.int(6), 1 + random.int(6), 1 + random.int(4)];
  const size = [1 + random.int(11), 1 + random.int(11)];
  const mode = pick(random, ["asymmetric", "align_corners", "half_pixel"] as const);
  const grid = randomGrid(random, "int8");
  const flags = { alignCorners: mode === "align_corners", halfPixelCenters: mode === "half_pixel" };
  const [n, , , c] = shape as [number, number, number, number];
  const sizes: CaseTensor = { name: "size", shape: [2], dtype: "int32", values: size, fileOnly: true };
  return {
    id,
    operator: linear ? "RESIZE_BILINEAR" : "RESIZE_NEAREST_NEIGHBOR",
    version: linear ? 3 : 3,
    options: linear ? { kind: "ResizeBilinearOptions", ...flags } : { kind: "ResizeNearestNeighborOptions", ...flags },
    tensors: [
      { name: "x", shape, dtype: "int8", ...grid, order: TO_NCHW },
      sizes,
      { name: "y", shape: [n, ...size, c], dtype: "int8", ...grid, order: TO_NCHW },
    ],
    inputs: ["x", "size"],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [
      makeNode(
        "Resize",
        { inputs: ["x", "", "", "model_size"], outputs: ["y"] },
        {
          attributes: {
            mode: linear ? "linear" : "nearest",
            coordinate_transformation_mode: mode,
            nearest_mode: mode === "asymmetric" ? "floor" : "round_prefer_ceil",
          },
        },
      ),
    ],
    extra: new Map([["model_size", i64([4], [n, c, ...size])]]),
  };
}

/** Operators that only move integers. */
export function moveCase(random: Random, id: string, op: "PAD" | "CONCATENATION" | "TRANSPOSE" | "RESHAPE" | "SLICE"): CaseSpec {
  const shape = [1 + random.int(2), 1 + random.int(4), 1 + random.int(4), 1 + random.int(5)];
  const grid = randomGrid(random, "int8");
  const x: CaseTensor = { name: "x", shape, dtype: "int8", ...grid };
  const common = { id, operator: op, feeds: ["x"], outputs: ["y"] } as const;
  const out = (outShape: readonly number[]): CaseTensor => ({ name: "y", shape: outShape, dtype: "int8", ...grid });
  const ints = (name: string, values: readonly number[], dims: readonly number[] = [values.length]): CaseTensor => ({
    name,
    shape: dims,
    dtype: "int32",
    values,
    fileOnly: true,
  });
  const model = (values: readonly number[]) => new Map([["m", i64([values.length], values)]]);
  switch (op) {
    case "PAD": {
      const before = shape.map(() => random.int(3));
      const after = shape.map(() => random.int(3));
      return {
        ...common,
        version: 2,
        options: { kind: "PadOptions" },
        tensors: [
          x,
          ints(
            "p",
            before.flatMap((b, i) => [b, after[i] as number]),
            [4, 2],
          ),
          out(shape.map((s, i) => s + (before[i] as number) + (after[i] as number))),
        ],
        inputs: ["x", "p"],
        nodes: [makeNode("Pad", { inputs: ["x", "m"], outputs: ["y"] })],
        extra: model([...before, ...after]),
      };
    }
    case "CONCATENATION": {
      const axis = random.int(4);
      const other = shape.map((s, i) => (i === axis ? 1 + random.int(3) : s));
      return {
        ...common,
        version: 2,
        options: { kind: "ConcatenationOptions", axis },
        tensors: [x, { ...x, name: "z", shape: other }, out(shape.map((s, i) => (i === axis ? s + (other[i] as number) : s)))],
        inputs: ["x", "z"],
        feeds: ["x", "z"],
        nodes: [makeNode("Concat", { inputs: ["x", "z"], outputs: ["y"] }, { attributes: { axis } })],
      };
    }
    case "TRANSPOSE": {
      const perm = pick(random, [
        [0, 3, 1, 2],
        [3, 2, 1, 0],
        [1, 0, 3, 2],
        [2, 3, 0, 1],
      ]);
      return {
        ...common,
        version: 2,
        options: { kind: "TransposeOptions" },
        tensors: [x, ints("p", perm), out(perm.map((d) => shape[d] as number))],
        inputs: ["x", "p"],
        nodes: [makeNode("Transpose", { inputs: ["x"], outputs: ["y"] }, { attributes: { perm } })],
      };
    }
    case "RESHAPE": {
      const flat = [shape[0] as number, (shape[1] as number) * (shape[2] as number) * (shape[3] as number)];
      return {
        ...common,
        version: 1,
        options: { kind: "ReshapeOptions", newShape: Int32Array.from(flat) },
        tensors: [x, ints("p", flat), out(flat)],
        inputs: ["x", "p"],
        nodes: [makeNode("Reshape", { inputs: ["x", "m"], outputs: ["y"] })],
        extra: model(flat),
      };
    }
    case "SLICE": {
      const begin = shape.map((s) => random.int(s));
      const size = shape.map((s, i) => 1 + random.int(s - (begin[i] as number)));
      return {
        ...common,
        version: 2,
        options: { kind: "SliceOptions" },
        tensors: [x, ints("p", begin), ints("s", size), out(size)],
        inputs: ["x", "p", "s"],
        nodes: [makeNode("Slice", { inputs: ["x", "m", "ends"], outputs: ["y"] })],
        extra: new Map([
          ...model(begin),
          [
            "ends",
            i64(
              [4],
              begin.map((b, i) => b + (size[i] as number)),
            ),
          ],
        ]),
      };
    }
  }
}
