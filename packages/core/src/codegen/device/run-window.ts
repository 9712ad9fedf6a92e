import { centred, rescaleRun } from "../../interp/integer/rescale.ts";
import type {
  DeviceAveragePool,
  DeviceConv,
  DeviceDepthwise,
  DeviceFullyConnected,
  DeviceMaxPool,
  DeviceWindow,
} from "./program.ts";
import type { DeviceData } from "./relayout.ts";

/** Offsets of the taps of every window, in pixels of the input; -1 outside of it. */
function tapsOf(w: DeviceWindow): Int32Array {
  const meets = (o: number, axis: 0 | 1, size: number): number[] =>
    Array.from({ length: w.kernel[axis] }, (_, k) => {
      const i = o * w.strides[axis] - w.pads[axis] + k * w.dilations[axis];
      return i >= 0 && i < size ? i : -1;
    });
  const columns = Array.from({ length: w.outWidth }, (_, x) => meets(x, 1, w.width));
  const taps = new Int32Array(w.outHeight * w.outWidth * w.kernel[0] * w.kernel[1]);
  let at = 0;
  for (let y = 0; y < w.outHeight; y++) {
    const rows = meets(y, 0, w.height);
    for (const across of columns)
      for (const row of rows) for (const x of across) taps[at++] = row < 0 || x < 0 ? -1 : row * w.width + x;
  }
  return taps;
}

/** Convolution over [height, width, channels]. */
export function runConv(step: DeviceConv, input: DeviceData, out: DeviceData): void {
  const { channels, outChannels, group, weights, kernel } = step;
  const x = centred(input, step.inputZero);
  const depth = channels / group;
  const count = kernel[0] * kernel[1];
  const taps = tapsOf(step);
  // Sums wrap around as int32 does.
  const sums = new Int32Array(step.outHeight * step.outWidth);
  for (let o = 0; o < outChannels; o++) {
    const first = Math.floor(o / (outChannels / group)) * depth;
    for (let p = 0, t = 0; p < sums.length; p++) {
      let sum = step.bias[o] as number;
      for (let k = 0, w = o * count * depth; k < count; k++, t++, w += depth) {
        const pixel = taps[t] as number;
        if (pixel < 0) continue;
        const from = pixel * channels + first;
        for (let c = 0; c < depth; c++) sum += (weights[w + c] as number) * (x[from + c] as number);
      }
      sums[p] = sum;
    }
    rescaleRun(sums, sums.length, { ...scaling(step), channel: o, target: { out, at: o, stride: outChannels } });
  }
}

function scaling(step: DeviceConv | DeviceDepthwise | DeviceFullyConnected) {
  return { rescale: step.rescale, outputZero: step.outputZero, clamp: step.clamp };
}

/** Convolution of each channel by itself. */
export function runDepthwise(step: DeviceDepthwise, input: DeviceData, out: DeviceData): void {
  const { channels, outChannels, weights, kernel } = step;
  const x = centred(input, step.inputZero);
  const count = kernel[0] * kernel[1];
  const taps = tapsOf(step);
  const sums = new Int32Array(step.outHeight * step.outWidth);
  for (let o = 0; o < outChannels; o++) {
    const c = Math.floor(o / (outChannels / channels));
    for (let p = 0, t = 0; p < sums.length; p++) {
      let sum = step.bias[o] as number;
      for (let k = 0; k < count; k++, t++) {
        const pixel = taps[t] as number;
        if (pixel >= 0) sum += (weights[k * outChannels + o] as number) * (x[pixel * channels + c] as number);
      }
      sums[p] = sum;
    }
    rescaleRun(sums, sums.length, { ...scaling(step), channel: o, target: { out, at: o, stride: outChannels } });
  }
}

/** A fully connected layer. */
export function runFullyConnected(step: DeviceFullyConnected, input: DeviceData, out: DeviceData): void {
  const { rows, depth, outputs, weights, weightsZero } = step;
  const x = centred(input, step.inputZero);
  const sums = new Int32Array(rows);
  for (let o = 0; o < outputs; o++) {
    for (let r = 0; r < rows; r++) {
      let sum = step.bias[o] as number;
      for (let i = 0; i < depth; i++) sum += ((weights[o * depth + i] as number) - weightsZero) * (x[r * depth + i] as number);
      sums[r] = sum;
    }
    rescaleRun(sums, rows, { ...scaling(step), channel: o, target: { out, at: o, stride: outputs } });
  }
}

/** The largest value or the mean of each window. */
export function runPool(step: DeviceMaxPool | DeviceAveragePool, input: DeviceData, out: DeviceData): void {
  const { channels, clamp, kernel } = step;
  const [low, high] = clamp;
  const taps = tapsOf(step);
  const size = kernel[0] * kernel[1];
  for (let p = 0; p < step.outHeight * step.outWidth; p++)
    for (let c = 0; c < channels; c++) {
      let most = low;
      let sum = 0;
      let count = 0;
      for (let k = 0; k < size; k++) {
        const pixel = taps[p * size + k] as number;
        const q = pixel >= 0 ? (input[pixel * channels + c] as number) : undefined;
        if (q !== undefined && q > most) most = q;
        if (step.kind === "maxPool" || (q === undefined && !step.countPadding)) continue;
        sum += q ?? step.inputZero;
        count++;
      }
      const half = Math.trunc(count / 2);
      const q = step.kind === "maxPool" ? most : Math.trunc((sum > 0 ? sum + half : sum - half) / count);
      out[p * channels + c] = q < low ? low : q > high ? high : q;
    }
}
