import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { type Tensor, toNumbers, view } from "@tessera/core/graph/tensor";
import { addLayer, createLayer, type LayerFigures, layerFigures } from "@tessera/core/quant/compare-layer";
import { localModel } from "@tessera/core/quant/compare-local";
import { type ValuePair, valuePairs } from "@tessera/core/quant/compare-pairs";
import type { SampleNoise } from "@tessera/core/quant/compare-samples";
import { addDifference, createDifference, differenceOf } from "@tessera/core/quant/compare-tensors";
import { exposeValues } from "@tessera/core/quant/observe";

/** How a value of the changed model differs from the value it stands for in the reference. */
export interface LayerDifference extends LayerFigures {
  readonly tensor: string;
  readonly op: string;
  readonly node: string;
  /** Signal to noise of what this layer adds itself, fed with the reference's values; absent where it adds nothing of its own or cannot be told. */
  readonly localSqnrDb?: number;
  /** The same as a share of the signal's energy: these add up, decibels do not. */
  readonly localNoise?: number;
}

/** Layers of two models, and how each sample fared in each. */
export interface LayerComparison {
  readonly layers: readonly LayerDifference[];
  readonly noise: SampleNoise;
}

/** What {@link compareLayers} runs on. */
export interface CompareLayersOptions {
  readonly runtime: Runtime;
  readonly samples: Iterable<Feeds>;
  /** The same inputs under the names that the changed model has for them, when these are others. */
  readonly changedFeeds?: (feeds: Feeds) => Feeds;
  readonly onSample?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Operators that move values and compute none: on the grid of what they read they add no error. */
const MOVES: ReadonlySet<string> = new Set([
  ...["Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Slice", "Split", "Gather", "Expand", "Tile"],
  ...["MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Pad", "DepthToSpace", "SpaceToDepth", "Relu"],
]);

/**
 * Runs both models on the same inputs and compares every float value that both have under one name. In a quantized model the value behind the
 * DequantizeLinear is compared, which is what the next layer reads. Beside the error that has piled up, each layer's own: the changed layer fed with
 * the reference's values. Streams; types of both models must be inferred.
 */
export async function compareLayers(reference: Model, changed: Model, options: CompareLayersOptions): Promise<LayerComparison> {
  const pairs = valuePairs(reference, changed);
  // Optimisation off: fused values could not be looked at.
  const open = (model: Model) => options.runtime.load(modelToOnnx(model), { optimization: "none" });
  const local = localModel(reference, changed, pairs);
  const exposed = exposeValues(
    changed,
    pairs.map((p) => p.other),
  );
  const first = await open(
    local?.model ??
      exposeValues(
        reference,
        pairs.map((p) => p.name),
      ),
  );
  const sums = pairs.map((pair) => createLayer(pair.grid));
  const own = pairs.map(createDifference);
  const rows: Float64Array[] = [];
  let second: Session | undefined;
  try {
    second = await open(exposed);
    for (const feeds of options.samples) {
      options.signal?.throwIfAborted();
      const [a, b] = [await first.run(feeds), await second.run(options.changedFeeds?.(feeds) ?? feeds)];
      const row = new Float64Array(pairs.length);
      pairs.forEach(({ name, other }, i) => {
        const [x, y] = [a.get(name) ?? feeds.get(name), b.get(other)];
        if (x === undefined || y === undefined || x.shape.join() !== y.shape.join()) return;
        const values = floatsOf(x);
        const layer = sums[i] as (typeof sums)[number];
        const { noise, signal } = layer.difference;
        addLayer(layer, values, floatsOf(y), x.shape);
        row[i] = (layer.difference.noise - noise) / Math.max(layer.difference.signal - signal, Number.MIN_VALUE);
        const alone = local === undefined ? undefined : a.get(local.local[i] as string);
        if (alone !== undefined) addDifference(own[i] as (typeof own)[number], values, floatsOf(alone));
      });
      rows.push(row);
      options.onSample?.(rows.length);
    }
  } finally {
    await first.close();
    await second?.close();
  }
  const makers = new Map(reference.graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const gridOf = new Map(pairs.map((p) => [p.name, p.grid] as const));
  const addsNothing = ({ name, op, grid }: ValuePair): boolean => {
    const before = gridOf.get(makers.get(name)?.inputs[0] ?? "");
    return MOVES.has(op) && (before?.scale ?? 0) === (grid?.scale ?? 0) && before?.zeroPoint === grid?.zeroPoint;
  };
  const layers = pairs.map((pair, i): LayerDifference => {
    const alone = own[i] as (typeof own)[number];
    const told = alone.count > 0 && !addsNothing(pair);
    return {
      tensor: pair.name,
      op: pair.op,
      node: pair.node,
      ...layerFigures(sums[i] as (typeof sums)[number]),
      ...(told
        ? { localSqnrDb: differenceOf(alone).sqnrDb, localNoise: alone.noise / Math.max(alone.signal, Number.MIN_VALUE) }
        : {}),
    };
  });
  return { layers, noise: { rows } };
}

function floatsOf(tensor: Tensor): Float32Array {
  return tensor.dtype === "float32" ? view(tensor, "float32") : Float32Array.from(toNumbers(tensor));
}
