import { basename } from "node:path";
import type { Graph, Model, TensorType, ValueInfo } from "@tessera/core/graph/model";
import { printType } from "@tessera/core/graph/text-print";
import { countNodes, eachGraph } from "@tessera/core/graph/walk";
import { type CostReport, costReport } from "@tessera/core/ops/cost-report";
import type { ModelSummary } from "@tessera/core/protocol/report";
import type { ModelFile } from "../io/model-file.ts";
import { hazardsOf } from "./hazards.ts";

/** Operators by name with their number, subgraphs included; those of other domains as "domain.Op". */
export function operatorCounts(model: Model): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  eachGraph(model.graph, (graph) => {
    for (const node of graph.nodes) {
      const name = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  });
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Input types of one sample: every size that is not known is 1. */
function oneSample(graph: Graph): ReadonlyMap<string, TensorType> {
  const types = new Map<string, TensorType>();
  for (const { name, type } of graph.inputs) {
    if (type.kind !== "tensor" || type.shape === undefined) continue;
    types.set(name, { ...type, shape: type.shape.map((d) => (typeof d === "number" ? d : 1)) });
  }
  return types;
}

/** The cost of one inference, with 1 for every size that is not known. */
export function costOfOne(model: Model): CostReport {
  const symbols = new Map<string, number>();
  for (const { type } of model.graph.inputs)
    if (type.kind === "tensor")
      for (const dim of type.shape ?? []) if (typeof dim === "string" && dim !== "?") symbols.set(dim, 1);
  return costReport(model.graph, { inputTypes: oneSample(model.graph), bindings: symbols });
}

/** Operators that multiply and accumulate: while the cost of one of these is open, so is the sum. */
const MULTIPLIES: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum", "LSTM", "GRU", "RNN"]);

function describe(value: ValueInfo): string {
  return `${value.name}: ${printType(value.type)}`;
}

/** What a model file is, in figures. */
export function summarize(
  file: Pick<ModelFile, "path" | "sha256" | "bytes" | "model" | "format">,
  options: { readonly licence?: string; readonly cost?: CostReport } = {},
): ModelSummary {
  const { model } = file;
  const cost = options.cost ?? costOfOne(model);
  const known = cost.nodes.every((node) => node.macs !== undefined || !MULTIPLIES.has(node.op));
  return {
    // The name alone: a report travels, and folders are nobody's business.
    file: basename(file.path),
    sha256: file.sha256,
    sizeBytes: file.bytes.length,
    ...(file.format === "ort" ? {} : { format: file.format }),
    opset: model.source?.opset ?? 0,
    inputs: model.graph.inputs.map(describe),
    outputs: model.graph.outputs.map(describe),
    nodes: model.source?.nodes ?? countNodes(model.graph, true),
    parameters: cost.parameters,
    ...(known ? { macs: cost.macs } : {}),
    ...(cost.peakActivationBytes === undefined ? {} : { peakActivationBytes: cost.peakActivationBytes }),
    ...(options.licence === undefined ? {} : { licence: options.licence }),
    hazards: hazardsOf(model),
  };
}
