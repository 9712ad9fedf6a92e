import type { TensorRef } from "./builder.ts";
import type { EmitContext } from "./row.ts";

/**
 * Appends the operator that gives the elements of `x` the shape of `y`. A scalar is made by SQUEEZE: the list of its sizes would be a constant without
 * data, which LiteRT takes for a value that is computed later, and then hands out memory that nobody wrote.
 */
export function appendReshape(context: EmitContext, x: TensorRef, y: TensorRef): void {
  if (y.shape.length === 0) {
    context.operator("SQUEEZE", {
      inputs: [x],
      outputs: [y],
      options: { kind: "SqueezeOptions", squeezeDims: new Int32Array(0) },
    });
    return;
  }
  context.operator("RESHAPE", {
    inputs: [x, context.ints(`${y.name}_shape`, y.shape)],
    outputs: [y],
    options: { kind: "ReshapeOptions", newShape: Int32Array.from(y.shape) },
  });
}
