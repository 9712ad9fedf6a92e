import { fail } from "../../base/error.ts";
import type { Node } from "../../graph/model.ts";
import { attrFloats } from "../../graph/node.ts";

/** A function of one number. */
export type Scalar = (x: number) => number;

/** An activation of a recurrent layer, with the defaults of its parameters; `undefined` where it has none. */
interface Family {
  readonly alpha?: number;
  readonly beta?: number;
  readonly make: (alpha: number, beta: number) => Scalar;
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** By lower-case name: the specification's spelling varies between opsets. */
const ACTIVATIONS: Readonly<Record<string, Family>> = {
  affine: { alpha: 1, beta: 0, make: (alpha, beta) => (x) => alpha * x + beta },
  elu: { alpha: 1, make: (alpha) => (x) => (x >= 0 ? x : alpha * Math.expm1(x)) },
  hardsigmoid: { alpha: 0.2, beta: 0.5, make: (alpha, beta) => (x) => Math.min(1, Math.max(0, alpha * x + beta)) },
  leakyrelu: { alpha: 0.01, make: (alpha) => (x) => (x >= 0 ? x : alpha * x) },
  relu: { make: () => (x) => Math.max(0, x) },
  scaledtanh: { alpha: 1, beta: 1, make: (alpha, beta) => (x) => alpha * Math.tanh(beta * x) },
  sigmoid: { make: () => sigmoid },
  softplus: { make: () => (x) => Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x))) },
  softsign: { make: () => (x) => x / (1 + Math.abs(x)) },
  tanh: { make: () => Math.tanh },
  thresholdedrelu: { alpha: 1, make: (alpha) => (x) => (x > alpha ? x : 0) },
};

/**
 * The activation functions of a recurrent node, `count` for each direction. `activation_alpha` and `activation_beta` are used up in order by the
 * functions that have such a parameter. @throws ATTRIBUTE_INVALID for an unknown name or a wrong number of names
 */
export function readActivations(
  node: Node,
  options: { readonly fallback: readonly string[]; readonly directions: number },
): Scalar[] {
  const { fallback, directions } = options;
  const attribute = node.attributes.get("activations");
  const given = attribute?.kind === "strings" ? attribute.value : undefined;
  const names = given ?? Array.from({ length: directions }, () => fallback).flat();
  const at = { at: { node: node.name } };
  if (names.length !== fallback.length * directions) {
    throw fail(
      "ATTRIBUTE_INVALID",
      `Cannot run ${node.op}: ${names.length} activations are given, ${fallback.length * directions} are needed`,
      at,
    );
  }
  const alphas = [...(attrFloats(node, "activation_alpha") ?? [])];
  const betas = [...(attrFloats(node, "activation_beta") ?? [])];
  return names.map((name) => {
    const key = name.toLowerCase();
    const family = Object.hasOwn(ACTIVATIONS, key) ? ACTIVATIONS[key] : undefined;
    if (family === undefined) throw fail("ATTRIBUTE_INVALID", `Cannot run ${node.op}: there is no activation "${name}"`, at);
    const alpha = family.alpha === undefined ? 0 : (alphas.shift() ?? Math.fround(family.alpha));
    const beta = family.beta === undefined ? 0 : (betas.shift() ?? Math.fround(family.beta));
    return family.make(alpha, beta);
  });
}
