import { ATTRIBUTE_TYPES } from "../../formats/onnx/data-type.ts";
import type {
  AttributeProto,
  GraphProto,
  NodeProto,
  StringStringEntryProto,
  TensorProto,
  ValueInfoProto,
} from "../../formats/onnx/records.ts";
import { utf8Size, writeUtf8 } from "../../formats/protobuf/utf8.ts";
import { DTYPES } from "../../graph/dtype.ts";
import type { Attribute, Graph, Node } from "../../graph/model.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { type OnnxGraphCarried, type OnnxNodeCarried, type OnnxRemarks, onnxCarried } from "./carried.ts";
import { writeValueInfo } from "./types.ts";

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Size(text));
  writeUtf8(bytes, text, 0);
  return bytes;
}

/** A key-value list of records. */
export function writeEntries(entries: ReadonlyMap<string, string>): StringStringEntryProto[] {
  return [...entries].map(([key, value]) => ({ key, value }));
}

/** The record of a tensor: raw data shared with the tensor, or strings. */
export function writeTensor(tensor: Tensor, name?: string, remarks?: OnnxRemarks): TensorProto {
  const data = tensor.dtype === "string" ? { stringData: tensor.strings ?? [] } : { rawData: tensor.bytes };
  return {
    dims: tensor.shape,
    dataType: DTYPES[tensor.dtype].onnx,
    ...(name === undefined ? {} : { name }),
    ...data,
    ...(remarks?.docString === undefined ? {} : { docString: remarks.docString }),
    ...(remarks?.metadataProps === undefined ? {} : { metadataProps: remarks.metadataProps }),
    ...(remarks?.unknown === undefined ? {} : { unknown: remarks.unknown }),
  };
}

/** The record of an attribute. */
export function writeAttribute(name: string, attribute: Attribute): AttributeProto {
  switch (attribute.kind) {
    case "int":
      return { name, type: ATTRIBUTE_TYPES.INT, i: attribute.value };
    case "ints":
      return { name, type: ATTRIBUTE_TYPES.INTS, ints: attribute.value };
    case "float":
      return { name, type: ATTRIBUTE_TYPES.FLOAT, f: attribute.value };
    case "floats":
      return { name, type: ATTRIBUTE_TYPES.FLOATS, floats: Float32Array.from(attribute.value) };
    case "string":
      return { name, type: ATTRIBUTE_TYPES.STRING, s: bytesOf(attribute.value) };
    case "strings":
      return { name, type: ATTRIBUTE_TYPES.STRINGS, strings: attribute.value.map(bytesOf) };
    case "tensor":
      return { name, type: ATTRIBUTE_TYPES.TENSOR, t: writeTensor(attribute.value) };
    case "tensors":
      return { name, type: ATTRIBUTE_TYPES.TENSORS, tensors: attribute.value.map((t) => writeTensor(t)) };
    case "graph":
      return { name, type: ATTRIBUTE_TYPES.GRAPH, g: writeGraph(attribute.value) };
    case "graphs":
      return { name, type: ATTRIBUTE_TYPES.GRAPHS, graphs: attribute.value.map(writeGraph) };
    case "opaque":
      return attribute.record as AttributeProto;
  }
}

function writeNode(node: Node): NodeProto {
  const carried = onnxCarried<OnnxNodeCarried>(node.carried);
  return {
    input: node.inputs,
    output: node.outputs,
    name: node.name,
    opType: node.op,
    ...(node.domain === "" ? {} : { domain: node.domain }),
    ...(node.overload === undefined ? {} : { overload: node.overload }),
    attribute: [...node.attributes].map(([name, attribute]) => writeAttribute(name, attribute)),
    ...(node.doc === undefined ? {} : { docString: node.doc }),
    ...(node.metadata === undefined ? {} : { metadataProps: writeEntries(node.metadata) }),
    ...(carried.deviceConfigurations === undefined ? {} : { deviceConfigurations: carried.deviceConfigurations }),
    ...(carried.unknown === undefined ? {} : { unknown: carried.unknown }),
  };
}

/** The record of a graph. Types of inner values are written as value_info, in the graph's order. */
export function writeGraph(graph: Graph): GraphProto {
  const carried = onnxCarried<OnnxGraphCarried>(graph.carried);
  const boundary = new Set([...graph.inputs, ...graph.outputs].map((v) => v.name));
  const valueInfo: ValueInfoProto[] = [];
  for (const [name, type] of graph.types) {
    if (boundary.has(name) || graph.constants.has(name)) continue;
    if (type.kind === "opaque" && type.record === undefined) continue;
    valueInfo.push(writeValueInfo({ name, type }, carried.values?.get(name)));
  }
  return {
    node: graph.nodes.map(writeNode),
    name: graph.name,
    initializer: [...graph.constants].map(([name, tensor]) => writeTensor(tensor, name, carried.tensors?.get(name))),
    ...(graph.doc === undefined ? {} : { docString: graph.doc }),
    input: graph.inputs.map((value) => writeValueInfo(value, carried.values?.get(value.name))),
    output: graph.outputs.map((value) => writeValueInfo(value, carried.values?.get(value.name))),
    valueInfo,
    ...(carried.quantizationAnnotation === undefined ? {} : { quantizationAnnotation: carried.quantizationAnnotation }),
    ...(carried.metadataProps === undefined ? {} : { metadataProps: carried.metadataProps }),
    ...(carried.unknown === undefined ? {} : { unknown: carried.unknown }),
  };
}
