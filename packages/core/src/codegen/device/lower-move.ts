import { attrInts } from "../../graph/node.ts";
import { toNumbers } from "../../graph/tensor.ts";
import type { MoveStep } from "../../interp/integer/program.ts";
import { naturalOrder, plainLayout, regroup } from "./layout.ts";
import { lowerProbed } from "./lower-probed.ts";
import { heldOf, inOrder, integerValue, type Lowering } from "./lowering.ts";

/** Operators that give the same elements in the same order another shape. */
const RESHAPING = ["Reshape", "Flatten", "Squeeze", "Unsqueeze"];

/** Integers moved, chosen or joined: another view of the same memory where that is enough, else copies and gathers. */
export function lowerMove(at: Lowering, step: MoveStep): void {
  const [name, output] = [step.inputs[0] as string, step.outputs[0] as string];
  const { op } = step.operator;
  if (RESHAPING.includes(op)) {
    const { shape } = integerValue(at, output);
    const held = heldOf(at, name);
    const layout = regroup(held.layout, shape);
    if (layout !== undefined) at.held.set(output, { name: held.name, layout });
    else {
      const plain = inOrder(at, name, { order: naturalOrder(integerValue(at, name).shape.length), node: step.node });
      at.held.set(output, { name: plain.name, layout: plainLayout(shape, naturalOrder(shape.length)) });
    }
    return;
  }
  if (op === "Transpose") {
    const held = heldOf(at, name);
    const perm = attrInts(step.operator, "perm") ?? naturalOrder(held.layout.length).reverse();
    at.held.set(output, { name: held.name, layout: perm.map((axis) => held.layout[axis] ?? []) });
    return;
  }
  if (op === "Pad" && takesPad(at, step)) return;
  lowerProbed(at, step);
}

/** Hands a padding with the zero point to the convolutions behind it, when these are all that read it. */
function takesPad(at: Lowering, step: MoveStep): boolean {
  const [name, output] = [step.inputs[0] as string, step.outputs[0] as string];
  const readers = at.readers.get(output) ?? [];
  const { shape } = integerValue(at, name);
  const padded = integerValue(at, output);
  const value = at.program.constants.get(step.inputs[2] ?? "");
  const pads = leadingPads(at, step);
  if (at.program.outputs.includes(output) || readers.length === 0 || pads === undefined || value === undefined) return false;
  if (!readers.every((reader) => reader.kind === "conv" || reader.kind === "depthwise")) return false;
  const isZero = toNumbers(value)[0] === padded.zeroPoint;
  const inside = shape.every((size, axis) => axis > 1 || size === padded.shape[axis]);
  if (!isZero || !inside || (shape.length !== 3 && shape.length !== 4)) return false;
  at.pads.set(output, { source: name, pads: [pads[2] as number, shape.length === 3 ? 0 : (pads[3] as number)] });
  return true;
}

/** What a Pad of constant amounts adds before each axis; `undefined` for other modes and for negative amounts. */
function leadingPads(at: Lowering, step: MoveStep): readonly number[] | undefined {
  const mode = step.operator.attributes.get("mode");
  const amounts = at.program.constants.get(step.inputs[1] ?? "");
  if ((mode?.kind === "string" && mode.value !== "constant") || amounts === undefined || step.inputs[3]) return undefined;
  const all = [...toNumbers(amounts)];
  return all.some((n) => n < 0) ? undefined : all.slice(0, all.length / 2);
}
