import { GraphDraft } from "../graph/draft.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model, Node } from "../graph/model.ts";
import { attrFloat, attrInt, isOp, makeNode } from "../graph/node.ts";
import { f32, toNumbers } from "../graph/tensor.ts";

/**
 * The model with each BatchNormalization of images or planes of constant parameters written as what it is at inference: a convolution by channel
 * with a 1x1 kernel. Passes fold most of them into the Conv before or behind; one that stands by itself, such as on the input, would else be an
 * island of floats among integers.
 */
export function spellBatchNorm(model: Model): Model {
  const draft = new GraphDraft(model.graph);
  for (const node of draft.nodes()) if (isOp(node, "BatchNormalization")) spell(node, draft);
  return withGraph(model, draft.finish());
}

function spell(node: Node, draft: GraphDraft): void {
  const type = draft.type(node.inputs[0] ?? "");
  const rank = type?.kind === "tensor" && type.dtype === "float32" ? type.shape?.length : undefined;
  const [gamma, beta, mean, variance] = node.inputs.slice(1).map((name) => draft.constant(name));
  const plain = attrInt(node, "training_mode", 0) === 0 && node.outputs.slice(1).every((name) => name === "");
  if (!plain || rank !== 4 || !gamma || !beta || !mean || !variance) return;
  if ([gamma, beta, mean, variance].some((t) => t.dtype !== "float32")) return;
  const [g, b, m, v] = [gamma, beta, mean, variance].map((t) => toNumbers(t)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const epsilon = attrFloat(node, "epsilon", 1e-5);
  const factors = Array.from(g, (x, c) => x / Math.sqrt((v[c] as number) + epsilon));
  const shifts = factors.map((f, c) => (b[c] as number) - f * (m[c] as number));
  const output = node.outputs[0] as string;
  const weight = draft.addConstant(`${output}_factors`, f32([factors.length, 1, 1, 1], factors));
  const bias = draft.addConstant(`${output}_shifts`, f32([factors.length], shifts));
  const inputs = [node.inputs[0] as string, weight, bias];
  const attributes = { group: factors.length, kernel_shape: [1, 1] };
  draft.replace(node, makeNode("Conv", { inputs, outputs: [output] }, { name: node.name, attributes }));
}
