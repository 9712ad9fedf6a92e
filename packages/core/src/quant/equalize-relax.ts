import { GraphDraft } from "../graph/draft.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model } from "../graph/model.ts";
import { isOp, makeNode } from "../graph/node.ts";
import { channelPlaces } from "../graph/quantize-channels.ts";
import { type Tensor, toNumbers, view } from "../graph/tensor.ts";
import { eachSample, exposeValues, type ObserveOptions, type Samples } from "./observe.ts";

/** Values behind a Clip from 0 to a bound that stand between convolutions: where a Relu would let equalization go further. */
export function boundedPlaces(model: Model): readonly { readonly tensor: string; readonly bound: number }[] {
  return channelPlaces(model, { slopes: true }).flatMap((place) =>
    place.bound === undefined || !Number.isFinite(place.bound) ? [] : [{ tensor: place.tensor, bound: place.bound }],
  );
}

/**
 * The share of values that calibration saw at the bound of their Clip, by value. Streams.
 *
 * @throws CALIBRATION_EMPTY without samples
 */
export async function observeSaturation(
  model: Model,
  samples: Samples,
  options: ObserveOptions,
): Promise<ReadonlyMap<string, number>> {
  const places = new Map(boundedPlaces(model).map((p) => [p.tensor, { ...p, at: 0, of: 0 }] as const));
  const names = [...places.keys()];
  const visit = (name: string, value: Tensor): void => {
    const place = places.get(name) as { readonly bound: number; at: number; of: number };
    const data = view(value, "float32");
    for (let i = 0; i < data.length; i++) if ((data[i] as number) >= place.bound) place.at++;
    place.of += data.length;
  };
  await eachSample(exposeValues(model, names), names, samples, { ...options, visit });
  return new Map([...places].map(([name, { at, of }]) => [name, of > 0 ? at / of : 0]));
}

/** Result of {@link relaxClips}. */
export interface RelaxedClips {
  readonly model: Model;
  /** Values whose Clip became a Relu -> the share that had been at the bound. */
  readonly relaxed: ReadonlyMap<string, number>;
}

/**
 * The model with Clip(0, bound) replaced by Relu where calibration saw at most a share of `atMost` of the values at the bound: above it the network
 * computes something else then, so this is no rewrite that could be proved, but an approximation that has to be judged like quantization. What is won: a Relu is
 * homogeneous, so equalization behind it has no bound to keep below.
 *
 * Off unless asked for, because rare is not harmless: in a MobileFaceNet whose clips saturate for at most 7 of 10,000 values, relaxing all 32 costs 0.019 of
 * cosine before anything is rounded, and those with at most one in 10,000 costs 0.003, more than all of its quantization (0.0026).
 *
 * @param saturation - by value, see {@link observeSaturation}; values that are not in it keep their Clip
 */
export function relaxClips(
  model: Model,
  saturation: ReadonlyMap<string, number>,
  { atMost = 0 }: { readonly atMost?: number } = {},
): RelaxedClips {
  const draft = new GraphDraft(model.graph);
  const relaxed = new Map<string, number>();
  for (const { tensor } of boundedPlaces(model)) {
    const share = saturation.get(tensor);
    const node = draft.producer(tensor);
    if (share === undefined || share > atMost || node === undefined || !isOp(node, "Clip")) continue;
    const [low] = [node.inputs[1] ? draft.constant(node.inputs[1]) : undefined];
    if (low === undefined || toNumbers(low)[0] !== 0) continue;
    draft.replace(
      node,
      makeNode("Relu", { inputs: [node.inputs[0] as string], outputs: [...node.outputs] }, { name: node.name }),
    );
    relaxed.set(tensor, share);
  }
  return { model: withGraph(model, draft.finish()), relaxed };
}
