import { GraphDraft } from "../../graph/draft.ts";
import type { Model } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { applyPlan } from "../onnx/apply-plan.ts";
import type { ExportedModel } from "./tensorrt.ts";

/**
 * A plan as Q/DQ pairs for OpenVINO, whose ONNX reader turns each pair into a FakeQuantize and whose low-precision transformations then make integer
 * layers of them. Biases stay in float, added behind the integer sums.
 */
export function openvinoModel(model: Model, plan: QuantPlan): ExportedModel {
  const draft = new GraphDraft(model.graph);
  const tensors = new Map(
    [...plan.tensors].filter(
      ([name, { dtype }]) => (dtype !== "int32" && dtype !== "int64") || draft.constant(name) === undefined,
    ),
  );
  const biases = plan.tensors.size - tensors.size;
  return {
    model: applyPlan(model, { ...plan, tensors }, { holdFloat: false }),
    notes: [`${tensors.size} tensors carry Q/DQ pairs`, ...(biases > 0 ? [`${biases} biases stay in float`] : [])],
  };
}
