import type { DeviceStep } from "./program.ts";
import { isBroadcast, isPointwise, isWindowed } from "./schedule-rows.ts";

/**
 * A step that works on one row of its input, as a step of its own: what the emitted code calls for each row. Pointwise steps: the pixels of one row;
 * elementwise ones: the elements of one row. Operands begin at `y * rowStride(step, ...)`.
 */
export function rowStep(step: DeviceStep, rows: number): DeviceStep {
  if (step.kind === "table") return { ...step, count: step.count / rows };
  if (isBroadcast(step)) return { ...step, sizes: [(step.sizes[0] as number) / rows, ...step.sizes.slice(1)] };
  if (step.kind === "fullyConnected") return { ...step, rows: step.rows / rows };
  if (step.kind === "conv" && isPointwise(step)) return pixelsStep(step, (step.height * step.width) / rows);
  throw new RangeError(`a step of kind ${step.kind} has no row of its own`);
}

/** A pointwise step over so many pixels. */
export function pixelsStep(step: DeviceStep, pixels: number): DeviceStep {
  if (step.kind === "fullyConnected") return { ...step, rows: pixels };
  if (step.kind === "conv") return { ...step, height: 1, width: pixels, outHeight: 1, outWidth: pixels };
  throw new RangeError(`a step of kind ${step.kind} has no pixels`);
}

/**
 * A windowed step that makes one row of output from rows that lie one after the other. Convolutions: all rows and columns of the window with their
 * padding, `columns` wide. Pools: the rows inside the picture, `missing` of them are above it.
 */
export function windowRowStep(
  step: DeviceStep,
  { rows, columns, missing }: { readonly rows: number; readonly columns: number; readonly missing: number },
): DeviceStep {
  if (!isWindowed(step)) throw new RangeError(`a step of kind ${step.kind} has no window`);
  const isPool = step.kind === "maxPool" || step.kind === "averagePool";
  const pads = isPool ? ([missing, step.pads[1]] as const) : ([0, 0] as const);
  return { ...step, height: rows, width: columns, outHeight: 1, pads };
}
