import { fail } from "../../../base/error.ts";
import { fromHalf } from "../../../graph/float16.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { countOf, f32, type Tensor, view } from "../../../graph/tensor.ts";
import { integersOf } from "./source-tensor.ts";

/** The numbers that the integers of a constant stand for, float32: fround((q - zeroPoint) * scale). */
export function dequantized(data: Tensor, encoding: Encoding): Tensor {
  const { axis, scale, zeroPoint } = encoding;
  const integers = integersOf(data);
  const out = new Float32Array(countOf(data.shape));
  const channels = axis === undefined ? 1 : (data.shape[axis] as number);
  if (channels !== scale.length)
    throw fail("PLAN_INVALID", `Cannot dequantize [${data.shape}]: ${scale.length} scales along axis ${axis}`);
  const inner = axis === undefined ? out.length : countOf(data.shape.slice(axis + 1));
  for (let i = 0; i < out.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % channels;
    out[i] = (Number(integers[i]) - (zeroPoint[c] as number)) * (scale[c] as number);
  }
  return f32(data.shape, out);
}

/** float16 as float32, exactly. */
export function widened(data: Tensor): Tensor {
  return f32(data.shape, Float32Array.from(view(data, "float16"), fromHalf));
}

/** How many elements come back as another integer when a float32 tensor is quantized again, after those were moved by a last digit that can be put right so. */
export function settled(data: Tensor, real: Tensor, encoding: Encoding): { readonly tensor: Tensor; readonly lost: number } {
  const integers = integersOf(data);
  const values = view(real, "float32").slice();
  const bits = new Int32Array(values.buffer);
  const { axis, scale, zeroPoint } = encoding;
  const inner = axis === undefined ? values.length : countOf(data.shape.slice(axis + 1));
  let lost = 0;
  for (let i = 0; i < values.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % scale.length;
    const wanted = Number(integers[i]) - (zeroPoint[c] as number);
    const isBack = (): boolean => Math.round(Math.fround((values[i] as number) / (scale[c] as number))) === wanted;
    if (isBack()) continue;
    const start = bits[i] as number;
    const found = [1, -1, 2, -2].some((by) => {
      bits[i] = start + by;
      return isBack();
    });
    if (found) continue;
    bits[i] = start;
    lost++;
  }
  return { tensor: f32(real.shape, values), lost };
}
