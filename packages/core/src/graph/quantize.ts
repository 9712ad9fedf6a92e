import { fail } from "../base/error.ts";
import type { Encoding, QuantDType } from "./plan.ts";
import { countOf, f32, fromNumbers, type Tensor, toNumbers } from "./tensor.ts";

/** Integer limits of the quantized types; of int64 those that a double holds exactly, which is more than any accumulator of a kernel does. */
export const LEVELS: Readonly<Record<QuantDType, readonly [number, number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  int4: [-8, 7],
  uint4: [0, 15],
};

/** Round half to even, the rounding of ONNX QuantizeLinear. */
export function roundHalfEven(x: number): number {
  const r = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && r % 2 !== 0 ? r - 1 : r;
}

/** Integers of a tensor under an encoding: saturate(round_half_even(fround(x / scale)) + zeroPoint), the definition of ONNX QuantizeLinear. */
export function quantizeTensor(tensor: Tensor, encoding: Encoding): Tensor {
  const values = toNumbers(tensor);
  const [low, high] = encoding.range ?? LEVELS[encoding.dtype];
  const { axis } = encoding;
  const channels = axis === undefined ? 1 : (tensor.shape[axis] ?? 1);
  const inner = axis === undefined ? values.length : countOf(tensor.shape.slice(axis + 1));
  if (encoding.scale.length !== channels) {
    throw fail(
      "PLAN_INVALID",
      `Cannot quantize a tensor of shape [${tensor.shape}]: ${encoding.scale.length} scales for ${channels} channels`,
    );
  }
  for (let i = 0; i < values.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % channels;
    const q =
      roundHalfEven(Math.fround((values[i] as number) / (encoding.scale[c] as number))) + (encoding.zeroPoint[c] as number);
    values[i] = q < low ? low : q > high ? high : q;
  }
  return fromNumbers(encoding.dtype, tensor.shape, values);
}

/** Real numbers of integers under an encoding, as float32: (q - zeroPoint) * scale, the definition of ONNX DequantizeLinear. @throws PLAN_INVALID */
export function dequantizeTensor(integers: Tensor, encoding: Encoding): Tensor {
  const { axis, scale, zeroPoint } = encoding;
  const channels = axis === undefined ? 1 : (integers.shape[axis] ?? 1);
  if (scale.length !== channels)
    throw fail(
      "PLAN_INVALID",
      `Cannot dequantize a tensor of shape [${integers.shape}]: ${scale.length} scales for ${channels} channels`,
    );
  const values = toNumbers(integers);
  const inner = axis === undefined ? values.length : countOf(integers.shape.slice(axis + 1));
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % channels;
    out[i] = Math.fround((values[i] as number) - (zeroPoint[c] as number)) * (scale[c] as number);
  }
  return f32(integers.shape, out);
}

/** The real numbers that the lowest and the highest integer of a per-tensor encoding stand for. */
export function encodedRange(encoding: Encoding): { readonly min: number; readonly max: number } {
  const [low, high] = encoding.range ?? LEVELS[encoding.dtype];
  const scale = encoding.scale[0] as number;
  const zeroPoint = encoding.zeroPoint[0] as number;
  return { min: (low - zeroPoint) * scale, max: (high - zeroPoint) * scale };
}

/** The integer that a number becomes under a per-tensor encoding. */
export function quantizeNumber(value: number, encoding: Encoding): number {
  const [low, high] = encoding.range ?? LEVELS[encoding.dtype];
  const q = roundHalfEven(Math.fround(value / (encoding.scale[0] as number))) + (encoding.zeroPoint[0] as number);
  return Math.max(low, Math.min(high, q));
}
