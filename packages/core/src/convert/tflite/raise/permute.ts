import { DTYPES } from "../../../graph/dtype.ts";
import { countOf, type Tensor } from "../../../graph/tensor.ts";

/** Copies the elements in the order that Transpose with `perm` gives; any element of whole bytes. */
export function permuted(tensor: Tensor, perm: readonly number[]): Tensor {
  const { shape } = tensor;
  const to = perm.map((axis) => shape[axis] as number);
  // Axes of size 1 move nothing.
  const wide = perm.filter((axis) => shape[axis] !== 1);
  if (wide.every((axis, i) => i === 0 || axis > (wide[i - 1] as number))) return { ...tensor, shape: to };
  const width = DTYPES[tensor.dtype].bits / 8;
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = (strides[axis + 1] as number) * (shape[axis + 1] as number);
  const steps = perm.map((axis) => strides[axis] as number);
  const count = countOf(shape);
  // Read as whole elements where a typed array of that width exists, which is nearly always.
  const Unit = width === 8 ? BigUint64Array : width === 4 ? Uint32Array : width === 2 ? Uint16Array : Uint8Array;
  const aligned = tensor.bytes.byteOffset % Unit.BYTES_PER_ELEMENT === 0 ? tensor.bytes : new Uint8Array(tensor.bytes);
  const source = new Unit(aligned.buffer as ArrayBuffer, aligned.byteOffset, count) as unknown as {
    readonly [i: number]: number;
  };
  const out = new Unit(count);
  const target = out as unknown as { [i: number]: number };
  const index = new Array<number>(to.length).fill(0);
  let from = 0;
  for (let i = 0; i < count; i++) {
    target[i] = source[from] as number;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += steps[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (to[axis] as number)) break;
      from -= (steps[axis] as number) * (to[axis] as number);
      index[axis] = 0;
    }
  }
  return { dtype: tensor.dtype, shape: to, bytes: new Uint8Array(out.buffer) };
}

/** Channels from the last axis to axis 1: the perm that takes [N, ..., C] to [N, C, ...]. */
export function channelsFirst(rank: number): number[] {
  return [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
}

/** The way back from {@link channelsFirst}. */
export function channelsLast(rank: number): number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];
}
