import { GraphDraft } from "../graph/draft.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model, Node } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { f32, fromNumbers, toNumbers } from "../graph/tensor.ts";
import { type Grid, type Rounded, roundedValues } from "./compare-pairs.ts";
import type { TrialKind } from "./hints.ts";

/** What a trial is about, and what was seen there. */
export interface Trial {
  readonly kind: TrialKind;
  /** Name of the value in the reference. */
  readonly tensor: string;
  /** Its name in the changed model, where that is another and not that of its rounded form. */
  readonly named?: string;
  /** Least and greatest of the reference's values there. */
  readonly min: number;
  readonly max: number;
  /** Largest magnitude, and mean error, of each channel (axis 1). */
  readonly largest: ArrayLike<number>;
  readonly meanError: ArrayLike<number>;
}

/**
 * A quantized model (QDQ form) with one change made as if by magic, to measure what it would bring before anybody builds it: a range as wide as what was
 * seen, a grid for each channel (more than any equalisation reaches), the mean error of each channel taken off, weights or the value or the whole layer in
 * float. The reference gives the float weights.
 *
 * @returns undefined where the model has no such thing there
 */
export function trialModel(changed: Model, reference: Model, trial: Trial): Model | undefined {
  const rounded = roundedValues(changed).get(trial.named ?? trial.tensor);
  const draft = new GraphDraft(changed.graph);
  const edit: Readonly<Record<TrialKind, () => boolean>> = {
    "observed-range": () => rounded?.grid !== undefined && setGrid(draft, rounded, [widened(rounded.grid, trial)]),
    "channel-grids": () => rounded?.grid !== undefined && channelGrids(draft, rounded, rounded.grid, trial),
    "without-shift": () => rounded !== undefined && takeOff(draft, rounded, trial.meanError),
    "float-weights": () => floatWeights(draft, reference, trial.tensor, rounded),
    "float-value": () => rounded !== undefined && bypass(draft, rounded, trial),
    "float-layer": () => {
      const weights = floatWeights(draft, reference, trial.tensor, rounded);
      return (rounded !== undefined && bypass(draft, rounded, trial)) || weights;
    },
  };
  return edit[trial.kind]() ? withGraph(changed, draft.finish()) : undefined;
}

/** The grid that holds everything that was seen, zero among it. */
function widened({ low, high }: Grid, { min, max }: Pick<Trial, "min" | "max">): Pick<Grid, "scale" | "zeroPoint"> {
  const [from, to] = [Math.min(0, min), Math.max(0, max)];
  const scale = Math.fround(Math.max((to - from) / (high - low), 1e-12));
  return { scale, zeroPoint: Math.max(low, Math.min(high, Math.round(low - from / scale))) };
}

function setGrid(
  draft: GraphDraft,
  rounded: Rounded,
  grids: readonly Pick<Grid, "scale" | "zeroPoint">[],
  axis?: number,
): boolean {
  const shape = axis === undefined ? [] : [grids.length];
  const zero = draft.constant(rounded.quantize.inputs[2] ?? "");
  const dtype = zero?.dtype ?? "uint8";
  const scale = draft.addConstant(
    "trial_scale",
    f32(
      shape,
      grids.map((g) => g.scale),
    ),
  );
  const zeroPoint = draft.addConstant(
    "trial_zero_point",
    fromNumbers(
      dtype,
      shape,
      grids.map((g) => g.zeroPoint),
    ),
  );
  for (const node of [rounded.quantize, rounded.dequantize]) {
    const now = draft.current(node) as Node;
    const attributes = axis === undefined ? {} : { axis };
    const io = { inputs: [now.inputs[0] as string, scale, zeroPoint], outputs: now.outputs };
    draft.replace(now, makeNode(now.op, io, { name: now.name, attributes }));
  }
  return true;
}

function channelGrids(draft: GraphDraft, rounded: Rounded, grid: Grid, { largest }: Trial): boolean {
  const whole = Array.from(largest).reduce((a, b) => Math.max(a, b), 0);
  if (largest.length < 2 || whole === 0) return false;
  // Every channel keeps the zero point and has its scale lowered to what it needs.
  const grids = Array.from(largest, (m) => ({
    scale: Math.fround(grid.scale * Math.max(m / whole, 1e-6)),
    zeroPoint: grid.zeroPoint,
  }));
  return setGrid(draft, rounded, grids, 1);
}

/** Takes the mean error of each channel off the value before it is rounded: what correcting the bias in front does. */
function takeOff(draft: GraphDraft, rounded: Rounded, meanError: ArrayLike<number>): boolean {
  const now = draft.current(rounded.quantize) as Node;
  const source = now.inputs[0] as string;
  const type = draft.type(source) ?? draft.type(rounded.name);
  const rank = type?.kind === "tensor" ? type.shape?.length : undefined;
  if (rank === undefined || rank < 2) return false;
  const shape = [1, meanError.length, ...new Array<number>(rank - 2).fill(1)];
  const correction = draft.addConstant(
    "trial_correction",
    f32(
      shape,
      Array.from(meanError, (e) => -e),
    ),
  );
  const corrected = draft.freshName("trial_corrected");
  draft.add(makeNode("Add", { inputs: [source, correction], outputs: [corrected] }), now);
  draft.replace(now, { ...now, inputs: [corrected, ...now.inputs.slice(1)] });
  return true;
}

/** The value in float, within what was seen of it: the range of its integers may stand for a Relu or Clip that the graph has no more. */
function bypass(draft: GraphDraft, rounded: Rounded, { min, max }: Trial): boolean {
  const source = (draft.current(rounded.quantize) as Node).inputs[0] as string;
  const now = draft.current(rounded.dequantize) as Node;
  const ends = [min, max].map((end) => draft.addConstant("trial_end", f32([], [end])));
  draft.replace(now, makeNode("Clip", { inputs: [source, ...ends], outputs: now.outputs }, { name: now.name }));
  return true;
}

/** The reference's weights in place of the rounded ones in the node that makes a value. */
function floatWeights(draft: GraphDraft, reference: Model, tensor: string, rounded: Rounded | undefined): boolean {
  const own = reference.graph.nodes.find((n) => n.outputs.includes(tensor));
  // Files of other formats name nodes anew: there it is what makes the value, when that is of the same kind.
  const named = draft.nodes().find((n) => n.name === own?.name);
  const theirs = named ?? draft.producer(rounded?.quantize.inputs[0] ?? tensor);
  if (own === undefined || theirs === undefined || theirs.op !== own.op) return false;
  let changed = false;
  const inputs = theirs.inputs.map((name, i) => {
    const exact = reference.graph.constants.get(own.inputs[i] ?? "");
    const maker = draft.producer(name);
    if (exact?.dtype !== "float32" || maker?.op !== "DequantizeLinear") return name;
    const integers = draft.constant(maker.inputs[0] as string);
    if (integers === undefined || integers.shape.join() !== exact.shape.join()) return name;
    changed = true;
    return draft.addConstant("trial_weights", exact);
  });
  if (changed) draft.replace(theirs, { ...theirs, inputs });
  return changed;
}

/** How far the channels (axis 0) of a node's weights differ in range where they share one scale; undefined where they have their own. */
export function weightSpreadOf(changed: Model, node: string): number | undefined {
  const { nodes, constants } = changed.graph;
  const found = nodes.find((n) => n.name === node && (n.op === "Conv" || n.op === "Gemm" || n.op === "MatMul"));
  const maker = nodes.find((n) => n.op === "DequantizeLinear" && n.outputs[0] === found?.inputs[1]);
  const integers = constants.get(maker?.inputs[0] ?? "");
  const scale = constants.get(maker?.inputs[1] ?? "");
  if (found === undefined || integers === undefined || scale === undefined || toNumbers(scale).length !== 1) return undefined;
  const [channels = 0] = integers.shape;
  const values = toNumbers(integers);
  const each = values.length / channels;
  const largest = Array.from({ length: channels }, (_, c) =>
    values.subarray(c * each, (c + 1) * each).reduce((most, v) => Math.max(most, Math.abs(v)), 0),
  ).filter((m) => m > 0);
  if (largest.length < 2) return undefined;
  const sorted = Float64Array.from(largest).sort();
  return (sorted[sorted.length - 1] as number) / (sorted[sorted.length >> 1] as number);
}
