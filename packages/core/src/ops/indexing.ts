import { fail } from "../base/error.ts";
import { type Dim, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import { tensorType } from "../graph/model.ts";
import { attrInt } from "../graph/node.ts";
import type { InferContext, InferRule, OpRow } from "./row.ts";
import { noCost, normalAxis, opsPerOutput, params, sameAsInput, typeOf } from "./signature.ts";

type Inferred = ReturnType<InferRule>;

function inferGather({ node, inputs }: InferContext): Inferred {
  const [data, indices] = inputs;
  if (data?.shape === undefined || indices?.shape === undefined) return [typeOf(data?.dtype, undefined)];
  const axis = normalAxis(attrInt(node, "axis", 0), data.shape.length, { node });
  return [tensorType(data.dtype, [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)])];
}

function inferGatherElements({ node, inputs }: InferContext): Inferred {
  const [data, indices] = inputs;
  if (data?.shape !== undefined && indices?.shape !== undefined && data.shape.length !== indices.shape.length) {
    throw fail("SHAPE_MISMATCH", `Cannot gather from [${data.shape}] by [${indices.shape}]: the ranks differ`, {
      at: { node: node.name },
    });
  }
  return [typeOf(data?.dtype, indices?.shape)];
}

function inferGatherNd({ node, inputs }: InferContext): Inferred {
  const [data, indices] = inputs;
  if (data?.shape === undefined || indices?.shape === undefined) return [typeOf(data?.dtype, undefined)];
  const batch = attrInt(node, "batch_dims", 0);
  const depth = indices.shape.at(-1);
  if (typeof depth !== "number") return [tensorType(data.dtype, undefined)];
  if (batch + depth > data.shape.length || batch >= indices.shape.length) {
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot gather from [${data.shape}] by [${indices.shape}]: index tuples of ${depth} are too long`,
      { at: { node: node.name } },
    );
  }
  return [tensorType(data.dtype, [...indices.shape.slice(0, -1), ...data.shape.slice(batch + depth)])];
}

function inferOneHot(context: InferContext): Inferred {
  const { node, inputs } = context;
  const [indices, , values] = inputs;
  if (indices?.shape === undefined) return [typeOf(values?.dtype, undefined)];
  const axis = normalAxis(attrInt(node, "axis", -1), indices.shape.length + 1, { node });
  const depth: Dim = context.dims(1)?.[0] ?? UNKNOWN_DIM;
  const out: Shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
  return [typeOf(values?.dtype, out)];
}

const REDUCTION = { kind: "string", fallback: "none", oneOf: ["none", "add", "mul", "max", "min"] } as const;
const AXIS0 = { kind: "int", fallback: 0 } as const;

/** Operators that read or write elements at places given by another tensor. */
export const INDEXING = {
  Gather: {
    since: 1,
    inputs: params("data", "indices"),
    outputs: params("output"),
    attributes: { axis: AXIS0 },
    infer: inferGather,
    cost: noCost,
  },
  GatherElements: {
    since: 11,
    inputs: params("data", "indices"),
    outputs: params("output"),
    attributes: { axis: AXIS0 },
    infer: inferGatherElements,
    cost: noCost,
  },
  GatherND: {
    since: 11,
    inputs: params("data", "indices"),
    outputs: params("output"),
    attributes: { batch_dims: AXIS0 },
    infer: inferGatherNd,
    cost: noCost,
  },
  NonZero: {
    since: 9,
    inputs: params("X"),
    outputs: params("Y"),
    attributes: {},
    infer: ({ inputs }) => [tensorType("int64", [inputs[0]?.shape?.length ?? UNKNOWN_DIM, UNKNOWN_DIM])],
    cost: noCost,
  },
  OneHot: {
    since: 9,
    inputs: params("indices", "depth", "values"),
    outputs: params("output"),
    attributes: { axis: { kind: "int", fallback: -1 } },
    infer: inferOneHot,
    cost: opsPerOutput(1),
  },
  ScatterElements: {
    since: 11,
    inputs: params("data", "indices", "updates"),
    outputs: params("output"),
    attributes: { axis: AXIS0, reduction: REDUCTION },
    infer: sameAsInput,
    cost: noCost,
  },
  ScatterND: {
    since: 11,
    inputs: params("data", "indices", "updates"),
    outputs: params("output"),
    attributes: { reduction: REDUCTION },
    infer: sameAsInput,
    cost: noCost,
  },
} as const satisfies Record<string, OpRow>;
