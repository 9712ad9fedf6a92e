import type { Multiplier } from "../../interp/integer/multiplier.ts";
import type { DeviceAdd, DeviceExtremum, DeviceMul, DevicePrelu, DeviceStep, DeviceTable } from "../device/program.ts";
import { call, type EmitContext, type StepCode, typeOf, valueAt } from "./context.ts";
import { cInteger } from "./names.ts";

/** Steps that combine two operands element by element. */
export type BroadcastStep = DeviceAdd | DeviceMul | DevicePrelu | DeviceExtremum;

/** Whether a step combines two operands element by element. */
export function isBroadcast(step: DeviceStep): step is BroadcastStep {
  return ["add", "mul", "prelu", "maximum", "minimum"].includes(step.kind);
}

/** Sizes and strides of the part of a broadcast step that belongs to one row of its output, and how far each operand moves from row to row. */
export interface RowPart {
  readonly sizes: readonly number[];
  readonly strides: readonly [readonly number[], readonly number[]];
  readonly rowStrides: readonly [number, number];
}

/** One of `rows` equal rows of a broadcast step; `undefined` when the first axis cannot be divided so. */
export function rowPart(step: BroadcastStep, rows: number): RowPart | undefined {
  const [first = 1, ...rest] = step.sizes;
  if (first % rows !== 0) return undefined;
  const size = first / rows;
  const [a, b] = step.strides;
  const strideOf = (strides: readonly number[]): number => (strides[0] ?? 0) * size;
  if (size === 1) return { sizes: rest, strides: [a.slice(1), b.slice(1)], rowStrides: [strideOf(a), strideOf(b)] };
  return { sizes: [size, ...rest], strides: step.strides, rowStrides: [strideOf(a), strideOf(b)] };
}

/** A broadcast step over whole values. */
export function broadcastCode(context: EmitContext, step: BroadcastStep): StepCode {
  const [a, b] = step.inputs as readonly [string, string];
  return {
    word: step.kind,
    parameters: [
      ["const int8_t *x0", valueAt(context, a)],
      ["const int8_t *x1", valueAt(context, b)],
      ["int8_t *y", valueAt(context, step.output)],
    ],
    body: broadcastLines(context, step, step),
  };
}

/** Loops over all axes but the last around the kernel, which takes the last; operands are x0 and x1, the output y, in dense order. */
export function broadcastLines(context: EmitContext, step: BroadcastStep, part: Pick<RowPart, "sizes" | "strides">): string[] {
  const { sizes, strides } = part;
  const last = sizes.length - 1;
  const count = sizes[last] ?? 1;
  const lines: string[] = [];
  const steps = strides.map((s) => s[last] ?? 0);
  const places = ["x0", "x1", "y"];
  let below = sizes.reduce((n, size) => n * size, 1);
  for (let d = 0; d < last; d++) {
    const size = sizes[d] as number;
    below /= size;
    lines.push(`${"  ".repeat(d)}for (int i${d} = 0; i${d} < ${size}; i${d}++)`);
    for (const [operand, stride] of [strides[0][d], strides[1][d], below].entries())
      if (stride !== 0) places[operand] = `${places[operand]} + i${d} * ${stride}`;
  }
  const [a, b, y] = places as [string, string, string];
  const operands = [a, steps[0] as number, b, steps[1] as number, count];
  lines.push(`${"  ".repeat(Math.max(0, last))}${kernelCall(context, step, { operands, y })}`);
  return lines;
}

/** A multiplier as the kernels take it: value and shift to the right. */
export function multiplierArgs({ value, shift }: Multiplier): readonly [string, number] {
  return [cInteger(value), shift === 0 ? 0 : -shift];
}

function kernelCall(
  context: EmitContext,
  step: BroadcastStep,
  { operands, y }: { readonly operands: readonly (string | number)[]; readonly y: string },
): string {
  switch (step.kind) {
    case "add": {
      const [ma, mb] = step.multipliers;
      const sum = [...multiplierArgs(step.outputMultiplier), step.outputZero, ...step.clamp, y];
      return call(context, "ts_add", [
        ...[...operands, step.subtract ? 1 : 0, step.leftShift],
        ...[step.zeros[0], ...multiplierArgs(ma), step.zeros[1], ...multiplierArgs(mb), ...sum],
      ]);
    }
    case "mul": {
      const by = { value: step.rescale.multipliers[0] as number, shift: step.rescale.shifts[0] as number };
      return call(context, "ts_mul", [...operands, ...step.zeros, ...multiplierArgs(by), step.outputZero, ...step.clamp, y]);
    }
    case "prelu":
      return call(context, "ts_prelu", [
        ...[...operands, ...step.zeros, ...multiplierArgs(step.positive), ...multiplierArgs(step.negative)],
        ...[step.outputZero, ...step.clamp, y],
      ]);
    default:
      return call(context, step.kind === "maximum" ? "ts_maximum" : "ts_minimum", [...operands, y]);
  }
}

/** A function of each integer by itself. */
export function tableCode(context: EmitContext, step: DeviceTable): StepCode {
  return {
    word: "table",
    parameters: [
      ["const int8_t *x0", valueAt(context, step.inputs[0] as string)],
      ["const int8_t *table", context.pool.add("tables", step.table)],
      ["int8_t *y", valueAt(context, step.output)],
    ],
    body: [tableLine(context, step, step.count)],
  };
}

/** The table's kernel over `count` elements from x0 to y. */
export function tableLine(context: EmitContext, step: DeviceTable, count: number): string {
  const isUnsigned = typeOf(context, step.inputs[0] as string).dtype === "uint8";
  return isUnsigned
    ? call(context, "ts_table_u8", ["(const uint8_t *)x0", count, "table", "y"])
    : call(context, "ts_table", ["x0", count, "table", "y"]);
}
