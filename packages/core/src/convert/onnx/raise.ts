import { fail } from "../../base/error.ts";
import type { ExternalDataResolver } from "../../formats/onnx/external-data.ts";
import type { GraphProto, ModelProto, NodeProto } from "../../formats/onnx/records.ts";
import { CANONICAL_OPSET, type Graph, type Model, type Node } from "../../graph/model.ts";
import { verifyModel } from "../../graph/verify.ts";
import { eachGraph } from "../../graph/walk.ts";
import { type OnnxModelCarried, packed } from "./carried.ts";
import { INLINE_DEFAULTS, inlineFunctions } from "./inline-functions.ts";
import { makeNameBook } from "./names.ts";
import { readOpsets, versionOf } from "./opsets.ts";
import { collectNames, readGraph } from "./read-graph.ts";
import { upgradeGraph } from "./upgrade-graph.ts";

/** Options of {@link raiseOnnx}. */
export interface RaiseOptions {
  /** Finds the bytes of a data file by its location; without it tensors in other files are refused. */
  readonly externalData?: ExternalDataResolver;
  /**
   * Initializers that are also graph inputs are defaults that a caller may override, by the letter of the format. Hardly any file means it (IR 3
   * made every weight an input), so they become constants and leave the inputs; true keeps them in both lists.
   */
  readonly keepDefaultInputs?: boolean;
  /** Put the bodies of the model's own functions in the place of their calls. False leaves the calls as opaque nodes. */
  readonly inlineFunctions?: boolean;
}

/** What {@link raiseOnnx} does unless told otherwise. */
export const RAISE_DEFAULTS = { keepDefaultInputs: false, inlineFunctions: true } as const satisfies RaiseOptions;

/** What raising had to change. Lists hold names. */
export interface RaiseReport {
  readonly kind: "raise-report";
  /** Opset of the standard domain in the file. */
  readonly opset: number;
  readonly irVersion: number;
  /** Initializers that were inputs too. They are still inputs only under `keepDefaultInputs`. */
  readonly defaultInputs: readonly string[];
  /** Nodes that share a name with an earlier one and got another. */
  readonly renamedNodes: number;
  /** Nodes that make nothing. */
  readonly droppedNodes: readonly string[];
  /** Graphs whose nodes were not in topological order. */
  readonly sortedGraphs: readonly string[];
  /** `Operator@opset` -> nodes that were replaced by their form of the canonical opset. */
  readonly upgraded: ReadonlyMap<string, number>;
  /** Functions whose bodies went in the place of calls -> number of calls. */
  readonly inlined: ReadonlyMap<string, number>;
}

/** Nobody can know what a standard operator means in a file that names no opset (before IR 3 that meant opset 1). */
function requireNoStandardOperator(graph: Graph, opsets: ReadonlyMap<Node, number>): void {
  eachGraph(graph, ({ nodes }) => {
    const node = nodes.find((n) => n.domain === "" && !opsets.has(n));
    if (node === undefined) return;
    throw fail("UNSUPPORTED_OPSET", `Cannot raise ${node.op}: the file names no opset of the standard domain`, {
      at: { node: node.name },
    });
  });
}

/** {@link raiseOnnx} that also tells what it had to change. */
export function raiseOnnxReported(
  record: ModelProto,
  options: RaiseOptions = {},
): { readonly model: Model; readonly report: RaiseReport } {
  const { externalData, keepDefaultInputs, inlineFunctions: inline } = { ...RAISE_DEFAULTS, ...options };
  if (record.graph === undefined) throw fail("GRAPH_INVALID", "Cannot raise the model: it has no graph");
  const { standard, domains } = readOpsets(record.opsetImport);
  // A model without any standard operator need not import them.
  const opset = standard ?? CANONICAL_OPSET;
  const expanded = inline
    ? inlineFunctions(record.graph, { functions: record.functions ?? [], ...INLINE_DEFAULTS })
    : {
        graph: record.graph,
        inlined: new Map<string, number>(),
        opsets: new WeakMap<NodeProto, number>(),
        domains: new Map<string, number>(),
      };
  for (const [domain, version] of expanded.domains) if (!domains.has(domain)) domains.set(domain, version);

  const nodeNames = makeNameBook();
  const valueNames = makeNameBook();
  const unclaimed = new Set<string>();
  collectNames(expanded.graph, {
    node(name) {
      nodeNames.take(name);
      unclaimed.add(name);
    },
    value(name) {
      valueNames.take(name);
    },
  });
  const found = { defaultInputs: [] as string[], droppedNodes: [] as string[], renamedNodes: 0 };
  const opsets = new Map<Node, number>();
  const read = readGraph(
    expanded.graph,
    {
      resolve: externalData,
      keepDefaultInputs,
      nodeNames,
      unclaimed,
      opsetOf: (node) => expanded.opsets.get(node),
      opsets,
      tensors: new WeakMap(),
      found,
    },
    true,
  );
  if (standard === undefined) requireNoStandardOperator(read, opsets);
  const upgraded = new Map<string, number>();
  const sortedGraphs: string[] = [];
  const graph = upgradeGraph(read, { opset, opsets, nodeNames, valueNames, upgraded, sortedGraphs });

  const carried = packed<OnnxModelCarried>({
    kind: "onnx",
    domain: record.domain,
    modelVersion: record.modelVersion,
    functions: inline ? undefined : record.functions,
    trainingInfo: record.trainingInfo,
    configuration: record.configuration,
    unknown: record.unknown,
  });
  const irVersion = versionOf(record.irVersion, "IR");
  const model: Model = {
    kind: "model",
    graph,
    domains,
    metadata: new Map((record.metadataProps ?? []).map((entry) => [entry.key ?? "", entry.value ?? ""])),
    producer: { name: record.producerName ?? "", version: record.producerVersion ?? "" },
    ...(record.docString === undefined ? {} : { doc: record.docString }),
    source: { format: "onnx", opset, irVersion, nodes: nodesOf(record.graph) },
    ...(carried === undefined ? {} : { carried }),
  };
  verifyModel(model);
  const report: RaiseReport = {
    kind: "raise-report",
    opset,
    irVersion,
    ...found,
    sortedGraphs,
    upgraded,
    inlined: expanded.inlined,
  };
  return { model, report };
}

/**
 * The canonical model of an ONNX file: every node of the standard domain has the meaning of the canonical opset, nodes are in topological order
 * with unique names, values are defined once, constants are views of the file. Operators of other domains and unknown ones pass as they are.
 *
 * @throws UNSUPPORTED_OPSET below 7 or above the newest known; GRAPH_INVALID for a broken graph (two definitions, cycles, missing values);
 *   MALFORMED, DTYPE_MISMATCH for tensors that contradict themselves; EXTERNAL_DATA; ATTRIBUTE_INVALID, UNSUPPORTED_OP from upgrades
 * @example
 * const model = raiseOnnx(readOnnx(bytes), { externalData: (location) => files.get(location) });
 */
export function raiseOnnx(record: ModelProto, options: RaiseOptions = {}): Model {
  return raiseOnnxReported(record, options).model;
}

/** Nodes of a graph and of the graphs inside it. The reader has bounded the depth. */
function nodesOf(graph: GraphProto): number {
  let count = graph.node?.length ?? 0;
  for (const node of graph.node ?? []) {
    for (const attribute of node.attribute ?? []) {
      for (const inner of [attribute.g, ...(attribute.graphs ?? [])]) if (inner !== undefined) count += nodesOf(inner);
    }
  }
  return count;
}
