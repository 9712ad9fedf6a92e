import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { inOrder } from "../layout/order.ts";
import { sameOrderOnAll } from "../layout/rule.ts";
import type { TensorRef } from "./builder.ts";
import type { Emission, EmitContext, IntegerRule, OptionsDraft } from "./row.ts";

/** Two operands that broadcast. */
export interface BinarySpec {
  readonly op: BuiltinOperator;
  readonly options: (activation: number) => OptionsDraft;
  readonly integer?: IntegerRule;
}

/**
 * Input `index` as an operand that broadcasts against the output from the back. An operand of lower rank stands for the last canonical axes; in another
 * order its axes may come to lie elsewhere, and ones are put between.
 */
export function operand(context: EmitContext, index: number): TensorRef {
  const name = context.node.inputs[index] as string;
  const own = context.shape(name);
  const order = context.outputOrder(0);
  const missing = order.length - own.length;
  if (missing <= 0) return context.input(index);
  const wide = inOrder([...new Array<number>(missing).fill(1), ...own], order);
  if (broadcastsAlike(inOrder(own, context.inputOrder(index)), wide)) return context.input(index);
  if (context.constant(name) !== undefined) return context.weight(index, { order: context.inputOrder(index), shape: wide });
  const x = context.input(index);
  const reshaped = context.temporary(`${x.name}_wide`, { shape: wide, like: x });
  context.operator("RESHAPE", {
    inputs: [x, context.ints(`${reshaped.name}_shape`, wide)],
    outputs: [reshaped],
    options: { kind: "ReshapeOptions", newShape: Int32Array.from(wide) },
  });
  return reshaped;
}

/** Whether a shape of lower rank, aligned at the end, is the wide one without some of its leading ones. */
function broadcastsAlike(shape: readonly number[], wide: readonly number[]): boolean {
  const cut = wide.length - shape.length;
  return wide.slice(0, cut).every((size) => size === 1) && shape.every((size, i) => size === wide[i + cut]);
}

function binary(spec: BinarySpec): Emission {
  return {
    layout: sameOrderOnAll(),
    ...(spec.integer !== undefined && { integer: spec.integer }),
    emit: (context) => {
      const inputs = [operand(context, 0), operand(context, 1)];
      context.operator(spec.op, { inputs, outputs: [context.output(0)], options: spec.options(context.activation) });
    },
  };
}

/** Element-wise arithmetic of two operands, with an activation behind it. */
export const ELEMENTWISE = {
  Add: binary({
    op: "ADD",
    // Scales are those of the plan, which need not be powers of two.
    options: (fusedActivationFunction) => ({ kind: "AddOptions", fusedActivationFunction, potScaleInt16: false }),
    integer: {},
  }),
  Sub: binary({
    op: "SUB",
    options: (fusedActivationFunction) => ({ kind: "SubOptions", fusedActivationFunction, potScaleInt16: false }),
    integer: {},
  }),
  Mul: binary({
    op: "MUL",
    options: (fusedActivationFunction) => ({ kind: "MulOptions", fusedActivationFunction }),
    integer: {},
  }),
  Div: binary({ op: "DIV", options: (fusedActivationFunction) => ({ kind: "DivOptions", fusedActivationFunction }) }),
} as const satisfies Record<string, Emission>;
