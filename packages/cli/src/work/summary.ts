import { isStatic } from "@tessera/core/graph/dim";
import type { Model, ValueInfo } from "@tessera/core/graph/model";
import { countOf, view } from "@tessera/core/graph/tensor";
import { printType } from "@tessera/core/graph/text-print";
import { countNodes, eachGraph } from "@tessera/core/graph/walk";
import { costReport } from "@tessera/core/ops/cost-report";
import type { ModelSummary } from "@tessera/core/protocol/report";
import type { ModelFile } from "../io/model-file.ts";

/** Operators by name with their number, subgraphs included. */
export function operatorCounts(model: Model): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  eachGraph(model.graph, (graph) => {
    for (const node of graph.nodes) counts.set(node.op, (counts.get(node.op) ?? 0) + 1);
  });
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Weights smaller than this slow a network down: their products become subnormal numbers, which processors compute by microcode. */
const TINY = 1e-10;
const HALF_MAX = 65504;

/** What in a model is known to hurt on devices. */
export function hazardsOf(model: Model): readonly string[] {
  const hazards: string[] = [];
  let tiny = 0;
  let big = 0;
  for (const tensor of model.graph.constants.values()) {
    if (tensor.dtype !== "float32") continue;
    for (const v of view(tensor, "float32")) {
      const magnitude = Math.abs(v);
      if (magnitude !== 0 && magnitude < TINY) tiny++;
      if (magnitude > HALF_MAX) big++;
    }
  }
  if (tiny > 0) hazards.push(`${tiny} weights below 1e-10: their products become subnormal and slow; simplify flushes them`);
  if (big > 0) hazards.push(`${big} weights above 65,504 do not fit float16`);
  const prelu = model.graph.nodes.filter((n) => n.op === "PRelu").length;
  if (prelu > 0)
    hazards.push(
      `${prelu} PRelu: no integer kernel in ONNX Runtime, and a slow float one; simplify --target ort-x64 rewrites it`,
    );
  const moving = model.graph.inputs.filter((i) => i.type.kind === "tensor" && !isStatic(i.type.shape));
  if (moving.length > 0) hazards.push(`symbolic sizes in ${moving.map((i) => i.name).join(", ")}: some targets need them fixed`);
  const unknown = [...new Set(model.graph.nodes.filter((n) => n.domain !== "").map((n) => `${n.domain}.${n.op}`))];
  if (unknown.length > 0) hazards.push(`operators outside the ONNX standard, not reasoned about: ${unknown.join(", ")}`);
  return hazards;
}

function describe(value: ValueInfo): string {
  return `${value.name}: ${printType(value.type)}`;
}

/** What a model file is, in figures. */
export function summarize(file: ModelFile, licence?: string): ModelSummary {
  const { model } = file;
  let parameters = 0;
  for (const tensor of model.graph.constants.values()) parameters += countOf(tensor.shape);
  const cost = costReport(model.graph);
  return {
    file: file.path,
    sha256: file.sha256,
    sizeBytes: file.bytes.length,
    opset: model.source?.opset ?? 0,
    inputs: model.graph.inputs.map(describe),
    outputs: model.graph.outputs.map(describe),
    nodes: model.source?.nodes ?? countNodes(model.graph, true),
    parameters,
    ...(cost.macs === undefined ? {} : { macs: cost.macs }),
    ...(cost.peakActivationBytes === undefined ? {} : { peakActivationBytes: cost.peakActivationBytes }),
    ...(licence === undefined ? {} : { licence }),
    hazards: hazardsOf(model),
  };
}
