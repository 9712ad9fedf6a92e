import { fail } from "../base/error.ts";
import { type Dim, dimMul, dimProduct, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import { type DType, dtypeFromOnnx, isFloat } from "../graph/dtype.ts";
import { type Node, tensorType } from "../graph/model.ts";
import { attrInt, attrInts } from "../graph/node.ts";
import { toNumbers } from "../graph/tensor.ts";
import { broadcastShapes } from "./broadcast.ts";
import { constantValue, fillValue } from "./constant.ts";
import { reshapeShape } from "./reshape.ts";
import type { InferContext, InferRule, OpRow } from "./row.ts";
import { noCost, normalAxes, normalAxis, numbersOnly, opsPerOutput, params, typeOf, unknownShape } from "./signature.ts";

type Inferred = ReturnType<InferRule>;

// A shape input whose entries are unknown but whose length is not still tells the rank.
function lengthOf(context: InferContext, index: number): number | undefined {
  const size = context.inputs[index]?.shape?.[0];
  return typeof size === "number" ? size : undefined;
}

function unknownOfLength(length: number | undefined): Shape | undefined {
  return length === undefined ? undefined : unknownShape(length);
}

function inferConstant({ node }: InferContext): Inferred {
  const value = constantValue(node);
  return [value === undefined ? undefined : tensorType(value.dtype, value.shape)];
}

function inferConstantOfShape(context: InferContext): Inferred {
  const { dtype } = fillValue(context.node);
  const shape = context.dims(0);
  if (shape?.some((dim) => typeof dim === "number" && dim < 0)) {
    throw fail("SHAPE_MISMATCH", `Cannot make a constant of shape [${shape}]: a size is negative`, {
      at: { node: context.node.name },
    });
  }
  return [tensorType(dtype, shape ?? unknownOfLength(lengthOf(context, 0)))];
}

function dtypeAttribute(node: Node, name: string): DType {
  return dtypeFromOnnx(attrInt(node, name));
}

function inferExpand(context: InferContext): Inferred {
  const [x] = context.inputs;
  const target = context.dims(1);
  if (target === undefined) {
    const length = lengthOf(context, 1);
    const rank = length === undefined || x?.shape === undefined ? undefined : Math.max(length, x.shape.length);
    return [typeOf(x?.dtype, unknownOfLength(rank))];
  }
  return [typeOf(x?.dtype, broadcastShapes([x?.shape, target]))];
}

function inferEyeLike({ node, inputs }: InferContext): Inferred {
  const dtype = node.attributes.has("dtype") ? dtypeAttribute(node, "dtype") : inputs[0]?.dtype;
  return [typeOf(dtype, inputs[0]?.shape)];
}

function inferFlatten({ node, inputs }: InferContext): Inferred {
  const [x] = inputs;
  if (x?.shape === undefined) return [typeOf(x?.dtype, unknownShape(2))];
  const axis = normalAxis(attrInt(node, "axis", 1), x.shape.length, { node, extra: 1 });
  return [tensorType(x.dtype, [dimProduct(x.shape, 0, axis), dimProduct(x.shape, axis)])];
}

function inferReshape(context: InferContext): Inferred {
  const { node, inputs } = context;
  const [x] = inputs;
  const target = context.dims(1);
  if (target === undefined) return [typeOf(x?.dtype, unknownOfLength(lengthOf(context, 1)))];
  return [typeOf(x?.dtype, reshapeShape(x?.shape, target, { node, allowZero: attrInt(node, "allowzero", 0) !== 0 }))];
}

/** Start and end of the part of a shape that Shape gives, clamped as the specification says. */
export function shapeRange(node: Node, rank: number): readonly [start: number, end: number] {
  const clamp = (axis: number): number => Math.max(0, Math.min(rank, axis < 0 ? axis + rank : axis));
  const start = clamp(attrInt(node, "start", 0));
  return [start, Math.max(start, clamp(attrInt(node, "end", rank)))];
}

function inferShape({ node, inputs }: InferContext): Inferred {
  const rank = inputs[0]?.shape?.length;
  if (rank === undefined) return [tensorType("int64", [UNKNOWN_DIM])];
  const [start, end] = shapeRange(node, rank);
  return [tensorType("int64", [end - start])];
}

function inferSqueeze(context: InferContext): Inferred {
  const { node, inputs } = context;
  const [x] = inputs;
  if (x?.shape === undefined) return [typeOf(x?.dtype, undefined)];
  const absent = (node.inputs[1] ?? "") === "";
  const given = absent ? undefined : numbersOnly(context.dims(1));
  if (!absent && given === undefined) {
    const length = lengthOf(context, 1);
    return [tensorType(x.dtype, unknownOfLength(length === undefined ? undefined : x.shape.length - length))];
  }
  // Without axes every size 1 goes; a symbolic size could be 1: the rank is then open.
  if (given === undefined && x.shape.some((dim) => typeof dim === "string")) return [tensorType(x.dtype, undefined)];
  const axes = new Set(
    given === undefined ? x.shape.flatMap((dim, i) => (dim === 1 ? [i] : [])) : normalAxes(given, x.shape.length, node),
  );
  for (const axis of axes) {
    const dim = x.shape[axis];
    if (typeof dim === "number" && dim !== 1) {
      throw fail("SHAPE_MISMATCH", `Cannot squeeze axis ${axis} of [${x.shape}]: its size is not 1`, { at: { node: node.name } });
    }
  }
  return [
    tensorType(
      x.dtype,
      x.shape.filter((_, i) => !axes.has(i)),
    ),
  ];
}

/** Shape after Unsqueeze with `axes` counted in the output. @throws ATTRIBUTE_INVALID for an axis out of range or given twice. */
export function unsqueezedShape<D extends Dim>(shape: readonly D[], axes: readonly number[], node: Node): (D | 1)[] {
  const rank = shape.length + axes.length;
  const fresh = new Set(normalAxes(axes, rank, node));
  const out: (D | 1)[] = [];
  let from = 0;
  for (let i = 0; i < rank; i++) out.push(fresh.has(i) ? 1 : (shape[from++] as D));
  return out;
}

function inferUnsqueeze(context: InferContext): Inferred {
  const { node, inputs } = context;
  const [x] = inputs;
  const axes = numbersOnly(context.dims(1));
  if (x?.shape === undefined) return [typeOf(x?.dtype, undefined)];
  if (axes === undefined) {
    const length = lengthOf(context, 1);
    return [tensorType(x.dtype, unknownOfLength(length === undefined ? undefined : x.shape.length + length))];
  }
  return [tensorType(x.dtype, unsqueezedShape(x.shape, axes, node))];
}

function inferTile(context: InferContext): Inferred {
  const [x] = context.inputs;
  if (x?.shape === undefined) return [typeOf(x?.dtype, unknownOfLength(lengthOf(context, 1)))];
  const repeats = context.dims(1);
  if (repeats === undefined) return [tensorType(x.dtype, unknownShape(x.shape.length))];
  if (repeats.length !== x.shape.length) {
    throw fail("SHAPE_MISMATCH", `Cannot tile [${x.shape}] by [${repeats}]: one count per axis is needed`, {
      at: { node: context.node.name },
    });
  }
  return [
    tensorType(
      x.dtype,
      x.shape.map((dim, i) => dimMul(dim, repeats[i] as Dim)),
    ),
  ];
}

/** The permutation of a Transpose, by default the reverse. @throws ATTRIBUTE_INVALID when it is none. */
export function permutation(node: Node, rank: number): readonly number[] {
  const perm = attrInts(node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (perm.length !== rank || new Set(perm).size !== rank || perm.some((axis) => axis < 0 || axis >= rank)) {
    throw fail("ATTRIBUTE_INVALID", `Cannot transpose rank ${rank} by [${perm}]: it is no permutation`, {
      at: { node: node.name },
    });
  }
  return perm;
}

function inferTranspose({ node, inputs }: InferContext): Inferred {
  const [x] = inputs;
  const perm = attrInts(node, "perm");
  if (x?.shape === undefined) return [typeOf(x?.dtype, unknownOfLength(perm?.length))];
  const { shape } = x;
  return [
    tensorType(
      x.dtype,
      permutation(node, shape.length).map((axis) => shape[axis] as Dim),
    ),
  ];
}

// One scalar of Range: a constant of any type, or a size.
function scalarOf(context: InferContext, index: number): Dim | undefined {
  const constant = context.constant(index);
  if (constant !== undefined && isFloat(constant.dtype)) return toNumbers(constant)[0];
  return context.dims(index)?.[0];
}

function inferRange(context: InferContext): Inferred {
  const dtype = context.inputs.find((type) => type !== undefined)?.dtype;
  const [start, limit, delta] = [0, 1, 2].map((i) => scalarOf(context, i));
  let size: Dim = UNKNOWN_DIM;
  if (typeof start === "number" && typeof limit === "number" && typeof delta === "number" && delta !== 0) {
    size = Math.max(0, Math.ceil((limit - start) / delta));
  } else if (start === 0 && delta === 1 && limit !== undefined) size = limit;
  return [typeOf(dtype, [size])];
}

const INT0 = { kind: "int", fallback: 0 } as const;

/** Operators that make constants or change the type or shape of a tensor but not the order of its elements. */
export const SHAPE_OPS = {
  Cast: {
    since: 6,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { to: { kind: "int", required: true }, saturate: { kind: "int", fallback: 1 }, round_mode: { kind: "string" } },
    infer: ({ node, inputs }) => [tensorType(dtypeAttribute(node, "to"), inputs[0]?.shape)],
    cost: opsPerOutput(1),
  },
  CastLike: {
    since: 15,
    inputs: params("input", "target_type"),
    outputs: params("output"),
    attributes: { saturate: { kind: "int", fallback: 1 }, round_mode: { kind: "string" } },
    infer: ({ inputs }) => [typeOf(inputs[1]?.dtype, inputs[0]?.shape)],
    cost: opsPerOutput(1),
  },
  Constant: {
    since: 1,
    inputs: [],
    outputs: params("output"),
    attributes: {
      value: { kind: "tensor" },
      value_float: { kind: "float" },
      value_floats: { kind: "floats" },
      value_int: { kind: "int" },
      value_ints: { kind: "ints" },
      value_string: { kind: "string" },
      value_strings: { kind: "strings" },
    },
    infer: inferConstant,
    cost: noCost,
  },
  ConstantOfShape: {
    since: 9,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { value: { kind: "tensor" } },
    infer: inferConstantOfShape,
    cost: noCost,
  },
  Expand: {
    since: 8,
    inputs: params("input", "shape"),
    outputs: params("output"),
    attributes: {},
    infer: inferExpand,
    cost: noCost,
  },
  EyeLike: {
    since: 9,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { dtype: { kind: "int" }, k: INT0 },
    infer: inferEyeLike,
    cost: noCost,
  },
  Flatten: {
    since: 9,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { axis: { kind: "int", fallback: 1 } },
    infer: inferFlatten,
    cost: noCost,
  },
  Range: {
    since: 11,
    inputs: params("start", "limit", "delta"),
    outputs: params("output"),
    attributes: {},
    infer: inferRange,
    cost: opsPerOutput(1),
  },
  Reshape: {
    since: 14,
    inputs: params("data", "shape"),
    outputs: params("reshaped"),
    attributes: { allowzero: INT0 },
    infer: inferReshape,
    cost: noCost,
  },
  Shape: {
    since: 15,
    inputs: params("data"),
    outputs: params("shape"),
    attributes: { start: INT0, end: { kind: "int" } },
    infer: inferShape,
    cost: noCost,
  },
  Size: {
    since: 1,
    inputs: params("data"),
    outputs: params("size"),
    attributes: {},
    infer: () => [tensorType("int64", [])],
    cost: noCost,
  },
  Squeeze: {
    since: 13,
    inputs: params("data", "axes?"),
    outputs: params("squeezed"),
    attributes: {},
    infer: inferSqueeze,
    cost: noCost,
  },
  Tile: {
    since: 6,
    inputs: params("input", "repeats"),
    outputs: params("output"),
    attributes: {},
    infer: inferTile,
    cost: noCost,
  },
  Transpose: {
    since: 1,
    inputs: params("data"),
    outputs: params("transposed"),
    attributes: { perm: { kind: "ints" } },
    infer: inferTranspose,
    cost: noCost,
  },
  Unsqueeze: {
    since: 13,
    inputs: params("data", "axes"),
    outputs: params("expanded"),
    attributes: {},
    infer: inferUnsqueeze,
    cost: noCost,
  },
} as const satisfies Record<string, OpRow>;
