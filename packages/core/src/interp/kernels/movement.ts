import { fail } from "../../base/error.ts";
import { attrInt, attrString } from "../../graph/node.ts";
import { reshaped, type Tensor, toInts } from "../../graph/tensor.ts";
import { equalParts, type MOVEMENT } from "../../ops/movement.ts";
import { normalAxes, normalAxis } from "../../ops/signature.ts";
import { sliceRange } from "../../ops/slice.ts";
import type { Kernel, KernelContext } from "../kernel.ts";
import { denseStrides, everyPosition, joined, takeIndexed, takeMapped, takeStrided } from "../move.ts";
import { needed } from "./needed.ts";
import { pad } from "./pad.ts";
import { unique } from "./unique.ts";

const compress: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const condition = needed(inputs, 1, context);
  const flat = !node.attributes.has("axis");
  const axis = flat ? 0 : normalAxis(attrInt(node, "axis"), x.shape.length, { node });
  const source = flat ? reshaped(x, [x.shape.reduce((a, b) => a * b, 1)]) : x;
  const size = source.shape[axis] as number;
  const chosen: number[] = [];
  condition.bytes.forEach((flag, i) => {
    if (flag !== 0 && i < size) chosen.push(i);
  });
  return [
    takeMapped(
      source,
      source.shape.map((dim, i) => (i === axis ? Int32Array.from(chosen) : everyPosition(dim))),
    ),
  ];
};

const concat: Kernel = (inputs, context) => {
  const { node } = context;
  const tensors = inputs.map((_, i) => needed(inputs, i, context));
  const first = needed(inputs, 0, context);
  const axis = normalAxis(attrInt(node, "axis"), first.shape.length, { node });
  for (const t of tensors) {
    if (
      t.dtype !== first.dtype ||
      t.shape.length !== first.shape.length ||
      t.shape.some((size, i) => i !== axis && size !== first.shape[i])
    ) {
      throw fail(
        "SHAPE_MISMATCH",
        `Cannot concatenate ${t.dtype}[${t.shape}] with ${first.dtype}[${first.shape}] along axis ${axis}`,
        { at: { node: node.name } },
      );
    }
  }
  return [joined(tensors, axis)];
};

function rearranged(x: Tensor, cut: readonly number[], perm: readonly number[]): Tensor {
  const strides = denseStrides(cut);
  return takeStrided(x, { shape: perm.map((axis) => cut[axis] as number), strides: perm.map((axis) => strides[axis] as number) });
}

function four(x: Tensor, context: KernelContext): readonly [number, number, number, number] {
  if (x.shape.length !== 4) {
    throw fail("SHAPE_MISMATCH", `Cannot apply ${context.node.op} to [${x.shape}]: it takes rank 4`, {
      at: { node: context.node.name },
    });
  }
  return x.shape as unknown as readonly [number, number, number, number];
}

const depthToSpace: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const block = attrInt(context.node, "blocksize");
  const [n, c, h, w] = four(x, context);
  const depth = c / (block * block);
  const columnsFirst = attrString(context.node, "mode", "DCR") === "CRD";
  const moved = columnsFirst
    ? rearranged(x, [n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3])
    : rearranged(x, [n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]);
  return [reshaped(moved, [n, depth, h * block, w * block])];
};

const spaceToDepth: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const block = attrInt(context.node, "blocksize");
  const [n, c, h, w] = four(x, context);
  const moved = rearranged(x, [n, c, h / block, block, w / block, block], [0, 3, 5, 1, 2, 4]);
  return [reshaped(moved, [n, c * block * block, h / block, w / block])];
};

const reverseSequence: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const lengths = toInts(needed(inputs, 1, context));
  const batchAxis = attrInt(context.node, "batch_axis", 1);
  const timeAxis = attrInt(context.node, "time_axis", 0);
  if (batchAxis + timeAxis !== 1 || batchAxis * timeAxis !== 0) {
    throw fail(
      "ATTRIBUTE_INVALID",
      `Cannot reverse along time axis ${timeAxis} with batch axis ${batchAxis}: one must be 0, the other 1`,
    );
  }
  const [rows, columns, ...rest] = x.shape as [number, number, ...number[]];
  const inner = rest.reduce((a, b) => a * b, 1);
  const indices = new Int32Array(rows * columns * inner);
  for (let r = 0, o = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const time = timeAxis === 0 ? r : c;
      const length = lengths[timeAxis === 0 ? c : r] as number;
      const from = time < length ? length - 1 - time : time;
      const start = (timeAxis === 0 ? from * columns + c : r * columns + from) * inner;
      for (let i = 0; i < inner; i++) indices[o++] = start + i;
    }
  }
  return [takeIndexed(x, x.shape, { indices })];
};

const slice: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const starts = toInts(needed(inputs, 1, context));
  const ends = toInts(needed(inputs, 2, context));
  const axes = normalAxes(inputs[3] === undefined ? starts.map((_, i) => i) : toInts(inputs[3]), x.shape.length, node);
  const steps = inputs[4] === undefined ? starts.map(() => 1) : toInts(inputs[4]);
  const shape = [...x.shape];
  const strides = denseStrides(x.shape);
  let offset = 0;
  axes.forEach((axis, i) => {
    const step = steps[i] as number;
    if (step === 0) throw fail("ATTRIBUTE_INVALID", "Cannot slice with step 0: it never ends", { at: { node: node.name } });
    const taken = sliceRange(x.shape[axis] as number, { start: starts[i] as number, end: ends[i] as number, step });
    shape[axis] = taken.count;
    offset += taken.count === 0 ? 0 : taken.start * (strides[axis] as number);
    strides[axis] = (strides[axis] as number) * step;
  });
  return [takeStrided(x, { shape, strides, offset })];
};

const split: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const axis = normalAxis(attrInt(node, "axis", 0), x.shape.length, { node });
  const size = x.shape[axis] as number;
  const parts =
    inputs[1] === undefined ? equalParts(size, attrInt(node, "num_outputs", node.outputs.length), node) : toInts(inputs[1]);
  if (parts.some((part) => part < 0) || parts.reduce((a, b) => a + b, 0) !== size) {
    throw fail("SHAPE_MISMATCH", `Cannot split axis ${axis} of [${x.shape}] into [${parts}]: the sum differs`, {
      at: { node: node.name },
    });
  }
  const strides = denseStrides(x.shape);
  let at = 0;
  return parts.map((part) => {
    const offset = part === 0 ? 0 : at * (strides[axis] as number);
    at += part;
    return takeStrided(x, { shape: x.shape.map((dim, i) => (i === axis ? part : dim)), strides, offset });
  });
};

const trilu: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  if (x.shape.length < 2) {
    throw fail("SHAPE_MISMATCH", `Cannot take a triangle of [${x.shape}]: it needs rank 2 or more`, {
      at: { node: context.node.name },
    });
  }
  const upper = attrInt(context.node, "upper", 1) !== 0;
  const k = inputs[1] === undefined ? 0 : (toInts(inputs[1])[0] ?? 0);
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  const indices = everyPosition(x.shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < indices.length; i++) {
    const below = (i % columns) - (Math.floor(i / columns) % rows);
    if (upper ? below < k : below > k) indices[i] = -1;
  }
  return [takeIndexed(x, x.shape, { indices })];
};

/** Reference kernels of the movement operators. */
export const MOVEMENT_KERNELS = {
  Compress: compress,
  Concat: concat,
  DepthToSpace: depthToSpace,
  Pad: pad,
  ReverseSequence: reverseSequence,
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
  Trilu: trilu,
  Unique: unique,
} as const satisfies Record<keyof typeof MOVEMENT, Kernel>;
