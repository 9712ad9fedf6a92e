import { DTYPES } from "../../../graph/dtype.ts";
import { countOf, type Tensor } from "../../../graph/tensor.ts";
import { inOrder, type Order } from "../layout/order.ts";

/** A constant with its axes in another order, as a row-major tensor of the physical shape. Element types of whole bytes only. */
export function transposeTensor(t: Tensor, order: Order): Tensor {
  const shape = inOrder(t.shape, order);
  if (order.every((axis, i) => axis === i)) return t;
  const width = DTYPES[t.dtype].bits / 8;
  const count = countOf(shape);
  const source = new Uint8Array(t.bytes);
  const bytes = new Uint8Array(count * width);
  const steps = strides(t.shape);
  const by = order.map((axis) => (steps[axis] as number) * width);
  const at = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < bytes.length; to += width) {
    for (let b = 0; b < width; b++) bytes[to + b] = source[from + b] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += by[axis] as number;
      at[axis] = (at[axis] as number) + 1;
      if ((at[axis] as number) < (shape[axis] as number)) break;
      from -= (by[axis] as number) * (shape[axis] as number);
      at[axis] = 0;
    }
  }
  return { dtype: t.dtype, shape, bytes };
}

function strides(shape: readonly number[]): number[] {
  const steps = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    steps[axis] = step;
    step *= shape[axis] as number;
  }
  return steps;
}
