import { runResize as resizePlanes } from "../../interp/integer/pool.ts";
import { rescaleRun } from "../../interp/integer/rescale.ts";
import type { DeviceCopy, DeviceGather, DeviceMean, DeviceResize } from "./program.ts";
import type { DeviceData } from "./relayout.ts";

/** Elements moved along axes of the copy's own. */
export function runCopy(step: DeviceCopy, input: DeviceData, out: DeviceData): void {
  const { sizes, inputStrides, outputStrides } = step;
  const walk = (d: number, from: number, to: number): void => {
    if (d === sizes.length) {
      out[to] = input[from] as number;
      return;
    }
    for (let i = 0; i < (sizes[d] as number); i++)
      walk(d + 1, from + i * (inputStrides[d] as number), to + i * (outputStrides[d] as number));
  };
  walk(0, step.inputOffset, step.outputOffset);
}

/** Entries of an axis by index. */
export function runGather(step: DeviceGather, input: DeviceData, out: DeviceData): void {
  const { outer, depth, inner, indices } = step;
  for (let o = 0, to = 0; o < outer; o++)
    for (const index of indices) for (let i = 0; i < inner; i++, to++) out[to] = input[(o * depth + index) * inner + i] as number;
}

/** Sums over the reduced axes, each rescaled once. */
export function runMean(step: DeviceMean, input: DeviceData, out: DeviceData): void {
  const { sizes, reduced } = step;
  const strides = new Array<number>(sizes.length).fill(0);
  let outputs = 1;
  for (let d = sizes.length - 1; d >= 0; d--) {
    if (reduced[d]) continue;
    strides[d] = outputs;
    outputs *= sizes[d] as number;
  }
  const sums = new Int32Array(outputs).fill(-step.inputZero * step.count);
  let at = 0;
  const walk = (d: number, to: number): void => {
    if (d === sizes.length) {
      sums[to] = (sums[to] as number) + (input[at++] as number);
      return;
    }
    for (let i = 0; i < (sizes[d] as number); i++) walk(d + 1, to + i * (strides[d] as number));
  };
  walk(0, 0);
  const target = { out, at: 0, stride: 1 };
  rescaleRun(sums, outputs, { rescale: step.rescale, channel: 0, outputZero: step.outputZero, clamp: step.clamp, target });
}

/** Bilinear resizing, plane by plane. */
export function runResize(step: DeviceResize, input: DeviceData, out: DeviceData): void {
  const { channels, height, width, outHeight, outWidth } = step;
  const plane = new Int8Array(height * width);
  const made = new Int8Array(outHeight * outWidth);
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < plane.length; i++) plane[i] = input[i * channels + c] as number;
    resizePlanes({ ...step, fine: false, planes: 1 }, plane, made);
    for (let i = 0; i < made.length; i++) out[i * channels + c] = made[i] as number;
  }
}
