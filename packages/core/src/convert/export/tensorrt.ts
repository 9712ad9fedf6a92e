import { fail } from "../../base/error.ts";
import { GraphDraft } from "../../graph/draft.ts";
import { withGraph } from "../../graph/edit.ts";
import type { Model } from "../../graph/model.ts";
import { isOp, makeNode } from "../../graph/node.ts";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { plannedModel } from "../../graph/planned.ts";
import { f32, fromNumbers } from "../../graph/tensor.ts";
import { applyPlan } from "../onnx/apply-plan.ts";

/** A network with explicit quantization, and what was done for the sake of the tool that reads it. */
export interface ExportedModel {
  readonly model: Model;
  /** One line for each kind of change, for the report. */
  readonly notes: readonly string[];
}

/**
 * A plan as explicit quantization for TensorRT: int8 Q/DQ pairs with zero point 0 everywhere.
 *
 * - Biases stay in float: the parser refuses a DequantizeLinear of int32 (onnx/onnx-tensorrt#850).
 * - Weights stay in float with a pair of their own behind them, on whose scales they lie where the plan chose their rounding. Every version since 8.0
 *   takes that form; a bare DequantizeLinear of int8 weights only newer ones.
 * - Of a sum of a convolution's result and another value, the pair on the convolution's side is left out: the pair on the other side is what lets
 *   convolution and sum become one int8 layer, and a pair between them would cut them apart.
 *
 * Verified: rules from NVIDIA's published documentation and from maintainers' answers; the graph by the ONNX checker and by ONNX Runtime, which gives the
 * numbers of the same integers (bench/peers/exports.py). Not verified: a build by TensorRT itself, which needs a GPU.
 *
 * @throws TARGET_RULE for a plan that is not symmetric int8
 */
export function tensorrtModel(model: Model, plan: QuantPlan): ExportedModel {
  const planned = plannedModel(model, plan);
  const draft = new GraphDraft(planned.graph);
  const activations = new Map<string, Encoding>();
  const weights = new Map<string, Encoding>();
  let biases = 0;
  for (const [name, encoding] of plan.tensors) {
    const constant = draft.constant(name) !== undefined;
    if (constant && (encoding.dtype === "int32" || encoding.dtype === "int64")) biases++;
    else {
      if (encoding.dtype !== "int8" || encoding.zeroPoint.some((z) => z !== 0)) throw refused(name, encoding, plan);
      (constant ? weights : activations).set(name, encoding);
    }
  }
  const left = pairsInsideSums(planned, activations);
  for (const name of left) activations.delete(name);
  const { channelScales: _, constants: __, ...rest } = plan;
  const paired = applyPlan(planned, { ...rest, tensors: activations }, { holdFloat: false });
  const notes = [`${activations.size} activations and ${weights.size} weights carry int8 Q/DQ pairs, all zero points are 0`];
  if (biases > 0) notes.push(`${biases} biases stay in float`);
  if (left.length > 0) notes.push(`${left.length} convolutions have no pair between them and the sum that they are fused with`);
  return { model: withWeightPairs(paired, weights), notes };
}

function refused(name: string, { dtype, zeroPoint }: Encoding, plan: QuantPlan): Error {
  return fail(
    "TARGET_RULE",
    `Cannot write the plan of ${plan.target} for TensorRT: ${name} is ${dtype} with zero point ${zeroPoint[0]}, and it takes int8 with zero point 0`,
    { at: { tensor: name }, hint: "Make the plan with --target jetson-nano" },
  );
}

/** Results of convolutions that go nowhere but into a sum whose other side has a pair: one for each sum, the later one where both sides are such. */
function pairsInsideSums(model: Model, activations: ReadonlyMap<string, Encoding>): readonly string[] {
  const draft = new GraphDraft(model.graph);
  const found: string[] = [];
  for (const node of model.graph.nodes) {
    if (!isOp(node, "Add") || node.inputs.length !== 2 || node.inputs[0] === node.inputs[1]) continue;
    if (!node.inputs.every((name) => activations.has(name))) continue;
    const own = node.inputs.filter((name) => {
      const maker = draft.producer(name);
      return maker !== undefined && isOp(maker, "Conv") && draft.onlyConsumer(name) !== undefined;
    });
    const place = (name: string): number => model.graph.nodes.findIndex((n) => n.outputs[0] === name);
    const last = own.sort((a, b) => place(b) - place(a))[0];
    if (last !== undefined) found.push(last);
  }
  return found;
}

/** Puts a pair behind each float weight: QuantizeLinear and DequantizeLinear by the plan's scales. */
function withWeightPairs(model: Model, weights: ReadonlyMap<string, Encoding>): Model {
  const draft = new GraphDraft(model.graph);
  for (const [name, encoding] of weights) {
    const [first] = draft.consumers(name);
    const { scale, axis } = encoding;
    const shape = axis === undefined ? [] : [scale.length];
    const quantized = draft.freshName(`${name}_quantized`);
    const output = draft.freshName(`${name}_dequantized`);
    const scales = draft.addConstant(`${name}_scale`, f32(shape, scale));
    const zeros = draft.addConstant(`${name}_zero_point`, fromNumbers("int8", shape, encoding.zeroPoint));
    draft.renameUses(name, output);
    const attributes = { axis };
    const second = makeNode("DequantizeLinear", { inputs: [quantized, scales, zeros], outputs: [output] }, { attributes });
    draft.add(makeNode("QuantizeLinear", { inputs: [name, scales, zeros], outputs: [quantized] }, { attributes }), first);
    draft.add(second, first);
  }
  return withGraph(model, draft.finish());
}
