import { fail } from "../base/error.ts";
import { renameUse } from "./edit.ts";
import type { Graph, Node, ValueType } from "./model.ts";
import type { Tensor } from "./tensor.ts";
import { eachGraph, sortNodes, usedNames } from "./walk.ts";

/** What a draft of a subgraph sees of the graphs around it. */
export interface OuterScope {
  constant(name: string): Tensor | undefined;
  type(name: string): ValueType | undefined;
  /** Every name used anywhere in the model; fresh names are added to it, so that no two drafts of one model give out the same. */
  readonly taken: Set<string>;
}

/**
 * A graph being edited: the one place where a pass changes things. It starts from a graph (which stays as it is), keeps producer and consumer
 * tables up to date, and ends with {@link GraphDraft.finish}. Graph inputs and outputs keep their names, always. Nodes are known by name: an
 * edit that touches a node's inputs makes a new object of the same name, so ask {@link GraphDraft.current} before using one held for long.
 */
export class GraphDraft {
  readonly source: Graph;
  private readonly byName = new Map<string, Node>();
  /** Sort key of each node: new nodes stand where the ones they replace stood. */
  private readonly place = new Map<string, number>();
  private readonly makers = new Map<string, string>();
  private readonly users = new Map<string, Set<string>>();
  private readonly tensors: Map<string, Tensor>;
  private readonly types: Map<string, ValueType>;
  private readonly outputNames: ReadonlySet<string>;
  private readonly inputNames: ReadonlySet<string>;
  private readonly taken: Set<string>;
  private readonly outer: OuterScope | undefined;
  private changed = false;

  constructor(graph: Graph, outer?: OuterScope) {
    this.source = graph;
    this.outer = outer;
    this.taken = outer?.taken ?? namesOf(graph);
    this.tensors = new Map(graph.constants);
    this.types = new Map(graph.types);
    this.outputNames = new Set(graph.outputs.map((o) => o.name));
    this.inputNames = new Set(graph.inputs.map((i) => i.name));
    graph.nodes.forEach((node, i) => {
      this.put(node, i);
    });
  }

  private put(node: Node, place: number): void {
    this.byName.set(node.name, node);
    this.place.set(node.name, place);
    for (const name of node.outputs) if (name !== "") this.makers.set(name, node.name);
    for (const name of usedNames(node)) {
      const set = this.users.get(name);
      if (set) set.add(node.name);
      else this.users.set(name, new Set([node.name]));
    }
  }

  private take(node: Node): void {
    this.byName.delete(node.name);
    for (const name of node.outputs) if (this.makers.get(name) === node.name) this.makers.delete(name);
    for (const name of usedNames(node)) this.users.get(name)?.delete(node.name);
  }

  /** Whether anything was changed so far. */
  get isChanged(): boolean {
    return this.changed;
  }

  /** The nodes that are in the draft now. Safe to edit while going through them; nodes added meanwhile are not visited. */
  nodes(): readonly Node[] {
    return [...this.byName.values()];
  }

  /** The node of that name as it is now; `undefined` once it was removed. */
  current(node: Node): Node | undefined {
    return this.byName.get(node.name);
  }

  /** The node that makes a value; `undefined` for inputs, constants and values of outer graphs. */
  producer(name: string): Node | undefined {
    const maker = this.makers.get(name);
    return maker === undefined ? undefined : this.byName.get(maker);
  }

  /** Nodes that read a value, directly or inside their subgraphs. */
  consumers(name: string): readonly Node[] {
    return [...(this.users.get(name) ?? [])].map((user) => this.byName.get(user) as Node);
  }

  /** The single node that reads a value; `undefined` when there are several or none, or when the value is a graph output. */
  onlyConsumer(name: string): Node | undefined {
    if (this.outputNames.has(name)) return undefined;
    const users = this.consumers(name);
    return users.length === 1 ? users[0] : undefined;
  }

  /** The constant of that name; a default value that a caller may override (IR 3) is not one. */
  constant(name: string): Tensor | undefined {
    if (this.inputNames.has(name)) return undefined;
    return this.tensors.get(name) ?? (this.makers.has(name) ? undefined : this.outer?.constant(name));
  }

  /** Whether a constant of that name belongs to this very graph, and not to one around it. */
  hasConstant(name: string): boolean {
    return this.tensors.has(name) && !this.inputNames.has(name);
  }

  constants(): readonly (readonly [string, Tensor])[] {
    return [...this.tensors];
  }

  type(name: string): ValueType | undefined {
    const own = this.types.get(name) ?? this.source.inputs.find((i) => i.name === name)?.type;
    return own ?? (this.makers.has(name) || this.tensors.has(name) ? undefined : this.outer?.type(name));
  }

  setType(name: string, type: ValueType | undefined): void {
    if (type === undefined) this.types.delete(name);
    else this.types.set(name, type);
  }

  isOutput(name: string): boolean {
    return this.outputNames.has(name);
  }

  isInput(name: string): boolean {
    return this.inputNames.has(name);
  }

  /** A name that nothing in the graph or its subgraphs uses. The same calls give the same names. */
  freshName(hint: string): string {
    let name = hint;
    for (let i = 1; name === "" || this.taken.has(name); i++) name = `${hint}_${i}`;
    this.taken.add(name);
    return name;
  }

  /** Adds a constant under a fresh name like `hint` and gives the name. */
  addConstant(hint: string, tensor: Tensor): string {
    const name = this.freshName(hint);
    this.tensors.set(name, tensor);
    this.changed = true;
    return name;
  }

  /** Gives an existing constant another tensor. */
  setConstant(name: string, tensor: Tensor): void {
    this.tensors.set(name, tensor);
    this.types.delete(name);
    this.changed = true;
  }

  removeConstant(name: string): void {
    this.tensors.delete(name);
    this.changed = true;
  }

  /** Adds a node and gives it as it was added: with a fresh name when its own is in use. `like` tells where in the order it should stand. */
  add(node: Node, like?: Node): Node {
    const named = this.byName.has(node.name) || node.name === "" ? { ...node, name: this.freshName(node.name || node.op) } : node;
    this.taken.add(named.name);
    for (const output of named.outputs) this.taken.add(output);
    this.put(named, like === undefined ? this.place.size : (this.place.get(like.name) ?? this.place.size));
    this.changed = true;
    return named;
  }

  remove(node: Node): void {
    const current = this.byName.get(node.name);
    if (current === undefined) throw fail("GRAPH_INVALID", `Cannot remove node ${node.name}: it is not in the graph`);
    this.take(current);
    this.changed = true;
  }

  /** Puts nodes in the place of one; they may take over its name and output names. */
  replace(node: Node, ...next: readonly Node[]): readonly Node[] {
    this.remove(node);
    return next.map((n) => this.add(n, node));
  }

  /** Removes a node whose output `from` can be had as `to`: everyone who read `from` reads `to`. When `from` is a graph output, the producer of
   * `to` takes over that name, which is impossible when `to` is an input, a constant, a value of an outer graph or itself a graph output.
   *
   * @returns false, with nothing changed, where it is impossible
   */
  bypass(node: Node, from: string, to: string): boolean {
    if (!this.outputNames.has(from)) {
      this.remove(node);
      this.renameUses(from, to);
      return true;
    }
    const maker = this.producer(to);
    if (maker === undefined || this.outputNames.has(to) || maker.name === node.name) return false;
    this.remove(node);
    const place = this.place.get(maker.name) ?? 0;
    this.take(maker);
    this.put({ ...maker, outputs: maker.outputs.map((o) => (o === to ? from : o)) }, place);
    const type = this.types.get(to);
    if (type !== undefined) this.types.set(from, type);
    this.renameUses(to, from);
    return true;
  }

  /** Makes every reader of `from` read `to`. Graph outputs are not touched: use {@link GraphDraft.bypass} for those. */
  renameUses(from: string, to: string): void {
    for (const user of this.consumers(from)) {
      const place = this.place.get(user.name) ?? 0;
      this.take(user);
      this.put(renameUse(user, from, to), place);
    }
    this.changed = true;
  }

  /** The edited graph: nodes sorted, constants and types that nothing uses dropped. @throws GRAPH_INVALID when the edits made a cycle */
  finish(): Graph {
    if (!this.changed) return this.source;
    const placeOf = (node: Node): number => this.place.get(node.name) ?? 0;
    const { sorted, cycle } = sortNodes([...this.byName.values()].sort((a, b) => placeOf(a) - placeOf(b)));
    if (cycle.length > 0) throw fail("GRAPH_INVALID", `Cannot order the nodes: ${cycle.join(" -> ")} is a cycle`);
    const live = new Set<string>([...this.outputNames, ...this.inputNames]);
    for (const node of sorted) {
      for (const name of usedNames(node)) live.add(name);
      for (const name of node.outputs) live.add(name);
    }
    const constants = new Map([...this.tensors].filter(([name]) => live.has(name)));
    const types = new Map([...this.types].filter(([name]) => live.has(name)));
    return { ...this.source, nodes: sorted, constants, types };
  }
}

/** Every name that a graph and its subgraphs use for values and nodes. A fresh outer name must not be hidden by an inner one. */
export function namesOf(graph: Graph): Set<string> {
  const taken = new Set<string>();
  eachGraph(graph, (g) => {
    for (const value of [...g.inputs, ...g.outputs]) taken.add(value.name);
    for (const name of g.constants.keys()) taken.add(name);
    for (const node of g.nodes) {
      taken.add(node.name);
      for (const name of [...node.inputs, ...node.outputs]) taken.add(name);
    }
  });
  return taken;
}

/** Gives out names that a graph does not use, like a hint, and not twice. */
export function freshNames(graph: Graph): (hint: string) => string {
  const taken = namesOf(graph);
  return (hint) => {
    let name = hint;
    for (let i = 1; taken.has(name); i++) name = `${hint}_${i}`;
    taken.add(name);
    return name;
  };
}
