import { attrInts } from "../../graph/node.ts";
import type { IntegerStep } from "../../interp/integer/program.ts";
import { naturalOrder } from "./layout.ts";
import { integerValue, type Lowering, usualOrder, windowOrder } from "./lowering.ts";

/** Steps looked at behind an input. */
const REACH = 32;

/** The order in which an input is to be given, so that the first step that needs one finds it: found by going forward from the input. */
export function inputOrder(at: Lowering, input: string): number[] {
  const { shape } = integerValue(at, input);
  const rank = shape.length;
  // Axes of the value that is looked at, as axes of the input.
  let front: { readonly name: string; readonly axes: readonly number[] }[] = [{ name: input, axes: naturalOrder(rank) }];
  for (let i = 0; i < REACH && front.length > 0; i++) {
    const next: typeof front = [];
    for (const { name, axes } of front)
      for (const step of at.readers.get(name) ?? []) {
        const wanted = orderWanted(step, rank);
        if (wanted !== undefined) return wanted.map((axis) => axes[axis] as number);
        const passed = passedOn(at, step, axes);
        if (passed !== undefined) next.push(passed);
      }
    front = next;
  }
  return usualOrder(rank);
}

/** The order that a step needs of its input; `undefined` when it takes any. */
function orderWanted(step: IntegerStep, rank: number): readonly number[] | undefined {
  switch (step.kind) {
    case "conv":
    case "depthwise":
    case "maxPool":
    case "averagePool":
    case "resizeBilinear":
      return windowOrder(rank);
    case "fullyConnected":
    case "lstm":
      return naturalOrder(rank);
    default:
      return undefined;
  }
}

/** The output of a step that keeps or permutes the axes of its input. */
function passedOn(
  at: Lowering,
  step: IntegerStep,
  axes: readonly number[],
): { readonly name: string; readonly axes: readonly number[] } | undefined {
  if (step.kind === "move") {
    const name = step.outputs[0] as string;
    if (step.operator.op === "Pad" || step.operator.op === "Slice") return { name, axes };
    if (step.operator.op !== "Transpose") return undefined;
    const perm = attrInts(step.operator, "perm") ?? naturalOrder(axes.length).reverse();
    return { name, axes: perm.map((axis) => axes[axis] as number) };
  }
  if (!("output" in step) || integerValue(at, step.output).shape.length !== axes.length) return undefined;
  return step.kind === "mean" ? undefined : { name: step.output, axes };
}
