import { fail } from "../base/error.ts";
import { namesOf } from "../graph/draft.ts";
import { withGraph } from "../graph/edit.ts";
import { type Model, type Node, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { i64, type Tensor, view } from "../graph/tensor.ts";
import { usedNames } from "../graph/walk.ts";
import { eachSample, nonFinite, type ObserveOptions, type Samples } from "./observe.ts";

/** A value of shape [N, C, ...] by its name, and its rank. */
export interface MeanPlace {
  readonly tensor: string;
  readonly rank: number;
}

/**
 * The mean of each channel (axis 1) of some values over all samples and positions. The runtime takes the mean of a sample itself, and computes
 * nothing that the values do not need. Streams.
 *
 * @returns f64[C] by value
 * @throws CALIBRATION_EMPTY without samples, CALIBRATION_NONFINITE naming the tensor
 */
export async function channelMeans(
  model: Model,
  places: readonly MeanPlace[],
  samples: Samples,
  options: ObserveOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const { model: reducing, meanings } = withMeans(model, places);
  const sums = new Map<string, Float64Array>();
  const visit = (output: string, value: Tensor): void => {
    const tensor = meanings.get(output) as string;
    const means = view(value, "float32");
    const sum = sums.get(tensor) ?? new Float64Array(means.length);
    if (sum.length !== means.length)
      throw fail("SHAPE_MISMATCH", `Cannot average ${tensor}: it had ${sum.length} channels, now it has ${means.length}`);
    for (let c = 0; c < sum.length; c++) {
      if (!Number.isFinite(means[c])) throw nonFinite(tensor);
      sum[c] = (sum[c] as number) + (means[c] as number);
    }
    sums.set(tensor, sum);
  };
  const count = await eachSample(reducing, [...meanings.keys()], samples, { ...options, visit });
  for (const sum of sums.values()) for (let c = 0; c < sum.length; c++) sum[c] = (sum[c] as number) / count;
  return sums;
}

/** The part of a model that some values need, with their means by channel as the only outputs. */
function withMeans(
  model: Model,
  places: readonly MeanPlace[],
): { readonly model: Model; readonly meanings: ReadonlyMap<string, string> } {
  const { graph } = model;
  const taken = namesOf(graph);
  const fresh = (hint: string): string => {
    let name = hint;
    for (let i = 1; taken.has(name); i++) name = `${hint}_${i}`;
    taken.add(name);
    return name;
  };
  const constants = new Map(graph.constants);
  const added: Node[] = [];
  const meanings = new Map<string, string>();
  for (const { tensor, rank } of places) {
    const axes = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== 1);
    const axesName = fresh(`${tensor}_axes`);
    constants.set(axesName, i64([axes.length], axes));
    const output = fresh(`${tensor}_mean`);
    added.push(
      makeNode("ReduceMean", { inputs: [tensor, axesName], outputs: [output] }, { name: output, attributes: { keepdims: 0 } }),
    );
    meanings.set(output, tensor);
  }
  const wanted = new Set(places.map((p) => p.tensor));
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((o) => wanted.has(o))) continue;
    kept.unshift(node);
    for (const name of usedNames(node)) wanted.add(name);
  }
  const outputs = [...meanings.keys()].map((name) => ({ name, type: tensorType("float32", undefined) }));
  const used = new Set([...wanted, ...added.flatMap((n) => n.inputs), ...graph.inputs.map((i) => i.name)]);
  for (const name of constants.keys()) if (!used.has(name)) constants.delete(name);
  return { model: withGraph(model, { ...graph, constants, nodes: [...kept, ...added], outputs }), meanings };
}
