import { type DType, dtypeFromOnnx, isInteger } from "../../graph/dtype.ts";
import type { Node } from "../../graph/model.ts";
import { attrInt } from "../../graph/node.ts";
import { f32, fromNumbers, toNumbers } from "../../graph/tensor.ts";
import type { QUANTIZE } from "../../ops/quantize.ts";
import type { Kernel, NoKernel } from "../kernel.ts";
import { needed } from "./needed.ts";
import { integerRange, noKernelFor, roundHalfEven, scaleIndex } from "./quantized.ts";

function refuseFloat8(node: Node, dtype: DType): void {
  if (!isInteger(dtype)) throw noKernelFor(node, `${dtype} has no reference form: no target in reach computes with 8-bit floats`);
}

// q = saturate(round_half_even(x / scale) + zeroPoint), the division in the precision of x.
const quantizeLinear: Kernel = (inputs, context) => {
  const { node } = context;
  const [x, scaleTensor, zeroTensor] = [needed(inputs, 0, context), needed(inputs, 1, context), inputs[2]];
  const named = attrInt(node, "output_dtype", 0);
  const dtype = zeroTensor?.dtype ?? (named === 0 ? "uint8" : dtypeFromOnnx(named));
  refuseFloat8(node, dtype);
  const index = scaleIndex(x.shape, scaleTensor.shape, {
    node,
    axis: attrInt(node, "axis", 1),
    block: attrInt(node, "block_size", 0),
  });
  const [values, scale, zero] = [toNumbers(x), toNumbers(scaleTensor), zeroTensor && toNumbers(zeroTensor)];
  const [low, high] = integerRange(dtype);
  for (let i = 0; i < values.length; i++) {
    const s = index(i);
    const rounded = roundHalfEven(Math.fround((values[i] as number) / (scale[s] as number)));
    values[i] = Math.max(low, Math.min(high, rounded + (zero === undefined ? 0 : (zero[s] as number))));
  }
  return [fromNumbers(dtype, x.shape, values)];
};

const dequantizeLinear: Kernel = (inputs, context) => {
  const { node } = context;
  const [x, scaleTensor, zeroTensor] = [needed(inputs, 0, context), needed(inputs, 1, context), inputs[2]];
  refuseFloat8(node, x.dtype);
  const index = scaleIndex(x.shape, scaleTensor.shape, {
    node,
    axis: attrInt(node, "axis", 1),
    block: attrInt(node, "block_size", 0),
  });
  const [values, scale, zero] = [toNumbers(x), toNumbers(scaleTensor), zeroTensor && toNumbers(zeroTensor)];
  for (let i = 0; i < values.length; i++) {
    const s = index(i);
    values[i] = ((values[i] as number) - (zero === undefined ? 0 : (zero[s] as number))) * (scale[s] as number);
  }
  return [fromNumbers(scaleTensor.dtype, x.shape, values)];
};

// The range always holds zero; a constant zero input has scale 0 in the formula, where runtimes take 1.
const dynamicQuantizeLinear: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const values = toNumbers(x);
  let [low, high] = [0, 0];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const spread = Math.fround(high - low);
  const scale = spread === 0 ? 1 : Math.fround(spread / 255);
  const zero = Math.max(0, Math.min(255, roundHalfEven(Math.fround(-low / scale))));
  for (let i = 0; i < values.length; i++) {
    values[i] = Math.max(0, Math.min(255, roundHalfEven(Math.fround((values[i] as number) / scale)) + zero));
  }
  return [fromNumbers("uint8", x.shape, values), f32([], [scale]), fromNumbers("uint8", [], [zero])];
};

/** Quantizing and dequantizing. */
export const QUANTIZE_KERNELS = {
  DequantizeLinear: dequantizeLinear,
  DynamicQuantizeLinear: dynamicQuantizeLinear,
  QuantizeLinear: quantizeLinear,
} as const satisfies Record<keyof typeof QUANTIZE, Kernel | NoKernel>;
