import type { DeviceAveragePool, DeviceConv, DeviceDepthwise, DeviceMaxPool } from "../device/program.ts";
import type { RowRing } from "../device/schedule.ts";
import { call, type EmitContext } from "./context.ts";
import { cInteger } from "./names.ts";
import { FLAG_BEGUN, packSums, pairRows, type SumConstants, type SummingStep } from "./sums.ts";

/** Steps that slide a window over rows. */
export type WindowStep = DeviceConv | DeviceDepthwise | DeviceMaxPool | DeviceAveragePool;

/** Bytes of a row of the ring. */
export function ringPitch(ring: RowRing): number {
  return ring.columns * ring.channels;
}

/** Rows that an output needs, counted with dilation. */
export function extentOf(step: WindowStep): number {
  return (step.kernel[0] - 1) * step.dilations[0] + 1;
}

/** What padding is: the input's zero point. */
export function paddingOf(step: WindowStep): number {
  return "inputZero" in step ? step.inputZero : 0;
}

/** Whether the kernel wants all rows of the window, those of padding too. */
export function hasHalo(step: WindowStep): boolean {
  return step.kind === "conv" || step.kind === "depthwise";
}

/** The constants of a step that sums, in the order that this code wants. */
export function sumsOf(context: EmitContext, step: SummingStep): SumConstants {
  const packed = packSums(step);
  return context.pairs ? pairRows(step, packed) : packed;
}

/** Parameters for the constants of sums: arrays of the pool. */
export function sumParameters(context: EmitContext, step: SummingStep): readonly (readonly [string, string])[] {
  const { pool } = context;
  const packed = sumsOf(context, step);
  return [
    ["const int8_t *w", pool.add("weights", packed.weights)],
    ["const int32_t *bias", pool.add("bias", packed.bias)],
    ["const int32_t *mult", pool.add("multipliers", packed.multipliers)],
    ["const int8_t *shift", pool.add("shifts", packed.shifts)],
  ];
}

/** Parameters of a window's kernel besides rows and output. */
export function windowParameters(
  context: EmitContext,
  step: WindowStep,
  scratch: string,
): readonly (readonly [string, string])[] {
  if (step.kind !== "conv" && step.kind !== "depthwise") return [];
  return [...sumParameters(context, step), ["int8_t *scratch", scratch]];
}

/** What a kernel does once before all rows of a layer: lines of C. */
export function windowBegin(context: EmitContext, step: WindowStep): readonly string[] {
  if (step.kind !== "depthwise") return [];
  const { channels, outChannels, kernel, strides, dilations } = step;
  return [
    call(context, "ts_depthwise_begin", [
      ...[channels, outChannels / channels, ...kernel, strides[1], dilations[1], "w", "bias", "mult", "shift"],
      ...[step.outputZero, ...step.clamp, "scratch", packSums(step).flags],
    ]),
  ];
}

/** The call that computes one row, `begun` when {@link windowBegin} went before and nobody touched the scratch since: `rows` holds the pointers, `valid` (a C expression) how many of them there are, `y` is where the row goes. */
export function windowCall(
  context: EmitContext,
  step: WindowStep,
  { valid, y, begun = false }: { valid: string; y: string; begun?: boolean },
): string {
  const { channels, outChannels, kernel, strides, dilations, outWidth } = step;
  const [kh, kw] = kernel;
  const [lo, hi] = step.clamp;
  const moves = [strides[1], dilations[1]] as const;
  switch (step.kind) {
    case "conv": {
      const { pitch, flags } = sumsOf(context, step);
      const tail = ["bias", "mult", "shift", step.outputZero, lo, hi];
      if (step.group === 1)
        return call(context, "ts_conv_row", [
          ...["rows", channels, kh, kw, ...moves, outWidth, outChannels, "w", pitch],
          ...[...tail, "scratch", y, flags],
        ]);
      return call(context, "ts_group_conv_row", [
        ...["rows", channels, step.group, kh, kw, ...moves, outWidth, outChannels, "w", pitch],
        ...[...tail, y, flags],
      ]);
    }
    case "depthwise":
      return call(context, "ts_depthwise_row", [
        ...["rows", channels, outChannels / channels, kh, kw, ...moves, outWidth, "w", "bias", "mult", "shift"],
        ...[step.outputZero, lo, hi, "scratch", y, packSums(step).flags | (begun ? FLAG_BEGUN : 0)],
      ]);
    case "maxPool":
      return call(context, "ts_max_pool_row", [
        ...["rows", valid, step.width, channels, kw, ...moves, step.pads[1], outWidth, lo, hi, y],
      ]);
    case "averagePool":
      return call(context, "ts_average_pool_row", [
        ...["rows", valid, step.width, channels, kh, kw, ...moves, step.pads[1], outWidth],
        ...[step.countPadding ? 1 : 0, step.inputZero, lo, hi, y],
      ]);
  }
}

/**
 * Lines that point `rows` at the rows of output row `out` (a C expression): at places of a ring, or of the input itself (`x`). For pools `valid` counts
 * those inside the picture.
 */
export function rowLines(step: WindowStep, ring: RowRing | undefined, out: string): string[] {
  const { height, width, channels, kernel, strides, dilations, pads } = step;
  const count = kernel[0];
  const pointer = (row: string): string =>
    ring === undefined
      ? `x + (${row}) * ${width * channels}`
      : `ring + (((${row}) + ${ring.top}) % ${ring.rows}) * ${ringPitch(ring)}`;
  const rowOf = (k: string): string => `${times(out, strides[0])} + ${times(k, dilations[0])} - ${pads[0]}`;
  if (hasHalo(step)) {
    // Rows of padding are counted by the ring, so nothing is taken off.
    const place = (k: string): string => {
      const row = `${times(out, strides[0])} + ${times(k, dilations[0])}`;
      if (ring === undefined) return `x + (${row}) * ${width * channels}`;
      return ring.rows === 1 ? "ring" : `ring + ((${row}) % ${ring.rows}) * ${ringPitch(ring)}`;
    };
    return [`const int8_t *rows[${count}];`, `for (int k = 0; k < ${count}; k++)`, `  rows[k] = ${place("k")};`];
  }
  const mayMiss = pads[0] > 0 || (step.outHeight - 1) * strides[0] - pads[0] + extentOf(step) > height;
  if (!mayMiss)
    return [
      `const int8_t *rows[${count}];`,
      `const int valid = ${count};`,
      `for (int k = 0; k < ${count}; k++)`,
      `  rows[k] = ${pointer(rowOf("k"))};`,
    ];
  return [
    `const int8_t *rows[${count}];`,
    "int valid = 0;",
    `for (int k = 0; k < ${count}; k++) {`,
    `  const int r = ${rowOf("k")};`,
    `  if (r >= 0 && r < ${height})`,
    `    rows[valid++] = ${pointer("r")};`,
    "}",
  ];
}

function times(expression: string, by: number): string {
  return by === 1 ? expression : `${expression} * ${by}`;
}

/** A line that fills `rows` rows of the ring, from `at` on, with the input's zero point. */
export function fillLine(step: WindowStep, ring: RowRing, { at, rows }: { at: string; rows: number }): string {
  return `memset(${at}, ${cInteger(paddingOf(step))}, ${rows * ringPitch(ring)});`;
}

/** Whether the ring has rows or columns of padding, which must hold the zero point. */
export function needsFill(step: WindowStep, ring: RowRing): boolean {
  return hasHalo(step) && (ring.top > 0 || ring.columns > step.width || bottomRows(step) > 0);
}

/** Rows of padding below the picture. */
export function bottomRows(step: WindowStep): number {
  return Math.max(0, (step.outHeight - 1) * step.strides[0] + extentOf(step) - step.pads[0] - step.height);
}
