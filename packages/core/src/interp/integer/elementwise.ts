import { multiply, multiplyOnce, multiplyTwice } from "./multiplier.ts";
import type { AddStep, ExtremumStep, MulStep, PreluStep } from "./program.ts";
import { type Integers, rescaleRun, sumsFor } from "./rescale.ts";

/** An operand of an elementwise step: its integers, and which of them meets each output; `undefined` when they are in the same order. */
export interface Operand {
  readonly data: Integers;
  readonly index: Int32Array | undefined;
}

/** Which element of a tensor of `shape` meets each element of `outShape` under broadcasting from the right; `undefined`: each its own. */
export function broadcastIndex(shape: readonly number[], outShape: readonly number[]): Int32Array | undefined {
  const lead = outShape.length - shape.length;
  if (lead === 0 && shape.every((size, i) => size === outShape[i])) return undefined;
  const strides = new Array<number>(outShape.length).fill(0);
  for (let d = shape.length - 1, stride = 1; d >= 0; d--) {
    strides[lead + d] = shape[d] === 1 ? 0 : stride;
    stride *= shape[d] as number;
  }
  const count = outShape.reduce((a, b) => a * b, 1);
  const index = new Int32Array(count);
  for (let d = outShape.length - 1, inner = 1; d >= 0; d--) {
    const size = outShape[d] as number;
    const stride = strides[d] as number;
    if (stride !== 0) for (let i = 0; i < count; i++) index[i] = (index[i] as number) + (Math.floor(i / inner) % size) * stride;
    inner *= size;
  }
  return index;
}

function picked({ data, index }: Operand, zero: number, count: number): Int32Array {
  const out = new Int32Array(count);
  for (let i = 0; i < count; i++) out[i] = (data[index === undefined ? i : (index[i] as number)] as number) - zero;
  return out;
}

/** a + b or a - b. Shifts of all three multipliers are to the right. */
export function runAdd(step: AddStep, a: Operand, b: Operand, out: Integers): void {
  const [low, high] = step.clamp;
  const xs = picked(a, step.zeros[0], out.length);
  const ys = picked(b, step.zeros[1], out.length);
  const scale = 2 ** step.leftShift;
  const [ma, mb] = step.multipliers;
  const times = step.rounding === "double" ? multiplyTwice : multiplyOnce;
  for (let i = 0; i < out.length; i++) {
    const x = times((xs[i] as number) * scale, ma.value, ma.shift);
    const y = times((ys[i] as number) * scale, mb.value, mb.shift);
    const sum = step.subtract ? x - y : x + y;
    const q = times(sum, step.outputMultiplier.value, step.outputMultiplier.shift) + step.outputZero;
    out[i] = q < low ? low : q > high ? high : q;
  }
}

/** (a - za) * (b - zb), rescaled. */
export function runMul(step: MulStep, a: Operand, b: Operand, out: Integers): void {
  const xs = picked(a, step.zeros[0], out.length);
  const ys = picked(b, step.zeros[1], out.length);
  const products = sumsFor(false, out.length);
  for (let i = 0; i < out.length; i++) products[i] = (xs[i] as number) * (ys[i] as number);
  const target = { out, at: 0, stride: 1 };
  rescaleRun(products, out.length, { ...step, channel: 0, target });
}

/** x or slope * x by the sign of x. */
export function runPrelu(step: PreluStep, a: Operand, slope: Operand, out: Integers): void {
  const [low, high] = step.clamp;
  const xs = picked(a, step.zeros[0], out.length);
  const slopes = picked(slope, step.zeros[1], out.length);
  for (let i = 0; i < out.length; i++) {
    const x = xs[i] as number;
    const y =
      x >= 0 ? multiply(x, step.positive, step.rounding) : multiply(x * (slopes[i] as number), step.negative, step.rounding);
    const q = y + step.outputZero;
    out[i] = q < low ? low : q > high ? high : q;
  }
}

/** The larger or smaller integer. */
export function runExtremum(step: ExtremumStep, a: Operand, b: Operand, out: Integers): void {
  const xs = picked(a, 0, out.length);
  const ys = picked(b, 0, out.length);
  for (let i = 0; i < out.length; i++) {
    const x = xs[i] as number;
    const y = ys[i] as number;
    out[i] = step.kind === "maximum" ? (x > y ? x : y) : x < y ? x : y;
  }
}
