import { writeOnnx } from "../../formats/onnx/write.ts";
import { withGraph } from "../../graph/edit.ts";
import type { Graph, Model, Node } from "../../graph/model.ts";
import { attrInt, attrInts } from "../../graph/node.ts";
import { toInts } from "../../graph/tensor.ts";
import { lowerOnnx } from "../onnx/lower.ts";

/** The opset that device tools of the last years all read, and the IR version that came with it. */
export const OLDER_OPSET = 13;

/** IR version of {@link OLDER_OPSET}. */
const OLDER_IR = 7;

/** What a node may have for its meaning to be the same in opset 13 and in the canonical one. */
interface Same {
  /** Inputs of opset 13; later ones were added afterwards. */
  readonly inputs: number;
  /** Attributes that were added afterwards; those that change nothing where they stand are left out. */
  readonly without?: readonly string[];
}

/**
 * Operators that opset 13 knows with the same inputs, attributes and meaning for float32 and 8-bit values, from the change log of the operator set. What
 * is not here (ReduceMean, whose axes became an input; Split, which must name its number of parts) is not written in opset 13.
 */
const SAME: Readonly<Record<string, Same>> = {
  Conv: { inputs: 3 },
  ConvTranspose: { inputs: 3 },
  Gemm: { inputs: 3 },
  MatMul: { inputs: 2 },
  Add: { inputs: 2 },
  Sub: { inputs: 2 },
  Mul: { inputs: 2 },
  Div: { inputs: 2 },
  Max: { inputs: Number.POSITIVE_INFINITY },
  Min: { inputs: Number.POSITIVE_INFINITY },
  Relu: { inputs: 1 },
  PRelu: { inputs: 2 },
  LeakyRelu: { inputs: 1 },
  Clip: { inputs: 3 },
  Sigmoid: { inputs: 1 },
  HardSigmoid: { inputs: 1 },
  Tanh: { inputs: 1 },
  Softmax: { inputs: 1 },
  Sqrt: { inputs: 1 },
  Exp: { inputs: 1 },
  Abs: { inputs: 1 },
  Neg: { inputs: 1 },
  Concat: { inputs: Number.POSITIVE_INFINITY },
  Reshape: { inputs: 2, without: ["allowzero"] },
  Flatten: { inputs: 1 },
  Transpose: { inputs: 1 },
  Squeeze: { inputs: 2 },
  Unsqueeze: { inputs: 2 },
  Slice: { inputs: 5 },
  Gather: { inputs: 2 },
  Expand: { inputs: 2 },
  Tile: { inputs: 2 },
  Identity: { inputs: 1 },
  MaxPool: { inputs: 1 },
  AveragePool: { inputs: 1, without: ["dilations"] },
  GlobalAveragePool: { inputs: 1 },
  LpNormalization: { inputs: 1 },
  Pad: { inputs: 3 },
  Resize: { inputs: 4, without: ["antialias", "axes", "keep_aspect_ratio_policy"] },
  DepthToSpace: { inputs: 1 },
  SpaceToDepth: { inputs: 1 },
  QuantizeLinear: { inputs: 3, without: ["block_size", "output_dtype", "precision", "saturate"] },
  DequantizeLinear: { inputs: 3, without: ["block_size", "output_dtype"] },
};

/** Element types that these operators take in opset 13. */
const TYPES: ReadonlySet<string> = new Set(["float32", "int8", "uint8", "int32", "int64", "bool"]);

/** The node as opset 13 says it; `undefined` where it cannot. */
function olderNode(node: Node, graph: Graph): Node | undefined {
  const same = node.domain === "" && Object.hasOwn(SAME, node.op) ? SAME[node.op] : undefined;
  if (same === undefined || node.inputs.findLastIndex((name) => name !== "") >= same.inputs) return undefined;
  const later = (same.without ?? []).filter((name) => node.attributes.has(name));
  if (!later.every((name) => changesNothing(node, name, graph))) return undefined;
  if (later.length === 0) return node;
  return { ...node, attributes: new Map([...node.attributes].filter(([name]) => !later.includes(name))) };
}

/** Whether an attribute that came later has no effect: it says what was the rule before, or what it is about does not occur. */
function changesNothing(node: Node, name: string, graph: Graph): boolean {
  if (node.op === "AveragePool") return (attrInts(node, name) ?? []).every((d) => d === 1);
  if (node.op !== "Reshape") return false;
  const shape = graph.constants.get(node.inputs[1] ?? "");
  return attrInt(node, name) === 0 || (shape !== undefined && toInts(shape).every((size) => size !== 0));
}

/** The model as opset 13 says it; else the first operator or type in the way. */
export function inOlderOpset(model: Model): { readonly model: Model } | { readonly because: string } {
  const { graph } = model;
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const older = olderNode(node, graph);
    if (older === undefined) return { because: node.op };
    nodes.push(older);
  }
  for (const { dtype } of graph.constants.values()) if (!TYPES.has(dtype)) return { because: dtype };
  return { model: withGraph(model, { ...graph, nodes }) };
}

/**
 * The bytes of an `.onnx` file in opset 13 and IR version 7 where every node means the same there, else in the lowest opset that the writer knows. Device
 * tools lag behind: the TensorRT of JetPack 4.6 documents opsets up to 13.
 */
export function modelToOlderOnnx(model: Model): {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly opset: number;
  readonly note?: string;
} {
  const older = inOlderOpset(model);
  const record = lowerOnnx("model" in older ? older.model : model);
  const opset = record.opsetImport?.[0]?.version as number;
  if ("because" in older)
    return {
      bytes: writeOnnx(record),
      opset,
      note: `written in opset ${opset}, because of ${older.because}: tools that read older opsets alone will refuse it`,
    };
  return {
    bytes: writeOnnx({ ...record, irVersion: OLDER_IR, opsetImport: [{ domain: "", version: OLDER_OPSET }] }),
    opset: OLDER_OPSET,
  };
}
