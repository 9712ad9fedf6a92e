import type { GraphDraft } from "../graph/draft.ts";
import { withAttributes } from "../graph/edit.ts";
import type { Node } from "../graph/model.ts";
import { attrInt } from "../graph/node.ts";
import { f32, type Tensor, view } from "../graph/tensor.ts";
import { graphPass, type Pass } from "./pass.ts";
import { isOneOf, shapeOf } from "./values.ts";

/** Options of {@link padChannelsPass}. */
export interface PadChannelsOptions {
  /** Channels are filled up to a multiple of this. */
  readonly multiple?: number;
  /** Not where that would make the layer wider than this many times. */
  readonly maxGrowth?: number;
}

/** Defaults of {@link PadChannelsOptions}: 16 floats fill the widest registers of an x64 processor. */
export const PAD_CHANNELS_DEFAULTS = { multiple: 16, maxGrowth: 1.5 } as const;

/** Operators that keep channels apart; their constants have one value, or one per channel. */
const PER_CHANNEL = ["Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Add", "Mul"];

/** Values that must have the same number of channels, and the nodes that touch them. */
interface Family {
  readonly values: Set<string>;
  readonly nodes: Set<string>;
}

/**
 * Fills the channels between layers up with zeros, where a runtime computes a multiple of 8 or 16 channels in its blocked layout and odd numbers with slower
 * kernels: new channels have weights of zero on both sides, so that nothing changes. Only families of values that begin and end at Convs of one group and have a
 * depthwise Conv between. For targets that say so; not part of the default passes. Outermost graph only.
 */
export function padChannelsPass(options: PadChannelsOptions = {}): Pass {
  const { multiple, maxGrowth } = { ...PAD_CHANNELS_DEFAULTS, ...options };
  return graphPass(
    "pad-channels",
    "Fills odd numbers of channels up with zeros, for runtimes that compute in blocks",
    (draft, log) => {
      const done = new Set<string>();
      for (const node of draft.nodes()) {
        const channels = node.op === "Conv" ? depthwiseChannels(draft, node) : undefined;
        if (channels === undefined || done.has(node.name) || channels % multiple === 0) continue;
        const padded = Math.ceil(channels / multiple) * multiple;
        const rule = "pad-channels";
        if (padded > channels * maxGrowth) {
          log.declined(rule, node, `${channels} channels would become ${padded}`);
          continue;
        }
        const family = familyOf(draft, node, channels);
        if (typeof family === "string") {
          log.declined(rule, node, family);
          continue;
        }
        for (const name of family.nodes) done.add(name);
        if (!log.may(rule, node)) continue;
        for (const name of family.nodes) widen(draft, draft.current({ ...node, name }) as Node, { family, channels, padded });
        log.changed(rule, node, `${channels} to ${padded} channels in ${family.nodes.size} nodes`);
      }
    },
    { types: true, outermostOnly: true },
  );
}

function weightOf(draft: GraphDraft, node: Node, index: number): Tensor | undefined {
  const constant = node.inputs[index] ? draft.constant(node.inputs[index] as string) : undefined;
  return constant?.dtype === "float32" ? constant : undefined;
}

function depthwiseChannels(draft: GraphDraft, node: Node): number | undefined {
  const weight = weightOf(draft, node, 1);
  const channels = weight?.shape[0];
  return channels !== undefined && channels > 1 && attrInt(node, "group", 1) === channels && weight?.shape[1] === 1
    ? channels
    : undefined;
}

/** All values that share their channels with a depthwise Conv, or why they cannot be widened. */
function familyOf(draft: GraphDraft, start: Node, channels: number): Family | string {
  const family: Family = { values: new Set(), nodes: new Set() };
  const waiting = [start.inputs[0] as string, start.outputs[0] as string];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (family.values.has(value)) continue;
    family.values.add(value);
    const maker = draft.producer(value);
    if (draft.isOutput(value)) return `${value} is an output of the graph`;
    if (maker === undefined || shapeOf(draft, value)?.[1] !== channels) return `${value} does not come from a layer`;
    for (const node of [maker, ...draft.consumers(value)]) {
      if (family.nodes.has(node.name)) continue;
      const more = touch(draft, node, { value, channels });
      if (typeof more === "string") return more;
      family.nodes.add(node.name);
      waiting.push(...more);
    }
  }
  return family;
}

/** Further values of the family at a node, or why the node cannot be widened. */
function touch(
  draft: GraphDraft,
  node: Node,
  at: { readonly value: string; readonly channels: number },
): readonly string[] | string {
  if (isOneOf(node, ["Conv"])) {
    const weight = weightOf(draft, node, 1);
    if (weight === undefined || (node.inputs[2] && weightOf(draft, node, 2) === undefined))
      return `${node.name} has no constant weights`;
    if (depthwiseChannels(draft, node) === at.channels) return [node.inputs[0] as string, node.outputs[0] as string];
    return attrInt(node, "group", 1) === 1 ? [] : `${node.name} works in groups`;
  }
  if (!isOneOf(node, PER_CHANNEL)) return `${node.op} ${node.name} does not keep channels apart`;
  const rank = shapeOf(draft, at.value)?.length ?? 0;
  const data = node.op === "Clip" ? node.inputs.slice(0, 1) : node.inputs;
  for (const name of data) {
    const constant = draft.constant(name);
    if (constant === undefined) continue;
    if (constant.dtype !== "float32" || perChannelAxis(constant, rank) === undefined)
      return `a constant of ${node.name} is not one per channel`;
  }
  return [...data.filter((name) => draft.constant(name) === undefined), node.outputs[0] as string];
}

/** The axis of a constant that lies on the channels; -1 for a single value. */
function perChannelAxis(constant: Tensor, rank: number): number | undefined {
  const axis = constant.shape.length - (rank - 1);
  if (constant.shape.every((n) => n === 1)) return -1;
  return axis >= 0 && constant.shape.every((n, i) => n === 1 || i === axis) ? axis : undefined;
}

function widen(
  draft: GraphDraft,
  node: Node,
  at: { readonly family: Family; readonly channels: number; readonly padded: number },
): void {
  const { family, channels, padded } = at;
  const inputs = [...node.inputs];
  const put = (index: number, axes: readonly number[]): void => {
    const constant = draft.constant(inputs[index] as string) as Tensor;
    const wide = zeroPadded(constant, { axes, channels, padded });
    inputs[index] = draft.addConstant(`${inputs[index]}_padded`, wide);
  };
  if (node.op === "Conv") {
    const makes = family.values.has(node.outputs[0] as string);
    const reads = family.values.has(node.inputs[0] as string);
    const isDepthwise = makes && reads && depthwiseChannels(draft, node) === channels;
    put(1, isDepthwise ? [0] : [...(makes ? [0] : []), ...(reads ? [1] : [])]);
    if (makes && inputs[2]) put(2, [0]);
    const changed = { ...node, inputs };
    draft.replace(node, isDepthwise ? withAttributes(changed, { group: { kind: "int", value: padded } }) : changed);
  } else {
    const rank = shapeOf(draft, node.outputs[0])?.length ?? 0;
    inputs.forEach((name, i) => {
      const constant = draft.constant(name);
      const axis = constant === undefined || (node.op === "Clip" && i > 0) ? -1 : perChannelAxis(constant, rank);
      if (axis !== undefined && axis >= 0) put(i, [axis]);
    });
    draft.replace(node, { ...node, inputs });
  }
  draft.setType(node.outputs[0] as string, undefined);
}

/** The tensor with zeros behind its elements along axes of `channels` elements. */
function zeroPadded(
  constant: Tensor,
  at: { readonly axes: readonly number[]; readonly channels: number; readonly padded: number },
): Tensor {
  const shape = constant.shape.map((n, axis) => (at.axes.includes(axis) ? at.padded : n));
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const values = view(constant, "float32");
  const last = constant.shape.length - 1;
  const run = constant.shape[last] ?? 1;
  const position = new Array<number>(last).fill(0);
  for (let from = 0; from < values.length; from += run) {
    let to = 0;
    for (let axis = 0; axis < last; axis++) to = (to + (position[axis] as number)) * (shape[axis + 1] as number);
    out.set(values.subarray(from, from + run), to);
    for (let axis = last - 1; axis >= 0; axis--) {
      position[axis] = (position[axis] as number) + 1;
      if ((position[axis] as number) < (constant.shape[axis] as number)) break;
      position[axis] = 0;
    }
  }
  return f32(shape, out);
}
