import { MIRROR_PAD_MODES } from "../../../formats/tflite/enums.ts";
import { attrInt, attrInts, attrString } from "../../../graph/node.ts";
import { quantizeTensor } from "../../../graph/quantize.ts";
import { f32, fromNumbers, toInts, toNumbers } from "../../../graph/tensor.ts";
import { inOrder, positionsOf } from "../layout/order.ts";
import { canonicalOnly, sameOrderOnAll, sameOrderOnFirst } from "../layout/rule.ts";
import type { Emission, EmitContext, IntegerRule } from "./row.ts";

const SAME_GRID: IntegerRule = { same: true };
const THROUGH: IntegerRule = { data: [0], same: true };

function emitConcat(context: EmitContext): void {
  const { node } = context;
  const order = context.outputOrder(0);
  const axis = attrInt(node, "axis");
  const position = positionsOf(order)[axis < 0 ? axis + order.length : axis] as number;
  context.operator("CONCATENATION", {
    inputs: node.inputs.map((_, i) => context.input(i)),
    outputs: [context.output(0)],
    options: { kind: "ConcatenationOptions", axis: position },
  });
}

/** Cells before and behind each axis of a Pad, by canonical axis. */
function padCells(context: EmitContext): (readonly [number, number])[] {
  const { node } = context;
  const rank = context.shape(node.inputs[0] as string).length;
  const constantInts = (index: number): number[] | undefined => {
    const name = node.inputs[index] ?? "";
    if (name === "") return undefined;
    const constant = context.constant(name);
    if (constant === undefined) throw context.refuse(`its input ${index} (${name}) is computed`, "make the pads constants");
    return toInts(constant);
  };
  const pads = constantInts(1) ?? attrInts(node, "pads") ?? [];
  const axes = constantInts(3) ?? Array.from({ length: rank }, (_, i) => i);
  const cells = new Array<readonly [number, number]>(rank).fill([0, 0]);
  axes.forEach((axis, i) => {
    cells[axis < 0 ? axis + rank : axis] = [pads[i] as number, pads[i + axes.length] as number];
  });
  if (cells.some(([a, b]) => a < 0 || b < 0)) throw context.refuse("negative pads cut cells off", "use a Slice for those");
  return cells;
}

function emitPad(context: EmitContext): void {
  const { node } = context;
  const mode = attrString(node, "mode", "constant");
  const cells = inOrder(padCells(context), context.inputOrder(0));
  if (mode !== "constant" && mode !== "reflect")
    throw context.refuse(`TFLite has no padding of mode "${mode}"`, "use constant or reflect padding");
  const x = context.input(0);
  const y = context.output(0);
  const pairs = context.pairs(`${y.name}_cells`, cells);
  if (mode === "reflect") {
    const options = { kind: "MirrorPadOptions", mode: MIRROR_PAD_MODES.REFLECT } as const;
    context.operator("MIRROR_PAD", { inputs: [x, pairs], outputs: [y], options });
    return;
  }
  const filler = node.inputs[2] ?? "";
  const constant = filler === "" ? undefined : context.constant(filler);
  if (filler !== "" && constant === undefined) throw context.refuse("the number it pads with is computed", "make it a constant");
  const value = constant === undefined ? 0 : (toNumbers(constant)[0] as number);
  if (value === 0) {
    context.operator("PAD", { inputs: [x, pairs], outputs: [y], options: { kind: "PadOptions" } });
    return;
  }
  const tensor = x.encoding === undefined ? fromNumbers(x.dtype, [1], [value]) : quantizeTensor(f32([1], [value]), x.encoding);
  context.operator("PADV2", {
    inputs: [x, pairs, context.constantTensor(`${y.name}_value`, tensor, x.encoding)],
    outputs: [y],
    options: { kind: "PadV2Options" },
  });
}

/** A Transpose of a constant, or between values whose encodings differ; every other one is a matter of layouts. */
function emitTranspose(context: EmitContext): void {
  const { node } = context;
  const rank = context.shape(node.inputs[0] as string).length;
  const perm = attrInts(node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const x = context.input(0);
  const y = context.output(0);
  context.operator("TRANSPOSE", {
    inputs: [x, context.ints(`${y.name}_perm`, perm)],
    outputs: [y],
    options: { kind: "TransposeOptions" },
  });
}

/** Operators that put tensors beside each other or cells around them. */
export const JOINING = {
  Concat: { layout: sameOrderOnAll(), integer: SAME_GRID, emit: emitConcat },
  Pad: { layout: sameOrderOnFirst(), integer: THROUGH, emit: emitPad },
  Transpose: { layout: canonicalOnly([0]), integer: THROUGH, emit: emitTranspose },
} as const satisfies Record<string, Emission>;
