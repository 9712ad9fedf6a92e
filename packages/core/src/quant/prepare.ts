import { GraphDraft } from "../graph/draft.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model, Node } from "../graph/model.ts";
import { makeNode, REGRID_KEY } from "../graph/node.ts";
import { usedNames } from "../graph/walk.ts";
import { ruleOf } from "../targets/rules.ts";
import type { Target } from "../targets/target.ts";
import { type GridConflict, placeIntegers } from "./placement.ts";
import { spellBatchNorm } from "./spell-norm.ts";

/**
 * The model with weights and biases that are read in several places cut apart, because each node needs scales of its own, and whoever computes in
 * float must not read rounded weights.
 */
export function unshareWeights(model: Model, target: Target): Model {
  const draft = new GraphDraft(model.graph);
  const taken = new Set<string>(model.graph.outputs.map((o) => o.name));
  const owners = new Map<string, number>();
  for (const node of draft.nodes()) for (const name of usedNames(node)) owners.set(name, (owners.get(name) ?? 0) + 1);
  for (const node of draft.nodes()) {
    const rule = ruleOf(node, target);
    if (rule?.kind !== "integer" || rule.weight === undefined) continue;
    const inputs = [...node.inputs];
    for (const index of [rule.weight, rule.bias]) {
      const name = index === undefined ? undefined : inputs[index];
      const constant = name ? draft.constant(name) : undefined;
      if (index === undefined || name === undefined || constant === undefined) continue;
      const others = (owners.get(name) ?? 1) > 1 || inputs.some((other, i) => i !== index && other === name);
      if (!others && !taken.has(name)) continue;
      inputs[index] = draft.addConstant(name, constant);
    }
    if (inputs.some((name, i) => name !== node.inputs[i])) draft.replace(node, { ...node, inputs });
  }
  return withGraph(model, draft.finish());
}

/**
 * The model as {@link placeIntegers} wants it: lone normalisations spelled as convolutions where the target says so, weights that are read in several places cut apart, and where a kernel needs one grid for values whose
 * grids are fixed differently (a Softmax beside a Conv, both into a Concat), the fewest of them moved onto the grid of the rest by an Identity of
 * its own, which a runtime computes as a requantization. On targets without such an operator those kernels stay in float.
 */
export function prepareForIntegers(model: Model, target: Target): Model {
  let current = unshareWeights(target.normAsConv ? spellBatchNorm(model) : model, target);
  if (target.requantize === undefined) return current;
  // Each round takes the conflicts of the last one away; those that it may uncover stand further down the graph.
  for (let left = current.graph.nodes.length; left >= 0; left--) {
    const { conflicts } = placeIntegers(current, target);
    const [next] = conflicts;
    if (next === undefined) break;
    current = separate(current, next, target.requantize);
  }
  return current;
}

function separate(model: Model, conflict: GridConflict, op: string): Model {
  const draft = new GraphDraft(model.graph);
  const node = draft.nodes().find((n) => n.name === conflict.node) as Node;
  const inputs = [...node.inputs];
  for (const index of conflict.cut) {
    const name = inputs[index] as string;
    const constant = draft.constant(name);
    if (constant !== undefined) {
      inputs[index] = draft.addConstant(name, constant);
      continue;
    }
    const output = draft.freshName(`${name}_regridded`);
    const regrid = makeNode(op, { inputs: [name], outputs: [output] }, { name: draft.freshName(`regrid_${name}`) });
    draft.add({ ...regrid, metadata: new Map([[REGRID_KEY, ""]]) }, node);
    draft.setType(output, draft.type(name));
    inputs[index] = output;
  }
  draft.replace(node, { ...node, inputs });
  return withGraph(model, draft.finish());
}
