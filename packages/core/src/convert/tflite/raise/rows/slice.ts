import { frontAxis, intsOf, optionsOf, type RaiseRow, type Site, shapeOf } from "../site.ts";

/** A range along one axis, with bounds as ONNX's Slice wants them. */
interface Range {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** Slice of the ranges that are not the whole axis. */
export function sliced(site: Site, value: string, ranges: readonly Range[]): string {
  const { builder } = site;
  const shape = builder.shape(value);
  const parts = ranges.filter(({ axis, start, end, step }) => start !== 0 || end !== shape[axis] || step !== 1);
  if (parts.length === 0) return value;
  const list = (pick: (range: Range) => number): string => builder.list(parts.map(pick));
  return builder.emit("Slice", [value, list((r) => r.start), list((r) => r.end), list((r) => r.axis), list((r) => r.step)]);
}

/** SLICE: begins and sizes; -1 is all that is left. */
const slice: RaiseRow = (site) => {
  const shape = shapeOf(site, 0);
  const begins = intsOf(site, 1, "its begin");
  const sizes = intsOf(site, 2, "its size");
  if (begins.length !== shape.length || sizes.length !== shape.length)
    throw site.refuse(`it names ${begins.length} begins and ${sizes.length} sizes for [${shape}]`);
  const ranges = shape.map((size, axis): Range => {
    const start = begins[axis] as number;
    const end = sizes[axis] === -1 ? size : start + (sizes[axis] as number);
    if (start < 0 || end < start || end > size) throw site.refuse(`it takes ${start} to ${end} of an axis of ${size}`);
    return { axis, start, end, step: 1 };
  });
  return [sliced(site, site.value(0), ranges)];
};

/** What one entry of the specification of STRIDED_SLICE does. */
type Entry =
  | { readonly kind: "range"; readonly axis: number; readonly entry: number }
  | { readonly kind: "take"; readonly axis: number; readonly entry: number }
  | { readonly kind: "new" };

/** The entries, an ellipsis spelled out and axes behind the last entry taken whole. */
function entriesOf(site: Site, rank: number, count: number): readonly Entry[] {
  const { ellipsisMask = 0, newAxisMask = 0, shrinkAxisMask = 0 } = optionsOf(site, "StridedSliceOptions");
  const has = (mask: number, i: number): boolean => i < 31 && ((mask >> i) & 1) === 1;
  const added = Array.from({ length: count }, (_, i) => i).filter((i) => has(newAxisMask, i) && !has(ellipsisMask, i)).length;
  const ellipses = Array.from({ length: count }, (_, i) => i).filter((i) => has(ellipsisMask, i));
  if (ellipses.length > 1) throw site.refuse("it has two ellipses");
  const entries: Entry[] = [];
  let axis = 0;
  for (let i = 0; i < count; i++) {
    if (has(ellipsisMask, i)) {
      for (let left = rank - (count - 1 - added); left > 0; left--) entries.push({ kind: "range", axis: axis++, entry: -1 });
    } else if (has(newAxisMask, i)) entries.push({ kind: "new" });
    else entries.push({ kind: has(shrinkAxisMask, i) ? "take" : "range", axis: axis++, entry: i });
  }
  if (axis > rank) throw site.refuse(`it names ${axis} axes of ${rank}`);
  while (axis < rank) entries.push({ kind: "range", axis: axis++, entry: -1 });
  return entries;
}

/**
 * STRIDED_SLICE: Python's slices. Masks tell which begins and ends count as absent, which entries take one element and drop its axis, which put a new
 * axis in, and where an ellipsis stands. Bounds are cut to the axis as Python does.
 */
const stridedSlice: RaiseRow = (site) => {
  const { builder } = site;
  const shape = shapeOf(site, 0);
  const [begins, ends, strides] = [1, 2, 3].map((i) => intsOf(site, i, ["its begin", "its end", "its stride"][i - 1] as string));
  if (begins === undefined || ends === undefined || strides === undefined) throw site.refuse("it has no bounds");
  if (ends.length !== begins.length || strides.length !== begins.length || begins.length > shape.length + 32)
    throw site.refuse(`it has ${begins.length} begins, ${ends.length} ends and ${strides.length} strides`);
  const { beginMask = 0, endMask = 0, offset = false } = optionsOf(site, "StridedSliceOptions");
  const entries = entriesOf(site, shape.length, begins.length);
  const ranges: Range[] = [];
  const taken: number[] = [];
  for (const entry of entries) {
    if (entry.kind === "new" || entry.entry < 0) continue;
    const { axis, entry: i } = entry;
    const size = shape[axis] as number;
    const step = strides[i] as number;
    const begin = begins[i] as number;
    const from = begin < 0 ? begin + size : begin;
    if (entry.kind === "take") {
      if (from < 0 || from >= size) throw site.refuse(`it takes element ${begin} of an axis of ${size}`);
      ranges.push({ axis, start: from, end: from + 1, step: 1 });
      taken.push(axis);
      continue;
    }
    if (step === 0) throw site.refuse("its stride is 0");
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const cut = (bound: number): number => Math.min(Math.max(bound, low), high);
    const isOpen = (mask: number): boolean => ((mask >> i) & 1) === 1;
    const start = isOpen(beginMask) ? (step > 0 ? 0 : size - 1) : cut(from);
    const end = offset ? (ends[i] as number) + begin : (ends[i] as number);
    const stop = isOpen(endMask)
      ? step > 0
        ? size
        : -1
      : cut(end < 0 && !(offset && end === -1 && step < 0) ? end + size : end);
    // -1 would be the last element again: one whole axis further back is before the first.
    ranges.push({ axis, start, end: stop < 0 ? -size - 1 : stop, step });
  }
  let value = sliced(site, site.value(0), ranges);
  if (taken.length > 0) value = builder.emit("Squeeze", [value, builder.list(taken)]);
  const left = entries.filter((entry) => entry.kind !== "take");
  const added = left.flatMap((entry, i) => (entry.kind === "new" ? [i] : []));
  return [added.length > 0 ? builder.emit("Unsqueeze", [value, builder.list(added)]) : value];
};

const reverse: RaiseRow = (site) => {
  const shape = shapeOf(site, 0);
  const axes = [...new Set(intsOf(site, 1, "the list of axes").map((axis) => frontAxis(site, axis, shape.length)))];
  const ranges = axes.map((axis): Range => {
    const size = shape[axis] as number;
    return { axis, start: size - 1, end: -size - 1, step: -1 };
  });
  return [ranges.length === 0 ? site.value(0) : sliced(site, site.value(0), ranges)];
};

/** Parts of a value. */
export const SLICE_ROWS = { SLICE: slice, STRIDED_SLICE: stridedSlice, REVERSE_V2: reverse } as const satisfies Record<
  string,
  RaiseRow
>;
