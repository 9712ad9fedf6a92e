import { fail } from "../../base/error.ts";
import { type DType, dtypeFromOnnx } from "../../graph/dtype.ts";
import { attrInt } from "../../graph/node.ts";
import { countOf, fromNumbers, i64, reshaped, type Tensor, toInts } from "../../graph/tensor.ts";
import { broadcastShapes, broadcastStrides } from "../../ops/broadcast.ts";
import { constantValue, fillValue } from "../../ops/constant.ts";
import { reshapeShape } from "../../ops/reshape.ts";
import { permutation, type SHAPE_OPS, shapeRange, unsqueezedShape } from "../../ops/shape-ops.ts";
import { normalAxes, normalAxis } from "../../ops/signature.ts";
import { bigRoomFor, bigsOf, finish, isBig, numbersOf, roomFor } from "../elements.ts";
import type { Kernel } from "../kernel.ts";
import { denseStrides, takeIndexed, takeStrided } from "../move.ts";
import { cast, castLike } from "./cast.ts";
import { needed } from "./needed.ts";

const constant: Kernel = (_inputs, { node }) => {
  const value = constantValue(node);
  if (value === undefined)
    throw fail("UNSUPPORTED_OP", "Cannot run Constant: its value is sparse or missing", { at: { node: node.name } });
  return [value];
};

const constantOfShape: Kernel = (inputs, context) => {
  const shape = toInts(needed(inputs, 0, context));
  if (shape.some((size) => size < 0)) {
    throw fail("SHAPE_MISMATCH", `Cannot make a constant of shape [${shape}]: a size is negative`, {
      at: { node: context.node.name },
    });
  }
  return [takeIndexed(fillValue(context.node), shape, { indices: new Int32Array(countOf(shape)) })];
};

const expand: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const shape = broadcastShapes([x.shape, toInts(needed(inputs, 1, context))]) as readonly number[];
  return [takeStrided(x, { shape, strides: broadcastStrides(x.shape, shape) })];
};

const eyeLike: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const [rows, columns] = x.shape;
  if (x.shape.length !== 2 || rows === undefined || columns === undefined) {
    throw fail("SHAPE_MISMATCH", `Cannot make an identity like [${x.shape}]: it takes rank 2`, { at: { node: node.name } });
  }
  const dtype: DType = node.attributes.has("dtype") ? dtypeFromOnnx(attrInt(node, "dtype")) : x.dtype;
  const k = attrInt(node, "k", 0);
  const values = new Uint8Array(rows * columns);
  for (let r = 0; r < rows; r++) if (r + k >= 0 && r + k < columns) values[r * columns + r + k] = 1;
  return [fromNumbers(dtype, x.shape, values)];
};

const flatten: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const axis = normalAxis(attrInt(node, "axis", 1), x.shape.length, { node, extra: 1 });
  return [reshaped(x, [countOf(x.shape.slice(0, axis)), countOf(x.shape.slice(axis))])];
};

const range: Kernel = (inputs, context) => {
  const [start, limit, delta] = [0, 1, 2].map((i) => needed(inputs, i, context)) as [Tensor, Tensor, Tensor];
  const { dtype } = start;
  const none = () =>
    fail("ATTRIBUTE_INVALID", "Cannot make a Range with step 0: it never ends", { at: { node: context.node.name } });
  if (isBig(dtype)) {
    const [from, to, by] = [start, limit, delta].map((t) => bigsOf(t)[0]) as [bigint, bigint, bigint];
    if (by === 0n) throw none();
    const gap = by > 0n ? to - from + by - 1n : from - to - by - 1n;
    const out = bigRoomFor(dtype, Math.max(0, Number(gap / (by > 0n ? by : -by))));
    for (let i = 0; i < out.length; i++) out[i] = from + BigInt(i) * by;
    return [finish(dtype, [out.length], out)];
  }
  const [from, to, by] = [start, limit, delta].map((t) => numbersOf(t)[0]) as [number, number, number];
  if (by === 0) throw none();
  const out = roomFor(dtype, Math.max(0, Math.ceil((to - from) / by)));
  for (let i = 0; i < out.length; i++) out[i] = from + i * by;
  return [finish(dtype, [out.length], out)];
};

const reshape: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const target = toInts(needed(inputs, 1, context));
  const shape = reshapeShape(x.shape, target, { node, allowZero: attrInt(node, "allowzero", 0) !== 0 });
  // Where nothing is left to divide by (a size 0 next to -1) the free size has no value of its own.
  return [
    reshaped(
      x,
      shape.map((dim) => (typeof dim === "number" ? dim : 0)),
    ),
  ];
};

const shapeOf: Kernel = (inputs, context) => {
  const { shape } = needed(inputs, 0, context);
  const part = shape.slice(...shapeRange(context.node, shape.length));
  return [i64([part.length], part)];
};

const squeeze: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const { node } = context;
  const axes = inputs[1] === undefined ? undefined : new Set(normalAxes(toInts(inputs[1]), x.shape.length, node));
  return [
    reshaped(
      x,
      x.shape.filter((dim, i) => (axes === undefined ? dim !== 1 : !axes.has(i))),
    ),
  ];
};

const tile: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const repeats = toInts(needed(inputs, 1, context));
  if (repeats.length !== x.shape.length) {
    throw fail("SHAPE_MISMATCH", `Cannot tile [${x.shape}] by [${repeats}]: one count per axis is needed`, {
      at: { node: context.node.name },
    });
  }
  const strides = denseStrides(x.shape);
  const look = {
    shape: x.shape.flatMap((size, i) => [repeats[i] as number, size]),
    strides: strides.flatMap((stride) => [0, stride]),
  };
  return [
    reshaped(
      takeStrided(x, look),
      x.shape.map((size, i) => size * (repeats[i] as number)),
    ),
  ];
};

const transpose: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  const perm = permutation(context.node, x.shape.length);
  const strides = denseStrides(x.shape);
  return [
    takeStrided(x, { shape: perm.map((axis) => x.shape[axis] as number), strides: perm.map((axis) => strides[axis] as number) }),
  ];
};

const unsqueeze: Kernel = (inputs, context) => {
  const x = needed(inputs, 0, context);
  return [reshaped(x, unsqueezedShape(x.shape, toInts(needed(inputs, 1, context)), context.node))];
};

/** Reference kernels of the operators on types and shapes. */
export const SHAPE_KERNELS = {
  Cast: cast,
  CastLike: castLike,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Expand: expand,
  EyeLike: eyeLike,
  Flatten: flatten,
  Range: range,
  Reshape: reshape,
  Shape: shapeOf,
  Size: (inputs, context) => [i64([], [countOf(needed(inputs, 0, context).shape)])],
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
} as const satisfies Record<keyof typeof SHAPE_OPS, Kernel>;
