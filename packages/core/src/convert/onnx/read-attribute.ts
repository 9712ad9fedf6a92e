import { fail } from "../../base/error.ts";
import { ATTRIBUTE_TYPES } from "../../formats/onnx/data-type.ts";
import type { AttributeProto, GraphProto, NodeProto, TensorProto } from "../../formats/onnx/records.ts";
import { decodeUtf8 } from "../../formats/protobuf/utf8.ts";
import type { Attribute, Graph } from "../../graph/model.ts";
import type { Tensor } from "../../graph/tensor.ts";

/** How to read what is nested in an attribute. */
export interface AttributeReaders {
  tensor(proto: TensorProto): Tensor;
  graph(proto: GraphProto): Graph;
}

function text(bytes: Uint8Array): string {
  return decodeUtf8(bytes, 0, bytes.length);
}

/** The value field that counts. Files older than IR 2 have no type: the field that is there tells. */
function typeOf(proto: AttributeProto): number {
  if (proto.type !== undefined && proto.type !== ATTRIBUTE_TYPES.UNDEFINED) return proto.type;
  if (proto.f !== undefined) return ATTRIBUTE_TYPES.FLOAT;
  if (proto.i !== undefined) return ATTRIBUTE_TYPES.INT;
  if (proto.s !== undefined) return ATTRIBUTE_TYPES.STRING;
  if (proto.t !== undefined) return ATTRIBUTE_TYPES.TENSOR;
  if (proto.g !== undefined) return ATTRIBUTE_TYPES.GRAPH;
  if (proto.floats !== undefined) return ATTRIBUTE_TYPES.FLOATS;
  if (proto.ints !== undefined) return ATTRIBUTE_TYPES.INTS;
  if (proto.strings !== undefined) return ATTRIBUTE_TYPES.STRINGS;
  if (proto.tensors !== undefined) return ATTRIBUTE_TYPES.TENSORS;
  if (proto.graphs !== undefined) return ATTRIBUTE_TYPES.GRAPHS;
  return ATTRIBUTE_TYPES.UNDEFINED;
}

/** One attribute. Sparse tensors, types, references to a function's attributes and unknown kinds are carried as they are. */
export function readAttribute(proto: AttributeProto, readers: AttributeReaders): Attribute {
  const opaque: Attribute = { kind: "opaque", record: proto };
  if (proto.refAttrName !== undefined && proto.refAttrName !== "") return opaque;
  switch (typeOf(proto)) {
    case ATTRIBUTE_TYPES.FLOAT:
      return { kind: "float", value: proto.f ?? 0 };
    case ATTRIBUTE_TYPES.INT:
      return { kind: "int", value: proto.i ?? 0 };
    case ATTRIBUTE_TYPES.STRING:
      return { kind: "string", value: text(proto.s ?? new Uint8Array(0)) };
    case ATTRIBUTE_TYPES.TENSOR:
      return proto.t === undefined ? opaque : { kind: "tensor", value: readers.tensor(proto.t) };
    case ATTRIBUTE_TYPES.GRAPH:
      return proto.g === undefined ? opaque : { kind: "graph", value: readers.graph(proto.g) };
    case ATTRIBUTE_TYPES.FLOATS:
      return { kind: "floats", value: Array.from(proto.floats ?? []) };
    case ATTRIBUTE_TYPES.INTS:
      return { kind: "ints", value: proto.ints ?? [] };
    case ATTRIBUTE_TYPES.STRINGS:
      return { kind: "strings", value: (proto.strings ?? []).map(text) };
    case ATTRIBUTE_TYPES.TENSORS:
      return { kind: "tensors", value: (proto.tensors ?? []).map((t) => readers.tensor(t)) };
    case ATTRIBUTE_TYPES.GRAPHS:
      return { kind: "graphs", value: (proto.graphs ?? []).map((g) => readers.graph(g)) };
    default:
      return opaque;
  }
}

/** All attributes of a node by name. @throws ATTRIBUTE_INVALID for a name that is missing or given twice */
export function readAttributes(node: NodeProto, readers: AttributeReaders): ReadonlyMap<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  for (const proto of node.attribute ?? []) {
    const name = proto.name ?? "";
    if (name === "" || attributes.has(name)) {
      const why = name === "" ? "an attribute has no name" : `the attribute ${name} is given twice`;
      throw fail("ATTRIBUTE_INVALID", `Cannot read ${node.opType ?? "a node"}: ${why}`, { at: { node: node.name ?? "" } });
    }
    attributes.set(name, readAttribute(proto, readers));
  }
  return attributes;
}
