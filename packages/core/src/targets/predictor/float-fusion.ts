import type { Node } from "../../graph/model.ts";
import { isIntegerNode, type Scene } from "./scene.ts";

/** The value whose maker a node in float is computed as one with, by the target's table of fusions. */
export function fusedInput(node: Node, scene: Scene): string | undefined {
  if (node.domain !== "") return undefined;
  for (const { from } of scene.target.fusions ?? []) {
    const [first, second] = from;
    const found = second === node.op ? node.inputs.find((name) => isMadeBy(name, first as string, node, scene)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a value comes from an operator in float and goes nowhere else. */
function isMadeBy(name: string, op: string, reader: Node, scene: Scene): boolean {
  const { draft } = scene;
  const maker = name === "" ? undefined : draft.producer(name);
  if (maker === undefined || maker.domain !== "" || isIntegerNode(maker, scene) || draft.isOutput(name)) return false;
  return maker.op === op && draft.onlyConsumer(name)?.name === reader.name;
}
