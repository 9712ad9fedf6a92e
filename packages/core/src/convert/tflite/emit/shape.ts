import { regrouping } from "../layout/regroup.ts";
import type { Emission, EmitContext, IntegerRule } from "./row.ts";

/** Integers pass through unchanged. */
const THROUGH: IntegerRule = { data: [0], same: true };

/** The elements stay where they are, so the new shape is all there is to say. */
function emitReshape(context: EmitContext): void {
  const x = context.input(0);
  const y = context.output(0);
  context.operator("RESHAPE", {
    inputs: [x, context.ints(`${y.name}_shape`, y.shape)],
    outputs: [y],
    options: { kind: "ReshapeOptions", newShape: Int32Array.from(y.shape) },
  });
}

const RESHAPE: Emission = { layout: regrouping, integer: THROUGH, emit: emitReshape };

/** Operators that only give the same elements another shape. */
export const SHAPE = {
  Reshape: RESHAPE,
  Flatten: RESHAPE,
  Squeeze: RESHAPE,
  Unsqueeze: RESHAPE,
} as const satisfies Record<string, Emission>;
