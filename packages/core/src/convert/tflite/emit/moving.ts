import { attrInt } from "../../../graph/node.ts";
import { countOf, fromNumbers, toInts, toNumbers } from "../../../graph/tensor.ts";
import { inOrder, type Order, positionsOf } from "../layout/order.ts";
import { canonicalOnly, channelsLastOnly, type LayoutRule, type Site, sameOrderOnAll, sameOrderOnFirst } from "../layout/rule.ts";
import type { TensorRef } from "./builder.ts";
import { constantInts, frontAxis } from "./constant-input.ts";
import { losingAxes } from "./reduce.ts";
import { appendReshape } from "./reshape-operator.ts";
import type { Emission, EmitContext, IntegerRule } from "./row.ts";

/** Integers pass through unchanged. */
const THROUGH: IntegerRule = { data: [0], same: true };

/** One axis of a Slice: first index, step, and how many. */
interface Cut {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

/** Where a Slice starts and how far it goes, by canonical axis, with the clamping of the specification. */
function cutsOf(context: EmitContext): Cut[] {
  const shape = context.shape(context.node.inputs[0] as string);
  const starts = constantInts(context, 1, "starts") ?? [];
  const ends = constantInts(context, 2, "ends") ?? [];
  const axes = constantInts(context, 3, "axes") ?? starts.map((_, i) => i);
  const steps = constantInts(context, 4, "steps") ?? starts.map(() => 1);
  const cuts = shape.map((size): Cut => ({ start: 0, step: 1, count: size }));
  axes.forEach((given, i) => {
    const axis = frontAxis(given, shape.length);
    const size = shape[axis] as number;
    const step = steps[i] as number;
    const clamp = (v: number, low: number, high: number): number => Math.min(high, Math.max(low, v < 0 ? v + size : v));
    const start = step > 0 ? clamp(starts[i] as number, 0, size) : clamp(starts[i] as number, 0, size - 1);
    const end = step > 0 ? clamp(ends[i] as number, 0, size) : clamp(ends[i] as number, -1, size - 1);
    cuts[axis] = { start, step, count: Math.max(0, Math.ceil((end - start) / step)) };
  });
  return cuts;
}

function emitSlice(context: EmitContext): void {
  const cuts = inOrder(cutsOf(context), context.inputOrder(0));
  if (cuts.some((c) => c.count === 0))
    throw context.refuse("nothing is left of it", "take the Slice and what reads it out of the model");
  if (cuts.length > 5)
    throw context.refuse(`it has ${cuts.length} axes, and TFLite slices at most 5`, "merge axes with a Reshape before it");
  const x = context.input(0);
  const y = context.output(0);
  const list = (what: string, of: (c: Cut) => number): TensorRef => context.ints(`${y.name}_${what}`, cuts.map(of));
  if (cuts.every((c) => c.step === 1)) {
    context.operator("SLICE", {
      inputs: [x, list("begin", (c) => c.start), list("size", (c) => c.count)],
      outputs: [y],
      options: { kind: "SliceOptions" },
    });
    return;
  }
  // An end before the first index cannot be written: -1 would be the last one. The mask says "to the end".
  const end = (c: Cut): number => c.start + c.count * c.step;
  const endMask = cuts.reduce((mask, c, i) => (end(c) < 0 ? mask | (1 << i) : mask), 0);
  context.operator("STRIDED_SLICE", {
    inputs: [x, list("begin", (c) => c.start), list("end", (c) => Math.max(0, end(c))), list("strides", (c) => c.step)],
    outputs: [y],
    options: { kind: "StridedSliceOptions", endMask },
  });
}

function gatherAxis(site: Site): number {
  return frontAxis(attrInt(site.node, "axis", 0), site.shape(site.node.inputs[0] as string).length);
}

/** With one index for each element of a list the axes stay, with a single one its axis goes; more change the rank. */
const GATHER_LAYOUT: LayoutRule = (site) => {
  const rank = site.shape(site.node.inputs[1] as string).length;
  if (rank > 1) return canonicalOnly([0])(site);
  return losingAxes(() => new Set(rank === 1 ? [] : [gatherAxis(site)]))(site);
};

/** Indices as TFLite counts them: from the front. */
function indices(context: EmitContext, size: number): TensorRef {
  const name = context.node.inputs[1] as string;
  const constant = context.constant(name);
  if (constant === undefined)
    return context.input(
      1,
      context.shape(name).map((_, i) => i),
    );
  const values = toInts(constant).map((i) => frontAxis(i, size));
  return context.constantTensor(name, fromNumbers("int32", constant.shape, values));
}

function emitGather(context: EmitContext): void {
  const axis = gatherAxis(context);
  const size = context.shape(context.node.inputs[0] as string)[axis] as number;
  const position = positionsOf(context.inputOrder(0))[axis] as number;
  context.operator("GATHER", {
    inputs: [context.input(0), indices(context, size)],
    outputs: [context.output(0)],
    options: { kind: "GatherOptions", axis: position },
  });
}

function emitGatherNd(context: EmitContext): void {
  if (attrInt(context.node, "batch_dims", 0) !== 0)
    throw context.refuse("GATHER_ND has no batch axes", "put the batch into the indices");
  const name = context.node.inputs[1] as string;
  const constant = context.constant(name);
  const shape = context.shape(context.node.inputs[0] as string);
  const depth = context.shape(name).at(-1) as number;
  const list =
    constant === undefined
      ? context.input(
          1,
          context.shape(name).map((_, i) => i),
        )
      : context.constantTensor(
          name,
          fromNumbers(
            "int32",
            constant.shape,
            toInts(constant).map((v, i) => frontAxis(v, shape[i % depth] as number)),
          ),
        );
  context.operator("GATHER_ND", {
    inputs: [context.input(0), list],
    outputs: [context.output(0)],
    options: { kind: "GatherNdOptions" },
  });
}

function emitSplit(context: EmitContext): void {
  const { node } = context;
  const rank = context.shape(node.inputs[0] as string).length;
  const axis = frontAxis(attrInt(node, "axis", 0), rank);
  constantInts(context, 1, "sizes");
  const position = positionsOf(context.inputOrder(0))[axis] as number;
  const x = context.input(0);
  const sizes = splitSizes(context, axis);
  const outputs = sizes.map((size, i) => {
    if (node.outputs[i]) return context.output(i);
    return context.temporary(`${x.name}_rest`, { shape: x.shape.map((s, k) => (k === position ? size : s)), like: x });
  });
  const axisTensor = context.ints(`${x.name}_axis`, position);
  const numSplits = sizes.length;
  if (sizes.every((size) => size === sizes[0])) {
    context.operator("SPLIT", { inputs: [axisTensor, x], outputs, options: { kind: "SplitOptions", numSplits } });
    return;
  }
  const inputs = [x, context.ints(`${x.name}_sizes`, sizes), axisTensor];
  context.operator("SPLIT_V", { inputs, outputs, options: { kind: "SplitVOptions", numSplits } });
}

/** Sizes of the parts: given, or as equal as they can be, the last one smaller. */
function splitSizes(context: EmitContext, axis: number): number[] {
  const { node } = context;
  const given = constantInts(context, 1, "sizes");
  if (given !== undefined) return given;
  const size = context.shape(node.inputs[0] as string)[axis] as number;
  const count = attrInt(node, "num_outputs", node.outputs.length);
  const each = Math.ceil(size / count);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(each, size - i * each)));
}

function emitTile(context: EmitContext): void {
  const repeats = constantInts(context, 1, "repeats") ?? [];
  const y = context.output(0);
  context.operator("TILE", {
    inputs: [context.input(0), context.ints(`${y.name}_repeats`, inOrder(repeats, context.inputOrder(0)))],
    outputs: [y],
    options: { kind: "TileOptions" },
  });
}

/** Whether the input of an Expand has all axes of the result. */
function keepsRank(site: Site): boolean {
  return site.shape(site.node.inputs[0] as string).length === site.shape(site.node.outputs[0] as string).length;
}

function emitExpand(context: EmitContext): void {
  const x = context.input(0);
  const y = context.output(0);
  if (countOf(x.shape) === countOf(y.shape)) {
    appendReshape(context, x, y);
    return;
  }
  context.operator("BROADCAST_TO", {
    inputs: [x, context.ints(`${y.name}_shape`, y.shape)],
    outputs: [y],
    options: { kind: "BroadcastToOptions" },
  });
}

function emitReverseSequence(context: EmitContext): void {
  const { node } = context;
  const positions = positionsOf(context.inputOrder(0));
  const at = (name: string, fallback: number): number => positions[attrInt(node, name, fallback)] as number;
  context.operator("REVERSE_SEQUENCE", {
    inputs: [context.input(0), context.input(1, [0])],
    outputs: [context.output(0)],
    options: { kind: "ReverseSequenceOptions", seqDim: at("time_axis", 0), batchDim: at("batch_axis", 1) },
  });
}

function emitCumSum(context: EmitContext): void {
  const { node } = context;
  const [axis = 0] = constantInts(context, 1, "axis") ?? [];
  const position = positionsOf(context.inputOrder(0))[frontAxis(axis, context.inputOrder(0).length)] as number;
  const y = context.output(0);
  const [exclusive, reverse] = [attrInt(node, "exclusive", 0) !== 0, attrInt(node, "reverse", 0) !== 0];
  context.operator("CUMSUM", {
    inputs: [context.input(0), context.ints(`${y.name}_axis`, position)],
    outputs: [y],
    options: { kind: "CumsumOptions", exclusive, reverse },
  });
}

/** The axis that is searched comes last. */
const TOPK_LAYOUT: LayoutRule = (site) => {
  const rank = site.shape(site.node.inputs[0] as string).length;
  const axis = frontAxis(attrInt(site.node, "axis", -1), rank);
  const natural = (): Order => [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
  return sameOrderOnAll({ data: [0], valid: (_site, order) => order.at(-1) === axis, natural })(site);
};

function emitTopK(context: EmitContext): void {
  const { node } = context;
  if (attrInt(node, "largest", 1) === 0)
    throw context.refuse("TOPK_V2 takes the largest only", "negate the input, and the values that come out");
  const [k = 1] = constantInts(context, 1, "count") ?? [];
  const x = context.input(0);
  const shape = [...x.shape.slice(0, -1), k];
  const values = node.outputs[0] ? context.output(0) : context.temporary(`${x.name}_top`, { shape, like: x });
  const found = context.temporary(`${x.name}_index`, { shape, like: values, dtype: "int32" });
  context.operator("TOPK_V2", {
    inputs: [x, context.ints(`${x.name}_k`, k)],
    outputs: [values, found],
    options: { kind: "TopKV2Options" },
  });
  if (node.outputs[1])
    context.operator("CAST", {
      inputs: [found],
      outputs: [context.output(1)],
      options: { kind: "CastOptions", inDataType: 2, outDataType: 4 },
    });
}

function emitOneHot(context: EmitContext): void {
  const { node } = context;
  const [depth = 1] = constantInts(context, 1, "depth") ?? [];
  const values = context.constant(node.inputs[2] as string);
  if (values === undefined) throw context.refuse("its values are computed", "make the two values constants");
  const rank = context.shape(node.inputs[0] as string).length + 1;
  const axis = frontAxis(attrInt(node, "axis", -1), rank);
  const [off, on] = toNumbers(values) as unknown as [number, number];
  const y = context.output(0);
  const scalar = (what: string, v: number): TensorRef =>
    context.constantTensor(`${y.name}_${what}`, fromNumbers(values.dtype, [], [v]));
  context.operator("ONE_HOT", {
    inputs: [context.input(0), context.ints(`${y.name}_depth`, depth), scalar("on", on), scalar("off", off)],
    outputs: [y],
    options: { kind: "OneHotOptions", axis: axis === rank - 1 ? -1 : axis },
  });
}

/** Operators that pick, repeat and turn elements. */
export const MOVING = {
  Slice: { layout: sameOrderOnFirst(), integer: THROUGH, emit: emitSlice },
  Gather: { layout: GATHER_LAYOUT, integer: THROUGH, emit: emitGather },
  GatherND: { layout: canonicalOnly([0]), integer: THROUGH, emit: emitGatherNd },
  Split: { layout: sameOrderOnFirst(), integer: THROUGH, emit: emitSplit },
  Tile: { layout: sameOrderOnFirst(), integer: THROUGH, emit: emitTile },
  Expand: {
    layout: (site) => (keepsRank(site) ? sameOrderOnFirst()(site) : canonicalOnly([0])(site)),
    integer: THROUGH,
    emit: emitExpand,
  },
  ReverseSequence: { layout: sameOrderOnFirst(), emit: emitReverseSequence },
  CumSum: { layout: sameOrderOnFirst(), emit: emitCumSum },
  TopK: { layout: TOPK_LAYOUT, integer: THROUGH, emit: emitTopK },
  OneHot: { layout: canonicalOnly([0]), emit: emitOneHot },
  DepthToSpace: {
    layout: channelsLastOnly(),
    integer: THROUGH,
    emit: (context) => {
      const options = { kind: "DepthToSpaceOptions", blockSize: attrInt(context.node, "blocksize") } as const;
      context.operator("DEPTH_TO_SPACE", { inputs: [context.input(0)], outputs: [context.output(0)], options });
    },
  },
  SpaceToDepth: {
    layout: channelsLastOnly(),
    integer: THROUGH,
    emit: (context) => {
      const options = { kind: "SpaceToDepthOptions", blockSize: attrInt(context.node, "blocksize") } as const;
      context.operator("SPACE_TO_DEPTH", { inputs: [context.input(0)], outputs: [context.output(0)], options });
    },
  },
} as const satisfies Record<string, Emission>;
