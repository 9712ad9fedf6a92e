import type { ActivationName } from "../../../formats/tflite/enums.ts";
import { GraphDraft } from "../../../graph/draft.ts";
import { dropAbsorbed } from "../../../graph/drop-absorbed.ts";
import { withAttributes, withGraph } from "../../../graph/edit.ts";
import type { Model, Node } from "../../../graph/model.ts";
import type { QuantPlan } from "../../../graph/plan.ts";
import { unroundedValues } from "../../../graph/plan-borders.ts";
import { type Tensor, toNumbers } from "../../../graph/tensor.ts";
import { FUSED_ACTIVATION } from "../emit/context.ts";

/** Operators whose TFLite form applies an activation to its own output. */
const FUSING = new Set([...["Conv", "Gemm", "MatMul", "FlatDense", "Add", "Sub", "Mul", "Div", "MaxPool", "AveragePool"]]);

/** The activation of TFLite that a Relu or Clip with these bounds is. */
export function activationOf(node: Node, constant: (name: string) => Tensor | undefined): ActivationName | undefined {
  if (node.domain !== "") return undefined;
  if (node.op === "Relu") return "RELU";
  if (node.op !== "Clip") return undefined;
  const bounds = [1, 2].map((i) => {
    const name = node.inputs[i] ?? "";
    return name === "" ? undefined : (toNumbersOf(constant(name))?.[0] ?? Number.NaN);
  });
  const [low, high] = bounds;
  if (low === 0 && (high === undefined || high === Number.POSITIVE_INFINITY)) return "RELU";
  if (low === 0 && high === 6) return "RELU6";
  if (low === -1 && high === 1) return "RELU_N1_TO_1";
  return undefined;
}

function toNumbersOf(t: Tensor | undefined): Float64Array | undefined {
  return t === undefined ? undefined : toNumbers(t);
}

/**
 * Takes activations into the node before them, as attribute {@link FUSED_ACTIVATION}, where nobody else reads the value between and it has no encoding
 * of its own. Under a plan, bounds that no kernel knows are dropped where the integers saturate at just these.
 */
export function fuseActivations(model: Model, plan: QuantPlan | undefined): Model {
  const draft = new GraphDraft(model.graph);
  for (const listed of draft.nodes()) {
    const node = draft.current(listed);
    if (node === undefined) continue;
    const activation = activationOf(node, (name) => draft.constant(name));
    if (activation === undefined) continue;
    const between = node.inputs[0] as string;
    const maker = draft.producer(between);
    if (maker === undefined || !FUSING.has(maker.op) || maker.attributes.has(FUSED_ACTIVATION)) continue;
    if (maker.outputs.filter((name) => name !== "").length !== 1 || draft.onlyConsumer(between)?.name !== node.name) continue;
    const type = draft.type(between);
    if (plan?.tensors.has(between) || (type?.kind === "tensor" && type.dtype !== "float32")) continue;
    const fused = withAttributes(maker, { [FUSED_ACTIVATION]: { kind: "string", value: activation } });
    draft.remove(node);
    draft.replace(maker, { ...fused, outputs: node.outputs });
  }
  const unrounded = plan === undefined ? new Set<string>() : unroundedValues(model, plan);
  for (const [name, encoding] of plan?.tensors ?? []) {
    // Who reads the value as a float needs its bounds.
    if (unrounded.has(name)) continue;
    // The saturation of the integers stands for the bounds, so the node before must make those integers itself.
    while (!plan?.tensors.has(draft.producer(name)?.inputs[0] ?? "") && dropAbsorbed(draft, name, encoding));
  }
  return withGraph(model, draft.finish());
}
