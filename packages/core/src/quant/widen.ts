import { fail } from "../base/error.ts";
import { GraphDraft } from "../graph/draft.ts";
import { withGraph } from "../graph/edit.ts";
import type { Model, Node } from "../graph/model.ts";
import { makeNode, REGRID_KEY } from "../graph/node.ts";
import { dataInputs, ruleOf } from "../targets/rules.ts";
import { withScheme } from "../targets/scheme.ts";
import type { Target } from "../targets/target.ts";
import { placeIntegers } from "./placement.ts";

/** A model with some nodes to be computed with 16-bit activations, ready for placeIntegers with `wideNodes`. */
export interface Widened {
  readonly model: Model;
  /** All nodes on 16-bit integers: those asked for, what moves or bounds their values, and the steps up to them. */
  readonly wideNodes: ReadonlySet<string>;
}

/**
 * Makes islands of 16-bit activations in a network of 8-bit ones, for targets that have kernels for both and an operator that moves integers from one type
 * into the other: where a value changes its type, that operator stands once, however many nodes read it. Operators that hand integers on or bound them
 * (Reshape, MaxPool, Relu) follow what they read. What stays in float is not touched.
 *
 * @param source - as prepareForIntegers left it
 * @throws TARGET_RULE when the target has no such kernels, or none for a node that is asked for
 */
export function widenNodes(source: Model, target: Target, nodes: ReadonlySet<string>): Widened {
  const wide = withScheme(target, "int16x8");
  const { requantize } = target;
  if (requantize === undefined)
    throw fail("TARGET_RULE", `Cannot widen nodes for ${target.id}: it has no operator between 8-bit and 16-bit integers`);
  const { choices } = placeIntegers(source, target);
  const draft = new GraphDraft(source.graph);
  const isInteger = (node: Node): boolean => choices.get(node.name)?.precision !== "float32";
  const wideNodes = new Set<string>();
  const wideValues = new Set<string>();
  // What comes from float takes the type of its readers, if they agree.
  const fromFloat = (name: string): boolean => {
    const readers = draft.consumers(name).filter(isInteger);
    return readers.length > 0 && readers.every((reader) => nodes.has(reader.name));
  };
  for (const { name } of source.graph.inputs) if (fromFloat(name)) wideValues.add(name);
  for (const node of source.graph.nodes) {
    const rule = ruleOf(node, target);
    if (rule === undefined || !isInteger(node)) {
      for (const name of node.outputs) if (fromFloat(name)) wideValues.add(name);
      continue;
    }
    const follows = rule.kind !== "integer";
    const first = node.inputs[dataInputs(node, rule)[0] ?? 0] ?? "";
    const isWide = follows ? wideValues.has(first) : nodes.has(node.name);
    if (!isWide) continue;
    const own = ruleOf(node, wide);
    if (own === undefined || own.kind === "float")
      throw fail(
        "TARGET_RULE",
        `Cannot widen ${node.op} ${node.name}: ${own?.why ?? `${target.id} has no 16-bit kernel for it`}`,
        {
          at: { node: node.name },
        },
      );
    wideNodes.add(node.name);
    for (const name of node.outputs) wideValues.add(name);
  }
  const moved = new Map<string, string>();
  for (const listed of draft.nodes()) {
    const rule = ruleOf(listed, target);
    if (rule === undefined || !isInteger(listed)) continue;
    const isWide = wideNodes.has(listed.name);
    const inputs = [...listed.inputs];
    for (const index of positionsOf(listed, target)) {
      const name = inputs[index] as string;
      const constant = draft.constant(name);
      if (constant !== undefined) {
        // Readers of either type need the operand on grids of their own.
        if (isWide && draft.onlyConsumer(name) === undefined) inputs[index] = draft.addConstant(name, constant);
        continue;
      }
      if (wideValues.has(name) === isWide) continue;
      const key = `${name} ${isWide}`;
      let output = moved.get(key);
      if (output === undefined) {
        output = draft.freshName(`${name}_${isWide ? "wide" : "narrow"}`);
        const step = makeNode(requantize, { inputs: [name], outputs: [output] }, { name: draft.freshName(`regrid_${output}`) });
        draft.add({ ...step, metadata: new Map([[REGRID_KEY, ""]]) }, listed);
        draft.setType(output, draft.type(name));
        if (isWide) wideNodes.add(step.name);
        moved.set(key, output);
      }
      inputs[index] = output;
    }
    const current = draft.current(listed) as Node;
    if (inputs.some((name, i) => name !== current.inputs[i])) draft.replace(current, { ...current, inputs });
  }
  return { model: withGraph(source, draft.finish()), wideNodes };
}

/** Positions of inputs that carry activations: data, and a computed factor. */
function positionsOf(node: Node, target: Target): readonly number[] {
  const rule = ruleOf(node, target);
  if (rule === undefined) return [];
  const weight = rule.kind === "integer" ? rule.weight : undefined;
  const positions = dataInputs(node, rule);
  return weight === undefined || positions.includes(weight) || !node.inputs[weight] ? positions : [...positions, weight];
}
