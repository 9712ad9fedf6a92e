import type { GraphDraft } from "../../graph/draft.ts";
import type { Node } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { dataInputs, ruleOf } from "../rules.ts";
import type { Target } from "../target.ts";

/** A graph as the predictor looks at it. */
export interface Scene {
  readonly draft: GraphDraft;
  readonly target: Target;
  readonly plan: QuantPlan | undefined;
  /** Values with an encoding that readers in float get as the floats that they were made as. */
  readonly unrounded: ReadonlySet<string>;
}

/** Whether a node computes in integers: its plan says so, or, in a plan without choices, all that it reads and makes has encodings. */
export function isIntegerNode(node: Node, { plan, target }: Pick<Scene, "plan" | "target">): boolean {
  const choice = plan?.nodes.get(node.name);
  if (choice !== undefined) return choice.precision === "int8" || choice.precision === "int16x8";
  const rule = ruleOf(node, target);
  if (plan === undefined || rule === undefined || rule.kind === "float") return false;
  const reads = dataInputs(node, rule).map((i) => node.inputs[i] as string);
  const vanishes = rule.kind === "absorbed";
  return node.outputs.every((name) => plan.tensors.has(name)) && (vanishes || reads.every((name) => plan.tensors.has(name)));
}
