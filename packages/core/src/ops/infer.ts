import { fail, isTesseraError, placed } from "../base/error.ts";
import { type Dim, UNKNOWN_DIM } from "../graph/dim.ts";
import { DTYPES } from "../graph/dtype.ts";
import { type Graph, type Node, type TensorType, tensorType, type ValueType } from "../graph/model.ts";
import { countOf, type Tensor, toNumbers } from "../graph/tensor.ts";
import { attributeProblems } from "./attributes.ts";
import { constantValue } from "./constant.ts";
import type { InferContext } from "./row.ts";
import { MAX_VALUE_ELEMENTS, SHAPE_VALUES, type ValueRule } from "./shape-values.ts";
import { opRow } from "./table.ts";

/** Options of {@link inferGraph}. */
export interface InferOptions {
  /** Types that replace the declared ones of graph inputs, by name. */
  readonly inputTypes?: ReadonlyMap<string, TensorType>;
  /** Sizes for symbolic dimensions, by their name. */
  readonly bindings?: ReadonlyMap<string, number>;
}

/** Something that does not fit, found on the way. Inference goes on behind it. */
export interface InferProblem {
  /** Name of the node. */
  readonly node: string;
  readonly error: Error;
}

/** What is known about the values of one graph. */
export interface InferResult {
  /** Types of inputs, constants and node outputs, by name. Values about which nothing is known are absent. */
  readonly types: ReadonlyMap<string, ValueType>;
  /** Elements of small integer values as sizes (numbers, symbolic or "?"), by name. */
  readonly values: ReadonlyMap<string, readonly Dim[]>;
  /** Of this graph and, in the result for the outermost graph, of everything inside it. */
  readonly problems: readonly InferProblem[];
  /** The same for each subgraph inside, however deep. */
  readonly subgraphs: ReadonlyMap<Graph, InferResult>;
}

interface Scope {
  readonly graph: Graph;
  readonly parent: Scope | undefined;
  readonly types: Map<string, ValueType>;
  readonly values: Map<string, readonly Dim[]>;
  /** Outputs of Constant nodes. */
  readonly folded: Map<string, Tensor>;
  readonly problems: InferProblem[];
  readonly subgraphs: Map<Graph, InferResult>;
  readonly bindings: ReadonlyMap<string, number>;
}

function lookup<T>(scope: Scope, find: (scope: Scope) => T | undefined): T | undefined {
  for (let s: Scope | undefined = scope; s !== undefined; s = s.parent) {
    const found = find(s);
    if (found !== undefined) return found;
  }
  return undefined;
}

function typeIn(scope: Scope, name: string): TensorType | undefined {
  const type = lookup(scope, (s) => s.types.get(name));
  return type?.kind === "tensor" ? type : undefined;
}

// A constant that is also a graph input may be overridden by the caller: it is no constant then.
function constantIn(scope: Scope, name: string): Tensor | undefined {
  return lookup(scope, (s) =>
    s.graph.inputs.some((input) => input.name === name) ? undefined : (s.folded.get(name) ?? s.graph.constants.get(name)),
  );
}

function sizesOf(tensor: Tensor): readonly Dim[] | undefined {
  if (countOf(tensor.shape) > MAX_VALUE_ELEMENTS) return undefined;
  const { class: kind, bits } = DTYPES[tensor.dtype];
  const readable = kind === "int" || kind === "uint" || kind === "bool" || (kind === "float" && bits >= 16);
  if (!readable) return undefined;
  const values = Array.from(toNumbers(tensor), (v) => Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, v)));
  return values.every(Number.isInteger) ? values : undefined;
}

function sizesIn(scope: Scope, name: string): readonly Dim[] | undefined {
  const constant = constantIn(scope, name);
  return constant === undefined ? lookup(scope, (s) => s.values.get(name)) : sizesOf(constant);
}

function bound(type: ValueType, bindings: ReadonlyMap<string, number>): ValueType {
  if (type.kind !== "tensor" || type.shape === undefined || bindings.size === 0) return type;
  return tensorType(
    type.dtype,
    type.shape.map((dim) => (typeof dim === "string" ? (bindings.get(dim) ?? dim) : dim)),
  );
}

// The inferred type, with what only the declaration knows. Calls `contradiction` where the two cannot both hold.
function merged(
  inferred: TensorType | undefined,
  declared: ValueType | undefined,
  contradiction: (why: string) => void,
): ValueType | undefined {
  if (inferred === undefined) return declared;
  if (declared === undefined) return inferred;
  if (declared.kind !== "tensor") return inferred;
  if (declared.dtype !== inferred.dtype) {
    contradiction(`it is declared ${declared.dtype} and is ${inferred.dtype}`);
    return inferred;
  }
  if (declared.shape === undefined) return inferred;
  if (inferred.shape === undefined) return declared;
  const { shape } = declared;
  const differs = inferred.shape.some((dim, i) => typeof dim === "number" && typeof shape[i] === "number" && dim !== shape[i]);
  if (inferred.shape.length !== shape.length || differs) {
    contradiction(`it is declared [${shape}] and is [${inferred.shape}]`);
    return inferred;
  }
  return tensorType(
    inferred.dtype,
    inferred.shape.map((dim, i) => (dim === UNKNOWN_DIM ? (shape[i] as Dim) : dim)),
  );
}

function inferNode(scope: Scope, node: Node, declared: ReadonlyMap<string, ValueType>): void {
  const entered = new Set<Graph>();
  const context: InferContext = {
    node,
    inputs: node.inputs.map((name) => (name === "" ? undefined : typeIn(scope, name))),
    constant: (index) => constantIn(scope, node.inputs[index] ?? ""),
    dims: (index) => sizesIn(scope, node.inputs[index] ?? ""),
    subgraph: (name, inputTypes) => {
      const attribute = node.attributes.get(name);
      if (attribute?.kind !== "graph")
        throw fail("ATTRIBUTE_INVALID", `Cannot enter subgraph ${name} of ${node.op}: there is none`);
      entered.add(attribute.value);
      return enter(scope, attribute.value, inputTypes);
    },
  };
  const report = (error: unknown): void => {
    const at = placed(error, { node: node.name });
    scope.problems.push({ node: node.name, error: at instanceof Error ? at : new Error(String(at)) });
  };
  const row = opRow(node);
  let outputs: readonly (TensorType | undefined)[] = [];
  if (row !== undefined) {
    for (const problem of attributeProblems(node, row)) report(problem);
    try {
      outputs = row.infer(context);
    } catch (error) {
      report(error);
    }
    const rule = node.domain === "" ? SHAPE_VALUES.get(node.op) : undefined;
    if (rule !== undefined && node.inputs.length <= MAX_VALUE_ELEMENTS)
      followValues(scope, node, { run: () => rule(context), report });
  }
  if (node.op === "Constant" && node.domain === "") {
    const value = constantValue(node);
    const name = node.outputs[0] ?? "";
    if (value !== undefined && name !== "") scope.folded.set(name, value);
  }
  node.outputs.forEach((name, i) => {
    if (name === "") return;
    const type = merged(outputs[i], declared.get(name), (why) =>
      report(fail("SHAPE_MISMATCH", `Cannot keep the declared type of ${name}: ${why}`, { at: { tensor: name } })),
    );
    if (type !== undefined) scope.types.set(name, type);
  });
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === "graph" && !entered.has(attribute.value)) enter(scope, attribute.value, []);
    if (attribute.kind === "graphs") for (const graph of attribute.value) enter(scope, graph, []);
  }
}

// A chain that a rule cannot follow only ends; what is wrong with the node has been said by its row.
function followValues(
  scope: Scope,
  node: Node,
  options: { readonly run: () => ReturnType<ValueRule>; readonly report: (error: unknown) => void },
): void {
  let lists: ReturnType<ValueRule>;
  try {
    lists = options.run();
  } catch (error) {
    if (!isTesseraError(error)) options.report(error);
    return;
  }
  lists.forEach((list, i) => {
    const name = node.outputs[i] ?? "";
    if (name !== "" && list !== undefined && list.length <= MAX_VALUE_ELEMENTS) scope.values.set(name, list);
  });
}

function enter(parent: Scope, graph: Graph, inputTypes: readonly (TensorType | undefined)[]): readonly (ValueType | undefined)[] {
  const given = new Map<string, TensorType>();
  graph.inputs.forEach((input, i) => {
    const type = inputTypes[i];
    if (type !== undefined) given.set(input.name, type);
  });
  const scope = inferScope(graph, parent, { given, bindings: parent.bindings });
  parent.subgraphs.set(graph, scope);
  for (const [inner, result] of scope.subgraphs) parent.subgraphs.set(inner, result);
  return graph.outputs.map((output) => lookup(scope, (s) => s.types.get(output.name)) ?? bound(output.type, parent.bindings));
}

function inferScope(
  graph: Graph,
  parent: Scope | undefined,
  options: { readonly given: ReadonlyMap<string, TensorType>; readonly bindings: ReadonlyMap<string, number> },
): Scope {
  const { given, bindings } = options;
  const scope: Scope = {
    graph,
    parent,
    types: new Map(),
    values: new Map(),
    folded: new Map(),
    problems: [],
    subgraphs: new Map(),
    bindings,
  };
  const declared = new Map<string, ValueType>();
  for (const [name, type] of graph.types) declared.set(name, bound(type, bindings));
  for (const output of graph.outputs) declared.set(output.name, bound(output.type, bindings));
  for (const [name, tensor] of graph.constants) scope.types.set(name, tensorType(tensor.dtype, tensor.shape));
  for (const input of graph.inputs) {
    const type = merged(given.get(input.name), bound(input.type, bindings), () => {});
    if (type !== undefined) scope.types.set(input.name, type);
  }
  for (const node of graph.nodes) inferNode(scope, node, declared);
  return scope;
}

function allProblems(scope: Scope): InferProblem[] {
  return [...scope.problems, ...[...scope.subgraphs.values()].flatMap((inner) => inner.problems)];
}

/**
 * Types, shapes and shape-chain values of all values of a graph, walking its nodes in order. Symbolic sizes stay symbolic. Where a row
 * knows less than the file declares, or an operator has no row, the declared type is used; where they contradict, the inferred one wins and
 * the problem is reported. Never throws for a strange node: what does not fit is in `problems`.
 */
export function inferGraph(graph: Graph, options: InferOptions = {}): InferResult {
  const scope = inferScope(graph, undefined, { given: options.inputTypes ?? new Map(), bindings: options.bindings ?? new Map() });
  return { types: scope.types, values: scope.values, problems: allProblems(scope), subgraphs: scope.subgraphs };
}
