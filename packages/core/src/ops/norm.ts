import type { Dim } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import { dtypeFromOnnx } from "../graph/dtype.ts";
import { attrInt } from "../graph/node.ts";
import { checkRank, mergeDim } from "./nn-rules.ts";
import type { InferContext, InferRule, OpRow } from "./row.ts";
import { normalAxis, opsPerInput, params, sameAsInput, typeOf } from "./signature.ts";

// Scale-like inputs hold one number for each channel (axis 1 of the first input).
function inferPerChannel(indices: readonly number[]): InferRule {
  return (context) => {
    const x = context.inputs[0];
    for (const index of indices) {
      checkRank(context, index, { least: 1, most: 1 });
      if (x?.shape !== undefined)
        mergeDim(context, [x.shape[1], context.inputs[index]?.shape?.[0]], `the channel count (inputs 0 and ${index})`);
    }
    return [x];
  };
}

function inferAlongAxis(fallback: number): InferRule {
  return ({ node, inputs }) => {
    const rank = inputs[0]?.shape?.length ?? 0;
    if (rank > 0) normalAxis(attrInt(node, "axis", fallback), rank, { node });
    return [inputs[0]];
  };
}

function softRow(ops: number): OpRow {
  return {
    since: 13,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { axis: { kind: "int", fallback: -1 } },
    infer: inferAlongAxis(-1),
    cost: opsPerInput(ops),
  };
}

// Mean and InvStdDev have the sizes of X in front of `axis` and 1 from there on, in the type that `stash_type` names.
function inferLayer(context: InferContext): ReturnType<InferRule> {
  const { node, inputs } = context;
  const x = inputs[0];
  const rank = x?.shape?.length ?? 0;
  const axis = rank === 0 ? 0 : normalAxis(attrInt(node, "axis", -1), rank, { node });
  const stash: DType = dtypeFromOnnx(attrInt(node, "stash_type", 1));
  const reduced = x?.shape?.map((size, i): Dim => (i < axis ? size : 1));
  return [x, typeOf(stash, reduced), typeOf(stash, reduced)];
}

/** Normalisation and softmax. */
export const NORM = {
  BatchNormalization: {
    since: 15,
    inputs: params("X", "scale", "B", "input_mean", "input_var"),
    outputs: params("Y", "running_mean?", "running_var?"),
    attributes: {
      epsilon: { kind: "float", fallback: 1e-5 },
      momentum: { kind: "float", fallback: 0.9 },
      training_mode: { kind: "int", fallback: 0 },
    },
    infer: (context) => {
      const [y] = inferPerChannel([1, 2, 3, 4])(context);
      return [y, context.inputs[3], context.inputs[4]];
    },
    cost: opsPerInput(2),
  },
  GroupNormalization: {
    since: 21,
    inputs: params("X", "scale", "bias"),
    outputs: params("Y"),
    attributes: {
      epsilon: { kind: "float", fallback: 1e-5 },
      num_groups: { kind: "int", required: true },
      stash_type: { kind: "int", fallback: 1 },
    },
    infer: inferPerChannel([1, 2]),
    cost: opsPerInput(6),
  },
  Hardmax: softRow(1),
  InstanceNormalization: {
    since: 6,
    inputs: params("input", "scale", "B"),
    outputs: params("output"),
    attributes: { epsilon: { kind: "float", fallback: 1e-5 } },
    infer: inferPerChannel([1, 2]),
    cost: opsPerInput(6),
  },
  LayerNormalization: {
    since: 17,
    inputs: params("X", "Scale", "B?"),
    outputs: params("Y", "Mean?", "InvStdDev?"),
    attributes: {
      axis: { kind: "int", fallback: -1 },
      epsilon: { kind: "float", fallback: 1e-5 },
      stash_type: { kind: "int", fallback: 1 },
    },
    infer: inferLayer,
    cost: opsPerInput(6),
  },
  LogSoftmax: softRow(4),
  LpNormalization: {
    since: 1,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { axis: { kind: "int", fallback: -1 }, p: { kind: "int", fallback: 2 } },
    infer: inferAlongAxis(-1),
    cost: opsPerInput(3),
  },
  LRN: {
    since: 13,
    inputs: params("X"),
    outputs: params("Y"),
    attributes: {
      alpha: { kind: "float", fallback: 1e-4 },
      beta: { kind: "float", fallback: 0.75 },
      bias: { kind: "float", fallback: 1 },
      size: { kind: "int", required: true },
    },
    infer: sameAsInput,
    cost: opsPerInput(8),
  },
  MeanVarianceNormalization: {
    since: 13,
    inputs: params("X"),
    outputs: params("Y"),
    attributes: { axes: { kind: "ints", fallback: [0, 2, 3] } },
    infer: sameAsInput,
    cost: opsPerInput(5),
  },
  RMSNormalization: {
    since: 23,
    inputs: params("X", "scale"),
    outputs: params("Y"),
    attributes: {
      axis: { kind: "int", fallback: -1 },
      epsilon: { kind: "float", fallback: 1e-5 },
      stash_type: { kind: "int", fallback: 1 },
    },
    infer: inferAlongAxis(-1),
    cost: opsPerInput(4),
  },
  Softmax: softRow(4),
} as const satisfies Record<string, OpRow>;
