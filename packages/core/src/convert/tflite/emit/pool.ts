import { PADDINGS } from "../../../formats/tflite/enums.ts";
import { attrInt, attrInts } from "../../../graph/node.ts";
import { f32, fromNumbers } from "../../../graph/tensor.ts";
import { readWindow, type Window } from "../../../ops/spatial.ts";
import { positionsOf } from "../layout/order.ts";
import { channelsLastOnly, sameOrderOnFirst } from "../layout/rule.ts";
import type { TensorRef } from "./builder.ts";
import { padSpatial } from "./pad-operator.ts";
import { coveredCells, type Padding, resolvePadding } from "./padding.ts";
import type { Emission, EmitContext, IntegerRule } from "./row.ts";

/** Pools do not rescale. */
const SAME_GRID: IntegerRule = { data: [0], same: true };

/** Lowest finite float32: a cell that never is the largest. */
const LOWEST = -3.4028234663852886e38;

function poolWindow(context: EmitContext): {
  readonly window: Window;
  readonly padding: Padding;
  readonly sizes: readonly number[];
} {
  const { node } = context;
  const shape = context.shape(node.inputs[0] as string);
  if (shape.length !== 4)
    throw context.refuse(`a pool over ${shape.length - 2} axes has no operator`, "reshape to two spatial axes, one of them 1");
  const window = readWindow(node, attrInts(node, "kernel_shape") ?? []);
  if (window.dilations.some((d) => d !== 1))
    throw context.refuse("TFLite pools have no dilations", "use a pool without dilations, or a strided slice before it");
  const sizes = shape.slice(2);
  return { window, padding: resolvePadding(window, sizes), sizes };
}

function appendPool(
  context: EmitContext,
  op: "MAX_POOL_2D" | "AVERAGE_POOL_2D",
  way: {
    readonly window: Window;
    readonly code: number;
    readonly x: TensorRef;
    readonly y: TensorRef;
    readonly activation: number;
  },
): void {
  const [filterHeight, filterWidth] = way.window.kernel as readonly [number, number];
  const [strideH, strideW] = way.window.strides as readonly [number, number];
  context.operator(op, {
    inputs: [way.x],
    outputs: [way.y],
    options: {
      kind: "Pool2DOptions",
      padding: way.code,
      ...{ strideH, strideW, filterHeight, filterWidth },
      fusedActivationFunction: way.activation,
    },
  });
}

function emitMaxPool(context: EmitContext): void {
  const { node } = context;
  if (node.outputs[1]) throw context.refuse("MAX_POOL_2D does not give indices", "compute without the Indices output");
  const { window, padding } = poolWindow(context);
  let x = context.input(0);
  if (padding.pad !== undefined) x = padWithLowest(context, x, padding.pad);
  appendPool(context, "MAX_POOL_2D", { window, code: padding.code, x, y: context.output(0), activation: context.activation });
}

/** Pads the spatial axes with what no window chooses: the least integer or the lowest float. */
function padWithLowest(context: EmitContext, x: TensorRef, cells: readonly (readonly [number, number])[]): TensorRef {
  const pairs = [[0, 0], ...cells, [0, 0]] as const;
  const shape = x.shape.map((size, i) => size + (pairs[i]?.[0] ?? 0) + (pairs[i]?.[1] ?? 0));
  const padded = context.temporary(`${x.name}_padded`, { shape, like: x });
  const least = x.dtype === "int8" ? -128 : x.dtype === "int16" ? -32768 : x.dtype === "uint8" ? 0 : LOWEST;
  const value = context.constantTensor(`${x.name}_lowest`, fromNumbers(x.dtype, [1], [least]), x.encoding);
  context.operator("PADV2", {
    inputs: [x, context.pairs(`${padded.name}_cells`, pairs), value],
    outputs: [padded],
    options: { kind: "PadV2Options" },
  });
  context.note("padding", `cells ${cells.map(([a, b]) => `${a}+${b}`).join(", ")} that neither SAME nor VALID says`);
  return padded;
}

/**
 * TFLite divides by the number of cells inside the (already padded) input. Where ONNX counts otherwise at the border, a constant that holds the ratio by
 * position corrects it.
 */
function emitAveragePool(context: EmitContext): void {
  const { node } = context;
  const { window, padding: shortest, sizes } = poolWindow(context);
  const counted = attrInt(node, "count_include_pad", 0) !== 0;
  const wanted = divisors(window, sizes, { positions: shortest.positions, padded: counted });
  const full = window.kernel.reduce<number>((n, k) => n * (k as number), 1);
  const own = (padding: Padding): number[] =>
    padding.code === PADDINGS.SAME
      ? divisors(window, sizes, { positions: padding.positions, padded: false })
      : wanted.map(() => full);
  const agrees = (padding: Padding): boolean => own(padding).every((count, i) => count === wanted[i]);
  const padding = [shortest, resolvePadding(window, sizes, { explicit: true })].find(agrees) ?? shortest;
  let x = context.input(0);
  if (padding.pad !== undefined) x = padSpatial(context, x, padding.pad);
  if (agrees(padding)) {
    appendPool(context, "AVERAGE_POOL_2D", {
      window,
      code: padding.code,
      x,
      y: context.output(0),
      activation: context.activation,
    });
    return;
  }
  if (context.integer)
    throw context.refuse(
      "its border windows are divided by another count than AVERAGE_POOL_2D has, which integers cannot correct in place",
      "keep this node in float (--keep-float), or train with padding that is counted as TFLite does",
    );
  const y = context.output(0);
  const raw = context.temporary(`${y.name}_raw`, { shape: y.shape, like: y });
  appendPool(context, "AVERAGE_POOL_2D", { window, code: padding.code, x, y: raw, activation: 0 });
  const [h = 1, w = 1] = padding.positions;
  const ratio = f32(
    [1, h, w, 1],
    own(padding).map((count, i) => count / (wanted[i] as number)),
  );
  context.operator("MUL", {
    inputs: [raw, context.constantTensor(`${y.name}_ratio`, ratio)],
    outputs: [y],
    options: { kind: "MulOptions", fusedActivationFunction: context.activation },
  });
  context.note(
    "decomposed",
    "windows at the border are divided by another count: corrected by a constant factor for each position",
  );
}

/** What each position divides by, row by row. */
function divisors(
  window: Window,
  sizes: readonly number[],
  way: { readonly positions: readonly number[]; readonly padded: boolean },
): number[] {
  const counts = way.positions.map((n, axis) =>
    Array.from({ length: n }, (_, position) => coveredCells(window, sizes, { axis, position, padded: way.padded })),
  );
  const [rows = [], columns = []] = counts;
  return rows.flatMap((r) => columns.map((c) => r * c));
}

function globalPool(op: "MEAN" | "REDUCE_MAX", integer: IntegerRule): Emission {
  return {
    layout: sameOrderOnFirst(),
    integer,
    emit: (context) => {
      const positions = positionsOf(context.inputOrder(0))
        .slice(2)
        .sort((a, b) => a - b);
      const x = context.input(0);
      const y = context.output(0);
      context.operator(op, {
        inputs: [x, context.ints(`${y.name}_axes`, positions)],
        outputs: [y],
        options: { kind: "ReducerOptions", keepDims: true },
      });
    },
  };
}

/** An encoding that rescaling kernels take. */
const FREE: IntegerRule = { data: [0] };

/** Pools. */
export const POOL = {
  MaxPool: { layout: channelsLastOnly(), integer: SAME_GRID, emit: emitMaxPool },
  AveragePool: { layout: channelsLastOnly(), integer: SAME_GRID, emit: emitAveragePool },
  GlobalAveragePool: globalPool("MEAN", FREE),
  GlobalMaxPool: globalPool("REDUCE_MAX", SAME_GRID),
} as const satisfies Record<string, Emission>;
