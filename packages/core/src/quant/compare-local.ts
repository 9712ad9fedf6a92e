import { freshNames } from "../graph/draft.ts";
import { DTYPES } from "../graph/dtype.ts";
import { withGraph } from "../graph/edit.ts";
import { type Model, type Node, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { subgraphs } from "../graph/walk.ts";
import type { ValuePair } from "./compare-pairs.ts";

/** A model that computes every layer of a changed model on what the reference has there. */
export interface LocalModel {
  readonly model: Model;
  /** The values of the pairs in it, in their order: of the reference, and of the changed layer alone. */
  readonly reference: readonly string[];
  readonly local: readonly string[];
}

/**
 * One graph with the reference in it, and every node of the changed model reading the reference's values instead of its own: what comes out differs
 * from the reference by what that layer itself rounds (weights and result), without what came from the layers before. Feeds are the reference's.
 *
 * @returns undefined where the changed model has subgraphs or other inputs, whose layers cannot be told apart like this
 */
export function localModel(reference: Model, changed: Model, pairs: readonly ValuePair[]): LocalModel | undefined {
  const inputsOf = ({ graph }: Model) => graph.inputs.filter((i) => !graph.constants.has(i.name)).map((i) => i.name);
  const [mine, theirs] = [inputsOf(reference), inputsOf(changed)];
  if (mine.length !== theirs.length || changed.graph.nodes.some((n) => subgraphs(n).length > 0)) return undefined;
  const byName = theirs.every((name) => mine.includes(name));
  const fresh = freshNames(reference.graph);
  const names = new Map<string, string>(theirs.map((name, i) => [name, byName ? name : (mine[i] as string)] as const));
  const constants = new Map(reference.graph.constants);
  for (const [name, tensor] of changed.graph.constants) {
    if (names.has(name)) continue;
    const own = fresh(`local/${name}`);
    names.set(name, own);
    constants.set(own, tensor);
  }
  for (const node of changed.graph.nodes)
    for (const name of node.outputs) if (name !== "" && !names.has(name)) names.set(name, fresh(`local/${name}`));
  const nodes: Node[] = [...reference.graph.nodes];
  // What a reader of a pair's value gets instead: the reference's, in the type of the changed model.
  const given = new Map<string, string>();
  for (const { name, other } of pairs) {
    const [from, to] = [dtypeOf(reference, name), dtypeOf(changed, other)];
    if (from === to) given.set(other, name);
    else {
      const cast = fresh(`given/${other}`);
      nodes.push(makeNode("Cast", { inputs: [name], outputs: [cast] }, { name: cast, attributes: { to: DTYPES[to].onnx } }));
      given.set(other, cast);
    }
  }
  for (const node of changed.graph.nodes) {
    // The pair of a quantized value belongs to the layer that makes it: its own values are passed on between the two.
    const inputs = node.inputs.map((name) => (name === "" ? "" : (given.get(name) ?? names.get(name) ?? name)));
    const outputs = node.outputs.map((name) => names.get(name) ?? name);
    nodes.push({ ...node, name: fresh(`local/${node.name}`), inputs, outputs });
  }
  const local = pairs.map(({ other }) => names.get(other) as string);
  const wanted = [...pairs.map((p) => p.name), ...local].filter((name) => !mine.includes(name));
  const outputs = [...new Set(wanted)].map((name) => ({ name, type: tensorType("float32", undefined) }));
  const typed = outputs.map((o, i) => {
    const at = local.indexOf(o.name);
    const dtype = at >= 0 ? dtypeOf(changed, pairs[at]?.other ?? "") : dtypeOf(reference, o.name);
    return { ...(outputs[i] as (typeof outputs)[number]), type: tensorType(dtype, undefined) };
  });
  const domains = new Map([...changed.domains, ...reference.domains]);
  const graph = { ...reference.graph, nodes, constants, outputs: typed, types: new Map() };
  return { model: { ...withGraph(reference, graph), domains }, reference: pairs.map((p) => p.name), local };
}

function dtypeOf({ graph }: Model, name: string): "float32" | "float16" {
  const type = graph.types.get(name) ?? [...graph.outputs, ...graph.inputs].find((v) => v.name === name)?.type;
  return type?.kind === "tensor" && type.dtype === "float16" ? "float16" : "float32";
}
