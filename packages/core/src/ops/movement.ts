import { fail } from "../base/error.ts";
import { type Dim, dimAdd, dimFloorDiv, dimMul, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import { type Node, tensorType } from "../graph/model.ts";
import { attrInt } from "../graph/node.ts";
import { toInts } from "../graph/tensor.ts";
import type { InferContext, InferRule, OpRow } from "./row.ts";
import {
  commonDtype,
  noCost,
  normalAxes,
  normalAxis,
  numbersOnly,
  opsPerOutput,
  params,
  sameAsInput,
  typeOf,
  unknownShape,
} from "./signature.ts";
import { inferSlice } from "./slice.ts";

type Inferred = ReturnType<InferRule>;

function inferConcat({ node, inputs }: InferContext): Inferred {
  const dtype = commonDtype(inputs, node);
  const ranked = inputs.find((type) => type?.shape !== undefined)?.shape;
  if (ranked === undefined) return [typeOf(dtype, undefined)];
  const axis = normalAxis(attrInt(node, "axis"), ranked.length, { node });
  const out: Dim[] = [...ranked];
  out[axis] = 0;
  for (const type of inputs) {
    const shape = type?.shape;
    if (shape !== undefined && shape.length !== ranked.length) {
      throw fail("SHAPE_MISMATCH", `Cannot concatenate [${shape}] with [${ranked}]: the ranks differ`, {
        at: { node: node.name },
      });
    }
    out[axis] = dimAdd(out[axis] as Dim, shape?.[axis] ?? UNKNOWN_DIM);
    shape?.forEach((dim, i) => {
      const known = out[i] as Dim;
      if (i === axis) return;
      if (typeof dim === "number" && typeof known === "number" && dim !== known) {
        throw fail(
          "SHAPE_MISMATCH",
          `Cannot concatenate [${shape}] with [${ranked}] along axis ${axis}: sizes of axis ${i} differ`,
          { at: { node: node.name } },
        );
      }
      if (typeof dim === "number" || known === UNKNOWN_DIM) out[i] = dim;
    });
  }
  return [typeOf(dtype, out)];
}

/**
 * Sizes of the parts of a Split along an axis of size `size`: equal parts, the last one smaller when it does not divide.
 * @throws SHAPE_MISMATCH when there are more parts than that rule can fill.
 */
export function equalParts(size: number, count: number, node: Node): number[] {
  const each = Math.ceil(size / count);
  const last = size - each * (count - 1);
  if (last < 0 || (last === 0 && each > 0))
    throw fail("SHAPE_MISMATCH", `Cannot split an axis of size ${size} into ${count} parts: nothing is left for the last`, {
      at: { node: node.name },
    });
  return [...new Array<number>(count - 1).fill(each), last];
}

function inferSplit(context: InferContext): Inferred {
  const { node, inputs } = context;
  const [x] = inputs;
  const count = node.outputs.length;
  if (x?.shape === undefined) return new Array(count).fill(typeOf(x?.dtype, undefined));
  const { shape, dtype } = x;
  const axis = normalAxis(attrInt(node, "axis", 0), shape.length, { node });
  const size = shape[axis] as Dim;
  const absent = (node.inputs[1] ?? "") === "";
  let parts: readonly Dim[] | undefined;
  if (!absent) {
    const given = context.constant(1);
    // Values are followed up to a limit; a split has as many sizes as outputs, and needs them all (LSTMs unrolled over more steps than that).
    parts = given?.dtype === "int64" ? toInts(given) : context.dims(1);
    const known = numbersOnly(parts);
    if (known !== undefined && typeof size === "number" && known.reduce((a, b) => a + b, 0) !== size) {
      throw fail("SHAPE_MISMATCH", `Cannot split axis ${axis} of [${shape}] into [${known}]: the sum differs`, {
        at: { node: node.name },
      });
    }
    if (parts !== undefined && parts.length < count) {
      throw fail("SHAPE_MISMATCH", `Cannot split into [${parts}]: the node names ${count} outputs`, { at: { node: node.name } });
    }
  } else {
    const wanted = attrInt(node, "num_outputs", count);
    if (wanted !== count) {
      throw fail("ATTRIBUTE_INVALID", `Cannot split into ${wanted} parts: the node names ${count} outputs`, {
        at: { node: node.name },
      });
    }
    if (typeof size === "number") parts = equalParts(size, wanted, node);
    else parts = new Array<Dim>(wanted).fill(wanted === 1 ? size : exactQuotient(size, wanted));
  }
  return Array.from({ length: count }, (_, i) =>
    tensorType(
      dtype,
      shape.map((dim, k) => (k === axis ? (parts?.[i] ?? UNKNOWN_DIM) : dim)),
    ),
  );
}

// Parts of a symbolic size are known only when the division is exact, "2*N" by 2 say.
function exactQuotient(size: Dim, count: number): Dim {
  const each = dimFloorDiv(size, count);
  return typeof each === "string" && each.startsWith("floor") ? UNKNOWN_DIM : each;
}

function inferPad(context: InferContext): Inferred {
  const { node, inputs } = context;
  const [x] = inputs;
  if (x?.shape === undefined) return [typeOf(x?.dtype, undefined)];
  const rank = x.shape.length;
  const pads = context.dims(1);
  const axesGiven = (node.inputs[3] ?? "") === "" ? Array.from({ length: rank }, (_, i) => i) : numbersOnly(context.dims(3));
  if (pads === undefined || axesGiven === undefined) return [tensorType(x.dtype, unknownShape(rank))];
  const axes = normalAxes(axesGiven, rank, node);
  if (pads.length !== 2 * axes.length) {
    throw fail("SHAPE_MISMATCH", `Cannot pad ${axes.length} axes of [${x.shape}] by [${pads}]: two counts per axis are needed`, {
      at: { node: node.name },
    });
  }
  const out = [...x.shape];
  axes.forEach((axis, i) => {
    const padded = dimAdd(dimAdd(out[axis] as Dim, pads[i] as Dim), pads[i + axes.length] as Dim);
    if (typeof padded === "number" && padded < 0) {
      throw fail("SHAPE_MISMATCH", `Cannot pad axis ${axis} of [${x.shape}] by [${pads}]: its size would be ${padded}`, {
        at: { node: node.name },
      });
    }
    out[axis] = padded;
  });
  return [tensorType(x.dtype, out)];
}

function blockSize(node: Node): number {
  const block = attrInt(node, "blocksize");
  if (block < 1)
    throw fail("ATTRIBUTE_INVALID", `Cannot use block size ${block}: it must be positive`, { at: { node: node.name } });
  return block;
}

function fourAxes(shape: Shape, node: Node): readonly [Dim, Dim, Dim, Dim] {
  if (shape.length !== 4)
    throw fail("SHAPE_MISMATCH", `Cannot apply ${node.op} to [${shape}]: it takes rank 4`, { at: { node: node.name } });
  return shape as unknown as readonly [Dim, Dim, Dim, Dim];
}

function inferDepthToSpace({ node, inputs }: InferContext): Inferred {
  const [x] = inputs;
  if (x?.shape === undefined) return [typeOf(x?.dtype, unknownShape(4))];
  const block = blockSize(node);
  const [n, c, h, w] = fourAxes(x.shape, node);
  if (typeof c === "number" && c % (block * block) !== 0) {
    throw fail("SHAPE_MISMATCH", `Cannot move ${c} channels into blocks of ${block}x${block}: they do not divide`, {
      at: { node: node.name },
    });
  }
  return [tensorType(x.dtype, [n, dimFloorDiv(c, block * block), dimMul(h, block), dimMul(w, block)])];
}

function inferSpaceToDepth({ node, inputs }: InferContext): Inferred {
  const [x] = inputs;
  if (x?.shape === undefined) return [typeOf(x?.dtype, unknownShape(4))];
  const block = blockSize(node);
  const [n, c, h, w] = fourAxes(x.shape, node);
  if ((typeof h === "number" && h % block !== 0) || (typeof w === "number" && w % block !== 0)) {
    throw fail("SHAPE_MISMATCH", `Cannot cut [${x.shape}] into blocks of ${block}x${block}: they do not divide`, {
      at: { node: node.name },
    });
  }
  return [tensorType(x.dtype, [n, dimMul(c, block * block), dimFloorDiv(h, block), dimFloorDiv(w, block)])];
}

function inferCompress({ node, inputs }: InferContext): Inferred {
  const [x] = inputs;
  if (!node.attributes.has("axis")) return [typeOf(x?.dtype, [UNKNOWN_DIM])];
  if (x?.shape === undefined) return [typeOf(x?.dtype, undefined)];
  const axis = normalAxis(attrInt(node, "axis"), x.shape.length, { node });
  return [
    tensorType(
      x.dtype,
      x.shape.map((dim, i) => (i === axis ? UNKNOWN_DIM : dim)),
    ),
  ];
}

function inferUnique({ node, inputs }: InferContext): Inferred {
  const [x] = inputs;
  const indices = tensorType("int64", [UNKNOWN_DIM]);
  if (x === undefined) return [undefined, indices, indices, indices];
  if (!node.attributes.has("axis")) return [tensorType(x.dtype, [UNKNOWN_DIM]), indices, indices, indices];
  if (x.shape === undefined) return [x, indices, indices, indices];
  const axis = normalAxis(attrInt(node, "axis"), x.shape.length, { node });
  return [
    tensorType(
      x.dtype,
      x.shape.map((dim, i) => (i === axis ? UNKNOWN_DIM : dim)),
    ),
    indices,
    indices,
    indices,
  ];
}

const AXIS0 = { kind: "int", fallback: 0 } as const;

/** Operators that cut, join, pad or rearrange tensors. */
export const MOVEMENT = {
  Compress: {
    since: 9,
    inputs: params("input", "condition"),
    outputs: params("output"),
    attributes: { axis: { kind: "int" } },
    infer: inferCompress,
    cost: noCost,
  },
  Concat: {
    since: 4,
    inputs: params("inputs*"),
    outputs: params("concat_result"),
    attributes: { axis: { kind: "int", required: true } },
    infer: inferConcat,
    cost: noCost,
  },
  DepthToSpace: {
    since: 11,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { blocksize: { kind: "int", required: true }, mode: { kind: "string", fallback: "DCR", oneOf: ["DCR", "CRD"] } },
    infer: inferDepthToSpace,
    cost: noCost,
  },
  Pad: {
    since: 11,
    inputs: params("data", "pads", "constant_value?", "axes?"),
    outputs: params("output"),
    attributes: { mode: { kind: "string", fallback: "constant", oneOf: ["constant", "reflect", "edge", "wrap"] } },
    infer: inferPad,
    cost: noCost,
  },
  ReverseSequence: {
    since: 10,
    inputs: params("input", "sequence_lens"),
    outputs: params("Y"),
    attributes: { batch_axis: { kind: "int", fallback: 1 }, time_axis: AXIS0 },
    infer: sameAsInput,
    cost: noCost,
  },
  Slice: {
    since: 10,
    inputs: params("data", "starts", "ends", "axes?", "steps?"),
    outputs: params("output"),
    attributes: {},
    infer: inferSlice,
    cost: noCost,
  },
  SpaceToDepth: {
    since: 1,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { blocksize: { kind: "int", required: true } },
    infer: inferSpaceToDepth,
    cost: noCost,
  },
  Split: {
    since: 18,
    inputs: params("input", "split?"),
    outputs: params("outputs*"),
    attributes: { axis: AXIS0, num_outputs: { kind: "int" } },
    infer: inferSplit,
    cost: noCost,
  },
  Trilu: {
    since: 14,
    inputs: params("input", "k?"),
    outputs: params("output"),
    attributes: { upper: { kind: "int", fallback: 1 } },
    infer: sameAsInput,
    cost: noCost,
  },
  Unique: {
    since: 11,
    inputs: params("X"),
    outputs: params("Y", "indices?", "inverse_indices?", "counts?"),
    attributes: { axis: { kind: "int" }, sorted: { kind: "int", fallback: 1 } },
    infer: inferUnique,
    cost: opsPerOutput(1),
  },
} as const satisfies Record<string, OpRow>;
