import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Feeds, Runtime, Session } from "@tessera/core/graph/runtime";
import { view } from "@tessera/core/graph/tensor";
import { addDifference, createDifference, differenceOf, type TensorDifference } from "@tessera/core/quant/compare-tensors";
import { exposeValues } from "@tessera/core/quant/observe";

/** How a value of the changed model differs from the value it stands for in the reference. */
export interface LayerDifference extends TensorDifference {
  readonly tensor: string;
  readonly op: string;
}

/**
 * Runs both models on the same inputs and compares every float value that both have under one name. In a quantized model the value behind the
 * DequantizeLinear is compared, which is what the next layer reads. Streams.
 */
export async function compareLayers(
  reference: Model,
  changed: Model,
  options: {
    readonly runtime: Runtime;
    readonly samples: Iterable<Feeds>;
    /** The same inputs under the names that the changed model has for them, when these are others. */
    readonly changedFeeds?: (feeds: Feeds) => Feeds;
    readonly onSample?: (done: number) => void;
    readonly signal?: AbortSignal;
  },
): Promise<readonly LayerDifference[]> {
  const dequantized = new Map<string, string>();
  for (const node of changed.graph.nodes) {
    const output = node.outputs[0] as string;
    if (node.op === "DequantizeLinear" && output.endsWith("_dequantized"))
      dequantized.set(output.slice(0, -"_dequantized".length), output);
  }
  const changedNames = new Set(changed.graph.nodes.flatMap((n) => n.outputs));
  const pairs = reference.graph.nodes.flatMap((node) =>
    node.outputs.flatMap((name) => {
      const type = reference.graph.types.get(name) ?? reference.graph.outputs.find((o) => o.name === name)?.type;
      const other = dequantized.get(name) ?? (changedNames.has(name) ? name : undefined);
      return name === "" || other === undefined || type?.kind !== "tensor" || type.dtype !== "float32"
        ? []
        : [{ name, other, op: node.op }];
    }),
  );
  // Optimisation off: fused values could not be looked at.
  const open = (model: Model, names: readonly string[]) =>
    options.runtime.load(modelToOnnx(exposeValues(model, names)), { optimization: "none" });
  const first = await open(
    reference,
    pairs.map((p) => p.name),
  );
  const sums = pairs.map(createDifference);
  let done = 0;
  let second: Session | undefined;
  try {
    second = await open(
      changed,
      pairs.map((p) => p.other),
    );
    for (const feeds of options.samples) {
      options.signal?.throwIfAborted();
      const [a, b] = [await first.run(feeds), await second.run(options.changedFeeds?.(feeds) ?? feeds)];
      pairs.forEach(({ name, other }, i) => {
        const [x, y] = [a.get(name), b.get(other)];
        if (x !== undefined && y !== undefined)
          addDifference(sums[i] as ReturnType<typeof createDifference>, view(x, "float32"), view(y, "float32"));
      });
      done++;
      options.onSample?.(done);
    }
  } finally {
    await first.close();
    await second?.close();
  }
  return pairs.map(({ name, op }, i) => ({ tensor: name, op, ...differenceOf(sums[i] as ReturnType<typeof createDifference>) }));
}
