import { fail, placed } from "../base/error.ts";
import type { Graph, Node, ValueInfo } from "../graph/model.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Kernel, KernelContext } from "./kernel.ts";
import { kernelOf } from "./kernels.ts";
import { type Schedule, schedule, subgraphsOf } from "./scope.ts";

/** Options of {@link interpret}. */
export interface InterpretOptions {
  /** Values to compute, inner ones too; the graph outputs unless given. Only what they need is run. */
  readonly outputs?: readonly string[];
  /** Called with each value of the graph as soon as it is computed, in node order; not for values inside subgraphs. */
  readonly onValue?: (name: string, value: Tensor, node: Node) => void;
  /** Called after each node of the graph with its outputs. */
  readonly onNode?: (node: Node, outputs: readonly (Tensor | undefined)[]) => void;
  /** Values that are known already: nodes that make only such values do not run. Used to run the rest of a graph again. */
  readonly cache?: ReadonlyMap<string, Tensor>;
  /** Looked at before each node. */
  readonly signal?: AbortSignal;
}

/** Whether {@link interpret} can run a graph, and if not, why: one line for each operator that it lacks. */
export interface Interpretable {
  readonly ok: boolean;
  readonly reasons: readonly string[];
}

function named(node: Node): string {
  return node.domain === "" ? node.op : `${node.domain}.${node.op}`;
}

function kernelFor(node: Node): Kernel {
  const kernel = node.domain === "" ? kernelOf(node.op) : undefined;
  if (typeof kernel === "function") return kernel;
  const why = kernel === undefined ? "the operator is not known" : kernel.unsupported;
  throw fail("UNSUPPORTED_OP", `Cannot run ${named(node)} "${node.name}" of domain "${node.domain}": ${why}`, {
    at: { node: node.name },
  });
}

/** Says whether every node of a graph, subgraphs included, has a reference kernel. Cases inside a kernel may still be refused when they are met. */
export function canInterpret(graph: Graph): Interpretable {
  const reasons = new Set<string>();
  const visit = (inner: Graph): void => {
    for (const node of inner.nodes) {
      const kernel = node.domain === "" ? kernelOf(node.op) : undefined;
      if (typeof kernel !== "function")
        reasons.add(`${named(node)}: ${kernel === undefined ? "the operator is not known" : kernel.unsupported}`);
      for (const sub of subgraphsOf(node)) visit(sub);
    }
  };
  visit(graph);
  return { ok: reasons.size === 0, reasons: [...reasons] };
}

/** Values by name, with those of the graphs around behind them. */
interface Scope {
  readonly values: Map<string, Tensor>;
  readonly outer: Scope | undefined;
}

function lookUp(scope: Scope | undefined, name: string): Tensor | undefined {
  for (let s = scope; s !== undefined; s = s.outer) {
    const value = s.values.get(name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function runNode(node: Node, scope: Scope): readonly (Tensor | undefined)[] {
  const kernel = kernelFor(node);
  const inputs = node.inputs.map((name) => {
    if (name === "") return undefined;
    const value = lookUp(scope, name);
    if (value === undefined)
      throw fail("DATA_MISSING", `Cannot run ${named(node)}: there is no value "${name}"`, {
        at: { node: node.name, tensor: name },
      });
    return value;
  });
  const context: KernelContext = {
    node,
    outputCount: node.outputs.length,
    runGraph: (graph, values) => runSubgraph(graph, values, scope),
  };
  try {
    return kernel(inputs, context);
  } catch (error) {
    throw placed(error, { node: node.name });
  }
}

function storeOutputs(node: Node, outputs: readonly (Tensor | undefined)[], scope: Scope): void {
  node.outputs.forEach((name, i) => {
    const value = outputs[i];
    if (name === "") return;
    if (value === undefined) {
      throw fail("UNSUPPORTED_OP", `Cannot run ${named(node)}: the reference kernel does not make output ${i} ("${name}")`, {
        at: { node: node.name },
      });
    }
    scope.values.set(name, value);
  });
}

// Plans of subgraphs are kept while the program runs, because a Loop body runs many times.
const PLANS = new WeakMap<Graph, Schedule>();

function runSubgraph(graph: Graph, inputs: readonly Tensor[], outer: Scope): readonly Tensor[] {
  if (inputs.length !== graph.inputs.length) {
    throw fail(
      "GRAPH_INVALID",
      `Cannot run subgraph "${graph.name}": it has ${graph.inputs.length} inputs and is given ${inputs.length}`,
    );
  }
  const scope: Scope = { values: new Map(graph.constants), outer };
  graph.inputs.forEach((input, i) => {
    scope.values.set(input.name, inputs[i] as Tensor);
  });
  let plan = PLANS.get(graph);
  if (plan === undefined) {
    const wanted = graph.outputs.map((output) => output.name);
    plan = schedule(graph, wanted, () => false);
    PLANS.set(graph, plan);
  }
  for (const node of plan.nodes) storeOutputs(node, runNode(node, scope), scope);
  return graph.outputs.map((output) => {
    const value = lookUp(scope, output.name);
    if (value === undefined)
      throw fail("GRAPH_INVALID", `Cannot run subgraph "${graph.name}": nothing makes its output "${output.name}"`);
    return value;
  });
}

function checkFeed(input: ValueInfo, value: Tensor, names: Map<string, number>): void {
  const { type, name } = input;
  if (type.kind !== "tensor") return;
  const at = { at: { tensor: name } };
  if (type.dtype !== value.dtype)
    throw fail("DTYPE_MISMATCH", `Cannot feed "${name}" with ${value.dtype}: the model declares ${type.dtype}`, at);
  const { shape } = type;
  if (shape === undefined) return;
  const wrong =
    shape.length !== value.shape.length || shape.some((size, i) => typeof size === "number" && size !== value.shape[i]);
  if (wrong) throw fail("SHAPE_MISMATCH", `Cannot feed "${name}" with [${value.shape}]: the model declares [${shape}]`, at);
  shape.forEach((size, i) => {
    if (typeof size !== "string" || !/^[A-Za-z_]\w*$/.test(size)) return;
    const known = names.get(size);
    const actual = value.shape[i] as number;
    if (known !== undefined && known !== actual)
      throw fail("SHAPE_MISMATCH", `Cannot feed "${name}" with [${value.shape}]: ${size} is ${known} in another input`, at);
    names.set(size, actual);
  });
}

/**
 * Runs a graph with the reference kernels. `feeds` gives a tensor for each graph input that is needed; an input that is also a constant has that as its
 * default. Values are dropped after their last use.
 *
 * @returns the wanted values by name.
 * @throws DATA_MISSING for an input that is needed and not fed, or a wanted value that nothing makes; DTYPE_MISMATCH and SHAPE_MISMATCH for a feed that
 * contradicts the declared type; UNSUPPORTED_OP for a node without a kernel; what kernels throw, with the node's name.
 */
export function interpret(graph: Graph, feeds: ReadonlyMap<string, Tensor>, options: InterpretOptions = {}): Map<string, Tensor> {
  const values = new Map<string, Tensor>(graph.constants);
  const declared = new Map(graph.inputs.map((input) => [input.name, input]));
  const sizes = new Map<string, number>();
  for (const [name, value] of feeds) {
    const input = declared.get(name);
    if (input === undefined)
      throw fail("DATA_MISSING", `Cannot feed "${name}": the graph has no such input`, { at: { tensor: name } });
    checkFeed(input, value, sizes);
    values.set(name, value);
  }
  for (const [name, value] of options.cache ?? []) values.set(name, value);
  const wanted = options.outputs ?? graph.outputs.map((output) => output.name);
  const keep = new Set(wanted);
  const plan = schedule(graph, wanted, (name) => values.has(name));
  const scope: Scope = { values, outer: undefined };
  const made = new Set<string>();
  for (const node of plan.nodes) for (const name of node.outputs) made.add(name);
  const missing = (name: string): boolean => !values.has(name) && !made.has(name);
  const needed = [...wanted, ...plan.reads.flatMap((names) => [...names])];
  const absent = needed.find(missing);
  if (absent !== undefined) {
    const why = declared.has(absent) ? "the input was not fed" : "no node and no constant makes it";
    throw fail("DATA_MISSING", `Cannot compute "${absent}": ${why}`, { at: { tensor: absent } });
  }
  plan.nodes.forEach((node, index) => {
    options.signal?.throwIfAborted();
    const outputs = runNode(node, scope);
    storeOutputs(node, outputs, scope);
    options.onNode?.(node, outputs);
    if (options.onValue !== undefined) {
      for (const [i, name] of node.outputs.entries()) if (name !== "") options.onValue(name, outputs[i] as Tensor, node);
    }
    for (const name of plan.reads[index] ?? []) if (plan.lastUse.get(name) === index) values.delete(name);
    // Outputs that nobody reads.
    for (const name of node.outputs) if (!plan.lastUse.has(name) && !keep.has(name)) values.delete(name);
  });
  return new Map(wanted.map((name) => [name, values.get(name) as Tensor]));
}
