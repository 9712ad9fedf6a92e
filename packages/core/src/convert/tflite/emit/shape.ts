import { regrouping } from "../layout/regroup.ts";
import { sameOrderOnFirst } from "../layout/rule.ts";
import { sameEncoding } from "./integer.ts";
import { appendReshape } from "./reshape-operator.ts";
import type { Emission, EmitContext, IntegerRule } from "./row.ts";

/** Integers pass through unchanged. */
const THROUGH: IntegerRule = { data: [0], same: true };

/** The elements stay where they are, so the new shape is all there is to say. */
function emitReshape(context: EmitContext): void {
  appendReshape(context, context.input(0), context.output(0));
}

/** A value under another name: a copy, or QUANTIZE where the plan moves it from one grid to another. */
const IDENTITY: Emission = {
  layout: sameOrderOnFirst(),
  integer: {},
  emit: (context) => {
    const { node } = context;
    const [from, to] = [context.encoding(node.inputs[0] as string), context.encoding(node.outputs[0] as string)];
    if (!context.integer || sameEncoding(from, to)) emitReshape(context);
    else
      context.operator("QUANTIZE", {
        inputs: [context.input(0)],
        outputs: [context.output(0)],
        options: { kind: "QuantizeOptions" },
      });
  },
};

const RESHAPE: Emission = { layout: regrouping, integer: THROUGH, emit: emitReshape };

/** Operators that only give the same elements another shape. */
export const SHAPE = {
  Reshape: RESHAPE,
  Flatten: RESHAPE,
  Squeeze: RESHAPE,
  Unsqueeze: RESHAPE,
  Identity: IDENTITY,
} as const satisfies Record<string, Emission>;
