import { attrFloat, attrInt } from "../../../graph/node.ts";
import { countOf } from "../../../graph/tensor.ts";
import { canonicalOrder, type Order } from "../layout/order.ts";
import { canonicalOnly, type LayoutRule, type Site, sameOrderOnAll } from "../layout/rule.ts";
import type { TensorRef } from "./builder.ts";
import type { Emission, EmitContext, IntegerRule } from "./row.ts";

const PRODUCT: IntegerRule = { data: [0, 1] };

/** FULLY_CONNECTED of x [..., K] with weights [N, K]. */
function appendDense(
  context: EmitContext,
  parts: { readonly x: TensorRef; readonly weight: TensorRef; readonly biasAt: number },
): void {
  const { x, weight, biasAt } = parts;
  const bias = context.bias(biasAt, { count: weight.shape[0] as number, input: x, weight });
  context.operator("FULLY_CONNECTED", {
    inputs: [x, weight, bias],
    outputs: [context.output(0)],
    options: {
      kind: "FullyConnectedOptions",
      fusedActivationFunction: context.activation,
      keepNumDims: x.shape.length > 2,
    },
  });
}

/** Gemm with a constant matrix. Other forms are rewritten by legalisation. */
function emitGemm(context: EmitContext): void {
  const { node } = context;
  const scaled = attrFloat(node, "alpha", 1) !== 1 || (node.inputs[2] && attrFloat(node, "beta", 1) !== 1);
  if (scaled) throw context.refuse("FULLY_CONNECTED has no alpha or beta", "multiply the weights and the bias by them");
  if (attrInt(node, "transA", 0) !== 0) throw context.refuse("its first operand is transposed", "transpose it before the Gemm");
  const weight = context.weight(1, { order: attrInt(node, "transB", 0) ? [0, 1] : [1, 0] });
  appendDense(context, { x: context.input(0), weight, biasAt: 2 });
}

/** Whether a MatMul multiplies with one constant matrix, as FULLY_CONNECTED does. */
function isDense({ node, shape, constant }: Site): boolean {
  const [a, b] = [node.inputs[0] as string, node.inputs[1] as string];
  return constant(b) !== undefined && shape(b).length === 2 && shape(a).length >= 2 && constant(a) === undefined;
}

/** The axis that is summed over must stay last. */
const DENSE_LAYOUT = sameOrderOnAll({ data: [0], valid: (_site, order) => order.at(-1) === order.length - 1 });

const MATMUL_LAYOUT: LayoutRule = (site) => (isDense(site) ? DENSE_LAYOUT(site) : canonicalOnly()(site));

function emitMatMul(context: EmitContext): void {
  if (isDense(context)) {
    appendDense(context, { x: context.input(0), weight: context.weight(1, { order: [1, 0] }), biasAt: 2 });
    return;
  }
  if ([0, 1].some((i) => context.shape(context.node.inputs[i] as string).length < 2))
    throw context.refuse("BATCH_MATMUL takes no vectors", "reshape the vector to a matrix of one row or column");
  context.operator("BATCH_MATMUL", {
    inputs: [context.input(0), context.input(1)],
    outputs: [context.output(0)],
    options: { kind: "BatchMatMulOptions" },
  });
}

/** Orders in which the first axis leads, so that a flattening keeps rows apart. */
function leadsWithFirst(site: Site, order: Order): boolean {
  const shape = site.shape(site.node.inputs[0] as string);
  return shape[0] === 1 || order.find((axis) => shape[axis] !== 1) === 0;
}

/** A matrix product with everything behind the first axis, in whatever order it lies: the columns of the weights go where the order says. */
const FLAT_DENSE: Emission = {
  layout: (site) => {
    const rank = site.shape(site.node.inputs[0] as string).length;
    const rest = site.node.inputs.slice(1).map(() => undefined);
    const at = (order: Order): ReturnType<LayoutRule>["natural"] => ({ inputs: [order, ...rest], outputs: [canonicalOrder(2)] });
    return {
      natural: at(canonicalOrder(rank)),
      follow: (port, order) => (port.side === "input" && leadsWithFirst(site, order) ? at(order) : undefined),
    };
  },
  integer: PRODUCT,
  emit: (context) => {
    const { node } = context;
    const name = node.inputs[0] as string;
    const order = context.inputOrder(0);
    const shape = context.shape(name);
    const x = context.input(0);
    const rows = shape[0] as number;
    const flat = context.temporary(`${x.name}_flat`, { shape: [rows, countOf(shape) / rows], like: x });
    context.operator("RESHAPE", {
      inputs: [x, context.ints(`${flat.name}_shape`, flat.shape)],
      outputs: [flat],
      options: { kind: "ReshapeOptions", newShape: Int32Array.from(flat.shape) },
    });
    // Weights [N, ...features]: rows stay, the axes of the features are ordered as those of the input.
    const features = order.filter((axis) => axis !== 0);
    const outputs = context.shape(node.inputs[1] as string)[0] as number;
    const weight = context.weight(1, { order: [0, ...features], shape: [outputs, flat.shape[1] as number], axis: 0 });
    appendDense(context, { x: flat, weight, biasAt: 2 });
  },
};

/** Matrix products. */
export const DENSE = {
  Gemm: { layout: canonicalOnly([0]), integer: PRODUCT, emit: emitGemm },
  MatMul: { layout: MATMUL_LAYOUT, integer: PRODUCT, emit: emitMatMul },
  "tflite:FlatDense": FLAT_DENSE,
} as const satisfies Record<string, Emission>;
