import { type Dim, dimMul, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import type { TensorType } from "../graph/model.ts";
import { attrInt, attrString } from "../graph/node.ts";
import { parseEinsum } from "./einsum.ts";
import { checkRank, mergeDim, shapeError, staticSize } from "./nn-rules.ts";
import type { CostRule, InferContext, OpRow } from "./row.ts";
import { commonDtype, elements, params, typeOf } from "./signature.ts";

function broadcastDim(context: InferContext, a: Dim, b: Dim): Dim {
  if (a === 1) return b;
  if (b === 1 || a === b) return a;
  if (typeof a === "number" && typeof b === "number") throw shapeError(context, `batch sizes ${a} and ${b} do not broadcast`);
  // A number above 1 wins over a name: the name must be 1 or the same number.
  return typeof a === "number" ? a : typeof b === "number" ? b : UNKNOWN_DIM;
}

/** [..., M, K] by [..., K, N] with broadcasting in front; a vector is a row on the left and a column on the right. */
function matmulShape(context: InferContext, indices: readonly [number, number]): Shape | undefined {
  for (const index of indices) checkRank(context, index, { least: 1 });
  const a = context.inputs[indices[0]]?.shape;
  const b = context.inputs[indices[1]]?.shape;
  if (a === undefined || b === undefined) return undefined;
  mergeDim(context, [a[a.length - 1], b.length === 1 ? b[0] : b[b.length - 2]], `the inner size of [${a}] by [${b}]`);
  const front: Dim[] = [];
  const rank = Math.max(a.length, b.length) - 2;
  for (let i = 0; i < rank; i++) {
    const at = (shape: Shape): Dim => shape[shape.length - 2 - rank + i] ?? 1;
    front.push(broadcastDim(context, a.length > 2 ? at(a) : 1, b.length > 2 ? at(b) : 1));
  }
  if (a.length > 1) front.push(a[a.length - 2] as Dim);
  if (b.length > 1) front.push(b[b.length - 1] as Dim);
  return front;
}

function innerCost(index: number): CostRule {
  return (_node, inputs, outputs) => {
    const shape = inputs[index]?.shape;
    return { macs: elements(outputs[0]) * staticSize(shape?.[shape.length - 1]), ops: 0 };
  };
}

function gemmShape(context: InferContext): Shape | undefined {
  for (const index of [0, 1]) checkRank(context, index, { least: 2, most: 2 });
  const { node, inputs } = context;
  const a = inputs[0]?.shape;
  const b = inputs[1]?.shape;
  const transA = attrInt(node, "transA", 0) !== 0;
  const transB = attrInt(node, "transB", 0) !== 0;
  if (a !== undefined && b !== undefined)
    mergeDim(context, [a[transA ? 0 : 1], b[transB ? 1 : 0]], `the inner size of [${a}] by [${b}]`);
  const shape = [a?.[transA ? 1 : 0] ?? UNKNOWN_DIM, b?.[transB ? 0 : 1] ?? UNKNOWN_DIM];
  const c = inputs[2]?.shape;
  if (c !== undefined) {
    checkRank(context, 2, { least: 0, most: 2 });
    c.forEach((size, i) => {
      const to = shape[2 - c.length + i];
      if (typeof size === "number" && typeof to === "number" && size !== 1 && size !== to) {
        throw shapeError(context, `C [${c}] does not broadcast to [${shape}]`);
      }
    });
  }
  return shape;
}

function einsumTypes(context: InferContext): readonly (TensorType | undefined)[] {
  const { node, inputs } = context;
  const dtype: DType | undefined = commonDtype(inputs, node);
  const shapes = inputs.map((type) => type?.shape);
  if (shapes.some((shape) => shape === undefined)) return [typeOf(dtype, undefined)];
  const plan = parseEinsum(
    attrString(node, "equation"),
    shapes.map((shape) => shape?.length ?? 0),
  );
  const sizes = new Map<string, Dim>();
  plan.terms.forEach((term, k) => {
    term.forEach((label, axis) => {
      const size = shapes[k]?.[axis] ?? UNKNOWN_DIM;
      const known = sizes.get(label);
      // Size 1 broadcasts under the ellipsis, and (as in NumPy) for repeated letters too.
      if (known === undefined || known === 1) sizes.set(label, size);
      else if (size !== 1)
        sizes.set(label, mergeDim(context, [known, size], `the size of "${label}" in ${attrString(node, "equation")}`));
    });
  });
  return [
    typeOf(
      dtype,
      plan.output.map((label) => sizes.get(label) ?? UNKNOWN_DIM),
    ),
  ];
}

/** Matrix products. */
export const MATMUL = {
  Einsum: {
    since: 12,
    inputs: params("Inputs*"),
    outputs: params("Output"),
    attributes: { equation: { kind: "string", required: true } },
    infer: einsumTypes,
    cost: (node, inputs) => {
      const sizes = new Map<string, Dim>();
      const plan = parseEinsum(
        attrString(node, "equation"),
        inputs.map((type) => type?.shape?.length ?? 0),
      );
      plan.terms.forEach((term, k) => {
        term.forEach((label, axis) => {
          const size = inputs[k]?.shape?.[axis] ?? 0;
          if ((sizes.get(label) ?? 1) === 1) sizes.set(label, size);
        });
      });
      let all: Dim = 1;
      for (const size of sizes.values()) all = dimMul(all, size);
      return { macs: staticSize(all) * Math.max(1, inputs.length - 1), ops: 0 };
    },
  },
  Gemm: {
    since: 13,
    inputs: params("A", "B", "C?"),
    outputs: params("Y"),
    attributes: {
      alpha: { kind: "float", fallback: 1 },
      beta: { kind: "float", fallback: 1 },
      transA: { kind: "int", fallback: 0 },
      transB: { kind: "int", fallback: 0 },
    },
    infer: (context) => [typeOf(commonDtype(context.inputs, context.node), gemmShape(context))],
    cost: (node, inputs, outputs) => ({
      macs: elements(outputs[0]) * staticSize(inputs[0]?.shape?.[attrInt(node, "transA", 0) === 0 ? 1 : 0]),
      ops: inputs[2] === undefined ? 0 : elements(outputs[0]),
    }),
  },
  MatMul: {
    since: 13,
    inputs: params("A", "B"),
    outputs: params("Y"),
    attributes: {},
    infer: (context) => [typeOf(commonDtype(context.inputs, context.node), matmulShape(context, [0, 1]))],
    cost: innerCost(0),
  },
  MatMulInteger: {
    since: 10,
    inputs: params("A", "B", "a_zero_point?", "b_zero_point?"),
    outputs: params("Y"),
    attributes: {},
    infer: (context) => [typeOf("int32", matmulShape(context, [0, 1]))],
    cost: innerCost(0),
  },
  QLinearMatMul: {
    since: 21,
    inputs: params("a", "a_scale", "a_zero_point", "b", "b_scale", "b_zero_point", "y_scale", "y_zero_point"),
    outputs: params("y"),
    attributes: {},
    infer: (context) => [typeOf(context.inputs[7]?.dtype ?? context.inputs[0]?.dtype, matmulShape(context, [0, 3]))],
    cost: innerCost(0),
  },
} as const satisfies Record<string, OpRow>;
