import { type Dim, dimAdd, dimFloorDiv, dimMul, dimProduct, isStatic, sameDim, UNKNOWN_DIM } from "../graph/dim.ts";
import { isInteger } from "../graph/dtype.ts";
import { attrInt } from "../graph/node.ts";
import { toNumbers } from "../graph/tensor.ts";
import { fillValue } from "./constant.ts";
import type { InferContext } from "./row.ts";
import { permutation, shapeRange } from "./shape-ops.ts";
import { numbersOnly } from "./signature.ts";
import { sliceRange } from "./slice.ts";

/** The elements of a node's outputs as sizes, where they can be told from the elements of its inputs. */
export type ValueRule = (context: InferContext) => readonly (readonly Dim[] | undefined)[];

/** Values of more elements than this are not followed: no shape chain is that long. */
export const MAX_VALUE_ELEMENTS = 64;

function passThrough(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  return [context.dims(0)];
}

function rankOf(context: InferContext, index: number): number | undefined {
  return context.inputs[index]?.shape?.length;
}

// Two flat lists line up element by element only when neither has two real axes, or the shapes are equal.
function paired(context: InferContext, combine: (a: Dim, b: Dim) => Dim): readonly (readonly Dim[] | undefined)[] {
  const a = context.dims(0);
  const b = context.dims(1);
  if (a === undefined || b === undefined || (rankOf(context, 0) ?? 2) > 1 || (rankOf(context, 1) ?? 2) > 1) return [undefined];
  if (a.length !== b.length && a.length !== 1 && b.length !== 1) return [undefined];
  const length = a.length === 0 || b.length === 0 ? 0 : Math.max(a.length, b.length);
  const pick = (list: readonly Dim[], i: number): Dim => list[list.length === 1 ? 0 : i] as Dim;
  return [Array.from({ length }, (_, i) => combine(pick(a, i), pick(b, i)))];
}

function pairRule(combine: (a: Dim, b: Dim) => Dim): ValueRule {
  return (context) => paired(context, combine);
}

const BOOL_CODE = 9;

function cast(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const data = context.dims(0);
  if (attrInt(context.node, "to") !== BOOL_CODE) return [data];
  return [data?.map(truth)];
}

function truth(dim: Dim): Dim {
  return typeof dim === "number" ? (dim !== 0 ? 1 : 0) : UNKNOWN_DIM;
}

function negated(dim: Dim): Dim {
  return typeof dim === "number" ? -dim : UNKNOWN_DIM;
}

function subtract(a: Dim, b: Dim): Dim {
  if (typeof b === "number") return dimAdd(a, -b);
  return sameDim(a, b) ? 0 : UNKNOWN_DIM;
}

function divide(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const dtype = context.inputs[0]?.dtype;
  const whole = dtype !== undefined && isInteger(dtype);
  return paired(context, (a, b) => {
    if (typeof a === "number" && typeof b === "number") {
      if (b === 0 || (!whole && a % b !== 0)) return UNKNOWN_DIM;
      return Math.trunc(a / b);
    }
    if (!whole || (typeof b === "number" && b <= 0) || (typeof a === "number" && a < 0)) return UNKNOWN_DIM;
    return dimFloorDiv(a, b);
  });
}

function compare(test: (a: number, b: number) => boolean, same: boolean): ValueRule {
  return pairRule((a, b) => {
    if (typeof a === "number" && typeof b === "number") return test(a, b) ? 1 : 0;
    if (sameDim(a, b)) return same ? 1 : 0;
    // A symbolic size is never negative, so the comparison with a negative number is settled by any size.
    if (typeof b === "number" && b < 0 && a !== UNKNOWN_DIM) return test(0, b) ? 1 : 0;
    if (typeof a === "number" && a < 0 && b !== UNKNOWN_DIM) return test(a, 0) ? 1 : 0;
    return UNKNOWN_DIM;
  });
}

function gather(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const data = context.dims(0);
  const indices = numbersOnly(context.dims(1));
  if (data === undefined || indices === undefined || rankOf(context, 0) !== 1) return [undefined];
  return [indices.map((i) => data[i < 0 ? i + data.length : i] ?? UNKNOWN_DIM)];
}

// The elements of a dense list seen with other sizes and strides.
function walked(
  data: readonly Dim[],
  shape: readonly number[],
  options: { readonly strides: readonly number[]; readonly offset: number },
): Dim[] {
  let places = [options.offset];
  shape.forEach((size, axis) => {
    places = places.flatMap((at) => Array.from({ length: size }, (_, k) => at + k * (options.strides[axis] as number)));
  });
  return places.map((at) => data[at] ?? UNKNOWN_DIM);
}

// Sizes and dense strides of input 0, when the sizes are numbers.
function layoutOf(context: InferContext): { readonly shape: number[]; readonly strides: number[] } | undefined {
  const shape = numbersOnly(context.inputs[0]?.shape);
  // A declared shape need not fit the elements.
  if (shape === undefined || shape.reduce((a, b) => a * b, 1) !== context.dims(0)?.length) return undefined;
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  return { shape: [...shape], strides };
}

// Of any rank, because exporters reverse the [axes, 2] table of pads with one.
function slice(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const data = context.dims(0);
  const layout = layoutOf(context);
  const given = (index: number): boolean => (context.node.inputs[index] ?? "") !== "";
  const starts = numbersOnly(context.dims(1));
  const ends = numbersOnly(context.dims(2));
  const axes = given(3) ? numbersOnly(context.dims(3)) : starts?.map((_, i) => i);
  const steps = given(4) ? numbersOnly(context.dims(4)) : starts?.map(() => 1);
  if (
    data === undefined ||
    layout === undefined ||
    starts === undefined ||
    ends === undefined ||
    axes === undefined ||
    steps?.includes(0) !== false
  ) {
    return [undefined];
  }
  const { shape, strides } = layout;
  let offset = 0;
  axes.forEach((given, i) => {
    const axis = given < 0 ? given + shape.length : given;
    const step = steps[i] as number;
    const range = sliceRange(shape[axis] as number, { start: starts[i] as number, end: ends[i] as number, step });
    offset += range.start * (strides[axis] as number);
    shape[axis] = range.count;
    strides[axis] = (strides[axis] as number) * step;
  });
  return [walked(data, shape, { strides, offset })];
}

function transpose(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const data = context.dims(0);
  const layout = layoutOf(context);
  if (data === undefined || layout === undefined) return [undefined];
  const perm = permutation(context.node, layout.shape.length);
  const shape = perm.map((axis) => layout.shape[axis] as number);
  return [walked(data, shape, { strides: perm.map((axis) => layout.strides[axis] as number), offset: 0 })];
}

function split(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const data = context.dims(0);
  if (data === undefined || rankOf(context, 0) !== 1) return [undefined];
  const count = context.node.outputs.length;
  const even = Math.ceil(data.length / count);
  const parts = (context.node.inputs[1] ?? "") === "" ? new Array<number>(count).fill(even) : numbersOnly(context.dims(1));
  if (parts === undefined) return [undefined];
  let at = 0;
  return parts.map((size) => {
    at += size;
    return data.slice(at - size, at);
  });
}

function concat(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const out: Dim[] = [];
  for (let i = 0; i < context.node.inputs.length; i++) {
    const part = context.dims(i);
    if (part === undefined || rankOf(context, i) !== 1) return [undefined];
    out.push(...part);
  }
  return [out];
}

function constantOfShape(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const shape = context.dims(0);
  const fill = fillValue(context.node);
  if (!isStatic(shape) || !isInteger(fill.dtype)) return [undefined];
  const count = dimProduct(shape) as number;
  if (!(count >= 0 && count <= MAX_VALUE_ELEMENTS)) return [undefined];
  return [new Array<Dim>(count).fill(toNumbers(fill)[0] as number)];
}

function range(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const [start, limit, delta] = [0, 1, 2].map((i) => context.dims(i)?.[0]);
  if (typeof start !== "number" || typeof limit !== "number" || typeof delta !== "number" || delta === 0) return [undefined];
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  return [length > MAX_VALUE_ELEMENTS ? undefined : Array.from({ length }, (_, i) => start + i * delta)];
}

function where(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const lists = [context.dims(0), context.dims(1), context.dims(2)];
  if (lists.some((list) => list === undefined) || [0, 1, 2].some((i) => (rankOf(context, i) ?? 2) > 1)) return [undefined];
  const [c, a, b] = lists as [readonly Dim[], readonly Dim[], readonly Dim[]];
  const length = Math.max(c.length, a.length, b.length);
  const pick = (list: readonly Dim[], i: number): Dim => list[list.length === 1 ? 0 : i] ?? UNKNOWN_DIM;
  return [
    Array.from({ length }, (_, i) => {
      const test = pick(c, i);
      if (typeof test === "number") return test !== 0 ? pick(a, i) : pick(b, i);
      return sameDim(pick(a, i), pick(b, i)) ? pick(a, i) : UNKNOWN_DIM;
    }),
  ];
}

function reduceAll(combine: (a: Dim, b: Dim) => Dim, start: Dim): ValueRule {
  return (context) => {
    const data = context.dims(0);
    const idle = attrInt(context.node, "noop_with_empty_axes", 0) !== 0;
    return [data === undefined || idle || (rankOf(context, 0) ?? 2) > 1 ? undefined : [data.reduce(combine, start)]];
  };
}

function expand(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const data = context.dims(0);
  const target = numbersOnly(context.dims(1));
  if (data === undefined || target?.length !== 1 || (rankOf(context, 0) ?? 2) > 1) return [undefined];
  if (data.length !== 1) return [data];
  const length = Math.max(1, target[0] as number);
  return [length > MAX_VALUE_ELEMENTS ? undefined : new Array<Dim>(length).fill(data[0] as Dim)];
}

function scatterNd(context: InferContext): readonly (readonly Dim[] | undefined)[] {
  const data = context.dims(0);
  const places = numbersOnly(context.dims(1));
  const updates = context.dims(2);
  if (
    data === undefined ||
    places === undefined ||
    updates === undefined ||
    rankOf(context, 0) !== 1 ||
    context.node.attributes.has("reduction")
  )
    return [undefined];
  const out = [...data];
  places.forEach((place, i) => {
    const at = place < 0 ? place + out.length : place;
    if (at < out.length) out[at] = updates[i] ?? UNKNOWN_DIM;
  });
  return [out];
}

/**
 * How elements of small integer tensors travel through the operators that exporters build shapes from. Operators that are not listed end the
 * chain.
 */
export const SHAPE_VALUES: ReadonlyMap<string, ValueRule> = new Map<string, ValueRule>([
  ["Add", pairRule(dimAdd)],
  ["And", pairRule((a, b) => (a === 0 || b === 0 ? 0 : a === 1 && b === 1 ? 1 : UNKNOWN_DIM))],
  ["Cast", cast],
  ["Ceil", passThrough],
  ["Concat", concat],
  ["ConstantOfShape", constantOfShape],
  ["Div", divide],
  ["Equal", compare((a, b) => a === b, true)],
  ["Expand", expand],
  ["Flatten", passThrough],
  ["Floor", passThrough],
  ["Gather", gather],
  ["Greater", compare((a, b) => a > b, false)],
  ["GreaterOrEqual", compare((a, b) => a >= b, true)],
  ["Identity", passThrough],
  ["Less", compare((a, b) => a < b, false)],
  ["LessOrEqual", compare((a, b) => a <= b, true)],
  [
    "Max",
    (c) =>
      c.node.inputs.length === 2
        ? paired(c, (a, b) => (typeof a === "number" && typeof b === "number" ? Math.max(a, b) : sameDim(a, b) ? a : UNKNOWN_DIM))
        : [undefined],
  ],
  [
    "Min",
    (c) =>
      c.node.inputs.length === 2
        ? paired(c, (a, b) => (typeof a === "number" && typeof b === "number" ? Math.min(a, b) : sameDim(a, b) ? a : UNKNOWN_DIM))
        : [undefined],
  ],
  ["Mul", pairRule(dimMul)],
  ["Neg", (c) => [c.dims(0)?.map(negated)]],
  ["Not", (c) => [c.dims(0)?.map((dim) => (typeof dim === "number" ? 1 - dim : UNKNOWN_DIM))]],
  ["Or", pairRule((a, b) => (a === 1 || b === 1 ? 1 : a === 0 && b === 0 ? 0 : UNKNOWN_DIM))],
  ["Range", range],
  ["ReduceProd", reduceAll(dimMul, 1)],
  ["ReduceSum", reduceAll(dimAdd, 0)],
  ["Reshape", passThrough],
  ["ScatterND", scatterNd],
  [
    "Shape",
    (c) => {
      const shape = c.inputs[0]?.shape;
      return [shape?.slice(...shapeRange(c.node, shape.length))];
    },
  ],
  ["Size", (c) => [c.inputs[0]?.shape && [dimProduct(c.inputs[0].shape)]]],
  ["Slice", slice],
  ["Split", split],
  ["Squeeze", passThrough],
  ["Sub", pairRule(subtract)],
  ["Transpose", transpose],
  ["Unsqueeze", passThrough],
  ["Where", where],
]);
