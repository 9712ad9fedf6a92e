import type { DeviceStep } from "../device/program.ts";
import type { DeviceIsa } from "./isa.ts";

/** Bytes that the kernel of a step needs to work in. */
type Need = (step: DeviceStep) => number;

function aligned(bytes: number): number {
  return (bytes + 15) & ~15;
}

/** Two columns of a convolution; windows of one column where the output has a single pixel in a row. */
const portable: Need = (step) => {
  if (step.kind === "conv" && step.group === 1 && !isPointwise(step)) {
    const [kh, kw] = step.kernel;
    return aligned(2 * kh * kw * step.channels);
  }
  // Hidden state before the first step, and the cell state in 16 bits.
  if (step.kind === "lstm") return aligned(step.lstm.hiddenSize) + aligned(2 * step.lstm.hiddenSize);
  return 0;
};

/** What ts_pointwise takes instead of ts_conv_row: no window, no stride. */
export function isPointwise(step: Extract<DeviceStep, { readonly kind: "conv" }>): boolean {
  const { kernel, strides, pads, group } = step;
  return group === 1 && [...kernel, ...strides].every((n) => n === 1) && pads[0] === 0 && pads[1] === 0;
}

const NEEDS = {
  portable,
  /** Edited with the kernels of dsp-*.ts. */
  dsp: portable,
  /** Edited with the kernels of mve-*.ts. */
  mve: portable,
} as const satisfies Record<DeviceIsa, Need>;

/** Bytes of working memory, a multiple of 16 or 0, that the kernel of a step needs in the form for an instruction set. */
export function scratchBytes(step: DeviceStep, isa: DeviceIsa): number {
  return NEEDS[isa](step);
}
