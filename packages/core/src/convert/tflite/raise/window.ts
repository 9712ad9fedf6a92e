import { PADDINGS } from "../../../formats/tflite/enums.ts";
import type { Site } from "./site.ts";

/** A window that slides along one axis. */
export interface Window {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
}

/**
 * Elements that TensorFlow's SAME padding adds before and after an axis: ceil(size / stride) outputs, the larger half of an odd number at the end.
 */
export function samePads({ size, kernel, stride, dilation }: Window): readonly [number, number] {
  const outputs = Math.ceil(size / stride);
  const total = Math.max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - size, 0);
  const before = Math.floor(total / 2);
  return [before, total - before];
}

/** ONNX pads (all begins, then all ends) of windows along the spatial axes. */
export function padsOf(site: Site, padding: number | undefined, windows: readonly Window[]): number[] {
  for (const { kernel, stride, dilation } of windows) {
    if (!(stride > 0 && dilation > 0 && kernel > 0))
      throw site.refuse(`its kernel is ${kernel} with stride ${stride} and dilation ${dilation}`);
  }
  if (padding === PADDINGS.VALID) return new Array<number>(2 * windows.length).fill(0);
  if (padding !== undefined && padding !== PADDINGS.SAME) throw site.refuse(`its padding is ${padding}`);
  const pads = windows.map(samePads);
  return [...pads.map((p) => p[0]), ...pads.map((p) => p[1])];
}
