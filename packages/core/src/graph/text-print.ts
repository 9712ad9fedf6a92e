import { DTYPES, type DType } from "./dtype.ts";
import type { Attribute, Graph, Node, ValueType } from "./model.ts";
import { countOf, type Tensor, toNumbers } from "./tensor.ts";

/** Short names of element types in the text form: f32, i64, u8, bool, bf16, str; others keep their own name. */
export const SHORT_DTYPES: Readonly<Partial<Record<DType, string>>> = {
  float32: "f32",
  float64: "f64",
  float16: "f16",
  bfloat16: "bf16",
  int8: "i8",
  uint8: "u8",
  int16: "i16",
  uint16: "u16",
  int32: "i32",
  uint32: "u32",
  int64: "i64",
  uint64: "u64",
  string: "str",
};

/** Constants of up to this many elements are printed with their values. */
const PRINTED_ELEMENTS = 8;

/** A type as text: `f32[1, C, ?]`, `f32[...]` when the rank is unknown. */
export function printType(type: ValueType | undefined): string {
  if (type === undefined) return "?";
  if (type.kind === "opaque") return "opaque";
  const name = SHORT_DTYPES[type.dtype] ?? type.dtype;
  return type.shape === undefined ? `${name}[...]` : `${name}[${type.shape.join(", ")}]`;
}

function printFloat(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const short =
    [6, 7, 8, 9].map((digits) => Number(value.toPrecision(digits))).find((v) => Math.fround(v) === Math.fround(value)) ?? value;
  const text = Object.is(short, -0) ? "-0" : String(short);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

function printTensor(tensor: Tensor): string {
  const type = printType({ kind: "tensor", dtype: tensor.dtype, shape: tensor.shape });
  const kind = DTYPES[tensor.dtype].class;
  if (
    countOf(tensor.shape) > PRINTED_ELEMENTS ||
    kind === "complex" ||
    tensor.dtype.startsWith("float8") ||
    tensor.dtype === "float4e2m1"
  )
    return type;
  if (tensor.strings) return `${type} = [${tensor.strings.map((s) => JSON.stringify(new TextDecoder().decode(s))).join(", ")}]`;
  const values = Array.from(toNumbers(tensor), (v) => (kind === "float" ? printFloat(v) : String(v)));
  return `${type} = [${values.join(", ")}]`;
}

function printAttribute(attribute: Attribute, indent: string): string {
  switch (attribute.kind) {
    case "int":
      return String(attribute.value);
    case "ints":
      return `[${attribute.value.join(", ")}]`;
    case "float":
      return printFloat(attribute.value);
    case "floats":
      return `[${attribute.value.map(printFloat).join(", ")}]`;
    case "string":
      return JSON.stringify(attribute.value);
    case "strings":
      return `[${attribute.value.map((s) => JSON.stringify(s)).join(", ")}]`;
    case "tensor":
      return `tensor ${printTensor(attribute.value)}`;
    case "tensors":
      return `tensors [${attribute.value.map(printTensor).join("; ")}]`;
    case "graph":
      return `{\n${printGraph(attribute.value, `${indent}  `)}\n${indent}}`;
    case "graphs":
      return `[${attribute.value.map((g) => `{\n${printGraph(g, `${indent}  `)}\n${indent}}`).join(", ")}]`;
    case "opaque":
      return "opaque";
  }
}

function printNode(node: Node, graph: Graph, seen: Set<string>, indent: string): string {
  const inputs = node.inputs.map((name) => {
    const constant = graph.constants.get(name);
    if (name === "") return "_";
    if (constant === undefined || seen.has(name)) return name;
    seen.add(name);
    return `${name}: ${printTensor(constant)}`;
  });
  const keys = [...node.attributes.keys()].sort();
  const attributes = keys.map((key) => `${key}: ${printAttribute(node.attributes.get(key) as Attribute, indent)}`);
  const op = node.domain === "" ? node.op : `${node.domain}::${node.op}`;
  const tail = attributes.length === 0 ? "" : ` {${attributes.join(", ")}}`;
  return `${indent}${node.outputs.map((o) => o || "_").join(", ")} = ${op}(${inputs.join(", ")})${tail}`;
}

/**
 * A graph as readable text, the golden format of the test cases: inputs, one line a node with constants described where they first appear, and
 * the outputs. {@link import("./text-parse.ts").parseGraph} reads it back.
 */
export function printGraph(graph: Graph, indent = ""): string {
  const seen = new Set<string>();
  const lines = graph.inputs.map((input) => `${indent}${input.name}: ${printType(input.type)}`);
  for (const node of graph.nodes) lines.push(printNode(node, graph, seen, indent));
  const outputs = graph.outputs.map((o) => {
    const constant = graph.constants.get(o.name);
    return constant !== undefined && !seen.has(o.name) ? `${o.name}: ${printTensor(constant)}` : o.name;
  });
  lines.push(`${indent}return ${outputs.join(", ")}`);
  return lines.join("\n");
}
