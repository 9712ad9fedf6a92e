import type { ModelProto, OperatorSetIdProto } from "../../formats/onnx/records.ts";
import type { Model } from "../../graph/model.ts";
import { eachGraph } from "../../graph/walk.ts";
import { type OnnxModelCarried, onnxCarried } from "./carried.ts";
import { chooseOpset, irVersionOf } from "./lower-opset.ts";
import { writeEntries, writeGraph } from "./write-graph.ts";

/** Options of {@link lowerOnnx}. */
export interface LowerOptions {
  /** Opset of the standard domain; the lowest that can say the model unless given. */
  readonly opset?: number;
  /** IR version; the one that came with the opset unless given. */
  readonly irVersion?: number;
}

/** Version written as the producer's. */
const PRODUCER_VERSION = "0.1.0";

function opsetImports(model: Model, opset: number): OperatorSetIdProto[] {
  const domains = new Map(model.domains);
  eachGraph(model.graph, (graph) => {
    // A pass may bring in an operator of a domain that the file did not have; version 1 of every such domain exists.
    for (const node of graph.nodes) if (node.domain !== "" && !domains.has(node.domain)) domains.set(node.domain, 1);
  });
  return [{ domain: "", version: opset }, ...[...domains].map(([domain, version]) => ({ domain, version }))];
}

/**
 * The ONNX record of a model. Constants are shared, not copied. The same model gives the same record.
 *
 * @throws UNSUPPORTED_OPSET when the asked opset cannot say the model
 */
export function lowerOnnx(model: Model, options: LowerOptions = {}): ModelProto {
  const opset = chooseOpset(model, options.opset);
  const carried = onnxCarried<OnnxModelCarried>(model.carried);
  return {
    irVersion: options.irVersion ?? irVersionOf(opset),
    opsetImport: opsetImports(model, opset),
    producerName: "tessera",
    producerVersion: PRODUCER_VERSION,
    ...(carried.domain === undefined ? {} : { domain: carried.domain }),
    ...(carried.modelVersion === undefined ? {} : { modelVersion: carried.modelVersion }),
    ...(model.doc === undefined ? {} : { docString: model.doc }),
    // The format wants a name; TFLite files and some writers of ONNX have none.
    graph: writeGraph(model.graph.name === "" ? { ...model.graph, name: "graph" } : model.graph),
    metadataProps: writeEntries(model.metadata),
    ...(carried.trainingInfo === undefined ? {} : { trainingInfo: carried.trainingInfo }),
    ...(carried.functions === undefined ? {} : { functions: carried.functions }),
    ...(carried.configuration === undefined ? {} : { configuration: carried.configuration }),
    ...(carried.unknown === undefined ? {} : { unknown: carried.unknown }),
  };
}
