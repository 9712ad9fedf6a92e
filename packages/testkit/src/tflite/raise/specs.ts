import type { DType } from "@tessera/core/graph/dtype";
import { fromNumbers } from "@tessera/core/graph/tensor";
import { seededTensor } from "../../op-arbitraries.ts";
import type { OneOperator, OperatorInput } from "./one-operator.ts";

/** A fed tensor with values from a seed. */
export function fed(
  shape: readonly number[],
  seed: number,
  options: { readonly dtype?: DType; readonly min?: number; readonly max?: number } = {},
): OperatorInput {
  const { dtype = "float32", min = dtype === "bool" ? 0 : -3, max = 3 } = options;
  return { tensor: seededTensor(dtype, shape, { seed, min, max }) };
}

/** The same as a constant of the file. */
export function held(
  shape: readonly number[],
  seed: number,
  options: { readonly dtype?: DType; readonly min?: number; readonly max?: number } = {},
): OperatorInput {
  const { dtype = "float32", min = dtype === "bool" ? 0 : -1, max = 1 } = options;
  return { tensor: seededTensor(dtype, shape, { seed, min, max }), isConstant: true };
}

/** A constant list of int32. */
export function list(values: readonly number[]): OperatorInput {
  return { tensor: fromNumbers("int32", [values.length], values), isConstant: true };
}

/** A constant int32 scalar. */
export function one(value: number): OperatorInput {
  return { tensor: fromNumbers("int32", [], [value]), isConstant: true };
}

/** Constant int32 values under a shape. */
export function grid(shape: readonly number[], values: readonly number[]): OperatorInput {
  return { tensor: fromNumbers("int32", shape, values), isConstant: true };
}

/** An operator that makes one float32 tensor. */
export function spec(
  op: OneOperator["op"],
  inputs: readonly OperatorInput[],
  options?: OneOperator["options"],
  version = 1,
): OneOperator {
  return { op, version, inputs, options, outputs: ["float32"] };
}

/** A state that the operator keeps between runs: a variable without data, zeros at first. */
export function state(shape: readonly number[]): OperatorInput {
  return { tensor: fromNumbers("float32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1))), isVariable: true };
}
