import type { BuiltinOptions } from "../../../../formats/tflite/options.ts";
import { attributes, float } from "../../../../graph/node.ts";
import { fromNumbers } from "../../../../graph/tensor.ts";
import { activated, clipped, optionsOf, type RaiseRow, type Site, widenedTo } from "../site.ts";

/** Inputs given the same rank, so that a layout can be chosen for all of them. */
export function broadcastInputs(site: Site, indices: readonly number[]): readonly string[] {
  const values = indices.map((i) => site.value(i));
  const rank = Math.max(...values.map((v) => site.builder.type(v).shape?.length ?? 0));
  return values.map((v) => widenedTo(site, v, rank));
}

/** An operator of one input that ONNX has too. */
function unary(op: string): RaiseRow {
  return (site) => [site.builder.emit(op, [site.value(0)])];
}

/** An operator of two inputs that broadcast, which ONNX has too. */
function binary(op: string): RaiseRow {
  return (site) => [site.builder.emit(op, broadcastInputs(site, [0, 1]))];
}

/** The same with an activation after it. */
function arithmetic(op: string, kind: BuiltinOptions["kind"]): RaiseRow {
  return (site) => {
    const options = optionsOf(site, kind) as { readonly fusedActivationFunction?: number };
    return [activated(site, site.builder.emit(op, broadcastInputs(site, [0, 1])), options.fusedActivationFunction)];
  };
}

const isFloat = (site: Site): boolean => site.builder.type(site.value(0)).dtype.startsWith("float");

/** A scalar of the type of input 0. */
function scalarLike(site: Site, value: number): string {
  const { dtype } = site.builder.type(site.value(0));
  return site.builder.constant("scalar", fromNumbers(dtype, [], [value]));
}

/** a - b * floor(a / b): the sign is that of b. */
const floorMod: RaiseRow = (site) => {
  const { builder } = site;
  const [a, b] = broadcastInputs(site, [0, 1]) as [string, string];
  if (!isFloat(site)) return [builder.emit("Mod", [a, b])];
  const zero = scalarLike(site, 0);
  const rest = builder.emit("Mod", [a, b], { attributes: { fmod: 1 } });
  const signs = builder.emit("Xor", [builder.emit("Less", [rest, zero]), builder.emit("Less", [b, zero])]);
  const isOff = builder.emit("And", [signs, builder.emit("Not", [builder.emit("Equal", [rest, zero])])]);
  return [builder.emit("Where", [isOff, builder.emit("Add", [rest, b]), rest])];
};

const floorDiv: RaiseRow = (site) => {
  const { builder } = site;
  const [a, b] = broadcastInputs(site, [0, 1]) as [string, string];
  if (isFloat(site)) return [builder.emit("Floor", [builder.emit("Div", [a, b])])];
  // Integer division cuts towards zero; what Mod leaves out divides exactly.
  return [builder.emit("Div", [builder.emit("Sub", [a, builder.emit("Mod", [a, b])]), b])];
};

const squaredDifference: RaiseRow = (site) => {
  const d = site.builder.emit("Sub", broadcastInputs(site, [0, 1]));
  return [site.builder.emit("Mul", [d, d])];
};

const addN: RaiseRow = (site) => {
  const values = Array.from({ length: site.inputs }, (_, i) => site.value(i));
  return [values.length === 1 ? (values[0] as string) : site.builder.emit("Sum", values)];
};

/** SELECT takes a condition of rank 1 for whole rows; SELECT_V2 broadcasts. */
const select: RaiseRow = (site) => {
  const { builder } = site;
  const condition = builder.shape(site.value(0));
  const rank = builder.shape(site.value(1)).length;
  if (condition.length === 1 && rank > 1 && site.operator === "SELECT") {
    const rows = builder.emit("Reshape", [site.value(0), builder.list([...condition, ...new Array<number>(rank - 1).fill(1)])]);
    return [builder.emit("Where", [rows, site.value(1), site.value(2)])];
  }
  return [builder.emit("Where", broadcastInputs(site, [0, 1, 2]))];
};

const relu =
  (low: number, high: number): RaiseRow =>
  (site) => [clipped(site, site.value(0), [low, high])];

/** Element by element. */
export const ELEMENTWISE_ROWS = {
  ADD: arithmetic("Add", "AddOptions"),
  SUB: arithmetic("Sub", "SubOptions"),
  MUL: arithmetic("Mul", "MulOptions"),
  DIV: arithmetic("Div", "DivOptions"),
  ADD_N: addN,
  FLOOR_DIV: floorDiv,
  FLOOR_MOD: floorMod,
  MAXIMUM: binary("Max"),
  MINIMUM: binary("Min"),
  POW: binary("Pow"),
  SQUARED_DIFFERENCE: squaredDifference,
  EQUAL: binary("Equal"),
  NOT_EQUAL: (site) => [site.builder.emit("Not", [site.builder.emit("Equal", broadcastInputs(site, [0, 1]))])],
  LESS: binary("Less"),
  LESS_EQUAL: binary("LessOrEqual"),
  GREATER: binary("Greater"),
  GREATER_EQUAL: binary("GreaterOrEqual"),
  LOGICAL_AND: binary("And"),
  LOGICAL_OR: binary("Or"),
  LOGICAL_NOT: unary("Not"),
  BITWISE_XOR: (site) => [
    site.builder.emit(site.builder.type(site.value(0)).dtype === "bool" ? "Xor" : "BitwiseXor", broadcastInputs(site, [0, 1])),
  ],
  SELECT: select,
  SELECT_V2: select,
  ABS: unary("Abs"),
  NEG: unary("Neg"),
  EXP: unary("Exp"),
  LOG: unary("Log"),
  SQRT: unary("Sqrt"),
  RSQRT: (site) => [site.builder.emit("Reciprocal", [site.builder.emit("Sqrt", [site.value(0)])])],
  SQUARE: (site) => [site.builder.emit("Mul", [site.value(0), site.value(0)])],
  SIN: unary("Sin"),
  COS: unary("Cos"),
  FLOOR: unary("Floor"),
  CEIL: unary("Ceil"),
  ROUND: unary("Round"),
  SIGN: unary("Sign"),
  RELU: unary("Relu"),
  RELU6: relu(0, 6),
  RELU_N1_TO_1: relu(-1, 1),
  RELU_0_TO_1: relu(0, 1),
  PRELU: (site) => [site.builder.emit("PRelu", [site.value(0), site.value(1)])],
  LEAKY_RELU: (site) => {
    const { alpha = 0 } = optionsOf(site, "LeakyReluOptions");
    return [site.builder.emit("LeakyRelu", [site.value(0)], { attributes: attributes({ alpha: float(alpha) }) })];
  },
  ELU: unary("Elu"),
  GELU: (site) => {
    const approximate = optionsOf(site, "GeluOptions").approximate === true ? "tanh" : "none";
    return [site.builder.emit("Gelu", [site.value(0)], { attributes: { approximate } })];
  },
  HARD_SWISH: unary("HardSwish"),
  LOGISTIC: unary("Sigmoid"),
  TANH: unary("Tanh"),
} as const satisfies Record<string, RaiseRow>;
