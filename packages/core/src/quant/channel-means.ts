import { fail } from "../base/error.ts";
import { withGraph } from "../graph/edit.ts";
import { type Model, type Node, tensorType, type ValueInfo, type ValueType } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { type Tensor, view } from "../graph/tensor.ts";
import { usedNames } from "../graph/walk.ts";
import { eachSample, nonFinite, type ObserveOptions, type Samples } from "./observe.ts";
import { reduceChannels } from "./reduce-channels.ts";

/** A value of shape [N, C, ...] by its name, and its rank. */
export interface MeanPlace {
  readonly tensor: string;
  readonly rank: number;
}

/** Options of {@link channelMeans}. */
export interface MeansOptions extends ObserveOptions {
  /** Values that the samples bring: what they are made from is not computed. They take the place of the graph's inputs. */
  readonly given?: readonly ValueInfo[];
  /** Further values, which are handed out as they are. */
  readonly also?: { readonly names: readonly string[]; readonly take: (name: string, value: Tensor, feeds: Feeds) => void };
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
  options: MeansOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const { given, also } = options;
  const { model: reducing, meanings } = withMeans(model, places, { given: given ?? [], also: also?.names ?? [] });
  const sums = new Map<string, Float64Array>();
  const visit = (output: string, value: Tensor, feeds: Feeds): void => {
    const tensor = meanings.get(output)?.tensor;
    if (tensor === undefined) {
      also?.take(output, value, feeds);
      return;
    }
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
  const count = await eachSample(reducing, [...meanings.keys(), ...(also?.names ?? [])], samples, { ...options, visit });
  for (const sum of sums.values()) for (let c = 0; c < sum.length; c++) sum[c] = (sum[c] as number) / count;
  return sums;
}

/** The part of a model that some values need, with means by channel and further values as the only outputs. */
function withMeans(
  model: Model,
  places: readonly MeanPlace[],
  { given, also }: { readonly given: readonly ValueInfo[]; readonly also: readonly string[] },
): { readonly model: Model; readonly meanings: ReadonlyMap<string, { readonly tensor: string }> } {
  const { graph } = model;
  const { constants, nodes: added, meanings } = reduceChannels(graph, places, { mean: "ReduceMean" });
  const inputs = given.length > 0 ? given : graph.inputs;
  const known = new Set(given.map((g) => g.name));
  // What comes in does not have to come out again: whoever looks at a sample finds it there.
  const ports = new Set(inputs.map((i) => i.name));
  const wanted = new Set([...places.map((p) => p.tensor), ...also]);
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((o) => wanted.has(o) && !known.has(o))) continue;
    kept.push(node);
    for (const name of usedNames(node)) wanted.add(name);
  }
  const typeOf = (name: string): ValueType => graph.types.get(name) ?? tensorType("float32", undefined);
  const outputs = [
    ...[...meanings.keys()].map((name) => ({ name, type: tensorType("float32", undefined) })),
    ...also.filter((name) => !ports.has(name)).map((name) => ({ name, type: typeOf(name) })),
  ];
  const used = new Set([...wanted, ...added.flatMap((n) => n.inputs)]);
  for (const name of constants.keys()) if (!used.has(name)) constants.delete(name);
  const part = { ...graph, inputs, constants, nodes: [...kept.reverse(), ...added], outputs };
  return { model: withGraph(model, part), meanings };
}
