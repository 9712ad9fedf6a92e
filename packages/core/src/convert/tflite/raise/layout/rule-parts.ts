import type { Node } from "../../../../graph/model.ts";
import { toInts } from "../../../../graph/tensor.ts";
import { channelsFirst } from "../permute.ts";
import type { LayoutEdit, LayoutRule, LayoutSite } from "./rule.ts";

/** Smallest rank at which there are two layouts. */
export const LEAST_RANK = 3;

/** Gives the rule of a node; `undefined` where it cannot tell. */
export type RuleOf = (site: LayoutSite) => LayoutRule | undefined;

/** Operators that work on each element by itself; all inputs broadcast. */
export const ELEMENTWISE = [
  ...["Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Floor", "Ceil", "Round", "Sign", "Not", "Erf", "IsNaN"],
  ...["Relu", "LeakyRelu", "Elu", "Gelu", "HardSwish", "Sigmoid", "Tanh", "PRelu", "Clip", "Identity", "Cast"],
  ...["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mod", "Sum", "And", "Or", "Xor", "BitwiseXor", "Where"],
  ...["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"],
];

/** Whether two lists are the same. */
export function same(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((v, i) => v === b[i]);
}

/** Whether channels first and channels last have their elements at the same places, because what moves is of size 1. */
export function isSame(shape: readonly number[]): boolean {
  const wide = channelsFirst(shape.length).filter((axis) => shape[axis] !== 1);
  return wide.every((axis, i) => i === 0 || axis > (wide[i - 1] as number));
}

/** Where an axis of the file's layout is when channels stand first. */
export function moved(axis: number, rank: number): number {
  return channelsFirst(rank).indexOf(axis);
}

/** The integers of a constant input; `undefined` where it is none. */
export function ints(site: LayoutSite, i: number): number[] | undefined {
  const constant = site.constant(site.node.inputs[i] ?? "");
  return constant === undefined ? undefined : toInts(constant);
}

/** One group of the first input and output, the other inputs constants; `change` writes the node for channels first. */
export function follows(site: LayoutSite, change: (edit: LayoutEdit) => Node): LayoutRule {
  const { node } = site;
  return {
    inputs: node.inputs.map((_, i) => (i === 0 ? 0 : -1)),
    outputs: node.outputs.map(() => 0),
    groups: [undefined],
    write: ([label], edit) => (label === 1 ? change(edit) : node),
  };
}
