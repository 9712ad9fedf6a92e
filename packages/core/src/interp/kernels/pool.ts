import { fail } from "../../base/error.ts";
import type { Node } from "../../graph/model.ts";
import { attrInt, attrInts } from "../../graph/node.ts";
import { countOf, fromNumbers, type Tensor, toInts, toNumbers } from "../../graph/tensor.ts";
import type { POOL } from "../../ops/pool.ts";
import { readWindow, windowPads, windowPositions } from "../../ops/spatial.ts";
import type { Kernel, NoKernel } from "../kernel.ts";
import { fromReals, type Reals, reals, realsFor } from "../reals.ts";
import { type Slide, slide, tapAt } from "../slide.ts";
import { needed } from "./needed.ts";

interface Pool {
  readonly x: Reals;
  readonly planes: number;
  readonly cells: number;
  readonly shape: readonly number[];
  readonly table: Slide;
  /** Taps of each position that lie in the input or its declared padding: what `count_include_pad` divides by. */
  readonly padded: Int32Array;
}

function readPool(node: Node, t: Tensor): Pool {
  const kernel = attrInts(node, "kernel_shape") ?? [];
  if (t.shape.length !== kernel.length + 2) {
    throw fail("SHAPE_MISMATCH", `Cannot pool [${t.shape}] with a window of rank ${kernel.length}`, { at: { node: node.name } });
  }
  const input = t.shape.slice(2);
  const window = readWindow(node, kernel);
  const output = input.map((size, i) => Math.max(0, windowPositions(window, size, i) as number));
  const pads = input.map((size, i) => windowPads(window, size, i));
  const geometry = { kernel, output, strides: window.strides, dilations: window.dilations };
  const table = slide({ ...geometry, input, begin: pads.map(([begin]) => begin) });
  const wide = slide({
    ...geometry,
    input: input.map((size, i) => size + (pads[i]?.[0] ?? 0) + (pads[i]?.[1] ?? 0)),
    begin: input.map(() => 0),
  });
  const padded = new Int32Array(table.positions);
  for (let p = 0; p < table.positions; p++)
    for (let k = 0; k < table.taps; k++) if (tapAt(wide, p, k) >= 0) padded[p] = (padded[p] as number) + 1;
  const shape = [t.shape[0] as number, t.shape[1] as number, ...output];
  return { x: reals(t), planes: (t.shape[0] as number) * (t.shape[1] as number), cells: countOf(input), shape, table, padded };
}

const averagePool: Kernel = (inputs, context) => {
  const t = needed(inputs, 0, context);
  const { x, planes, cells, shape, table, padded } = readPool(context.node, t);
  const include = attrInt(context.node, "count_include_pad", 0) !== 0;
  const out = realsFor(t.dtype, shape);
  for (let plane = 0, i = 0; plane < planes; plane++) {
    for (let p = 0; p < table.positions; p++, i++) {
      let [sum, count] = [0, 0];
      for (let k = 0; k < table.taps; k++) {
        const at = tapAt(table, p, k);
        if (at < 0) continue;
        sum += x[plane * cells + at] as number;
        count++;
      }
      const by = include ? (padded[p] as number) : count;
      out[i] = by === 0 ? 0 : sum / by;
    }
  }
  return [fromReals(t.dtype, shape, out)];
};

const maxPool: Kernel = (inputs, context) => {
  const { node } = context;
  const t = needed(inputs, 0, context);
  const { x, planes, cells, shape, table } = readPool(node, t);
  const out = realsFor(t.dtype, shape);
  const indices = context.outputCount > 1 ? new BigInt64Array(out.length) : undefined;
  const column = attrInt(node, "storage_order", 0) !== 0;
  const spatial = t.shape.slice(2);
  for (let plane = 0, i = 0; plane < planes; plane++) {
    for (let p = 0; p < table.positions; p++, i++) {
      let [best, where] = [Number.NEGATIVE_INFINITY, -1];
      for (let k = 0; k < table.taps; k++) {
        const at = tapAt(table, p, k);
        if (at < 0) continue;
        const value = x[plane * cells + at] as number;
        if (value > best || where < 0 || Number.isNaN(value)) {
          best = value;
          where = at;
        }
        if (Number.isNaN(value)) break;
      }
      out[i] = best;
      if (indices !== undefined) indices[i] = BigInt(plane * cells + (column ? columnMajor(where, spatial) : where));
    }
  }
  const y = fromReals(t.dtype, shape, out);
  return indices === undefined ? [y] : [y, fromNumbers("int64", shape, indices)];
};

/** A row-major offset in a block as a column-major one. */
function columnMajor(offset: number, sizes: readonly number[]): number {
  let [rest, result] = [offset, 0];
  const index = new Array<number>(sizes.length).fill(0);
  for (let i = sizes.length - 1; i >= 0; i--) {
    index[i] = rest % (sizes[i] as number);
    rest = Math.floor(rest / (sizes[i] as number));
  }
  for (let i = sizes.length - 1; i >= 0; i--) result = result * (sizes[i] as number) + (index[i] as number);
  return result;
}

const lpPool: Kernel = (inputs, context) => {
  const t = needed(inputs, 0, context);
  const { x, planes, cells, shape, table } = readPool(context.node, t);
  const order = attrInt(context.node, "p", 2);
  const out = realsFor(t.dtype, shape);
  for (let plane = 0, i = 0; plane < planes; plane++) {
    for (let p = 0; p < table.positions; p++, i++) {
      let sum = 0;
      for (let k = 0; k < table.taps; k++) {
        const at = tapAt(table, p, k);
        if (at >= 0) sum += Math.abs(x[plane * cells + at] as number) ** order;
      }
      out[i] = sum ** (1 / order);
    }
  }
  return [fromReals(t.dtype, shape, out)];
};

function global(fold: (x: Reals, from: number, count: number, node: Node) => number): Kernel {
  return (inputs, context) => {
    const t = needed(inputs, 0, context);
    const x = reals(t);
    const cells = countOf(t.shape.slice(2));
    const shape = t.shape.map((size, axis) => (axis < 2 ? size : 1));
    const out = realsFor(t.dtype, shape);
    for (let i = 0; i < out.length; i++) out[i] = fold(x, i * cells, cells, context.node);
    return [fromReals(t.dtype, shape, out)];
  };
}

function meanOf(x: Reals, from: number, count: number): number {
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += x[i] as number;
  return sum / count;
}

function maxOf(x: Reals, from: number, count: number): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let i = from; i < from + count; i++) best = Math.max(best, x[i] as number);
  return best;
}

function normOf(x: Reals, from: number, count: number, node: Node): number {
  const order = attrInt(node, "p", 2);
  let sum = 0;
  for (let i = from; i < from + count; i++) sum += Math.abs(x[i] as number) ** order;
  return sum ** (1 / order);
}

// Indices count through the whole tensor that MaxPool saw; a given output_shape may be larger than that, plane by plane.
const maxUnpool: Kernel = (inputs, context) => {
  const { node } = context;
  const [t, places] = [needed(inputs, 0, context), needed(inputs, 1, context)];
  const kernel = attrInts(node, "kernel_shape") ?? [];
  const window = readWindow(node, kernel);
  const natural = t.shape.map((size, axis) => {
    const i = axis - 2;
    if (i < 0) return size;
    return (
      (size - 1) * (window.strides[i] ?? 1) + (kernel[i] ?? 1) - (window.pads[i] ?? 0) - (window.pads[i + kernel.length] ?? 0)
    );
  });
  const shape = inputs[2] === undefined ? natural : toInts(inputs[2]);
  const out = realsFor(t.dtype, shape);
  const x = reals(t);
  const at = toNumbers(places);
  for (let i = 0; i < x.length; i++) {
    const to = at[i] as number;
    if (to < 0 || to >= out.length)
      throw fail("SHAPE_MISMATCH", `Cannot run MaxUnpool: index ${to} is outside [${shape}]`, { at: { node: node.name } });
    out[to] = x[i] as number;
  }
  return [fromReals(t.dtype, shape, out)];
};

/** Pooling. */
export const POOL_KERNELS = {
  AveragePool: averagePool,
  GlobalAveragePool: global(meanOf),
  GlobalLpPool: global(normOf),
  GlobalMaxPool: global(maxOf),
  LpPool: lpPool,
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
} as const satisfies Record<keyof typeof POOL, Kernel | NoKernel>;
