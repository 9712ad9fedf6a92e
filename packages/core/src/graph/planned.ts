import { fail } from "../base/error.ts";
import { withGraph } from "./edit.ts";
import type { Model } from "./model.ts";
import type { QuantPlan } from "./plan.ts";
import { scaleChannels } from "./quantize-channels.ts";

/**
 * The float network that a plan's encodings are those of: channels scaled, then the plan's own constants in place of the model's. Every lowering of a
 * plan starts from it.
 *
 * @throws PLAN_INVALID for scales that scaleChannels refuses, or a constant that the model does not have in that type and shape
 */
export function plannedModel(model: Model, plan: Pick<QuantPlan, "channelScales" | "constants">): Model {
  const scaled = plan.channelScales === undefined ? model : scaleChannels(model, plan.channelScales);
  if (plan.constants === undefined || plan.constants.size === 0) return scaled;
  const constants = new Map(scaled.graph.constants);
  for (const [name, tensor] of plan.constants) {
    const old = constants.get(name);
    const bad = (why: string): Error =>
      fail("PLAN_INVALID", `Cannot put the plan's constant ${name} into the model: ${why}`, { at: { tensor: name } });
    if (old === undefined) throw bad("the model has no such constant");
    if (old.dtype !== tensor.dtype || old.shape.join() !== tensor.shape.join())
      throw bad(`it is ${tensor.dtype} [${tensor.shape}], the model's is ${old.dtype} [${old.shape}]`);
    constants.set(name, tensor);
  }
  return withGraph(scaled, { ...scaled.graph, constants });
}
