import { type Dim, type Shape, UNKNOWN_DIM } from "../graph/dim.ts";
import { mapSubgraphs } from "../graph/edit.ts";
import type { Graph, Model, Node, ValueInfo, ValueType } from "../graph/model.ts";
import { eachGraph } from "../graph/walk.ts";

/** A model to be joined with others, under a name for people and for prefixes. */
export interface NamedModel {
  readonly name: string;
  readonly model: Model;
}

/** New names by old ones; what is absent stays as it is. */
export type Renames = ReadonlyMap<string, string>;

/** What is called otherwise in the joined graph. */
export interface PartRenames {
  readonly values: Renames;
  readonly nodes: Renames;
  readonly sizes: Renames;
}

/**
 * What must be called otherwise for some models to live in one graph. The rule: a name that occurs in more than one of them, in whatever scope, becomes
 * `part/name` in each of them; every other name stays. So the result does not depend on the order of the parts, and the names of a part that clashes with
 * nobody are those of its file. Where `part/name` is taken as well, an underscore is appended until it is free.
 *
 * Values, nodes and symbolic sizes are three realms. A size in `shared` means the same in every part and is left alone.
 */
export function renamesFor(parts: readonly NamedModel[], shared: ReadonlySet<string>): readonly PartRenames[] {
  const values = clashFree(parts.map((part) => [part.name, valueNames(part.model.graph)] as const));
  const nodes = clashFree(parts.map((part) => [part.name, nodeNames(part.model.graph)] as const));
  const sizes = clashFree(
    parts.map((part) => [part.name, new Set([...sizeNames(part.model.graph)].filter((size) => !shared.has(size)))] as const),
  );
  return parts.map((_, i) => ({
    values: values[i] as Renames,
    nodes: nodes[i] as Renames,
    sizes: sizes[i] as Renames,
  }));
}

function clashFree(realms: readonly (readonly [part: string, names: ReadonlySet<string>])[]): readonly Renames[] {
  const uses = new Map<string, number>();
  for (const [, names] of realms) for (const name of names) uses.set(name, (uses.get(name) ?? 0) + 1);
  const taken = new Set(uses.keys());
  return realms.map(([part, names]) => {
    const renames = new Map<string, string>();
    for (const name of names) {
      if (uses.get(name) === 1) continue;
      let free = `${part}/${name}`;
      while (taken.has(free)) free += "_";
      taken.add(free);
      renames.set(name, free);
    }
    return renames;
  });
}

/** Every name of a value, subgraphs included. */
export function valueNames(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  eachGraph(graph, (g) => {
    for (const input of g.inputs) names.add(input.name);
    for (const constant of g.constants.keys()) names.add(constant);
    for (const node of g.nodes) for (const output of node.outputs) if (output !== "") names.add(output);
    // Files may describe values that nothing makes.
    for (const name of g.types.keys()) names.add(name);
  });
  return names;
}

/** Every name of a node, subgraphs included. */
export function nodeNames(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  eachGraph(graph, (g) => {
    for (const node of g.nodes) names.add(node.name);
  });
  return names;
}

/** Symbolic sizes of the inputs: all others follow from them. */
function sizeNames(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { type } of graph.inputs)
    if (type.kind === "tensor")
      for (const dim of type.shape ?? []) if (typeof dim === "string" && dim !== UNKNOWN_DIM) names.add(dim);
  return names;
}

/** The graph with other names, in all its scopes. Weights are shared. */
export function renamedGraph(graph: Graph, renames: PartRenames): Graph {
  const value = (name: string): string => renames.values.get(name) ?? name;
  const type = (t: ValueType): ValueType => resized(t, renames.sizes);
  const info = (i: ValueInfo): ValueInfo => ({ ...i, name: value(i.name), type: type(i.type) });
  return {
    name: graph.name,
    inputs: graph.inputs.map(info),
    outputs: graph.outputs.map(info),
    nodes: graph.nodes.map((node) => renamedNode(node, renames)),
    constants: new Map([...graph.constants].map(([name, tensor]) => [value(name), tensor])),
    types: new Map([...graph.types].map(([name, t]) => [value(name), type(t)])),
    ...(graph.doc === undefined ? {} : { doc: graph.doc }),
  };
}

function renamedNode(node: Node, renames: PartRenames): Node {
  const value = (name: string): string => renames.values.get(name) ?? name;
  const inner = mapSubgraphs(node, (graph) => renamedGraph(graph, renames));
  return {
    ...inner,
    name: renames.nodes.get(node.name) ?? node.name,
    inputs: node.inputs.map(value),
    outputs: node.outputs.map(value),
  };
}

/** A type with sizes under other names, or numbers for them. Expressions of a size that changes are forgotten: inference finds them again. */
export function resized(type: ValueType, sizes: ReadonlyMap<string, Dim>): ValueType {
  if (type.kind !== "tensor" || type.shape === undefined || sizes.size === 0) return type;
  const shape: Shape = type.shape.map((dim) => {
    if (typeof dim === "number") return dim;
    const other = sizes.get(dim);
    if (other !== undefined) return other;
    return [...sizes.keys()].some((size) => dim.includes(size)) ? UNKNOWN_DIM : dim;
  });
  return { ...type, shape };
}
