import type { Graph, Model } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";
import type { Feeds } from "../graph/runtime.ts";
import type { Tensor } from "../graph/tensor.ts";
import { usedNames } from "../graph/walk.ts";
import { channelMeans, type MeanPlace } from "./channel-means.ts";
import type { ObserveOptions, Samples } from "./observe.ts";

/** Options of {@link StagedMeans}. */
export interface StagesOptions extends ObserveOptions {
  readonly samples: () => Samples;
  /** Nodes that stages end at. */
  readonly nodes: ReadonlySet<string>;
  /** Most bytes of values kept from one stage to the next; beyond them, stages start from the inputs again. */
  readonly memoryBytes: number;
}

/** For each value the number of `nodes` that stand before it on the longest way from the inputs; that of a node's outputs counts the node itself. */
export function depthsOf(graph: Graph, nodes: ReadonlySet<string>): ReadonlyMap<string, number> {
  const depths = new Map<string, number>();
  for (const node of graph.nodes) {
    let depth = nodes.has(node.name) ? 1 : 0;
    let before = 0;
    for (const name of usedNames(node)) before = Math.max(before, depths.get(name) ?? 0);
    depth += before;
    for (const name of node.outputs) depths.set(name, depth);
  }
  return depths;
}

/**
 * Means by channel at one level of nodes after the other, where what stands before a level changes no more once the next is asked for. Stage k keeps the
 * values that later stages read and that are final by then, by sample, so that each stage runs its own part of the network only: two passes over the
 * network in all, whatever the number of levels. Quantized values are kept as their integers.
 */
export class StagedMeans {
  private readonly options: StagesOptions;
  private level = 0;
  /** Values by sample that the next stage may start from; absent when it has to start from the inputs. */
  private kept: readonly Map<string, Tensor>[] | undefined;

  constructor(options: StagesOptions) {
    this.options = options;
  }

  /** The means of the next level's values, in the network as it is now. */
  async next(model: Model, places: readonly MeanPlace[]): Promise<ReadonlyMap<string, Float64Array>> {
    const { samples, memoryBytes, nodes, ...observing } = this.options;
    const cut = cutAt(model.graph, depthsOf(model.graph, nodes), this.level++);
    const { kept } = this;
    const has = new Set(kept?.[0]?.keys());
    const also = cut.filter((name) => !has.has(name));
    const following = new Map<Feeds, Map<string, Tensor>>();
    let bytes = 0;
    const rowOf = (feeds: Feeds): Map<string, Tensor> => {
      const row = following.get(feeds) ?? new Map();
      following.set(feeds, row);
      return row;
    };
    const keep = (feeds: Feeds, name: string, value: Tensor): void => {
      bytes += value.bytes.byteLength;
      if (bytes <= memoryBytes) rowOf(feeds).set(name, value);
      else following.clear();
    };
    const take = (name: string, value: Tensor, feeds: Feeds): void => keep(feeds, name, value);
    const means = await channelMeans(model, places, kept ?? samples(), {
      ...observing,
      ...(kept === undefined ? {} : { given: infosOf(kept[0] as Map<string, Tensor>) }),
      also: { names: also, take },
    });
    for (const row of kept ?? []) for (const name of cut) if (has.has(name)) keep(row, name, row.get(name) as Tensor);
    this.kept = bytes <= memoryBytes && following.size > 0 ? [...following.values()] : undefined;
    return means;
  }
}

function infosOf(row: ReadonlyMap<string, Tensor>) {
  return [...row].map(([name, { dtype, shape }]) => ({ name, type: { kind: "tensor", dtype, shape } as const }));
}

/** The values of at most that depth which deeper nodes read: integers where a DequantizeLinear stands in between. */
function cutAt(graph: Graph, depths: ReadonlyMap<string, number>, depth: number): readonly string[] {
  const makers = new Map(graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const fromInput = new Set(graph.inputs.map((i) => i.name));
  for (const node of graph.nodes)
    if ([...usedNames(node)].some((name) => fromInput.has(name))) for (const o of node.outputs) fromInput.add(o);
  const cut = new Set<string>();
  for (const node of graph.nodes) {
    if ((depths.get(node.outputs[0] as string) ?? 0) <= depth) continue;
    for (const name of usedNames(node)) {
      if (!fromInput.has(name) || (depths.get(name) ?? 0) > depth) continue;
      const maker = makers.get(name);
      cut.add(maker !== undefined && isOp(maker, "DequantizeLinear") ? (maker.inputs[0] as string) : name);
    }
  }
  return [...cut];
}
