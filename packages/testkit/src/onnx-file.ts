import { ATTRIBUTE_TYPES } from "@tessera/core/formats/onnx/data-type";
import type { AttributeProto, NodeProto, TensorProto, TypeProto } from "@tessera/core/formats/onnx/records";
import { writeOnnx } from "@tessera/core/formats/onnx/write";
import type { Int64 } from "@tessera/core/formats/protobuf/table";
import type { Shape } from "@tessera/core/graph/dim";
import { DTYPES, type DType } from "@tessera/core/graph/dtype";
import type { Attribute, Node } from "@tessera/core/graph/model";
import type { Tensor } from "@tessera/core/graph/tensor";

/** A typed value of a small file: element type and shape; strings are symbols, "?" is unknown. */
export type ValueSpec = readonly [dtype: DType, shape: Shape];

/** What {@link onnxFile} puts into a file. */
export interface OnnxFileSpec {
  readonly inputs: Readonly<Record<string, ValueSpec>>;
  readonly outputs: Readonly<Record<string, ValueSpec>>;
  readonly nodes: readonly Node[];
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Constants that stand in another file: their name to the location, where their bytes begin at 0. */
  readonly external?: Readonly<Record<string, string>>;
  /** 21 unless given. */
  readonly opset?: number;
  /** Versions of other operator domains. */
  readonly domains?: Readonly<Record<string, number>>;
}

function typeProto([dtype, shape]: ValueSpec): TypeProto {
  const dim = shape.map((d) => (typeof d === "number" ? { dimValue: d } : d === "?" ? {} : { dimParam: d }));
  return { tensorType: { elemType: DTYPES[dtype].onnx, shape: { dim } } };
}

function tensorProto(name: string, t: Tensor, location?: string): TensorProto {
  const head = { name, dims: t.shape, dataType: DTYPES[t.dtype].onnx };
  if (location !== undefined) {
    const externalData = [
      { key: "location", value: location },
      { key: "offset", value: "0" },
      { key: "length", value: String(t.bytes.length) },
    ];
    return { ...head, dataLocation: 1, externalData };
  }
  return t.strings ? { ...head, stringData: t.strings } : { ...head, rawData: t.bytes };
}

function attributeProto(name: string, a: Attribute): AttributeProto {
  const encoder = new TextEncoder();
  switch (a.kind) {
    case "int":
      return { name, type: ATTRIBUTE_TYPES.INT, i: a.value as Int64 };
    case "ints":
      return { name, type: ATTRIBUTE_TYPES.INTS, ints: a.value as readonly Int64[] };
    case "float":
      return { name, type: ATTRIBUTE_TYPES.FLOAT, f: a.value };
    case "floats":
      return { name, type: ATTRIBUTE_TYPES.FLOATS, floats: Float32Array.from(a.value) };
    case "string":
      return { name, type: ATTRIBUTE_TYPES.STRING, s: encoder.encode(a.value) };
    case "tensor":
      return { name, type: ATTRIBUTE_TYPES.TENSOR, t: tensorProto("", a.value) };
    default:
      throw new Error(`onnxFile writes no ${a.kind} attributes`);
  }
}

function nodeProto(node: Node): NodeProto {
  return {
    name: node.name,
    opType: node.op,
    domain: node.domain,
    input: node.inputs,
    output: node.outputs,
    attribute: Array.from(node.attributes, ([name, a]) => attributeProto(name, a)),
  };
}

/**
 * The bytes of a small `.onnx` file, straight from file records: it does not go through the converter, so that runtimes can be tested
 * without it.
 *
 * @example
 * onnxFile({ inputs: { x: ["float32", ["N", 3]] }, outputs: { y: ["float32", ["N", 3]] }, nodes: [makeNode("Relu", { inputs: ["x"], outputs: ["y"] })] });
 */
export function onnxFile(spec: OnnxFileSpec): Uint8Array {
  const values = (specs: Readonly<Record<string, ValueSpec>>) =>
    Object.entries(specs).map(([name, v]) => ({ name, type: typeProto(v) }));
  return writeOnnx({
    irVersion: 10,
    producerName: "tessera-testkit",
    opsetImport: [
      { domain: "", version: spec.opset ?? 21 },
      ...Object.entries(spec.domains ?? {}).map(([domain, version]) => ({ domain, version })),
    ],
    graph: {
      name: "small",
      node: spec.nodes.map(nodeProto),
      initializer: Object.entries(spec.constants ?? {}).map(([name, t]) => tensorProto(name, t, spec.external?.[name])),
      input: values(spec.inputs),
      output: values(spec.outputs),
    },
  });
}
