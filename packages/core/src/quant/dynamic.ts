import { GraphDraft } from "../graph/draft.ts";
import { DTYPES } from "../graph/dtype.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model, Node } from "../graph/model.ts";
import { attrFloat, attrInt, isOp, makeNode } from "../graph/node.ts";
import { quantizeTensor } from "../graph/quantize.ts";
import { f32, fromNumbers, type Tensor } from "../graph/tensor.ts";
import { weightEncoding } from "./encoding.ts";

/** What a node-by-node quantizer did. */
export interface NodeQuantReport {
  readonly quantized: readonly string[];
  readonly left: readonly { readonly node: string; readonly why: string }[];
}

/**
 * Dynamic INT8: weights of Conv, Gemm and MatMul become int8 per output channel; activations are quantized to uint8 at run time from their own range
 * (DynamicQuantizeLinear), multiplied in integers, and scaled back to float. Needs no calibration data. Enters the outermost graph only. Grouped
 * Convs stay in float: ConvInteger takes them group by group. On ONNX Runtime it pays for networks of large MatMul and Gemm; a MobileFaceNet runs at 0.6 times the speed of FP32.
 */
export function quantizeDynamic(model: Model): { readonly model: Model; readonly report: NodeQuantReport } {
  const draft = new GraphDraft(model.graph);
  const quantized: string[] = [];
  const left: { node: string; why: string }[] = [];
  const dynamic = new Map<string, { readonly q: string; readonly scale: string; readonly zeroPoint: string }>();
  const quantizeInput = (
    name: string,
    like: Node,
  ): { readonly q: string; readonly scale: string; readonly zeroPoint: string } => {
    const known = dynamic.get(name);
    if (known !== undefined) return known;
    const made = {
      q: draft.freshName(`${name}_dynamic`),
      scale: draft.freshName(`${name}_dynamic_scale`),
      zeroPoint: draft.freshName(`${name}_dynamic_zero_point`),
    };
    draft.add(makeNode("DynamicQuantizeLinear", { inputs: [name], outputs: [made.q, made.scale, made.zeroPoint] }), like);
    dynamic.set(name, made);
    return made;
  };
  for (const visited of draft.nodes()) {
    const node = draft.current(visited);
    if (node === undefined || !["Conv", "MatMul", "Gemm"].some((op) => isOp(node, op))) continue;
    const weight = draft.constant(node.inputs[1] ?? "");
    const bias = node.inputs[2] ? draft.constant(node.inputs[2]) : undefined;
    const why = refusal(node, weight, bias);
    if (why !== undefined || weight === undefined) {
      left.push({ node: node.name, why: why ?? "" });
      continue;
    }
    const axis = node.op === "Conv" ? 0 : node.op === "Gemm" && attrInt(node, "transB", 0) !== 0 ? 0 : weight.shape.length - 1;
    const encoding = weightEncoding(weight, { dtype: "int8", axis, reason: "" });
    let integers = quantizeTensor(weight, encoding);
    if (node.op === "Gemm" && axis === 0) integers = transposed(integers);
    if (node.op === "Conv") integers = shiftedToUnsigned(integers);
    const weightName = draft.addConstant(`${node.inputs[1]}_quantized`, integers);
    const zero = draft.addConstant(
      `${node.inputs[1]}_zero_point`,
      fromNumbers(integers.dtype, [], [node.op === "Conv" ? 128 : 0]),
    );
    const x = quantizeInput(node.inputs[0] as string, node);
    const y = node.outputs[0] as string;
    const rank = node.op === "Conv" ? weight.shape.length : undefined;
    const perChannel =
      rank === undefined ? [encoding.scale.length] : [1, encoding.scale.length, ...Array<number>(rank - 2).fill(1)];
    const scaleName = draft.addConstant(`${node.inputs[1]}_scale`, f32(perChannel, encoding.scale));
    const [sums, floats, scale, scaled] = ["sums", "floats", "scale", "scaled"].map((part) =>
      draft.freshName(`${y}_${part}`),
    ) as [string, string, string, string];
    const integerOp = node.op === "Conv" ? "ConvInteger" : "MatMulInteger";
    const attributes = node.op === "Conv" ? node.attributes : new Map();
    const nodes = [
      makeNode(integerOp, { inputs: [x.q, weightName, x.zeroPoint, zero], outputs: [sums] }, { attributes }),
      makeNode("Cast", { inputs: [sums], outputs: [floats] }, { attributes: { to: DTYPES.float32.onnx } }),
      makeNode("Mul", { inputs: [x.scale, scaleName], outputs: [scale] }),
      makeNode(
        "Mul",
        { inputs: [floats, scale], outputs: [bias === undefined ? y : scaled] },
        { name: bias === undefined ? node.name : scaled },
      ),
    ];
    if (bias !== undefined) {
      const shaped = draft.addConstant(`${node.inputs[2]}_shaped`, {
        ...bias,
        shape: rank === undefined ? bias.shape : perChannel,
      });
      nodes.push(makeNode("Add", { inputs: [scaled, shaped], outputs: [y] }, { name: node.name }));
    }
    draft.replace(node, ...nodes);
    quantized.push(node.name);
  }
  return { model: withGraph(model, draft.finish()), report: { quantized, left } };
}

/**
 * The same weights as uint8 around 128. ONNX Runtime's ConvInteger multiplies weights from the left, and its fast x64 kernels take only unsigned
 * numbers there (measured: with int8 weights it is several times as slow).
 */
function shiftedToUnsigned(t: Tensor): Tensor {
  return { ...t, dtype: "uint8", bytes: t.bytes.map((b) => b ^ 0x80) };
}

function refusal(node: Node, weight: Tensor | undefined, bias: Tensor | undefined): string | undefined {
  if (weight?.dtype !== "float32") return "its weight is not a float32 constant";
  if (node.inputs[2] && bias?.dtype !== "float32") return "its bias is not a float32 constant";
  if (node.op === "Conv" && attrInt(node, "group", 1) > 1)
    return "it is grouped: integer kernels without scales take such Convs one group at a time";
  if (node.op === "MatMul" && weight.shape.length !== 2) return "its weight is not a matrix";
  if (node.op !== "Gemm") return undefined;
  if (attrInt(node, "transA", 0) !== 0) return "its first operand is transposed";
  if (attrFloat(node, "alpha", 1) !== 1 || attrFloat(node, "beta", 1) !== 1) return "it scales by alpha or beta";
  return undefined;
}

function transposed(t: Tensor): Tensor {
  const [rows, columns] = t.shape as [number, number];
  const bytes = new Uint8Array(t.bytes.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) bytes[c * rows + r] = t.bytes[r * columns + c] as number;
  return { ...t, shape: [columns, rows], bytes };
}
