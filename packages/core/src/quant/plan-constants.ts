import { fromBase64, toBase64 } from "../base/base64.ts";
import { fail } from "../base/error.ts";
import { byteLength } from "../graph/dtype.ts";
import type { Encoding } from "../graph/plan.ts";
import { dequantizeTensor, quantizeTensor } from "../graph/quantize.ts";
import { countOf, f32, sameTensor, type Tensor, toNumbers } from "../graph/tensor.ts";

/** A constant of a plan as JSON: little-endian elements in base64, the integers of the constant's encoding where they say it exactly. */
export interface ConstantJson {
  readonly dtype: "int8" | "float32";
  readonly shape: readonly number[];
  readonly data: string;
}

/** A float32 constant for a plan's file. Weights that lie on the grid of an int8 encoding are written as those integers, a quarter of the size. */
export function constantToJson(constant: Tensor, encoding: Encoding | undefined): ConstantJson {
  const { shape } = constant;
  if (encoding?.dtype === "int8") {
    const integers = quantizeTensor(constant, encoding);
    if (sameTensor(dequantizeTensor(integers, encoding), constant))
      return { dtype: "int8", shape, data: toBase64(integers.bytes) };
  }
  return { dtype: "float32", shape, data: toBase64(constant.bytes) };
}

/** Reads what {@link constantToJson} wrote. @throws PLAN_INVALID naming the constant */
export function constantFromJson(name: string, value: unknown, encoding: Encoding | undefined): Tensor {
  const bad = (why: string): Error => fail("PLAN_INVALID", `Cannot read the plan: constants.${name} ${why}`);
  if (typeof value !== "object" || value === null) throw bad("is not an object");
  const { dtype, shape, data } = value as { dtype?: unknown; shape?: unknown; data?: unknown };
  if (dtype !== "int8" && dtype !== "float32") throw bad(`has dtype ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || !shape.every((d) => Number.isInteger(d) && d >= 0)) throw bad("has no shape");
  if (typeof data !== "string") throw bad("has no data");
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(data);
  } catch {
    throw bad("has data that is not base64");
  }
  const wanted = byteLength(dtype, countOf(shape));
  if (bytes.length !== wanted) throw bad(`has ${bytes.length} bytes, its shape [${shape}] needs ${wanted}`);
  if (dtype === "int8") {
    if (encoding?.dtype !== "int8") throw bad("is int8, and the plan has no int8 encoding for it");
    return dequantizeTensor({ dtype, shape, bytes }, encoding);
  }
  const tensor: Tensor = { dtype, shape, bytes };
  if (!toNumbers(tensor).every(Number.isFinite)) throw bad("has a value that is not finite");
  return f32(shape, Float32Array.from(toNumbers(tensor)));
}
