/**
 * One size of a shape: a number when it is known, a symbolic expression such as "N" or "2*N" when it has a name, and "?" when nothing is
 * known about it. Two "?" are never assumed equal; equal expressions are.
 */
export type Dim = number | string;

/** Sizes by axis; `undefined` instead of a Shape means that not even the rank is known. */
export type Shape = readonly Dim[];

/** A size about which nothing is known. */
export const UNKNOWN_DIM = "?";

/** Whether two sizes are certainly equal. */
export function sameDim(a: Dim, b: Dim): boolean {
  return a === b && a !== UNKNOWN_DIM;
}

/** Whether two shapes are certainly equal. */
export function sameShape(a: Shape | undefined, b: Shape | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((d, i) => sameDim(d, b[i] as Dim));
}

/** Whether every size is a number. */
export function isStatic(shape: Shape | undefined): shape is readonly number[] {
  return shape?.every((d) => typeof d === "number") ?? false;
}

function wrap(d: Dim): string {
  return typeof d === "string" && /[+\- ]/.test(d) && !/^[a-z]+\(.*\)$/.test(d) ? `(${d})` : String(d);
}

/** a + b, folded where both are numbers or one is zero. */
export function dimAdd(a: Dim, b: Dim): Dim {
  if (a === UNKNOWN_DIM || b === UNKNOWN_DIM) return UNKNOWN_DIM;
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (a === 0) return b;
  if (b === 0) return a;
  const m = typeof b === "number" && typeof a === "string" ? /^(.*) ([+-]) (\d+)$/.exec(a) : null;
  if (m && typeof b === "number") return dimAdd(m[1] as string, (m[2] === "+" ? 1 : -1) * Number(m[3]) + b);
  if (typeof a === "number") return dimAdd(b, a);
  return typeof b === "number" && b < 0 ? `${a} - ${-b}` : `${a} + ${wrap(b)}`;
}

/** a * b, folded where both are numbers or one is 0 or 1; numbers stand first. */
export function dimMul(a: Dim, b: Dim): Dim {
  if (a === 0 || b === 0) return 0;
  if (a === UNKNOWN_DIM || b === UNKNOWN_DIM) return UNKNOWN_DIM;
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (a === 1) return b;
  if (b === 1) return a;
  if (typeof b === "number") return dimMul(b, a);
  const m = typeof a === "number" && typeof b === "string" ? /^(\d+)\*(.*)$/.exec(b) : null;
  if (m && typeof a === "number" && !/[+-]/.test(b as string)) return dimMul(a * Number(m[1]), m[2] as string);
  return `${wrap(a)}*${wrap(b)}`;
}

/** floor(a / b) for b > 0; exact divisions of "k*N" are folded. */
export function dimFloorDiv(a: Dim, b: Dim): Dim {
  if (a === UNKNOWN_DIM || b === UNKNOWN_DIM) return UNKNOWN_DIM;
  if (b === 1) return a;
  if (typeof a === "number" && typeof b === "number") return b === 0 ? UNKNOWN_DIM : Math.floor(a / b);
  if (a === b) return 1;
  const m = typeof b === "number" && typeof a === "string" ? /^(\d+)\*(.*)$/.exec(a) : null;
  if (m && typeof b === "number" && Number(m[1]) % b === 0 && !/[+-]/.test(a as string))
    return dimMul(Number(m[1]) / b, m[2] as string);
  if (typeof a === "string" && typeof b === "string" && !/[+-]/.test(a) && a.startsWith(`${b}*`)) return a.slice(b.length + 1);
  if (typeof a === "string" && typeof b === "string" && !/[+-]/.test(a) && a.endsWith(`*${b}`)) {
    const rest = a.slice(0, -b.length - 1);
    return /^\d+$/.test(rest) ? Number(rest) : rest;
  }
  return `floor(${wrap(a)} / ${wrap(b)})`;
}

/** Product of sizes from `from` up to but without `to`. */
export function dimProduct(shape: Shape, from = 0, to = shape.length): Dim {
  let product: Dim = 1;
  for (let i = from; i < to; i++) product = dimMul(product, shape[i] as Dim);
  return product;
}
