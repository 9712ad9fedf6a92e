import { fail } from "../base/error.ts";
import { GraphDraft } from "./draft.ts";
import { withGraph } from "./edit.ts";
import type { Model, Node } from "./model.ts";
import { attrInt, isOp } from "./node.ts";
import { f32, toNumbers } from "./tensor.ts";

/** A value between convolutions whose channels may be scaled against each other. */
export interface ChannelPlace {
  /** The value that is quantized: behind the activation, where there is one. */
  readonly tensor: string;
  /** The value in front of a PRelu or LeakyRelu, which is quantized too and takes the same factors. */
  readonly before: string | undefined;
  readonly channels: number;
  /** The Conv that makes it. */
  readonly maker: Node;
  /** Upper bound of a Clip in between. */
  readonly bound: number | undefined;
  /** The Convs that read it; nothing else does. */
  readonly readers: readonly Node[];
}

/** Options of {@link channelPlaces}. */
export interface ChannelPlacesOptions {
  /** Look through PRelu and LeakyRelu too, whatever their slopes: f * x with f > 0 stays on its side of zero. */
  readonly slopes?: boolean;
}

/**
 * Values `Conv -> [Relu | Clip from 0] -> Conv...` whose channels can be scaled up in the first Conv and down in the readers without changing what
 * the network computes, because these activations are positively homogeneous channel by channel. Weights must be float32 constants that one Conv
 * alone reads.
 */
export function channelPlaces(model: Model, { slopes = false }: ChannelPlacesOptions = {}): readonly ChannelPlace[] {
  const draft = new GraphDraft(model.graph);
  const places: ChannelPlace[] = [];
  for (const maker of model.graph.nodes) {
    if (!isOwnConv(maker, draft)) continue;
    const channels = draft.constant(maker.inputs[1] as string)?.shape[0] as number;
    const behind = behindActivation(maker.outputs[0] as string, { draft, slopes });
    if (behind === undefined || draft.isOutput(behind.tensor)) continue;
    const readers = draft.consumers(behind.tensor);
    if (readers.length === 0 || !readers.every((r) => isOwnConv(r, draft) && r.inputs.indexOf(behind.tensor, 1) < 0)) continue;
    places.push({ ...behind, channels, maker, readers });
  }
  return places;
}

function isOwnConv(node: Node, draft: GraphDraft): boolean {
  if (!isOp(node, "Conv")) return false;
  const own = (name: string): boolean => draft.constant(name)?.dtype === "float32" && draft.onlyConsumer(name) !== undefined;
  const [, weight, bias] = node.inputs;
  return own(weight ?? "") && (!bias || (bias !== weight && own(bias)));
}

/** The value behind the activation that alone reads a value, or the value itself; `undefined` behind a Clip that is not homogeneous below its bound. */
function behindActivation(
  value: string,
  { draft, slopes }: { readonly draft: GraphDraft; readonly slopes: boolean },
): Pick<ChannelPlace, "tensor" | "before" | "bound"> | undefined {
  const next = draft.onlyConsumer(value);
  const plain = { tensor: value, before: undefined, bound: undefined };
  if (next === undefined) return plain;
  const tensor = next.outputs[0] as string;
  if (isOp(next, "Relu")) return { ...plain, tensor };
  if (slopes && (isOp(next, "PRelu") || isOp(next, "LeakyRelu")) && next.inputs.indexOf(value, 1) < 0)
    return { tensor, before: value, bound: undefined };
  if (!isOp(next, "Clip")) return plain;
  const [low, high] = [1, 2].map((i) => (next.inputs[i] ? draft.constant(next.inputs[i] as string) : undefined));
  if (low === undefined || toNumbers(low)[0] !== 0 || (next.inputs[2] && high === undefined)) return undefined;
  return { ...plain, tensor, bound: high === undefined ? undefined : toNumbers(high)[0] };
}

/**
 * The model with channels scaled: by `scales` in the Conv that makes a value, and back in those that read it. What the network computes stays the
 * same up to float rounding; under a Clip, channels saturate at bound / scale.
 *
 * @throws PLAN_INVALID for a value that {@link channelPlaces} does not list, a wrong number of scales, or one that is not a positive float32
 */
export function scaleChannels(model: Model, scales: ReadonlyMap<string, readonly number[]>): Model {
  if (scales.size === 0) return model;
  const places = new Map(channelPlaces(model, { slopes: true }).map((p) => [p.tensor, p]));
  const draft = new GraphDraft(model.graph);
  for (const [tensor, factors] of scales) {
    const place = places.get(tensor);
    const bad = (why: string): Error =>
      fail("PLAN_INVALID", `Cannot scale the channels of ${tensor}: ${why}`, { at: { tensor } });
    if (place === undefined) throw bad("it does not stand between convolutions of its own");
    if (factors.length !== place.channels) throw bad(`${factors.length} scales are given for ${place.channels} channels`);
    if (!factors.every((f) => Math.fround(f) > 0 && Number.isFinite(Math.fround(f))))
      throw bad("a scale is not a positive float32");
    const [, weight, bias] = place.maker.inputs;
    multiply(draft, weight, (i, shape) => factors[Math.floor(i / (countFrom(shape, 1) || 1))] as number);
    multiply(draft, bias, (i) => factors[i] as number);
    for (const reader of place.readers) {
      const group = attrInt(reader, "group", 1);
      multiply(draft, reader.inputs[1], (i, shape) => {
        const [outputs, inputs] = shape as readonly [number, number];
        const row = Math.floor(i / countFrom(shape, 1));
        const column = Math.floor(i / countFrom(shape, 2)) % inputs;
        return 1 / (factors[Math.floor(row / (outputs / group)) * inputs + column] as number);
      });
    }
  }
  return withGraph(model, draft.finish());
}

function countFrom(shape: readonly number[], axis: number): number {
  let count = 1;
  for (let i = axis; i < shape.length; i++) count *= shape[i] as number;
  return count;
}

function multiply(draft: GraphDraft, name: string | undefined, by: (index: number, shape: readonly number[]) => number): void {
  const constant = name ? draft.constant(name) : undefined;
  if (name === undefined || constant === undefined) return;
  const values = toNumbers(constant);
  for (let i = 0; i < values.length; i++) values[i] = (values[i] as number) * by(i, constant.shape);
  draft.setConstant(name, f32(constant.shape, Array.from(values)));
}
