import { fail } from "../base/error.ts";
import type { DType } from "../graph/dtype.ts";
import { broadcastShapes } from "./broadcast.ts";
import type { InferContext, InferRule, OpRow } from "./row.ts";
import { commonDtype, opsPerOutput, params, typeOf } from "./signature.ts";

function broadcastInfer(result: DType | "same"): InferRule {
  return ({ inputs, node }) => {
    const dtype = commonDtype(inputs, node);
    const shape = broadcastShapes(inputs.map((type) => type?.shape));
    return [typeOf(result === "same" ? dtype : result, shape)];
  };
}

// The exponent may have another element type; the result has the base's.
function inferPow({ inputs }: InferContext): ReturnType<InferRule> {
  return [typeOf(inputs[0]?.dtype, broadcastShapes([inputs[0]?.shape, inputs[1]?.shape]))];
}

function inferWhere({ inputs, node }: InferContext): ReturnType<InferRule> {
  const [condition, x, y] = inputs;
  if (condition !== undefined && condition.dtype !== "bool") {
    throw fail("DTYPE_MISMATCH", `Cannot use a ${condition.dtype} condition in Where: it must be bool`, {
      at: { node: node.name },
    });
  }
  return [typeOf(commonDtype([x, y], node), broadcastShapes([condition?.shape, x?.shape, y?.shape]))];
}

function row(since: number, options: { readonly result?: DType; readonly attributes?: OpRow["attributes"] } = {}): OpRow {
  return {
    since,
    inputs: params("A", "B"),
    outputs: params("C"),
    attributes: options.attributes ?? {},
    infer: broadcastInfer(options.result ?? "same"),
    cost: opsPerOutput(1),
  };
}

function variadic(since: number): OpRow {
  return {
    since,
    inputs: params("data_0*"),
    outputs: params("result"),
    attributes: {},
    infer: broadcastInfer("same"),
    cost: (node, inputs, outputs) => ({
      macs: 0,
      ops: opsPerOutput(1)(node, inputs, outputs).ops * Math.max(1, inputs.length - 1),
    }),
  };
}

/** Operators on two or more tensors, element by element with broadcasting. */
export const BINARY = {
  Add: row(7),
  And: row(7, { result: "bool" }),
  BitShift: row(11, { attributes: { direction: { kind: "string", required: true, oneOf: ["LEFT", "RIGHT"] } } }),
  BitwiseAnd: row(18),
  BitwiseOr: row(18),
  BitwiseXor: row(18),
  Div: row(7),
  Equal: row(11, { result: "bool" }),
  Greater: row(9, { result: "bool" }),
  GreaterOrEqual: row(12, { result: "bool" }),
  Less: row(9, { result: "bool" }),
  LessOrEqual: row(12, { result: "bool" }),
  Max: variadic(8),
  Mean: variadic(8),
  Min: variadic(8),
  Mod: row(10, { attributes: { fmod: { kind: "int", fallback: 0 } } }),
  Mul: row(7),
  Or: row(7, { result: "bool" }),
  Pow: { ...row(12), inputs: params("X", "Y"), outputs: params("Z"), infer: inferPow },
  Sub: row(7),
  Sum: variadic(8),
  Where: {
    since: 9,
    inputs: params("condition", "X", "Y"),
    outputs: params("output"),
    attributes: {},
    infer: inferWhere,
    cost: opsPerOutput(1),
  },
  Xor: row(7, { result: "bool" }),
} as const satisfies Record<string, OpRow>;
