import { fail } from "../../base/error.ts";
import type { ExternalDataResolver } from "../../formats/onnx/external-data.ts";
import type { GraphProto, NodeProto, TensorProto } from "../../formats/onnx/records.ts";
import type { Attribute, Graph, Node, ValueInfo, ValueType } from "../../graph/model.ts";
import { attrFloat, attrFloats } from "../../graph/node.ts";
import { f32, i64, stringTensor, type Tensor } from "../../graph/tensor.ts";
import { type OnnxGraphCarried, type OnnxNodeCarried, type OnnxRemarks, packed } from "./carried.ts";
import type { NameBook } from "./names.ts";
import { domainName } from "./opsets.ts";
import { readAttributes } from "./read-attribute.ts";
import { readTensor } from "./read-tensor.ts";
import { readValueInfo, remarksOn } from "./types.ts";

/** What reading one model's graphs shares. */
export interface GraphReading {
  readonly resolve: ExternalDataResolver | undefined;
  /** Keep initializers that are also inputs as overridable defaults. */
  readonly keepDefaultInputs: boolean;
  /** Names of nodes, unique over all graphs of the model; those that the file gives are taken from the start. */
  readonly nodeNames: NameBook;
  /** Names that the file gives to nodes and that no node has claimed yet. */
  readonly unclaimed: Set<string>;
  /** The opset of nodes that came from a function with an opset of its own. */
  readonly opsetOf: (node: NodeProto) => number | undefined;
  readonly opsets: Map<Node, number>;
  /** Tensors read so far: a function's body may be there many times over, its tensors are there once. */
  readonly tensors: WeakMap<TensorProto, Tensor>;
  /** Filled while reading. */
  readonly found: { readonly defaultInputs: string[]; readonly droppedNodes: string[]; renamedNodes: number };
}

/** All names that a graph record and those inside it give to nodes, and to values. */
export function collectNames(proto: GraphProto, take: { node(name: string): void; value(name: string): void }): void {
  for (const info of [...(proto.input ?? []), ...(proto.output ?? []), ...(proto.initializer ?? [])]) take.value(info.name ?? "");
  for (const node of proto.node ?? []) {
    if (node.name !== undefined && node.name !== "") take.node(node.name);
    for (const name of node.input ?? []) take.value(name);
    for (const name of node.output ?? []) take.value(name);
    for (const attribute of node.attribute ?? []) {
      if (attribute.g !== undefined) collectNames(attribute.g, take);
      for (const graph of attribute.graphs ?? []) collectNames(graph, take);
    }
  }
}

/** The tensor of a Constant node in any of its forms; `undefined` for a sparse one. */
function constantValue(node: Node): Tensor | undefined {
  const value = node.attributes.get("value");
  if (value?.kind === "tensor") return value.value;
  if (node.attributes.has("value_float")) return f32([], [attrFloat(node, "value_float")]);
  const floats = attrFloats(node, "value_floats");
  if (floats !== undefined) return f32([floats.length], floats);
  const int = node.attributes.get("value_int");
  if (int?.kind === "int") return i64([], [int.value]);
  const ints = node.attributes.get("value_ints");
  if (ints?.kind === "ints") return i64([ints.value.length], ints.value);
  const text = node.attributes.get("value_string");
  if (text?.kind === "string") return stringTensor([], [text.value]);
  const texts = node.attributes.get("value_strings");
  if (texts?.kind === "strings") return stringTensor([texts.value.length], texts.value);
  return undefined;
}

function remarksOnTensor(proto: TensorProto): OnnxRemarks | undefined {
  const { docString, metadataProps, unknown } = proto;
  if (docString === undefined && metadataProps === undefined && unknown === undefined) return undefined;
  return {
    ...(docString === undefined ? {} : { docString }),
    ...(metadataProps === undefined ? {} : { metadataProps }),
    ...(unknown === undefined ? {} : { unknown }),
  };
}

function tensorOnce(proto: TensorProto, reading: GraphReading): Tensor {
  const known = reading.tensors.get(proto);
  if (known !== undefined) return known;
  const tensor = readTensor(proto, reading.resolve);
  reading.tensors.set(proto, tensor);
  return tensor;
}

/** Fields of a node as they are in the record, without the subgraphs' own reading order mattering. */
function readNode(proto: NodeProto, reading: GraphReading): Node {
  const outputs = proto.output ?? [];
  const wanted = proto.name ?? "";
  // The first of several with one name keeps it; whoever has none is called after what it makes.
  const isFirst = wanted !== "" && reading.unclaimed.delete(wanted);
  const hint = wanted !== "" ? wanted : (outputs.find((o) => o !== "") ?? proto.opType ?? "");
  const name = isFirst ? wanted : reading.nodeNames.fresh(hint);
  if (wanted !== "" && !isFirst) reading.found.renamedNodes++;
  const at = { node: name };
  if (proto.opType === undefined || proto.opType === "")
    throw fail("GRAPH_INVALID", "Cannot read a node: it names no operator", { at });
  const metadata =
    proto.metadataProps === undefined ? undefined : new Map(proto.metadataProps.map((e) => [e.key ?? "", e.value ?? ""]));
  const carried = packed<OnnxNodeCarried>({
    kind: "onnx",
    deviceConfigurations: proto.deviceConfigurations,
    unknown: proto.unknown,
  });
  return {
    name,
    op: proto.opType,
    domain: domainName(proto.domain),
    inputs: proto.input ?? [],
    outputs,
    attributes: readAttributes(proto, {
      tensor: (t) => tensorOnce(t, reading),
      graph: (g) => readGraph(g, reading, false),
    }),
    ...(proto.docString === undefined ? {} : { doc: proto.docString }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(proto.overload === undefined || proto.overload === "" ? {} : { overload: proto.overload }),
    ...(carried === undefined ? {} : { carried }),
  };
}

/**
 * A graph record as a graph whose operators still have the meaning of the file's opset. Names of nodes are made unique and filled; Constant
 * nodes become constants unless they make a graph output; nodes without outputs are dropped; initializers that are also inputs of the outermost
 * graph lose the input unless asked otherwise. The order of nodes is the file's.
 *
 * @throws GRAPH_INVALID, MALFORMED, DTYPE_MISMATCH, ATTRIBUTE_INVALID, EXTERNAL_DATA
 */
export function readGraph(proto: GraphProto, reading: GraphReading, outermost: boolean): Graph {
  const constants = new Map<string, Tensor>();
  const values = new Map<string, OnnxRemarks>();
  const tensors = new Map<string, OnnxRemarks>();
  const nodes: Node[] = [];

  for (const initializer of proto.initializer ?? []) {
    const name = initializer.name ?? "";
    if (name === "" || constants.has(name)) {
      throw fail(
        "GRAPH_INVALID",
        `Cannot read the graph: initializer "${name}" ${name === "" ? "has no name" : "is there twice"}`,
        { at: { tensor: name } },
      );
    }
    constants.set(name, tensorOnce(initializer, reading));
    const remarks = remarksOnTensor(initializer);
    if (remarks !== undefined) tensors.set(name, remarks);
  }
  for (const sparse of proto.sparseInitializer ?? []) {
    const name = sparse.values?.name ?? "";
    const attribute: Attribute = { kind: "opaque", record: { name: "sparse_value", type: 11, sparseTensor: sparse } };
    nodes.push({
      name: reading.nodeNames.fresh(name),
      op: "Constant",
      domain: "",
      inputs: [],
      outputs: [name],
      attributes: new Map([["sparse_value", attribute]]),
    });
  }

  const note = (info: { readonly name?: string }, remarks: OnnxRemarks | undefined): void => {
    if (remarks !== undefined) values.set(info.name ?? "", remarks);
  };
  const inputs: ValueInfo[] = [];
  for (const info of proto.input ?? []) {
    const name = info.name ?? "";
    if (constants.has(name) && outermost) {
      reading.found.defaultInputs.push(name);
      if (!reading.keepDefaultInputs) continue;
    }
    note(info, remarksOn(info));
    inputs.push(readValueInfo(info));
  }
  const outputs = (proto.output ?? []).map((info) => {
    note(info, remarksOn(info));
    return readValueInfo(info);
  });
  const outputNames = new Set(outputs.map((o) => o.name));

  for (const record of proto.node ?? []) {
    const node = readNode(record, reading);
    if (node.outputs.every((name) => name === "")) {
      reading.found.droppedNodes.push(node.name);
      continue;
    }
    const value = node.op === "Constant" && node.domain === "" ? constantValue(node) : undefined;
    const output = node.outputs[0] ?? "";
    if (value === undefined) {
      nodes.push(node);
      const opset = reading.opsetOf(record);
      if (opset !== undefined) reading.opsets.set(node, opset);
    } else if (outputNames.has(output)) nodes.push({ ...node, attributes: new Map([["value", { kind: "tensor", value }]]) });
    else if (constants.has(output))
      throw fail("GRAPH_INVALID", `Cannot read the graph: "${output}" is defined twice`, { at: { node: node.name } });
    else constants.set(output, value);
  }

  const inputNames = new Set(inputs.map((i) => i.name));
  const types = new Map<string, ValueType>();
  for (const info of proto.valueInfo ?? []) {
    const { name, type } = readValueInfo(info);
    if (name === "" || constants.has(name) || inputNames.has(name) || outputNames.has(name)) continue;
    note(info, remarksOn(info));
    types.set(name, type);
  }
  const carried = packed<OnnxGraphCarried>({
    kind: "onnx",
    quantizationAnnotation: proto.quantizationAnnotation,
    metadataProps: proto.metadataProps,
    unknown: proto.unknown,
    values: values.size === 0 ? undefined : values,
    tensors: tensors.size === 0 ? undefined : tensors,
  });
  return {
    name: proto.name ?? "",
    inputs,
    outputs,
    nodes,
    constants,
    types,
    ...(proto.docString === undefined ? {} : { doc: proto.docString }),
    ...(carried === undefined ? {} : { carried }),
  };
}
