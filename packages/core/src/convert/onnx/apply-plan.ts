import { fail } from "../../base/error.ts";
import { GraphDraft } from "../../graph/draft.ts";
import { dropAbsorbed } from "../../graph/drop-absorbed.ts";
import { renameUse, withGraph } from "../../graph/edit.ts";
import { type Model, type Node, tensorType } from "../../graph/model.ts";
import { makeNode } from "../../graph/node.ts";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { isFloatNode, unroundedValues } from "../../graph/plan-borders.ts";
import { plannedModel } from "../../graph/planned.ts";
import { dequantizeTensor, quantizeTensor } from "../../graph/quantize.ts";
import { f32, fromNumbers } from "../../graph/tensor.ts";
import { holdFloat } from "./hold-float.ts";

/** Options of {@link applyPlan}. */
export interface ApplyPlanOptions {
  /** Keep ONNX Runtime from quantizing the plan's float nodes by itself, see {@link holdFloat}. For tools that want one scale for each activation: false. */
  readonly holdFloat?: boolean;
}

/** Defaults of {@link applyPlan}. */
export const APPLY_PLAN_DEFAULTS = { holdFloat: true } as const satisfies ApplyPlanOptions;

/**
 * Takes the network that the plan was made for (see plannedModel) and writes the plan into it as QuantizeLinear / DequantizeLinear pairs (the QDQ form): weights and biases become integer constants with a
 * DequantizeLinear behind them, activations get a pair behind their producer. A Relu or Clip whose bounds are exactly what the encoding of its
 * output saturates to is dropped, which changes no result. Graph inputs and outputs keep names and types. Each value is quantized once and dequantized
 * once; what a float node made, float nodes read as it is (see unroundedValues).
 *
 * @throws PLAN_INVALID when the plan names a tensor that the model does not have
 */
export function applyPlan(model: Model, plan: QuantPlan, options: ApplyPlanOptions = {}): Model {
  const scaled = plannedModel(model, plan);
  const draft = new GraphDraft(scaled.graph);
  const unrounded = unroundedValues(scaled, plan);
  for (const [name, encoding] of plan.tensors) {
    const constant = draft.constant(name);
    if (constant !== undefined && encoding.dtype === "int64") {
      // DequantizeLinear takes no int64: such a bias stays in float, rounded to its grid.
      draft.setConstant(name, dequantizeTensor(quantizeTensor(constant, encoding), encoding));
    } else if (constant !== undefined) {
      const users = draft.consumers(name);
      const quantized = draft.addConstant(`${name}_quantized`, quantizeTensor(constant, encoding));
      const output = draft.freshName(`${name}_dequantized`);
      const node = pairNode("DequantizeLinear", quantized, output, draft, encoding);
      draft.renameUses(name, output);
      draft.add(node, users[0]);
    } else if (draft.producer(name) !== undefined || draft.isInput(name)) {
      // Who reads the value as a float needs its bounds.
      if (unrounded.has(name)) addSidePair(draft, name, encoding, plan);
      else {
        // What has an encoding of its own before the bound stays as it is.
        while (!plan.tensors.has(draft.producer(name)?.inputs[0] ?? "") && dropAbsorbed(draft, name, encoding));
        addPair(draft, name, encoding);
      }
    } else throw fail("PLAN_INVALID", `Cannot apply the plan: the model has no tensor ${name}`, { at: { tensor: name } });
  }
  const paired = withGraph(scaled, draft.finish());
  return (options.holdFloat ?? APPLY_PLAN_DEFAULTS.holdFloat) ? holdFloat(paired) : paired;
}

function pairNode(
  op: "QuantizeLinear" | "DequantizeLinear",
  input: string,
  output: string,
  draft: GraphDraft,
  encoding: Encoding,
): Node {
  const shape = encoding.axis === undefined ? [] : [encoding.scale.length];
  const scale = draft.addConstant(`${output}_scale`, f32(shape, encoding.scale));
  // A bias has none by definition, and thousands of zeros would be a good part of a small file.
  if (encoding.dtype === "int32" && encoding.zeroPoint.every((z) => z === 0))
    return makeNode(op, { inputs: [input, scale], outputs: [output] }, { attributes: { axis: encoding.axis } });
  const zeroPoint = draft.addConstant(`${output}_zero_point`, fromNumbers(encoding.dtype, shape, encoding.zeroPoint));
  return makeNode(op, { inputs: [input, scale, zeroPoint], outputs: [output] }, { attributes: { axis: encoding.axis } });
}

function addPair(draft: GraphDraft, name: string, encoding: Encoding): void {
  const maker = draft.producer(name);
  let source = name;
  let target: string;
  if (draft.isOutput(name) && maker !== undefined) {
    // The output keeps its name, so what its producer makes is called otherwise.
    source = draft.freshName(`${name}_float`);
    target = name;
    const renamed = { ...maker, outputs: maker.outputs.map((o) => (o === name ? source : o)) };
    draft.replace(maker, renamed);
  } else {
    target = draft.freshName(`${name}_dequantized`);
    draft.renameUses(name, target);
  }
  const quantized = draft.freshName(`${name}_quantized`);
  const like = draft.producer(source);
  const first = draft.add(pairNode("QuantizeLinear", source, quantized, draft, encoding), like);
  draft.add(pairNode("DequantizeLinear", quantized, target, draft, encoding), first);
  const type = draft.type(name);
  if (type?.kind === "tensor") {
    draft.setType(source, type);
    draft.setType(target, type);
    draft.setType(quantized, tensorType(encoding.dtype, type.shape));
  }
}

/** A pair beside a value: integer nodes read what comes out of it, float nodes and graph outputs the value itself. */
function addSidePair(draft: GraphDraft, name: string, encoding: Encoding, plan: QuantPlan): void {
  const readers = draft.consumers(name).filter((node) => !isFloatNode(node, plan));
  if (readers.length === 0) return;
  const quantized = draft.freshName(`${name}_quantized`);
  const target = draft.freshName(`${name}_dequantized`);
  for (const reader of readers) draft.replace(reader, renameUse(reader, name, target));
  const first = draft.add(pairNode("QuantizeLinear", name, quantized, draft, encoding), draft.producer(name));
  draft.add(pairNode("DequantizeLinear", quantized, target, draft, encoding), first);
  const type = draft.type(name);
  if (type?.kind === "tensor") {
    draft.setType(target, type);
    draft.setType(quantized, tensorType(encoding.dtype, type.shape));
  }
}
