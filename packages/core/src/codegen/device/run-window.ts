import type { Clamp } from "../../interp/integer/program.ts";
import { rescaleRun } from "../../interp/integer/rescale.ts";
import type {
  DeviceAveragePool,
  DeviceConv,
  DeviceDepthwise,
  DeviceFullyConnected,
  DeviceMaxPool,
  DeviceRescale,
  DeviceWindow,
} from "./program.ts";
import type { DeviceData } from "./relayout.ts";

/** Brings one sum to its output. */
function store(
  sum: number,
  how: { readonly rescale: DeviceRescale; readonly outputZero: number; readonly clamp: Clamp; readonly channel: number },
  target: { readonly out: DeviceData; readonly at: number },
): void {
  // Sums wrap around as int32 does.
  rescaleRun(Int32Array.of(sum), 1, { ...how, target: { ...target, stride: 1 } });
}

/** Calls back with the place of each window in the output and the input rows and columns that its taps meet; outside they are -1. */
function eachWindow(w: DeviceWindow, visit: (pixel: number, rows: readonly number[], columns: readonly number[]) => void): void {
  const meets = (o: number, axis: 0 | 1, size: number): number[] =>
    Array.from({ length: w.kernel[axis] }, (_, k) => {
      const i = o * w.strides[axis] - w.pads[axis] + k * w.dilations[axis];
      return i >= 0 && i < size ? i : -1;
    });
  const columns = Array.from({ length: w.outWidth }, (_, x) => meets(x, 1, w.width));
  for (let y = 0; y < w.outHeight; y++) {
    const rows = meets(y, 0, w.height);
    for (let x = 0; x < w.outWidth; x++) visit(y * w.outWidth + x, rows, columns[x] as number[]);
  }
}

/** Convolution over [height, width, channels]. */
export function runConv(step: DeviceConv, input: DeviceData, out: DeviceData): void {
  const { channels, outChannels, width, group, weights, kernel, inputZero } = step;
  const depth = channels / group;
  const perGroup = outChannels / group;
  const taps = kernel[0] * kernel[1];
  eachWindow(step, (pixel, rows, columns) => {
    for (let o = 0; o < outChannels; o++) {
      let sum = step.bias[o] as number;
      const first = Math.floor(o / perGroup) * depth;
      let tap = o * taps * depth;
      for (const y of rows)
        for (const x of columns) {
          if (y >= 0 && x >= 0) {
            const from = (y * width + x) * channels + first;
            for (let c = 0; c < depth; c++) sum += (weights[tap + c] as number) * ((input[from + c] as number) - inputZero);
          }
          tap += depth;
        }
      store(sum, { ...scaling(step), channel: o }, { out, at: pixel * outChannels + o });
    }
  });
}

function scaling(step: DeviceConv | DeviceDepthwise | DeviceFullyConnected) {
  return { rescale: step.rescale, outputZero: step.outputZero, clamp: step.clamp };
}

/** Convolution of each channel by itself. */
export function runDepthwise(step: DeviceDepthwise, input: DeviceData, out: DeviceData): void {
  const { channels, outChannels, width, weights, inputZero } = step;
  const multiple = outChannels / channels;
  const how = scaling(step);
  eachWindow(step, (pixel, rows, columns) => {
    for (let o = 0; o < outChannels; o++) {
      const c = Math.floor(o / multiple);
      let sum = step.bias[o] as number;
      let tap = o;
      for (const y of rows)
        for (const x of columns) {
          if (y >= 0 && x >= 0) sum += (weights[tap] as number) * ((input[(y * width + x) * channels + c] as number) - inputZero);
          tap += outChannels;
        }
      store(sum, { ...how, channel: o }, { out, at: pixel * outChannels + o });
    }
  });
}

/** A fully connected layer. */
export function runFullyConnected(step: DeviceFullyConnected, input: DeviceData, out: DeviceData): void {
  const { rows, depth, outputs, weights, weightsZero, inputZero } = step;
  const how = scaling(step);
  for (let r = 0; r < rows; r++)
    for (let o = 0; o < outputs; o++) {
      let sum = step.bias[o] as number;
      for (let i = 0; i < depth; i++)
        sum += ((weights[o * depth + i] as number) - weightsZero) * ((input[r * depth + i] as number) - inputZero);
      store(sum, { ...how, channel: o }, { out, at: r * outputs + o });
    }
}

/** The largest value or the mean of each window. */
export function runPool(step: DeviceMaxPool | DeviceAveragePool, input: DeviceData, out: DeviceData): void {
  const { channels, width, clamp } = step;
  const [low, high] = clamp;
  eachWindow(step, (pixel, rows, columns) => {
    for (let c = 0; c < channels; c++) {
      let most = low;
      let sum = 0;
      let count = 0;
      for (const y of rows)
        for (const x of columns) {
          const inside = y >= 0 && x >= 0;
          const isCounted = inside || (step.kind === "averagePool" && step.countPadding);
          if (!isCounted) continue;
          const q = inside
            ? (input[(y * width + x) * channels + c] as number)
            : step.kind === "averagePool"
              ? step.inputZero
              : low;
          if (q > most) most = q;
          sum += q;
          count++;
        }
      const half = Math.trunc(count / 2);
      const q = step.kind === "maxPool" ? most : Math.trunc((sum > 0 ? sum + half : sum - half) / count);
      out[pixel * channels + c] = q < low ? low : q > high ? high : q;
    }
  });
}
