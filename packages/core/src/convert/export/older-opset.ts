import { writeOnnx } from "../../formats/onnx/write.ts";
import type { Model, Node } from "../../graph/model.ts";
import { eachGraph } from "../../graph/walk.ts";
import { lowerOnnx } from "../onnx/lower.ts";

/** The opset that device tools of the last years all read, and the IR version that came with it. */
export const OLDER_OPSET = 13;

/** IR version of {@link OLDER_OPSET}. */
const OLDER_IR = 7;

/** What a node may have for its meaning to be the same in opset 13 and in the canonical one. */
interface Same {
  /** Inputs of opset 13; later ones were added afterwards. */
  readonly inputs: number;
  /** Attributes that were added afterwards. */
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

function isSame(node: Node): boolean {
  const same = node.domain === "" && Object.hasOwn(SAME, node.op) ? SAME[node.op] : undefined;
  if (same === undefined) return false;
  const given = node.inputs.findLastIndex((name) => name !== "") + 1;
  return given <= same.inputs && !(same.without ?? []).some((name) => node.attributes.has(name));
}

/** Whether a model can be written in opset {@link OLDER_OPSET} as it stands; else the first operator in the way. */
export function fitsOlderOpset(model: Model): { readonly fits: boolean; readonly because?: string } {
  let because: string | undefined;
  eachGraph(model.graph, (graph) => {
    because ??= graph.nodes.find((node) => !isSame(node))?.op;
    for (const { dtype } of graph.constants.values()) if (!TYPES.has(dtype)) because ??= dtype;
  });
  return because === undefined ? { fits: true } : { fits: false, because };
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
  const record = lowerOnnx(model);
  const { fits, because } = fitsOlderOpset(model);
  const opset = record.opsetImport?.[0]?.version as number;
  if (!fits)
    return {
      bytes: writeOnnx(record),
      opset,
      note: `written in opset ${opset}, because of ${because}: tools that read older opsets alone will refuse it`,
    };
  return {
    bytes: writeOnnx({ ...record, irVersion: OLDER_IR, opsetImport: [{ domain: "", version: OLDER_OPSET }] }),
    opset: OLDER_OPSET,
  };
}
