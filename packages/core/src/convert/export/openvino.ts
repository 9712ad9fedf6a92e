import { GraphDraft } from "../../graph/draft.ts";
import type { Model } from "../../graph/model.ts";
import { isOp } from "../../graph/node.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { applyPlan } from "../onnx/apply-plan.ts";
import type { ExportedModel } from "./tensorrt.ts";

/** Activations that OpenVINO computes within the convolution before them, on its unrounded sums, when no pair stands between. */
const WITHIN = ["PRelu", "LeakyRelu"];

/**
 * A plan as Q/DQ pairs for OpenVINO, whose ONNX reader turns each pair into a FakeQuantize and whose low-precision transformations then make integer
 * layers of them. Biases stay in float, added behind the integer sums. There is no pair between a convolution and the PRelu that alone reads it: one
 * would cut them apart.
 *
 * Verified: OpenVINO 2026.4.1 reads and compiles these files on x64, computes every convolution in 8 bits, and its outputs are as near to FP32 as those
 * of ONNX Runtime (bench/peers/exports.py).
 */
export function openvinoModel(model: Model, plan: QuantPlan): ExportedModel {
  const draft = new GraphDraft(model.graph);
  const tensors = new Map(plan.tensors);
  let biases = 0;
  let within = 0;
  for (const [name, { dtype }] of plan.tensors) {
    const isBias = (dtype === "int32" || dtype === "int64") && draft.constant(name) !== undefined;
    const reader = draft.onlyConsumer(name);
    const maker = draft.producer(name);
    const joins = maker !== undefined && isOp(maker, "Conv") && reader !== undefined && WITHIN.some((op) => isOp(reader, op));
    if (isBias) biases++;
    else if (joins) within++;
    if (isBias || joins) tensors.delete(name);
  }
  return {
    model: applyPlan(model, { ...plan, tensors }),
    notes: [
      `${tensors.size} tensors carry Q/DQ pairs`,
      ...(biases > 0 ? [`${biases} biases stay in float`] : []),
      ...(within > 0 ? [`${within} convolutions have no pair between them and the activation computed within them`] : []),
    ],
  };
}
