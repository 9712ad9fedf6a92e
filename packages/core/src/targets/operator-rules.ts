import type { OperatorRule } from "./target.ts";

/** Has an integer kernel with an encoding of its own on every side. */
export const INTEGER: OperatorRule = { kind: "integer" };

/** Moves integers as they are. */
export const THROUGH: OperatorRule = { kind: "through" };

/** Has an integer kernel for one encoding on its first input and its output. */
export const EQUAL: OperatorRule = { kind: "equal", over: "first" };

/** The same for all its inputs. */
export const EQUAL_ALL: OperatorRule = { kind: "equal", over: "all" };

/** Vanishes into the range or the kernel of what is before it. */
export const ABSORBED: OperatorRule = { kind: "absorbed" };

type Rules = Readonly<Record<string, OperatorRule>>;

/** Sums of products with constant weights, where every one of them has an integer kernel. */
export const WEIGHTED: Rules = {
  Conv: { kind: "integer", weight: 1, bias: 2 },
  ConvTranspose: { kind: "integer", weight: 1, bias: 2 },
  Gemm: { kind: "integer", weight: 1, bias: 2 },
  MatMul: { kind: "integer", weight: 1 },
};

/** What moves integers on every runtime. */
export const MOVERS: Rules = {
  Reshape: THROUGH,
  Flatten: THROUGH,
  Transpose: THROUGH,
  Squeeze: THROUGH,
  Unsqueeze: THROUGH,
  Slice: THROUGH,
  Gather: THROUGH,
  Split: THROUGH,
};

/** What moves integers on most runtimes besides. */
export const SPACE_MOVERS: Rules = { SpaceToDepth: THROUGH, DepthToSpace: THROUGH };

/** What makes an operator repeat its input. */
export const REPEATERS: Rules = { Expand: THROUGH, Tile: THROUGH };

/** Why the last normalisation of an embedding stays in float where an integer kernel exists. */
export const NORM_IN_FLOAT =
  "a unit-length vector in 8 bits loses cosine: the embedding keeps its own scale and the norm is taken in float";

const NORM: OperatorRule = { kind: "float", why: "a unit-length vector in 8 bits loses cosine: the norm is taken in float" };

/** Normalisation to unit length where only float computes it. */
export const NORMS_IN_FLOAT: Rules = { LpNormalization: NORM, ReduceL2: NORM };

/** A recurrent layer whose inner states calibration does not see. */
export function recurrentInFloat(operator: "LSTM" | "GRU"): OperatorRule {
  return {
    kind: "float",
    why: `an integer ${operator} needs scales of its inner states, which calibration does not see`,
  };
}

/** Each of some operators in float for one reason. */
export function inFloat(why: string, ...operators: readonly string[]): Rules {
  return Object.fromEntries(operators.map((op) => [op, { kind: "float", why }]));
}

/** Each of some operators in float because a runtime "has no integer ... kernel". */
export function noIntegerKernel(runtime: string, ...operators: readonly string[]): Rules {
  return Object.fromEntries(operators.map((op) => [op, { kind: "float", why: `${runtime} has no integer ${op} kernel` }]));
}
