import { attrInt } from "../../graph/node.ts";
import { countOf, i64, reshaped, type Tensor } from "../../graph/tensor.ts";
import { normalAxis } from "../../ops/signature.ts";
import { type Bigs, bigsOf, isBig, type Numbers, numbersOf } from "../elements.ts";
import type { Kernel } from "../kernel.ts";
import { everyPosition, takeMapped } from "../move.ts";
import { needed } from "./needed.ts";
import { aroundAxis } from "./select.ts";

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function elementOrder(t: Tensor): (i: number, k: number) => number {
  const { strings } = t;
  if (strings !== undefined) return (i, k) => compareBytes(strings[i] as Uint8Array, strings[k] as Uint8Array);
  const values: Numbers | Bigs = isBig(t.dtype) ? bigsOf(t) : numbersOf(t);
  return (i, k) => {
    const a = values[i] as number;
    const b = values[k] as number;
    return a < b ? -1 : a > b ? 1 : 0;
  };
}

/** Unique: the different elements, or slices along an axis, in rising order or in order of appearance; first places, inverse and counts. */
export const unique: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const flat = !node.attributes.has("axis");
  const source = flat ? reshaped(x, [countOf(x.shape)]) : x;
  const axis = flat ? 0 : normalAxis(attrInt(node, "axis"), x.shape.length, { node });
  const { outer, size, inner } = aroundAxis(source.shape, axis);
  const order = elementOrder(source);
  const compare = (p: number, q: number): number => {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) {
        const difference = order((o * size + p) * inner + i, (o * size + q) * inner + i);
        if (difference !== 0) return difference;
      }
    }
    return 0;
  };
  const ranked = everyPosition(size).sort((p, q) => compare(p, q) || p - q);
  // Groups of equal slices; the sort is by place within a group, so its first member is the first occurrence.
  const groups: number[][] = [];
  ranked.forEach((p, i) => {
    if (i > 0 && compare(ranked[i - 1] as number, p) === 0) groups[groups.length - 1]?.push(p);
    else groups.push([p]);
  });
  if (attrInt(node, "sorted", 1) === 0) groups.sort((a, b) => (a[0] as number) - (b[0] as number));
  const first = groups.map((group) => group[0] as number);
  const inverse = new Array<number>(size);
  groups.forEach((group, g) => {
    for (const p of group) inverse[p] = g;
  });
  const values = takeMapped(
    source,
    source.shape.map((dim, i) => (i === axis ? Int32Array.from(first) : everyPosition(dim))),
  );
  const counts = groups.map((group) => group.length);
  return [values, i64([first.length], first), i64([size], inverse), i64([counts.length], counts)];
};
