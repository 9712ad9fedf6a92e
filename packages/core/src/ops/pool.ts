import { type Dim, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import type { Node } from "../graph/model.ts";
import { attrInts } from "../graph/node.ts";
import { checkRank, shapeError } from "./nn-rules.ts";
import type { AttrSpec, Cost, InferContext, OpRow } from "./row.ts";
import { elements, numbersOnly, opsPerInput, params, typeOf, unknownShape } from "./signature.ts";
import { readWindow, windowPositions } from "./spatial.ts";

const POOL_ATTRIBUTES = {
  auto_pad: { kind: "string", fallback: "NOTSET", oneOf: ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"] },
  ceil_mode: { kind: "int", fallback: 0 },
  dilations: { kind: "ints" },
  kernel_shape: { kind: "ints", required: true },
  pads: { kind: "ints" },
  strides: { kind: "ints" },
} as const satisfies Record<string, AttrSpec>;

function poolShape(context: InferContext): Shape | undefined {
  checkRank(context, 0, { least: 3 });
  const x = context.inputs[0]?.shape;
  const kernel = attrInts(context.node, "kernel_shape") ?? [];
  const window = readWindow(context.node, kernel);
  if (x === undefined) return unknownShape(kernel.length + 2);
  if (x.length !== kernel.length + 2) throw shapeError(context, `input [${x}] does not fit a window of rank ${kernel.length}`);
  const spatial = kernel.map((_, i) => windowPositions(window, x[i + 2] as Dim, i));
  if (spatial.some((d) => typeof d === "number" && d < 0))
    throw shapeError(context, `the window [${kernel}] does not fit the input [${x}]`);
  return [x[0] as Dim, x[1] as Dim, ...spatial];
}

function poolCost(node: Node, _inputs: unknown, outputs: Parameters<OpRow["cost"]>[2]): Cost {
  const taps = (attrInts(node, "kernel_shape") ?? []).reduce((a, b) => a * b, 1);
  return { macs: 0, ops: taps * elements(outputs[0]) };
}

function inferPool(context: InferContext): ReturnType<OpRow["infer"]> {
  return [typeOf(context.inputs[0]?.dtype, poolShape(context))];
}

function inferGlobal(context: InferContext): ReturnType<OpRow["infer"]> {
  const x = context.inputs[0];
  return [
    typeOf(
      x?.dtype,
      x?.shape?.map((size, axis) => (axis < 2 ? size : 1)),
    ),
  ];
}

function globalRow(since: number, attributes: OpRow["attributes"] = {}): OpRow {
  return { since, inputs: params("X"), outputs: params("Y"), attributes, infer: inferGlobal, cost: opsPerInput(1) };
}

function inferUnpool(context: InferContext): ReturnType<OpRow["infer"]> {
  const { node, inputs } = context;
  const x = inputs[0];
  const dims = numbersOnly(context.dims(2));
  if (dims !== undefined && (node.inputs[2] ?? "") !== "") return [typeOf(x?.dtype, dims)];
  if (x?.shape === undefined || (node.inputs[2] ?? "") !== "")
    return [typeOf(x?.dtype, x?.shape && unknownShape(x.shape.length))];
  const kernel = attrInts(node, "kernel_shape") ?? [];
  const window = readWindow(node, kernel);
  const spatial = x.shape.slice(2).map((size, i): Dim => {
    if (typeof size !== "number") return UNKNOWN_DIM;
    const pads = (window.pads[i] ?? 0) + (window.pads[i + kernel.length] ?? 0);
    return (size - 1) * (window.strides[i] ?? 1) + (kernel[i] ?? 1) - pads;
  });
  return [typeOf(x.dtype, [...x.shape.slice(0, 2), ...spatial])];
}

/** Pooling. */
export const POOL = {
  AveragePool: {
    since: 19,
    inputs: params("X"),
    outputs: params("Y"),
    attributes: { ...POOL_ATTRIBUTES, count_include_pad: { kind: "int", fallback: 0 } },
    infer: inferPool,
    cost: poolCost,
  },
  GlobalAveragePool: globalRow(1),
  GlobalLpPool: globalRow(2, { p: { kind: "int", fallback: 2 } }),
  GlobalMaxPool: globalRow(1),
  LpPool: {
    since: 18,
    inputs: params("X"),
    outputs: params("Y"),
    attributes: { ...POOL_ATTRIBUTES, p: { kind: "int", fallback: 2 } },
    infer: inferPool,
    cost: poolCost,
  },
  MaxPool: {
    since: 12,
    inputs: params("X"),
    outputs: params("Y", "Indices?"),
    attributes: { ...POOL_ATTRIBUTES, storage_order: { kind: "int", fallback: 0 } },
    infer: (context) => {
      const shape = poolShape(context);
      return [typeOf(context.inputs[0]?.dtype, shape), typeOf("int64", shape)];
    },
    cost: poolCost,
  },
  MaxUnpool: {
    since: 11,
    inputs: params("X", "I", "output_shape?"),
    outputs: params("output"),
    attributes: { kernel_shape: { kind: "ints", required: true }, pads: { kind: "ints" }, strides: { kind: "ints" } },
    infer: inferUnpool,
    cost: opsPerInput(1),
  },
} as const satisfies Record<string, OpRow>;
