import { type Dim, dimMul, UNKNOWN_DIM } from "../graph/dim.ts";
import type { Node } from "../graph/model.ts";
import { attrInts, attrString } from "../graph/node.ts";
import { toNumbers } from "../graph/tensor.ts";
import { checkRank, mergeDim, shapeError } from "./nn-rules.ts";
import type { InferContext, OpRow } from "./row.ts";
import { normalAxes, opsPerOutput, params, typeOf, unknownShape } from "./signature.ts";

/** What Resize does along each axis: the size that comes out and the scale in the coordinate formulas (1 on axes that are left alone). */
export interface ResizePlan {
  readonly sizes: readonly number[];
  readonly scales: readonly number[];
  /** The axes that `scales`, `sizes` and `roi` speak of, from the front. */
  readonly axes: readonly number[];
}

/**
 * Sizes and scales of a Resize node. Scales are float32 and so is the product with the size that is rounded down, as runtimes do it: 10 * 0.7 gives 7,
 * not 6. `keep_aspect_ratio_policy` applies to `sizes` only. @throws ATTRIBUTE_INVALID, SHAPE_MISMATCH
 */
export function planResize(
  node: Node,
  input: readonly number[],
  options: {
    /** By axis, as the node's inputs give them; `sizes` go first. */
    readonly scales: readonly number[] | undefined;
    readonly sizes: readonly number[] | undefined;
    readonly error: (why: string) => Error;
  },
): ResizePlan {
  const { error } = options;
  const axes = normalAxes(attrInts(node, "axes") ?? input.map((_, i) => i), input.length, node);
  const sizes = [...input];
  const scales = input.map(() => 1);
  const list = options.sizes ?? options.scales;
  if (list === undefined) throw error("neither scales nor sizes are given");
  if (list.length !== axes.length)
    throw error(`${list.length} ${options.sizes ? "sizes" : "scales"} are given for ${axes.length} axes`);
  if (options.sizes === undefined) {
    axes.forEach((axis, i) => {
      const scale = Math.fround(list[i] as number);
      scales[axis] = scale;
      sizes[axis] = Math.floor(Math.fround((input[axis] as number) * scale));
    });
    return { sizes, scales, axes };
  }
  const policy = attrString(node, "keep_aspect_ratio_policy", "stretch");
  const ratios = axes.map((axis, i) => Math.fround((list[i] as number) / (input[axis] as number)));
  const shared = policy === "stretch" ? undefined : policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  axes.forEach((axis, i) => {
    const size = input[axis] as number;
    scales[axis] = shared ?? (ratios[i] as number);
    sizes[axis] = shared === undefined ? (list[i] as number) : Math.floor(Math.fround(shared * size) + 0.5);
  });
  return { sizes, scales, axes };
}

function inferResize(context: InferContext): ReturnType<OpRow["infer"]> {
  const { node, inputs } = context;
  const x = inputs[0];
  if (x?.shape === undefined) return [x];
  const { shape } = x;
  const scaleTensor = context.constant(2);
  const scales = scaleTensor === undefined || scaleTensor.shape[0] === 0 ? undefined : Array.from(toNumbers(scaleTensor));
  const sizes = (node.inputs[3] ?? "") === "" ? undefined : context.dims(3);
  const axes = normalAxes(attrInts(node, "axes") ?? shape.map((_, i) => i), shape.length, node);
  const given = sizes ?? scales;
  if (given === undefined)
    return [
      typeOf(
        x.dtype,
        shape.map((size, i) => (axes.includes(i) ? UNKNOWN_DIM : size)),
      ),
    ];
  if (given.length !== axes.length)
    throw shapeError(context, `${given.length} scales or sizes are given for ${axes.length} axes`);
  const out: Dim[] = [...shape];
  const known = axes.every((axis) => typeof shape[axis] === "number");
  if (sizes !== undefined) {
    if (attrString(node, "keep_aspect_ratio_policy", "stretch") === "stretch") {
      axes.forEach((axis, i) => {
        out[axis] = sizes[i] as Dim;
      });
      return [typeOf(x.dtype, out)];
    }
    if (!known || sizes.some((size) => typeof size !== "number")) {
      return [
        typeOf(
          x.dtype,
          shape.map((size, i) => (axes.includes(i) ? UNKNOWN_DIM : size)),
        ),
      ];
    }
  }
  const plan = planResize(
    node,
    shape.map((size) => (typeof size === "number" ? size : 1)),
    { scales, sizes: sizes as readonly number[] | undefined, error: (why) => shapeError(context, why) },
  );
  for (const axis of axes) {
    const size = shape[axis] as Dim;
    const scale = plan.scales[axis] as number;
    // A whole scale of a symbolic size stays an expression.
    out[axis] =
      typeof size === "number" ? (plan.sizes[axis] as number) : Number.isInteger(scale) ? dimMul(scale, size) : UNKNOWN_DIM;
  }
  return [typeOf(x.dtype, out)];
}

/** Sampling pictures at other places. */
export const RESIZE = {
  AffineGrid: {
    since: 20,
    inputs: params("theta", "size"),
    outputs: params("grid"),
    attributes: { align_corners: { kind: "int", fallback: 0 } },
    infer: (context) => {
      const size = context.dims(1);
      const rank = context.inputs[0]?.shape?.[1];
      const dtype = context.inputs[0]?.dtype;
      if (size === undefined) return [typeOf(dtype, typeof rank === "number" ? unknownShape(rank + 2) : undefined)];
      return [typeOf(dtype, [size[0] ?? UNKNOWN_DIM, ...size.slice(2), size.length - 2])];
    },
    cost: opsPerOutput(6),
  },
  GridSample: {
    since: 20,
    inputs: params("X", "grid"),
    outputs: params("Y"),
    attributes: {
      align_corners: { kind: "int", fallback: 0 },
      mode: { kind: "string", fallback: "linear", oneOf: ["linear", "nearest", "cubic"] },
      padding_mode: { kind: "string", fallback: "zeros", oneOf: ["zeros", "border", "reflection"] },
    },
    infer: (context) => {
      checkRank(context, 0, { least: 3 });
      const x = context.inputs[0]?.shape;
      const grid = context.inputs[1]?.shape;
      const rank = x?.length ?? grid?.length;
      if (x !== undefined && grid !== undefined) {
        if (x.length !== grid.length) throw shapeError(context, `X [${x}] and grid [${grid}] differ in rank`);
        mergeDim(context, [grid[grid.length - 1], x.length - 2], "the number of coordinates");
      }
      const shape =
        rank === undefined
          ? undefined
          : [x?.[0] ?? UNKNOWN_DIM, x?.[1] ?? UNKNOWN_DIM, ...(grid?.slice(1, -1) ?? unknownShape(rank - 2))];
      return [typeOf(context.inputs[0]?.dtype, shape)];
    },
    cost: opsPerOutput(12),
  },
  Resize: {
    since: 19,
    inputs: params("X", "roi?", "scales?", "sizes?"),
    outputs: params("Y"),
    attributes: {
      antialias: { kind: "int", fallback: 0 },
      axes: { kind: "ints" },
      coordinate_transformation_mode: {
        kind: "string",
        fallback: "half_pixel",
        oneOf: ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"],
      },
      cubic_coeff_a: { kind: "float", fallback: -0.75 },
      exclude_outside: { kind: "int", fallback: 0 },
      extrapolation_value: { kind: "float", fallback: 0 },
      keep_aspect_ratio_policy: { kind: "string", fallback: "stretch", oneOf: ["stretch", "not_larger", "not_smaller"] },
      mode: { kind: "string", fallback: "nearest", oneOf: ["nearest", "linear", "cubic"] },
      nearest_mode: {
        kind: "string",
        fallback: "round_prefer_floor",
        oneOf: ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
      },
    },
    infer: inferResize,
    cost: opsPerOutput(8),
  },
} as const satisfies Record<string, OpRow>;
