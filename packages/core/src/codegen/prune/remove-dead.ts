import { withGraph } from "../../graph/edit.ts";
import type { Model } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { plannedModel } from "../../graph/planned.ts";
import { compileInteger } from "../../interp/integer/compile.ts";
import type { IntegerProgram, IntegerStep } from "../../interp/integer/program.ts";
import { inferGraph } from "../../ops/infer.ts";
import { type Shapes, traceChannels } from "./channels.ts";
import { chooseKept, type Known } from "./choose.ts";
import { rangesOf } from "./ranges.ts";
import { removeChannels } from "./rewrite.ts";

/** What became of one node with weights. */
export interface PrunedLayer {
  readonly node: string;
  readonly op: "conv" | "depthwise" | "fullyConnected";
  /** Output channels, multiply-accumulates, bytes of weights and biases: before and after. */
  readonly channels: readonly [number, number];
  readonly macs: readonly [number, number];
  readonly bytes: readonly [number, number];
}

/** What {@link removeDeadChannels} took away. */
export interface PruneReport {
  readonly layers: readonly PrunedLayer[];
  readonly channels: readonly [number, number];
  readonly macs: readonly [number, number];
  readonly bytes: readonly [number, number];
  /** Nodes that kept constant channels because no float bias comes back to the integer that it would have to be. */
  readonly refused: readonly string[];
}

/** Result of {@link removeDeadChannels}. */
export interface Pruned {
  readonly model: Model;
  readonly plan: QuantPlan;
  readonly report: PruneReport;
}

/** Options of {@link removeDeadChannels}. */
export interface RemoveDeadOptions {
  /** Sizes of symbolic dimensions; 1 for those that are not named. */
  readonly dims?: ReadonlyMap<string, number>;
}

/**
 * Removes channels that carry nothing, without changing one output integer under the tflm profiles: channels whose integer never varies, whatever the
 * input is (filters of zeros, or bounds of the sum that end in one integer), when every sum behind them can take what they add into its bias; and
 * channels that no weight reads. Channels that go through depthwise convolutions, pools, functions, additions go together or not at all; behind a
 * padding a constant has to be the zero point. Scales and constants of the plan are put into the model first.
 *
 * @throws what compileInteger throws
 *
 * @example
 * const { model, plan, report } = removeDeadChannels(raised.model, raised.plan);
 */
export function removeDeadChannels(source: Model, sourcePlan: QuantPlan, options: RemoveDeadOptions = {}): Pruned {
  const { channelScales: _scales, constants: _constants, ...rest } = sourcePlan;
  let model = plannedModel(source, sourcePlan);
  let plan: QuantPlan = rest;
  const before = compileInteger(model, plan, options);
  let program = before;
  const stubborn = new Set<string>();
  // Each turn may leave weights that nobody reads before what it took.
  for (;;) {
    const known = look(model, program, { stubborn, ...options });
    const kept = chooseKept(known);
    if (kept.size === 0) break;
    const made = removeChannels(known, plan.tensors, kept);
    if (made.kind === "refused") {
      for (const node of made.nodes) stubborn.add(node);
      continue;
    }
    model = withGraph(model, made.graph);
    plan = { ...plan, tensors: made.tensors };
    program = compileInteger(model, plan, options);
  }
  return { model, plan, report: reportOf(before, program, [...stubborn]) };
}

function look(
  model: Model,
  program: IntegerProgram,
  options: RemoveDeadOptions & { readonly stubborn: ReadonlySet<string> },
): Known {
  const { graph } = model;
  const shapes = shapesOf(model, options.dims ?? new Map());
  const map = traceChannels(graph, shapes);
  return { graph, shapes, map, program, ranges: rangesOf(program, map.channels), stubborn: options.stubborn };
}

function shapesOf({ graph }: Model, dims: ReadonlyMap<string, number>): Shapes {
  const bindings = new Map(dims);
  for (const input of graph.inputs)
    if (input.type.kind === "tensor")
      for (const dim of input.type.shape ?? []) if (typeof dim === "string" && !bindings.has(dim)) bindings.set(dim, 1);
  const shapes = new Map<string, readonly number[]>();
  for (const [name, type] of inferGraph(graph, { bindings }).types) {
    if (type.kind !== "tensor" || type.shape === undefined) continue;
    const shape = type.shape.filter((dim) => typeof dim === "number");
    if (shape.length === type.shape.length) shapes.set(name, shape);
  }
  for (const [name, constant] of graph.constants) shapes.set(name, constant.shape);
  return shapes;
}

/** Output channels, multiply-accumulates and bytes of a step with weights. */
function figures(step: IntegerStep): { readonly channels: number; readonly macs: number; readonly bytes: number } | undefined {
  if (step.kind === "fullyConnected")
    return { channels: step.outputs, macs: step.rows * step.weights.length, bytes: step.weights.length + 4 * step.outputs };
  if (step.kind !== "conv" && step.kind !== "depthwise") return undefined;
  const { outChannels, outHeight, outWidth, weights } = step;
  return { channels: outChannels, macs: outHeight * outWidth * weights.length, bytes: weights.length + 4 * outChannels };
}

function reportOf(before: IntegerProgram, after: IntegerProgram, refused: readonly string[]): PruneReport {
  const layers: PrunedLayer[] = [];
  for (const step of before.steps) {
    const old = figures(step);
    if (old === undefined) continue;
    const made =
      after.steps.flatMap((other) => (other.node === step.node ? [figures(other)] : [])).find((f) => f !== undefined) ?? old;
    layers.push({
      node: step.node,
      op: step.kind as PrunedLayer["op"],
      channels: [old.channels, made.channels],
      macs: [old.macs, made.macs],
      bytes: [old.bytes, made.bytes],
    });
  }
  const total = (pick: (layer: PrunedLayer) => readonly [number, number]): readonly [number, number] =>
    layers.reduce<readonly [number, number]>((sum, layer) => [sum[0] + pick(layer)[0], sum[1] + pick(layer)[1]], [0, 0]);
  return {
    layers,
    channels: total((layer) => layer.channels),
    macs: total((layer) => layer.macs),
    bytes: total((layer) => layer.bytes),
    refused,
  };
}
