import { dtypeFromOnnx } from "../graph/dtype.ts";
import { attrInt } from "../graph/node.ts";
import { mergeDim, shapeError } from "./nn-rules.ts";
import type { InferContext, OpRow } from "./row.ts";
import { normalAxis, opsPerOutput, params, typeOf } from "./signature.ts";

/** Checks that the scale of a Q or DQ node is a scalar, a vector along `axis`, or one number for each block of `block_size`. */
function checkScale(context: InferContext): void {
  const { node, inputs } = context;
  const x = inputs[0]?.shape;
  const scale = inputs[1]?.shape;
  if (x === undefined || scale === undefined || scale.length === 0) return;
  if (scale.length === 1 && scale[0] === 1) return;
  const block = attrInt(node, "block_size", 0);
  if (scale.length === 1 && block === 0) {
    if (x.length === 0) throw shapeError(context, `a scale of shape [${scale}] does not fit a scalar`);
    const axis = normalAxis(attrInt(node, "axis", 1), x.length, { node });
    mergeDim(context, [x[axis], scale[0]], `the size of axis ${axis}`);
    return;
  }
  if (block === 0 || scale.length !== x.length) throw shapeError(context, `a scale of shape [${scale}] does not fit [${x}]`);
  const axis = normalAxis(attrInt(node, "axis", 1), x.length, { node });
  x.forEach((size, i) => {
    const expected = i === axis && typeof size === "number" ? Math.ceil(size / block) : i === axis ? scale[i] : size;
    mergeDim(context, [expected, scale[i]], `size ${i} of the scale for blocks of ${block}`);
  });
}

/** Quantizing and dequantizing. */
export const QUANTIZE = {
  DequantizeLinear: {
    since: 21,
    inputs: params("x", "x_scale", "x_zero_point?"),
    outputs: params("y"),
    attributes: { axis: { kind: "int", fallback: 1 }, block_size: { kind: "int", fallback: 0 } },
    infer: (context) => {
      checkScale(context);
      return [typeOf(context.inputs[1]?.dtype, context.inputs[0]?.shape)];
    },
    cost: opsPerOutput(2),
  },
  DynamicQuantizeLinear: {
    since: 11,
    inputs: params("x"),
    outputs: params("y", "y_scale", "y_zero_point"),
    attributes: {},
    infer: (context) => [typeOf("uint8", context.inputs[0]?.shape), typeOf("float32", []), typeOf("uint8", [])],
    cost: opsPerOutput(5),
  },
  QuantizeLinear: {
    since: 21,
    inputs: params("x", "y_scale", "y_zero_point?"),
    outputs: params("y"),
    attributes: {
      axis: { kind: "int", fallback: 1 },
      block_size: { kind: "int", fallback: 0 },
      output_dtype: { kind: "int", fallback: 0 },
      saturate: { kind: "int", fallback: 1 },
    },
    infer: (context) => {
      checkScale(context);
      const { node, inputs } = context;
      const named = attrInt(node, "output_dtype", 0);
      const absent = (node.inputs[2] ?? "") === "";
      const dtype = absent ? (named === 0 ? "uint8" : dtypeFromOnnx(named)) : inputs[2]?.dtype;
      return [typeOf(dtype, inputs[0]?.shape)];
    },
    cost: opsPerOutput(3),
  },
} as const satisfies Record<string, OpRow>;
