import { GraphDraft } from "../../graph/draft.ts";
import { withGraph } from "../../graph/edit.ts";
import type { Model, Node } from "../../graph/model.ts";
import { attrInt, isOp } from "../../graph/node.ts";
import { countOf, fromNumbers, type Tensor, toNumbers } from "../../graph/tensor.ts";

const WEIGHTED = ["Conv", "ConvTranspose", "Gemm"] as const;

/**
 * Keeps ONNX Runtime from quantizing float nodes by itself. From 1.21 on it takes every Conv, ConvTranspose and Gemm with constant float weights behind a
 * DequantizeLinear of one scale for a forgotten one and rounds the weights to int8, one scale for all channels (WeightBiasQuantization): a node
 * that a plan keeps in float would be worse off than in integers. A DequantizeLinear with a scale for each channel is left alone, so such nodes read
 * their input through one of their own, with the one scale repeated: the same numbers.
 *
 * A value with a single channel stays as it is: there ONNX Runtime sees one scale either way.
 */
export function holdFloat(model: Model): Model {
  const draft = new GraphDraft(model.graph);
  for (const source of draft.nodes()) {
    const scale = draft.constant(source.inputs[1] ?? "");
    if (!isOp(source, "DequantizeLinear") || scale === undefined || countOf(scale.shape) !== 1) continue;
    const value = source.outputs[0] as string;
    const readers = draft.consumers(value);
    const held = readers.filter((node) => node.inputs[0] === value && channelsRead(node, draft) > 1);
    const [first] = held;
    if (first === undefined) continue;
    const channels = channelsRead(first, draft);
    const repeated = (tensor: Tensor): Tensor =>
      fromNumbers(tensor.dtype, [channels], Array(channels).fill(toNumbers(tensor)[0] as number));
    const zeroPoint = draft.constant(source.inputs[2] ?? "");
    const inputs = [source.inputs[0] as string, draft.addConstant(`${value}_held_scale`, repeated(scale))];
    if (zeroPoint !== undefined) inputs.push(draft.addConstant(`${value}_held_zero_point`, repeated(zeroPoint)));
    const attributes = new Map([...source.attributes, ["axis", { kind: "int", value: 1 }] as const]);
    if (held.length === readers.length && !draft.isOutput(value)) {
      draft.replace(source, { ...source, inputs, attributes });
      continue;
    }
    const output = draft.freshName(`${value}_held`);
    draft.add({ ...source, name: output, inputs, outputs: [output], attributes }, source);
    draft.setType(output, draft.type(value));
    for (const node of held) draft.replace(node, { ...node, inputs: [output, ...node.inputs.slice(1)] });
  }
  return withGraph(model, draft.finish());
}

/** Size of axis 1 of the data of a node with constant float weights, as they tell; 0 for other nodes. */
function channelsRead(node: Node, draft: GraphDraft): number {
  const weight = draft.constant(node.inputs[1] ?? "");
  if (weight?.dtype !== "float32" || !WEIGHTED.some((op) => isOp(node, op))) return 0;
  const { shape } = weight;
  if (node.op === "Gemm") return attrInt(node, "transA", 0) === 1 ? 0 : (shape[attrInt(node, "transB", 0) === 1 ? 1 : 0] ?? 0);
  if (node.op === "ConvTranspose") return shape[0] ?? 0;
  return (shape[1] ?? 0) * attrInt(node, "group", 1);
}
