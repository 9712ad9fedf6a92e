import type { GraphDraft } from "../../graph/draft.ts";
import type { Node } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import type { Target } from "../target.ts";

/** A graph as the predictor looks at it. */
export interface Scene {
  readonly draft: GraphDraft;
  readonly target: Target;
  readonly plan: QuantPlan | undefined;
}

/** Whether a plan has a node compute in integers. */
export function isIntegerNode(node: Node, plan: QuantPlan | undefined): boolean {
  const precision = plan?.nodes.get(node.name)?.precision;
  return precision === "int8" || precision === "int16x8";
}
