import { DTYPES, type DType, dtypeFromOnnx, isFloat } from "../../graph/dtype.ts";
import { attrInt } from "../../graph/node.ts";
import { countOf, fromNumbers, stringTensor, type Tensor } from "../../graph/tensor.ts";
import { type Bigs, bigRoomFor, bigsOf, finish, isBig, type Numbers, numbersOf, roomFor } from "../elements.ts";
import { fromFloat8, isFloat8, toFloat8 } from "../float8.ts";
import type { Kernel } from "../kernel.ts";
import { needed } from "./needed.ts";

// Strings as onnxruntime writes them: 8 significant digits for every float type (C's %.8g).
function printed(value: number, digits: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "INF" : "-INF";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e") as [string, string];
    const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    const size = Math.abs(Number(power));
    return `${short}e${Number(power) < 0 ? "-" : "+"}${size < 10 ? "0" : ""}${size}`;
  }
  const fixed = value.toPrecision(digits);
  return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
}

function toStrings(t: Tensor): Tensor {
  if (isBig(t.dtype)) return stringTensor(t.shape, Array.from(bigsOf(t), String));
  const values = Array.from(numbersOf(t));
  return stringTensor(t.shape, isFloat(t.dtype) ? values.map((v) => printed(v, 8)) : values.map(String));
}

function parsed(text: string): number {
  const word = text.trim().toLowerCase();
  if (/^[+-]?inf(inity)?$/.test(word)) return word.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return Number(word);
}

function valuesOf(t: Tensor): Numbers {
  if (t.strings !== undefined) {
    const decoder = new TextDecoder();
    return Float64Array.from(t.strings, (s) => parsed(decoder.decode(s)));
  }
  const { dtype } = t;
  if (isFloat8(dtype)) return Float64Array.from(t.bytes, (bits) => fromFloat8(bits, dtype));
  return isBig(dtype) ? Float64Array.from(bigsOf(t), Number) : numbersOf(t);
}

// Doubles as 64-bit integers towards zero, written as two halves: making a bigint for each would cost twenty times as much. NaN and what lies
// beyond the range have no defined result: NaN gives 0 and the rest wraps.
function storeAsBigs(values: ArrayLike<number>, out: Bigs): void {
  const halves = new Uint32Array(out.buffer, out.byteOffset, 2 * out.length);
  for (let i = 0; i < values.length; i++) {
    const v = Math.trunc(values[i] as number);
    const high = Math.floor(v / 2 ** 32);
    halves[2 * i] = v - high * 2 ** 32;
    halves[2 * i + 1] = high;
  }
}

/**
 * The elements under another type: floats to integers towards zero, wider to narrower integers by wrapping, anything but 0 to true, floats
 * to narrower floats to nearest even. `saturate` matters for 8-bit floats only.
 */
function castTensor(t: Tensor, options: { readonly to: DType; readonly saturate: boolean }): Tensor {
  const { to, saturate } = options;
  if (t.dtype === to) return t;
  if (to === "string") return toStrings(t);
  if (isBig(to)) {
    const out = bigRoomFor(to, countOf(t.shape));
    if (isBig(t.dtype)) (out as BigInt64Array).set(bigsOf(t) as BigInt64Array);
    else if (t.strings !== undefined)
      (out as BigInt64Array).set(t.strings.map((text) => BigInt(new TextDecoder().decode(text).trim())) as bigint[]);
    else storeAsBigs(valuesOf(t), out);
    return finish(to, t.shape, out);
  }
  if (isBig(t.dtype) && !isFloat(to) && to !== "bool") {
    // Through 64 bits, because a double would round before the wrap.
    return fromNumbers(
      to,
      t.shape,
      Float64Array.from(bigsOf(t), (v) => Number(BigInt.asIntN(32, v))),
    );
  }
  const values = valuesOf(t);
  if (to === "bool")
    return finish(
      "bool",
      t.shape,
      Uint8Array.from(values, (v) => (v !== 0 ? 1 : 0)),
    );
  if (isFloat8(to)) {
    const bytes = Uint8Array.from(values, (v) => toFloat8(Math.fround(v), { name: to, saturate }));
    return { dtype: to, shape: t.shape, bytes };
  }
  if (DTYPES[to].bits < 8) return fromNumbers(to, t.shape, Float64Array.from(values, Math.trunc));
  const out = roomFor(to, values.length);
  for (let i = 0; i < out.length; i++) out[i] = values[i] as number;
  return finish(to, t.shape, out);
}

function saturates(node: Parameters<typeof attrInt>[0]): boolean {
  return attrInt(node, "saturate", 1) !== 0;
}

/** Cast to the type of attribute `to`. */
export const cast: Kernel = (inputs, context) => {
  const { node } = context;
  return [castTensor(needed(inputs, 0, context), { to: dtypeFromOnnx(attrInt(node, "to")), saturate: saturates(node) })];
};

/** Cast to the type of input 1. */
export const castLike: Kernel = (inputs, context) => {
  return [castTensor(needed(inputs, 0, context), { to: needed(inputs, 1, context).dtype, saturate: saturates(context.node) })];
};
