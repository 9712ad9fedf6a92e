import { DTYPES, isFloat } from "@tessera/core/graph/dtype";
import { sameTensor, type Tensor, toNumbers, view } from "@tessera/core/graph/tensor";

/** How far two float results may be apart. An element passes when it satisfies one of the given bounds. */
export interface Tolerance {
  /** Distance in units in the last place of the element type, at the larger of the two values. */
  readonly ulps?: number;
  /** |a - b| <= relative * max(|a|, |b|). */
  readonly relative?: number;
  /** |a - b| <= absolute. */
  readonly absolute?: number;
}

/** Mantissa bits and smallest normal exponent of the float types that have numbers. */
const FLOATS: Readonly<Record<string, readonly [bits: number, lowest: number]>> = {
  float32: [23, -126],
  float64: [52, -1022],
  float16: [10, -14],
  bfloat16: [7, -126],
};

function ulpAt(size: number, dtype: string): number {
  const [bits, lowest] = FLOATS[dtype] ?? [52, -1022];
  return 2 ** (Math.max(lowest, Math.floor(Math.log2(size))) - bits);
}

function close(a: number, b: number, how: { readonly dtype: string; readonly tolerance: Tolerance }): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  if (!Number.isFinite(a) || !Number.isFinite(b)) return false;
  const { ulps = 0, relative = 0, absolute = 0 } = how.tolerance;
  const size = Math.max(Math.abs(a), Math.abs(b));
  const gap = Math.abs(a - b);
  return gap <= ulps * ulpAt(size, how.dtype) || gap <= relative * size || gap <= absolute;
}

/** What makes two tensors differ beyond a tolerance, in words; `undefined` when nothing does. Integers, bools and strings must be equal. */
export function difference(a: Tensor, b: Tensor, tolerance: Tolerance = {}): string | undefined {
  if (a.dtype !== b.dtype) return `the element types are ${a.dtype} and ${b.dtype}`;
  if (a.shape.length !== b.shape.length || a.shape.some((size, i) => size !== b.shape[i]))
    return `the shapes are [${a.shape}] and [${b.shape}]`;
  const { bits } = DTYPES[a.dtype];
  if (!isFloat(a.dtype) || bits < 16) return sameTensor(a, b) ? undefined : "the elements differ";
  const x = toNumbers(a);
  const y = toNumbers(b);
  for (let i = 0; i < x.length; i++) {
    if (!close(x[i] as number, y[i] as number, { dtype: a.dtype, tolerance })) return `element ${i} is ${x[i]} and ${y[i]}`;
  }
  return undefined;
}

const SHOWN = 40;

/** A tensor in one line, e.g. `float32[2, 2] 1, 2, 3, 4`; long ones are cut. */
export function describeTensor(t: Tensor): string {
  const head = `${t.dtype}[${t.shape.join(", ")}]`;
  if (t.strings !== undefined)
    return `${head} ${t.strings
      .slice(0, SHOWN)
      .map((s) => JSON.stringify(new TextDecoder().decode(s)))
      .join(", ")}`;
  const { bits, class: kind } = DTYPES[t.dtype];
  if (t.dtype === "int64" || t.dtype === "uint64")
    return `${head} ${Array.from(view(t, t.dtype as "int64").slice(0, SHOWN)).join(", ")}`;
  if (kind === "complex" || (kind === "float" && bits < 16))
    return `${head} bytes ${Array.from(t.bytes.slice(0, SHOWN)).join(", ")}`;
  return `${head} ${Array.from(toNumbers(t).slice(0, SHOWN), (v) => (Object.is(v, -0) ? "-0" : String(v))).join(", ")}`;
}
