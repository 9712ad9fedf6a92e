import type { TensorRef } from "./builder.ts";
import type { EmitContext } from "./row.ts";

/** Pads the spatial axes of a channels-last tensor with zeros, which for integers is the zero point. */
export function padSpatial(context: EmitContext, x: TensorRef, cells: readonly (readonly [number, number])[]): TensorRef {
  const pairs = [[0, 0], ...cells, [0, 0]] as const;
  const shape = x.shape.map((size, i) => size + (pairs[i]?.[0] ?? 0) + (pairs[i]?.[1] ?? 0));
  const padded = context.temporary(`${x.name}_padded`, { shape, like: x });
  context.operator("PAD", {
    inputs: [x, context.pairs(`${padded.name}_cells`, pairs)],
    outputs: [padded],
    options: { kind: "PadOptions" },
  });
  context.note("padding", `cells ${cells.map(([a, b]) => `${a}+${b}`).join(", ")} that neither SAME nor VALID says`);
  return padded;
}
