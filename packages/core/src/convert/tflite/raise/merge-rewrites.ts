import { GraphDraft } from "../../../graph/draft.ts";
import type { Graph, Node } from "../../../graph/model.ts";
import { isOp } from "../../../graph/node.ts";
import type { Encoding, NodeChoice } from "../../../graph/plan.ts";

/** Whether two encodings give the same integers the same meaning. */
function sameEncoding(a: Encoding, b: Encoding): boolean {
  return (
    a.dtype === b.dtype &&
    a.axis === b.axis &&
    a.scale.length === b.scale.length &&
    a.scale.every((s, i) => s === b.scale[i] && a.zeroPoint[i] === b.zeroPoint[i])
  );
}

/**
 * Removes the Identity nodes that QUANTIZE and DEQUANTIZE became: a value and its integers are one value with an encoding. One stays where the
 * encoding changes, where others read the value before it was quantized, and between a graph input and a graph output.
 */
export function mergeRewrites(
  graph: Graph,
  { encodings, choices }: { readonly encodings: Map<string, Encoding>; readonly choices: Map<string, NodeChoice> },
): Graph {
  const draft = new GraphDraft(graph);
  for (const visited of draft.nodes()) {
    const node = draft.current(visited);
    if (node === undefined || !isOp(node, "Identity")) continue;
    const [from] = node.inputs as readonly [string];
    const [to] = node.outputs as readonly [string];
    if (draft.constant(from) !== undefined) continue;
    const before = encodings.get(from);
    const after = encodings.get(to);
    if (before !== undefined && after !== undefined && !sameEncoding(before, after)) continue;
    if (before === undefined && after !== undefined && !allQuantize(draft, { from, encoding: after, encodings })) continue;
    const encoding = before ?? after;
    if (!draft.bypass(node, to, from)) continue;
    // The value has the name of the graph output, or else that of the source.
    const name = draft.isOutput(to) ? to : from;
    encodings.delete(name === to ? from : to);
    if (encoding !== undefined) encodings.set(name, encoding);
    const choice = choices.get(from);
    if (choice !== undefined) choices.set(name, choice);
  }
  return draft.finish();
}

/** Whether everything that reads a float value quantizes it the same way. */
function allQuantize(
  draft: GraphDraft,
  at: { readonly from: string; readonly encoding: Encoding; readonly encodings: ReadonlyMap<string, Encoding> },
): boolean {
  if (draft.isOutput(at.from)) return false;
  return draft.consumers(at.from).every((reader: Node) => {
    const other = isOp(reader, "Identity") ? at.encodings.get(reader.outputs[0] as string) : undefined;
    return other !== undefined && sameEncoding(other, at.encoding);
  });
}

/** Operators that move integers without touching them. */
const MOVES: ReadonlySet<string> = new Set([
  "Reshape",
  "Transpose",
  "Squeeze",
  "Unsqueeze",
  "Slice",
  "Split",
  "Gather",
  "Expand",
  "Tile",
  "Flatten",
  "Concat",
]);

/** Gives values that an operator of the file has no name for the encoding of what they were moved from. */
export function spreadEncodings(graph: Graph, encodings: Map<string, Encoding>): void {
  const isFloat = (name: string): boolean => {
    const type = graph.types.get(name);
    return type?.kind !== "tensor" || type.dtype === "float32";
  };
  for (const node of graph.nodes) {
    // Zeros of a pad are integers too: the zero point.
    const isZeroPad = node.op === "Pad" && !node.inputs[2];
    if ((!MOVES.has(node.op) && !isZeroPad) || node.domain !== "") continue;
    const data = node.op === "Concat" ? node.inputs : node.inputs.slice(0, 1);
    const [first, ...others] = data.map((name) => encodings.get(name));
    if (first === undefined || first.axis !== undefined || !others.every((e) => e !== undefined && sameEncoding(e, first)))
      continue;
    for (const output of node.outputs)
      if (output !== "" && !encodings.has(output) && isFloat(output)) encodings.set(output, first);
  }
}
