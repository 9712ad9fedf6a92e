import { type Dim, type Shape, sameDim, sameShape, UNKNOWN_DIM } from "../graph/dim.ts";
import type { TensorType, ValueType } from "../graph/model.ts";
import { attrInt, attrInts } from "../graph/node.ts";
import { toInts } from "../graph/tensor.ts";
import { shapeError } from "./nn-rules.ts";
import type { InferContext, OpRow } from "./row.ts";
import { noCost, params, typeOf } from "./signature.ts";

function asTensor(type: ValueType | undefined): TensorType | undefined {
  return type?.kind === "tensor" ? type : undefined;
}

/** What holds of a value that has one of two types. */
function meet(a: TensorType | undefined, b: TensorType | undefined): TensorType | undefined {
  if (a === undefined || b === undefined || a.dtype !== b.dtype) return undefined;
  let shape: Shape | undefined;
  if (a.shape !== undefined && b.shape !== undefined && a.shape.length === b.shape.length) {
    shape = a.shape.map((size, i) => (sameDim(size, b.shape?.[i] as Dim) ? size : UNKNOWN_DIM));
  }
  return typeOf(a.dtype, shape);
}

/**
 * Types of a body whose first `carried` inputs (after `before`) come back as outputs: weakened until they hold for every round. `before` and `after` are
 * the types of the other body inputs; `skip` outputs stand in front of the carried ones.
 */
function stableBody(
  context: InferContext,
  initial: readonly (TensorType | undefined)[],
  around: { readonly before: readonly TensorType[]; readonly after: readonly (TensorType | undefined)[]; readonly skip: number },
): { readonly carried: readonly (TensorType | undefined)[]; readonly rest: readonly (TensorType | undefined)[] } {
  let carried = initial;
  for (;;) {
    const outputs = context.subgraph("body", [...around.before, ...carried, ...around.after]).map(asTensor);
    const next = carried.map((type, i) => meet(type, outputs[around.skip + i]));
    // Each round only forgets, so this ends after as many rounds as there are things to forget.
    const stable = next.every(
      (type, i) =>
        type?.dtype === carried[i]?.dtype &&
        (type?.shape === carried[i]?.shape || sameOrSameUnknown(type?.shape, carried[i]?.shape)),
    );
    if (stable) return { carried, rest: outputs.slice(around.skip + carried.length) };
    carried = next;
  }
}

function sameOrSameUnknown(a: Shape | undefined, b: Shape | undefined): boolean {
  return sameShape(a, b) || (a !== undefined && b !== undefined && a.length === b.length && a.every((size, i) => size === b[i]));
}

function inferIf(context: InferContext): ReturnType<OpRow["infer"]> {
  const then = context.subgraph("then_branch", []).map(asTensor);
  const other = context.subgraph("else_branch", []).map(asTensor);
  if (then.length !== other.length) throw shapeError(context, `the branches give ${then.length} and ${other.length} values`);
  // A condition that follows from the shapes (a guarded Squeeze, say) leaves one branch.
  const condition = context.dims(0)?.[0];
  if (typeof condition === "number") return condition !== 0 ? then : other;
  return then.map((type, i) => meet(type, other[i]));
}

function inferLoop(context: InferContext): ReturnType<OpRow["infer"]> {
  const { node, inputs } = context;
  const count = node.inputs.length - 2;
  const initial = Array.from({ length: Math.max(0, count) }, (_, i) => inputs[i + 2]);
  const before = [typeOf("int64", []), typeOf("bool", [])] as TensorType[];
  const { carried, rest } = stableBody(context, initial, { before, after: [], skip: 1 });
  const limit = context.constant(0);
  const noCondition = (node.inputs[1] ?? "") === "";
  const trips: Dim = limit !== undefined && noCondition ? Math.max(0, toInts(limit)[0] ?? 0) : UNKNOWN_DIM;
  return [...carried, ...rest.map((type) => typeOf(type?.dtype, type?.shape && [trips, ...type.shape]))];
}

function inferScan(context: InferContext): ReturnType<OpRow["infer"]> {
  const { node, inputs } = context;
  const scans = attrInt(node, "num_scan_inputs");
  const states = node.inputs.length - scans;
  if (scans < 1 || states < 0) throw shapeError(context, `it scans ${scans} of ${node.inputs.length} inputs`);
  const axes = attrInts(node, "scan_input_axes") ?? [];
  let length: Dim = UNKNOWN_DIM;
  const slices = Array.from({ length: scans }, (_, i) => {
    const type = inputs[states + i];
    if (type?.shape === undefined) return type;
    const axis = axes[i] ?? 0;
    const front = axis < 0 ? axis + type.shape.length : axis;
    const size = type.shape[front] ?? UNKNOWN_DIM;
    if (typeof size === "number" && typeof length === "number" && size !== length)
      throw shapeError(context, `scan lengths ${length} and ${size} differ`);
    if (length === UNKNOWN_DIM || typeof size === "number") length = size;
    return typeOf(
      type.dtype,
      type.shape.filter((_size, k) => k !== front),
    );
  });
  const initial = Array.from({ length: states }, (_, i) => inputs[i]);
  const { carried, rest } = stableBody(context, initial, { before: [], after: slices, skip: 0 });
  const outAxes = attrInts(node, "scan_output_axes") ?? [];
  const stacked = rest.map((type, i) => {
    if (type?.shape === undefined) return type;
    const axis = outAxes[i] ?? 0;
    const shape: Dim[] = [...type.shape];
    shape.splice(axis < 0 ? axis + shape.length + 1 : axis, 0, length);
    return typeOf(type.dtype, shape);
  });
  return [...carried, ...stacked];
}

/** Operators with subgraphs. Their cost is that of the subgraphs, which the caller counts. */
export const CONTROL = {
  If: {
    since: 21,
    inputs: params("cond"),
    outputs: params("outputs*"),
    attributes: { else_branch: { kind: "graph", required: true }, then_branch: { kind: "graph", required: true } },
    infer: inferIf,
    cost: noCost,
  },
  Loop: {
    since: 21,
    inputs: params("M?", "cond?", "v_initial*"),
    outputs: params("v_final_and_scan_outputs*"),
    attributes: { body: { kind: "graph", required: true } },
    infer: inferLoop,
    cost: noCost,
  },
  Scan: {
    since: 21,
    inputs: params("initial_state_and_scan_inputs*"),
    outputs: params("final_state_and_scan_outputs*"),
    attributes: {
      body: { kind: "graph", required: true },
      num_scan_inputs: { kind: "int", required: true },
      scan_input_axes: { kind: "ints" },
      scan_input_directions: { kind: "ints" },
      scan_output_axes: { kind: "ints" },
      scan_output_directions: { kind: "ints" },
    },
    infer: inferScan,
    cost: noCost,
  },
} as const satisfies Record<string, OpRow>;
