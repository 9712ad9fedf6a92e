import type { DeviceStep } from "../device/program.ts";
import { isPointwise } from "../device/schedule-rows.ts";
import type { DeviceIsa } from "./isa.ts";
import { DW3_COLUMNS, DW3_TABLE_BYTES } from "./kernels/dsp-dw3.ts";
import { columnsBytes } from "./kernels/mve-conv.ts";
import { planesBytes, usesPlanes } from "./kernels/mve-depthwise.ts";

/** Bytes that the kernel of a step needs to work in; `asRows`: its rows come one by one, with other steps in between. */
type Need = (step: DeviceStep, asRows: boolean) => number;

function aligned(bytes: number): number {
  return (bytes + 15) & ~15;
}

/** Columns of two pixels of a convolution, or of one where the output has a single pixel in a row. */
const portable: Need = (step) => {
  if (step.kind === "conv" && step.group === 1 && !isPointwise(step)) {
    const [kh, kw] = step.kernel;
    return aligned((step.outWidth > 1 ? 2 : 1) * kh * kw * step.channels);
  }
  // Hidden state before the first step, and the cell state in 16 bits.
  if (step.kind === "lstm") return aligned(step.lstm.hiddenSize) + aligned(2 * step.lstm.hiddenSize);
  return 0;
};

/** Three pixels or columns in 16 bits, and three columns in 8 where the window's pieces are not whole words. */
const dsp: Need = (step, asRows) => {
  const base = portable(step, asRows);
  if (step.kind === "fullyConnected") return step.rows === 1 ? base : Math.max(base, aligned(6 * aligned4(step.depth)));
  if (step.kind === "depthwise") return dw3(step, asRows);
  if (step.kind === "lstm") return base + aligned(2 * (aligned4(step.lstm.inputSize) + aligned4(step.lstm.hiddenSize)));
  if (step.kind !== "conv" || step.group !== 1) return base;
  const [kh, kw] = step.kernel;
  const pitch = aligned4(kh * kw * step.channels);
  if (isPointwise(step)) return step.outHeight * step.outWidth === 1 ? base : Math.max(base, aligned(6 * pitch));
  const piece = (step.dilations[1] === 1 ? kw : 1) * step.channels;
  return Math.max(base, aligned((piece % 4 === 0 ? 6 : 9) * pitch));
};

/** Columns of a convolution; planes of a depthwise convolution where they pay. */
const mve: Need = (step, asRows) => {
  const base = portable(step, asRows);
  if (step.kind === "depthwise") {
    const { kernel, channels, outWidth } = step;
    const isPlanes = usesPlanes(step.outChannels / channels, kernel, step.dilations[1], channels, outWidth);
    return isPlanes ? aligned(planesBytes(kernel, step.strides[1], outWidth)) : base;
  }
  if (step.kind !== "conv" || step.group !== 1 || isPointwise(step)) return base;
  return Math.max(base, aligned(columnsBytes(step.kernel[0] * step.kernel[1] * step.channels, step.outWidth)));
};

/** Tables of four channels (of all, which are then made once for all rows), and the pairs of the columns made at once, see dsp-dw3.ts. */
function dw3(step: Extract<DeviceStep, { readonly kind: "depthwise" }>, asRows: boolean): number {
  const { kernel, channels, outChannels, dilations, outWidth } = step;
  const stride = step.strides[1];
  if (kernel[0] !== 3 || kernel[1] !== 3 || outChannels !== channels || channels < 4 || dilations[1] !== 1 || stride > 2)
    return 0;
  const columns = (Math.min(outWidth, DW3_COLUMNS) - 1) * stride + 3;
  return aligned(DW3_TABLE_BYTES * (asRows ? 1 : Math.ceil(channels / 4)) + 48 * Math.ceil(columns / 2));
}

function aligned4(bytes: number): number {
  return (bytes + 3) & ~3;
}

const NEEDS = {
  portable,
  dsp,
  mve,
} as const satisfies Record<DeviceIsa, Need>;

/**
 * Bytes of working memory, a multiple of 16 or 0, that the kernel of a step needs in the form for an instruction set. Less may do when its rows come one by
 * one, with other steps in between (`asRows`).
 */
export function scratchBytes(step: DeviceStep, isa: DeviceIsa, asRows = false): number {
  return NEEDS[isa](step, asRows);
}
