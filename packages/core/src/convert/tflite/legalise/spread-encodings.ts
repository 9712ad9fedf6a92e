import { GraphDraft } from "../../../graph/draft.ts";
import type { Graph } from "../../../graph/model.ts";
import type { Encoding } from "../../../graph/plan.ts";

/** Operators that give the same numbers another shape. */
const THROUGH: ReadonlySet<string> = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Identity"]);

/**
 * Completes encodings where the numbers are the same: across operators that only reshape, and from the last state of an LSTM to all its states. A value
 * that others read in float is left in float.
 */
export function spreadEncodings(graph: Graph, encodings: ReadonlyMap<string, Encoding>): ReadonlyMap<string, Encoding> {
  const draft = new GraphDraft(graph);
  const all = new Map(encodings);
  const give = (to: string, from: string): void => {
    const encoding = all.get(from);
    if (to !== "" && encoding !== undefined && encoding.axis === undefined && !all.has(to)) all.set(to, encoding);
  };
  for (const node of graph.nodes) {
    if (node.domain !== "") continue;
    const [y = "", last = ""] = node.outputs;
    if (node.op === "LSTM") give(y, last);
    else if (THROUGH.has(node.op)) give(y, node.inputs[0] as string);
  }
  for (const node of [...graph.nodes].reverse()) {
    const x = node.inputs[0] ?? "";
    if (node.domain !== "" || !THROUGH.has(node.op) || draft.constant(x) !== undefined) continue;
    if (draft.onlyConsumer(x)?.name === node.name) give(x, node.outputs[0] as string);
  }
  return all.size === encodings.size ? encodings : all;
}
