import { GraphDraft } from "../graph/draft.ts";
import type { Model, Node } from "../graph/model.ts";
import { isOp } from "../graph/node.ts";

/** Operators of which a vector's length is computed. */
const LENGTH_OPERATORS: ReadonlySet<string> = new Set([
  ...["ReduceL2", "ReduceSumSquare", "ReduceSum", "Mul", "Pow", "Sqrt", "Reciprocal"],
  ...["Add", "Max", "Clip", "Expand", "Unsqueeze", "Reshape", "Div", "Identity"],
]);

const REDUCTIONS: ReadonlySet<string> = new Set(["ReduceL2", "ReduceSumSquare", "ReduceSum"]);

const MOVES: ReadonlySet<string> = new Set(["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose"]);

/**
 * Nodes that bring what the model answers to unit length: a final LpNormalization, or x / |x| spelled out in any of the ways exporters do
 * (ReduceL2 or a root of summed squares, a floor under it, Div or Mul by the reciprocal), also where several such are weighed and put side by side, as in a
 * fused model. Names, for keeping them in float: a unit vector's components shrink with its width, and 8 bits with a step of 1/128 lose cosine.
 */
export function findNormTail(model: Model): ReadonlySet<string> {
  const draft = new GraphDraft(model.graph);
  const found = new Set<string>();
  const seen = new Set<string>();
  const open = model.graph.outputs.map((output): Way => ({ value: output.name, behind: [] }));
  for (let way = open.pop(); way !== undefined; way = open.pop()) {
    const { value, behind } = way;
    const last = draft.producer(value);
    // A value may be reached in more ways than anybody could count.
    if (last === undefined || seen.has(value)) continue;
    seen.add(value);
    const tail = isOp(last, "LpNormalization") ? [last] : (tailOf(last, draft) ?? []);
    for (const node of tail.length > 0 ? [...behind, ...tail] : []) found.add(node.name);
    if (tail.length > 0) continue;
    for (const from of passedOn(last, draft)) open.push({ value: from, behind: [...behind, last] });
  }
  return found;
}

/** From an output backwards: where one is, and the nodes between. */
interface Way {
  readonly value: string;
  readonly behind: readonly Node[];
}

/** The values that a node hands on without computing more than a factor; none for any other node. */
function passedOn(node: Node, draft: GraphDraft): readonly string[] {
  if (node.domain !== "") return [];
  if (node.op === "Concat") return node.inputs;
  if (MOVES.has(node.op)) return node.inputs.slice(0, 1);
  if (node.op !== "Mul") return [];
  const values = node.inputs.filter((name) => draft.constant(name) === undefined);
  return values.length === 1 ? values : [];
}

/** Nodes of x / |x| or x * 1/|x| that end in `last`; `undefined` when it is something else. */
function tailOf(last: Node, draft: GraphDraft): readonly Node[] | undefined {
  if (!isOp(last, "Div") && !isOp(last, "Mul")) return undefined;
  const sides = isOp(last, "Div") ? [[0, 1] as const] : [[0, 1] as const, [1, 0] as const];
  for (const [vector, length] of sides) {
    const inner = lengthOf(last.inputs[length] as string, last.inputs[vector] as string, draft);
    if (inner !== undefined) return [last, ...inner];
  }
  return undefined;
}

/** Nodes that compute the length of `vector` and nothing else. */
function lengthOf(value: string, vector: string, draft: GraphDraft): readonly Node[] | undefined {
  const nodes = new Map<string, Node>();
  const open = [value];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === "" || name === vector || draft.constant(name) !== undefined) continue;
    const maker = draft.producer(name);
    if (maker === undefined || maker.domain !== "" || !LENGTH_OPERATORS.has(maker.op)) return undefined;
    if (nodes.has(maker.name)) continue;
    nodes.set(maker.name, maker);
    open.push(...maker.inputs);
  }
  const all = [...nodes.values()];
  const isLength = all.some((n) => REDUCTIONS.has(n.op)) && all.some((n) => ["ReduceL2", "Sqrt", "Pow"].includes(n.op));
  return isLength ? all : undefined;
}
