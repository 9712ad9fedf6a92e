import { byteLength, DTYPES } from "../graph/dtype.ts";
import { countOf, fromNumbers, type Tensor, toNumbers } from "../graph/tensor.ts";
import { planRuns } from "./runs.ts";

/** Strides in elements of a dense tensor. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i] as number;
  }
  return strides;
}

/** A strided look at a dense tensor: `strides` in elements (0 repeats, negative walks back), from element `offset`. */
export interface StridedLook {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
}

/** Source element of each output element of a strided look. */
export function stridedIndices(look: StridedLook): Int32Array {
  const runs = planRuns(look.shape, [look.strides], [look.offset ?? 0]);
  const out = new Int32Array(countOf(look.shape));
  const [starts] = runs.starts as [Int32Array];
  const [step] = runs.steps as [number];
  let o = 0;
  for (let r = 0; r < runs.count; r++) {
    let at = starts[r] as number;
    for (let i = 0; i < runs.length; i++, at += step) out[o++] = at;
  }
  return out;
}

/** Elements seen as unsigned cells, for copying without looking at their type. */
export type Cells = Uint8Array | Uint16Array | Uint32Array;

/** The bytes as cells of `width` bytes, the element's size; elements wider than 4 bytes are several 32-bit cells. Copies when they are not aligned. */
export function cellsOf(bytes: Uint8Array, width: number): Cells {
  const ctor = width === 1 ? Uint8Array : width === 2 ? Uint16Array : Uint32Array;
  const aligned = bytes.byteOffset % ctor.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new ctor(aligned.buffer as ArrayBuffer, aligned.byteOffset, Math.floor(aligned.byteLength / ctor.BYTES_PER_ELEMENT));
}

function copyByIndex(from: Cells, to: Cells, indices: Int32Array): void {
  const wide = indices.length === 0 ? 1 : to.length / indices.length;
  if (wide === 1) {
    for (let i = 0; i < indices.length; i++) {
      const at = indices[i] as number;
      if (at >= 0) to[i] = from[at] as number;
    }
    return;
  }
  for (let i = 0; i < indices.length; i++) {
    const at = indices[i] as number;
    if (at < 0) continue;
    for (let k = 0; k < wide; k++) to[i * wide + k] = from[at * wide + k] as number;
  }
}

/**
 * A tensor of `shape` whose element i is element indices[i] of `t`, or of the one-element tensor `fill` (zero when not given) where the index
 * is -1. Works for every element type.
 */
export function takeIndexed(
  t: Tensor,
  shape: readonly number[],
  options: { readonly indices: Int32Array; readonly fill?: Tensor | undefined },
): Tensor {
  const { indices, fill } = options;
  if (t.strings !== undefined) {
    const blank = fill?.strings?.[0] ?? new Uint8Array(0);
    const { strings } = t;
    return { ...t, shape, strings: Array.from(indices, (at) => (at < 0 ? blank : (strings[at] as Uint8Array))) };
  }
  const { bits } = DTYPES[t.dtype];
  if (bits < 8) {
    const values = toNumbers(t);
    const blank = fill === undefined ? 0 : (toNumbers(fill)[0] as number);
    return fromNumbers(
      t.dtype,
      shape,
      Float64Array.from(indices, (at) => (at < 0 ? blank : (values[at] as number))),
    );
  }
  const width = bits / 8;
  const bytes = new Uint8Array(byteLength(t.dtype, indices.length));
  const to = cellsOf(bytes, width);
  if (fill !== undefined) {
    const blank = cellsOf(fill.bytes, width);
    for (let i = 0; i < to.length; i++) to[i] = blank[i % blank.length] as number;
  }
  copyByIndex(cellsOf(t.bytes, width), to, indices);
  return { dtype: t.dtype, shape, bytes };
}

/** The elements of a strided look as a dense tensor. Dense runs of at least a few elements are copied whole. */
export function takeStrided(t: Tensor, look: StridedLook): Tensor {
  const { bits } = DTYPES[t.dtype];
  if (t.strings !== undefined || bits < 8) return takeIndexed(t, look.shape, { indices: stridedIndices(look) });
  const width = bits / 8;
  const runs = planRuns(look.shape, [look.strides], [look.offset ?? 0]);
  const [starts] = runs.starts as [Int32Array];
  const step = runs.steps[0] as number;
  if (step !== 1 || runs.length * width < 32) return takeIndexed(t, look.shape, { indices: stridedIndices(look) });
  const bytes = new Uint8Array(byteLength(t.dtype, countOf(look.shape)));
  const size = runs.length * width;
  for (let r = 0; r < runs.count; r++) {
    const from = (starts[r] as number) * width;
    bytes.set(t.bytes.subarray(from, from + size), r * size);
  }
  return { dtype: t.dtype, shape: look.shape, bytes };
}

/**
 * A tensor whose axis k has the source positions `maps[k]` along it, in order: repeats, gaps and any order are allowed, and -1 gives `fill`
 * (zero when not given).
 */
export function takeMapped(t: Tensor, maps: readonly Int32Array[], fill?: Tensor): Tensor {
  const strides = denseStrides(t.shape);
  let indices = new Int32Array(1);
  for (let axis = maps.length - 1; axis >= 0; axis--) {
    const map = maps[axis] as Int32Array;
    const stride = strides[axis] as number;
    const inner = indices;
    indices = new Int32Array(map.length * inner.length);
    let o = 0;
    for (let k = 0; k < map.length; k++) {
      const at = map[k] as number;
      for (let i = 0; i < inner.length; i++) {
        const rest = inner[i] as number;
        indices[o++] = at < 0 || rest < 0 ? -1 : at * stride + rest;
      }
    }
  }
  return takeIndexed(
    t,
    maps.map((map) => map.length),
    { indices, fill },
  );
}

/** The positions 0 .. size - 1 in order. */
export function everyPosition(size: number): Int32Array {
  return Int32Array.from({ length: size }, (_, i) => i);
}

/** Tensors of one type joined along an axis. Sizes along the other axes must be equal. */
export function joined(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0] as Tensor;
  const shape = first.shape.map((size, i) =>
    i === axis ? tensors.reduce((total, t) => total + (t.shape[axis] as number), 0) : size,
  );
  const outer = countOf(shape.slice(0, axis));
  const inner = countOf(shape.slice(axis + 1));
  const { bits } = DTYPES[first.dtype];
  if (first.strings !== undefined) {
    const strings: Uint8Array[] = [];
    for (let o = 0; o < outer; o++) {
      for (const t of tensors) {
        const size = (t.shape[axis] as number) * inner;
        for (let i = o * size; i < (o + 1) * size; i++) strings.push(t.strings?.[i] as Uint8Array);
      }
    }
    return { ...first, shape, strings };
  }
  // Packed types are taken apart, joined as doubles and packed again.
  const parts = bits < 8 ? tensors.map(toNumbers) : tensors.map((t) => t.bytes);
  const width = bits < 8 ? 1 : bits / 8;
  const out = bits < 8 ? new Float64Array(countOf(shape)) : new Uint8Array(byteLength(first.dtype, countOf(shape)));
  let at = 0;
  for (let o = 0; o < outer; o++) {
    tensors.forEach((t, k) => {
      const size = (t.shape[axis] as number) * inner * width;
      out.set((parts[k] as Uint8Array).subarray(o * size, (o + 1) * size), at);
      at += size;
    });
  }
  return out instanceof Uint8Array ? { dtype: first.dtype, shape, bytes: out } : fromNumbers(first.dtype, shape, out);
}
