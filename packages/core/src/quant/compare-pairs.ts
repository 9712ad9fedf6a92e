import type { Model, Node } from "../graph/model.ts";
import type { QuantDType } from "../graph/plan.ts";
import { LEVELS } from "../graph/quantize.ts";
import { toNumbers } from "../graph/tensor.ts";

/** The integers that a per-tensor value lies on: real = (q - zeroPoint) * scale, q from `low` to `high`. */
export interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
  readonly low: number;
  readonly high: number;
}

/** A float value of a reference, and the value of a changed model that stands for it. */
export interface ValuePair {
  /** Its name in the reference, and the operator and node there that make it; "input" for what is fed. */
  readonly name: string;
  readonly op: string;
  readonly node: string;
  /** As the next layer of the changed model reads it: behind the DequantizeLinear where there is one. */
  readonly other: string;
  /** What it is rounded to there, when that is one grid for all of it. */
  readonly grid?: Grid;
}

const FLOATS: ReadonlySet<string> = new Set(["float32", "float16"]);

/**
 * The values that two models have in common, in the order of the reference. A value of the changed model is found by its name, behind the pair of
 * QuantizeLinear and DequantizeLinear that rounds it, or as its half: `NAME_half` of float16. Types of both must be inferred.
 */
export function valuePairs(reference: Model, changed: Model): readonly ValuePair[] {
  const rounded = roundedValues(changed);
  const mine = roundedValues(reference);
  const made = new Set(changed.graph.nodes.flatMap((n) => n.outputs));
  const known = (name: string): string | undefined => {
    const half = `${name}_half`;
    return rounded.get(name)?.name ?? (made.has(half) ? half : made.has(name) ? name : undefined);
  };
  const isFloat = (model: Model, name: string): boolean => {
    const { types, outputs, inputs } = model.graph;
    const type = types.get(name) ?? [...outputs, ...inputs].find((o) => o.name === name)?.type;
    return type?.kind === "tensor" && FLOATS.has(type.dtype);
  };
  const pair = (name: string, op: string, node: string): readonly ValuePair[] => {
    const other = known(name);
    // A reference in integers is read behind its own pair too, which has the name of the value where it is an output.
    const own = mine.get(name)?.name ?? name;
    if (name === "" || other === undefined || !isFloat(reference, own) || !isFloat(changed, other)) return [];
    const grid = [...rounded.values()].find((r) => r.name === other)?.grid;
    return [{ name: own, op, node, other, ...(grid === undefined ? {} : { grid }) }];
  };
  // Inputs may be called otherwise in a file of another format: then their order tells.
  const [mineFed, theirsFed] = [reference, changed].map(({ graph }) =>
    graph.inputs.filter((i) => !graph.constants.has(i.name)).map((i) => i.name),
  ) as [string[], string[]];
  const byName = mineFed.length !== theirsFed.length || mineFed.every((name) => theirsFed.includes(name));
  const fed = mineFed.flatMap((name, i): readonly ValuePair[] => {
    const found = rounded.get(byName ? name : (theirsFed[i] as string));
    const grid = found?.grid === undefined ? {} : { grid: found.grid };
    return found === undefined ? [] : [{ name, op: "input", node: name, other: found.name, ...grid }];
  });
  const computed = reference.graph.nodes
    .filter((n) => n.op !== "QuantizeLinear" && n.op !== "DequantizeLinear")
    .flatMap((node) => node.outputs.flatMap((name) => pair(name, node.op, node.name)));
  return [...fed, ...computed];
}

/** A value behind its pair. */
export interface Rounded {
  readonly name: string;
  /** The two nodes. */
  readonly quantize: Node;
  readonly dequantize: Node;
  readonly grid?: Grid;
}

/** The values of a model that pairs round, by the name that they have in front of the pair, and graph outputs by the name behind it as well. */
export function roundedValues({ graph }: Model): ReadonlyMap<string, Rounded> {
  const outputs = new Set(graph.outputs.map((o) => o.name));
  const readers = new Map<string, Node>();
  for (const node of graph.nodes)
    if (node.op === "DequantizeLinear" && !readers.has(node.inputs[0] as string)) readers.set(node.inputs[0] as string, node);
  const found = new Map<string, Rounded>();
  for (const node of graph.nodes) {
    if (node.op !== "QuantizeLinear") continue;
    const [source, integers] = [node.inputs[0] as string, node.outputs[0] as string];
    const dequantize = readers.get(integers);
    const name = dequantize?.outputs[0];
    if (dequantize === undefined || name === undefined || graph.constants.has(source)) continue;
    const grid = gridOf(node, graph.constants);
    const rounded = { name, quantize: node, dequantize, ...(grid === undefined ? {} : { grid }) };
    if (outputs.has(name)) found.set(name, rounded);
    if (!found.has(source)) found.set(source, rounded);
  }
  return found;
}

function gridOf(node: Node, constants: Model["graph"]["constants"]): Grid | undefined {
  const scale = constants.get(node.inputs[1] as string);
  const zero = node.inputs[2] === undefined || node.inputs[2] === "" ? undefined : constants.get(node.inputs[2]);
  if (scale === undefined) return undefined;
  const scales = toNumbers(scale);
  const dtype = (zero?.dtype ?? "uint8") as QuantDType;
  if (scales.length !== 1 || !Object.hasOwn(LEVELS, dtype)) return undefined;
  const [low, high] = LEVELS[dtype];
  return { scale: scales[0] as number, zeroPoint: zero === undefined ? 0 : (toNumbers(zero)[0] as number), low, high };
}
