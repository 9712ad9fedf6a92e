import { fail } from "../base/error.ts";
import { DTYPES } from "./dtype.ts";
import type { Graph, Model } from "./model.ts";
import { countOf } from "./tensor.ts";
import { subgraphs } from "./walk.ts";

function problem(message: string, node?: string): Error {
  return fail("GRAPH_INVALID", `Cannot accept the graph: ${message}`, node === undefined ? {} : { at: { node } });
}

function verifyGraph(graph: Graph, outer: ReadonlySet<string>): void {
  const defined = new Set<string>(outer);
  const here = new Set<string>();
  const define = (name: string, what: string, node?: string): void => {
    if (name === "") throw problem(`${what} has an empty name`, node);
    if (here.has(name)) throw problem(`"${name}" is defined twice`, node);
    here.add(name);
    defined.add(name);
  };
  for (const input of graph.inputs) define(input.name, "an input");
  for (const [name, tensor] of graph.constants) {
    // IR 3 default values: a constant may share its name with an input.
    if (!here.has(name)) define(name, "a constant");
    const bits = DTYPES[tensor.dtype].bits * countOf(tensor.shape);
    const length =
      tensor.dtype === "string"
        ? (tensor.strings?.length ?? 0) === countOf(tensor.shape)
        : tensor.bytes.length === Math.ceil(bits / 8);
    if (!length) throw problem(`constant "${name}" of ${tensor.dtype}[${tensor.shape}] does not have the bytes its type needs`);
  }
  const nodeNames = new Set<string>();
  for (const node of graph.nodes) {
    if (node.name === "" || nodeNames.has(node.name)) throw problem(`node name "${node.name}" is empty or used twice`, node.name);
    nodeNames.add(node.name);
    for (const name of node.inputs) {
      if (name !== "" && !defined.has(name))
        throw problem(`${node.op} reads "${name}", which nothing before it defines`, node.name);
    }
    for (const inner of subgraphs(node)) verifyGraph(inner, defined);
    for (const name of node.outputs) if (name !== "") define(name, "an output", node.name);
    if (node.outputs.every((name) => name === "")) throw problem(`${node.op} has no output`, node.name);
  }
  for (const output of graph.outputs) {
    if (!defined.has(output.name)) throw problem(`output "${output.name}" is not defined`);
  }
}

/**
 * Checks structure: every value has one definition, before its uses; names are present and unique; constants have the bytes that their types
 * need; subgraphs see the values around them. Operators and shapes are `ops`' matter.
 *
 * @throws GRAPH_INVALID naming the node
 */
export function verifyModel(model: Model): void {
  verifyGraph(model.graph, new Set());
}
