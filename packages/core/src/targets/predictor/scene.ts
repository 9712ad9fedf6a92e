import type { GraphDraft } from "../../graph/draft.ts";
import type { Node } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { ruleOf } from "../rules.ts";
import type { Target } from "../target.ts";

/** A graph as the predictor looks at it. */
export interface Scene {
  readonly draft: GraphDraft;
  readonly target: Target;
  readonly plan: QuantPlan | undefined;
}

/** Whether a node computes in integers: its plan says so, or it only moves a value from one place on a grid to another place on the same grid. */
export function isIntegerNode(node: Node, { plan, target }: Pick<Scene, "plan" | "target">): boolean {
  const precision = plan?.nodes.get(node.name)?.precision;
  if (precision === "int8" || precision === "int16x8") return true;
  if (plan === undefined || ruleOf(node, target)?.kind !== "through") return false;
  const grids = [node.inputs[0], ...node.outputs].map((name) => plan.tensors.get(name ?? ""));
  const [first] = grids;
  return grids.every(
    (g) =>
      g?.dtype === first?.dtype && g?.scale[0] === first?.scale[0] && g?.zeroPoint[0] === first?.zeroPoint[0] && g !== undefined,
  );
}
