import type { Dim, Shape } from "../graph/dim.ts";
import { tensorType } from "../graph/model.ts";
import { attrInt } from "../graph/node.ts";
import type { InferContext, InferRule, OpRow } from "./row.ts";
import { normalAxes, normalAxis, numbersOnly, opsPerInput, params, sameAsInput, typeOf, unknownShape } from "./signature.ts";

/** The shape that stays after reducing `axes` (normalised): removed, or kept as 1. */
function reducedShape(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  const gone = new Set(axes);
  const out: Dim[] = [];
  shape.forEach((dim, axis) => {
    if (!gone.has(axis)) out.push(dim);
    else if (keep) out.push(1);
  });
  return out;
}

// Input 1 holds the axes (opset 18); absent or empty means all of them, or none with noop_with_empty_axes.
function inferReduce(context: InferContext): ReturnType<InferRule> {
  const { node, inputs } = context;
  const x = inputs[0];
  if (x === undefined) return [undefined];
  const keep = attrInt(node, "keepdims", 1) !== 0;
  const rank = x.shape?.length;
  const absent = (node.inputs[1] ?? "") === "";
  const axes = absent ? [] : numbersOnly(context.dims(1));
  if (x.shape === undefined || rank === undefined) return [typeOf(x.dtype, undefined)];
  if (axes === undefined) {
    const count = inputs[1]?.shape?.[0];
    if (keep) return [tensorType(x.dtype, unknownShape(rank))];
    return [
      tensorType(x.dtype, typeof count === "number" && count > 0 && count <= rank ? unknownShape(rank - count) : undefined),
    ];
  }
  if (axes.length === 0) {
    if (attrInt(node, "noop_with_empty_axes", 0) !== 0) return [x];
    return [tensorType(x.dtype, keep ? x.shape.map(() => 1) : [])];
  }
  return [tensorType(x.dtype, reducedShape(x.shape, normalAxes(axes, rank, node), keep))];
}

function reduceRow(since: number, ops = 1): OpRow {
  return {
    since,
    inputs: params("data", "axes?"),
    outputs: params("reduced"),
    attributes: { keepdims: { kind: "int", fallback: 1 }, noop_with_empty_axes: { kind: "int", fallback: 0 } },
    infer: inferReduce,
    cost: opsPerInput(ops),
  };
}

function inferArg({ node, inputs }: InferContext): ReturnType<InferRule> {
  const shape = inputs[0]?.shape;
  if (shape === undefined) return [tensorType("int64", undefined)];
  const axis = normalAxis(attrInt(node, "axis", 0), shape.length, { node });
  return [tensorType("int64", reducedShape(shape, [axis], attrInt(node, "keepdims", 1) !== 0))];
}

function argRow(): OpRow {
  return {
    since: 13,
    inputs: params("data"),
    outputs: params("reduced"),
    attributes: {
      axis: { kind: "int", fallback: 0 },
      keepdims: { kind: "int", fallback: 1 },
      select_last_index: { kind: "int", fallback: 0 },
    },
    infer: inferArg,
    cost: opsPerInput(1),
  };
}

function inferTopK(context: InferContext): ReturnType<InferRule> {
  const { node, inputs } = context;
  const x = inputs[0];
  if (x?.shape === undefined) return [typeOf(x?.dtype, undefined), tensorType("int64", undefined)];
  const axis = normalAxis(attrInt(node, "axis", -1), x.shape.length, { node });
  const k = context.dims(1)?.[0] ?? "?";
  const shape = x.shape.map((dim, i) => (i === axis ? k : dim));
  return [tensorType(x.dtype, shape), tensorType("int64", shape)];
}

/** Operators that reduce, select or accumulate along axes. */
export const REDUCE = {
  ArgMax: argRow(),
  ArgMin: argRow(),
  CumSum: {
    since: 11,
    inputs: params("x", "axis"),
    outputs: params("y"),
    attributes: { exclusive: { kind: "int", fallback: 0 }, reverse: { kind: "int", fallback: 0 } },
    infer: sameAsInput,
    cost: opsPerInput(1),
  },
  ReduceL1: reduceRow(18, 2),
  ReduceL2: reduceRow(18, 2),
  ReduceLogSum: reduceRow(18),
  ReduceLogSumExp: reduceRow(18, 2),
  ReduceMax: reduceRow(18),
  ReduceMean: reduceRow(18),
  ReduceMin: reduceRow(18),
  ReduceProd: reduceRow(18),
  ReduceSum: reduceRow(13),
  ReduceSumSquare: reduceRow(18, 2),
  TopK: {
    since: 11,
    inputs: params("X", "K"),
    outputs: params("Values", "Indices"),
    attributes: {
      axis: { kind: "int", fallback: -1 },
      largest: { kind: "int", fallback: 1 },
      sorted: { kind: "int", fallback: 1 },
    },
    infer: inferTopK,
    cost: opsPerInput(1),
  },
} as const satisfies Record<string, OpRow>;
