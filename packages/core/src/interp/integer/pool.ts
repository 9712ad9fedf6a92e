import { roundHalfEven } from "../../graph/quantize.ts";
import type { AveragePoolStep, MaxPoolStep, MeanStep, ResizeStep, WindowSizes } from "./program.ts";
import { type Integers, rescaleRun, sumsFor } from "./rescale.ts";

/** Input positions [from, to) with their step that a window reads along one axis. */
function reach(output: number, axis: 0 | 1, size: number, window: WindowSizes): readonly [number, number, number] {
  const step = window.dilations[axis];
  const start = output * window.strides[axis] - window.pads[axis];
  const from = start >= 0 ? start : start + Math.ceil(-start / step) * step;
  return [from, Math.min(size, start + (window.kernel[axis] - 1) * step + 1), step];
}

/** Largest integer of each window; with nothing inside, the lowest the clamp allows. */
export function runMaxPool(step: MaxPoolStep, input: Integers, out: Integers): void {
  const { height, width, outHeight, outWidth } = step;
  const [low, high] = step.clamp;
  for (let plane = 0, o = 0; plane < step.batch * step.channels; plane++) {
    for (let oy = 0; oy < outHeight; oy++) {
      const [y0, y1, dy] = reach(oy, 0, height, step);
      for (let ox = 0; ox < outWidth; ox++, o++) {
        const [x0, x1, dx] = reach(ox, 1, width, step);
        let most = low;
        for (let y = y0; y < y1; y += dy) {
          const row = (plane * height + y) * width;
          for (let x = x0; x < x1; x += dx) {
            const q = input[row + x] as number;
            if (q > most) most = q;
          }
        }
        out[o] = most > high ? high : most;
      }
    }
  }
}

/** Mean of each window in whole numbers, half away from zero. Zero points need no thought: both sides have the same. */
export function runAveragePool(step: AveragePoolStep, input: Integers, out: Integers): void {
  const { height, width, outHeight, outWidth, inputZero } = step;
  const [low, high] = step.clamp;
  const all = step.kernel[0] * step.kernel[1];
  for (let plane = 0, o = 0; plane < step.batch * step.channels; plane++) {
    for (let oy = 0; oy < outHeight; oy++) {
      const [y0, y1, dy] = reach(oy, 0, height, step);
      for (let ox = 0; ox < outWidth; ox++, o++) {
        const [x0, x1, dx] = reach(ox, 1, width, step);
        let sum = 0;
        let count = 0;
        for (let y = y0; y < y1; y += dy) {
          const row = (plane * height + y) * width;
          for (let x = x0; x < x1; x += dx, count++) sum += input[row + x] as number;
        }
        if (step.countPadding) {
          sum += (all - count) * inputZero;
          count = all;
        }
        const half = Math.trunc(count / 2);
        const q = Math.trunc((sum > 0 ? sum + half : sum - half) / count);
        out[o] = q < low ? low : q > high ? high : q;
      }
    }
  }
}

/** Sums over axes, then one rescaling. Outputs are in the order of the axes that are left. */
export function runMean(step: MeanStep, input: Integers, out: Integers): void {
  const { sizes } = step;
  const outputs = out.length;
  const sums = sumsFor(step.rescale.rule === "wide", outputs);
  const at = new Int32Array(sizes.length);
  const strides = outputStrides(step);
  for (let i = 0; i < input.length; i++) {
    let o = 0;
    for (let d = 0; d < sizes.length; d++) o += (at[d] as number) * (strides[d] as number);
    sums[o] = (sums[o] as number) + (input[i] as number);
    for (let d = sizes.length - 1; d >= 0; d--) {
      at[d] = (at[d] as number) + 1;
      if ((at[d] as number) < (sizes[d] as number)) break;
      at[d] = 0;
    }
  }
  for (let o = 0; o < outputs; o++) sums[o] = (sums[o] as number) - step.inputZero * step.count;
  const target = { out, at: 0, stride: 1 };
  rescaleRun(sums, outputs, { rescale: step.rescale, channel: 0, outputZero: step.outputZero, clamp: step.clamp, target });
}

function outputStrides(step: MeanStep): readonly number[] {
  const strides: number[] = [];
  let stride = 1;
  for (let d = step.sizes.length - 1; d >= 0; d--) {
    const reduced = step.axes.includes(d);
    strides[d] = reduced ? 0 : stride;
    if (!reduced) stride *= step.sizes[d] as number;
  }
  return strides;
}

/** Where an output coordinate falls between two inputs, in 1/1024. */
interface Between {
  readonly at: number;
  readonly lower: number;
  readonly upper: number;
}

function positions(size: number, outSize: number, step: ResizeStep): readonly Between[] {
  const ends = step.alignCorners && outSize > 1;
  const ratio = ends
    ? Math.trunc((1024 * (size - 1) + Math.trunc((outSize - 1) / 2)) / (outSize - 1))
    : Math.trunc((1024 * size + Math.trunc(outSize / 2)) / outSize);
  return Array.from({ length: outSize }, (_, i) => {
    const at = step.halfPixel ? i * ratio + Math.trunc(ratio / 2) - 512 : i * ratio;
    const whole = Math.trunc(at / 1024);
    return { at, lower: Math.max(whole, 0), upper: Math.min(Math.trunc((at + 1023) / 1024), size - 1) };
  });
}

/** Positions in float32 with weights of 11 bits. */
function finePositions(size: number, outSize: number, step: ResizeStep): readonly Between[] {
  const cut = step.alignCorners && outSize > 1 ? 1 : 0;
  const ratio = Math.fround((size - cut) / (outSize - cut));
  const offset = step.halfPixel ? Math.fround(Math.fround(0.5 * ratio) - 0.5) : 0;
  return Array.from({ length: outSize }, (_, i) => {
    const at = Math.min(Math.max(Math.fround(Math.fround(i * ratio) + offset), 0), size - 1);
    const lower = Math.trunc(at);
    return { at: roundHalfEven(Math.fround(Math.fround(at - lower) * 2048)), lower, upper: Math.min(lower + 1, size - 1) };
  });
}

function runFineResize(step: ResizeStep, input: Integers, out: Integers): void {
  const ys = finePositions(step.height, step.outHeight, step);
  const xs = finePositions(step.width, step.outWidth, step);
  for (let plane = 0, o = 0; plane < step.planes; plane++) {
    const base = plane * step.height * step.width;
    for (const y of ys) {
      const upper = base + y.lower * step.width;
      const lower = base + y.upper * step.width;
      for (const x of xs) {
        const topLeft = input[upper + x.lower] as number;
        const bottomLeft = input[lower + x.lower] as number;
        const top = topLeft * 2048 + ((input[upper + x.upper] as number) - topLeft) * x.at;
        const bottom = bottomLeft * 2048 + ((input[lower + x.upper] as number) - bottomLeft) * x.at;
        out[o++] = (top * 2048 + (bottom - top) * y.at + 2097152) >> 22;
      }
    }
  }
}

/** Bilinear resizing. Outside the centres of the first and the last pixel, these go on. */
export function runResize(step: ResizeStep, input: Integers, out: Integers): void {
  if (step.fine) runFineResize(step, input, out);
  else runCoarseResize(step, input, out);
}

function runCoarseResize(step: ResizeStep, input: Integers, out: Integers): void {
  const ys = positions(step.height, step.outHeight, step);
  const xs = positions(step.width, step.outWidth, step);
  for (let plane = 0, o = 0; plane < step.planes; plane++) {
    const base = plane * step.height * step.width;
    for (const y of ys) {
      const fy = y.at - 1024 * y.lower;
      const upper = base + y.lower * step.width;
      const lower = base + y.upper * step.width;
      for (const x of xs) {
        const fx = x.at - 1024 * x.lower;
        const sum =
          (1024 - fy) * ((1024 - fx) * (input[upper + x.lower] as number) + fx * (input[upper + x.upper] as number)) +
          fy * ((1024 - fx) * (input[lower + x.lower] as number) + fx * (input[lower + x.upper] as number));
        out[o++] = Math.trunc((sum + (sum > 0 ? 524288 : -524288)) / 1048576);
      }
    }
  }
}
