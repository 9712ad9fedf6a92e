import type { Node } from "../graph/model.ts";
import { attrString } from "../graph/node.ts";
import type { OperatorRule, Target } from "./target.ts";

/** The rule of a target for a node; `undefined` for operators that it does not list. */
export function ruleOf(node: Node, target: Pick<Target, "operators">): OperatorRule | undefined {
  const rule = node.domain === "" && Object.hasOwn(target.operators, node.op) ? target.operators[node.op] : undefined;
  if (rule?.kind !== "through" || rule.when === undefined) return rule;
  const { attribute, is, fallback, otherwise } = rule.when;
  return attrString(node, attribute, fallback) === is ? rule : { kind: "float", why: otherwise };
}

/** Whether an input carries numbers that are computed with; the condition of Where does not. */
function isData(node: Node, index: number): boolean {
  return node.op !== "Where" || index > 0;
}

/** Whether a rule reads all inputs as data, or the first alone. */
function readsAll(rule: OperatorRule): boolean {
  return (rule.kind === "integer" || rule.kind === "equal") && rule.over !== "first";
}

/** Positions of the inputs that carry data under a rule, weights and biases apart; absent ones are left out. */
export function dataInputs(node: Node, rule: OperatorRule): readonly number[] {
  const positions: number[] = [];
  const weighted = rule.kind === "integer" && rule.weight !== undefined;
  const end = readsAll(rule) && !weighted ? node.inputs.length : 1;
  for (let i = 0; i < end; i++) if (node.inputs[i] && isData(node, i)) positions.push(i);
  return positions;
}
