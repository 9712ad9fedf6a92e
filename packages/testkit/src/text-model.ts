import type { Model } from "@tessera/core/graph/model";
import { parseGraph } from "@tessera/core/graph/text-parse";

/** A model around a graph that is written as text. Throws what {@link parseGraph} throws. */
export function textModel(text: string): Model {
  return {
    kind: "model",
    graph: parseGraph(text),
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "test", version: "0" },
  };
}
