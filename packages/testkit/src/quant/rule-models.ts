import { seededRandom } from "@tessera/core/base/random";
import type { Model, Node } from "@tessera/core/graph/model";
import { float } from "@tessera/core/graph/node";
import { countOf, f32, fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import { smallModel, smallNode } from "../small-model.ts";

/** A small network around one operator. */
export interface RuleModel {
  /** The operator that it is about, by its ONNX name. */
  readonly op: string;
  readonly says: string;
  readonly model: Model;
}

const random = seededRandom(3);

/** Normal numbers, the same in every run. */
function noise(...shape: number[]): Tensor {
  return f32(
    shape,
    Array.from({ length: countOf(shape) }, () => random.normal()),
  );
}

function node(op: string, inputs: string, outputs: string, attributes = {}): Node {
  return smallNode(op, inputs, outputs, attributes, `${op}:${outputs}`);
}

interface Parts {
  readonly nodes: readonly Node[];
  readonly constants?: Readonly<Record<string, Tensor>>;
  readonly x?: readonly number[];
}

function ruleModel(op: string, says: string, { nodes, constants = {}, x = [1, 8, 8, 8] }: Parts): RuleModel {
  return { op, says, model: smallModel({ x, nodes, constants }) };
}

/** An operator by itself on the input. */
function alone(op: string, attributes = {}, rest: Omit<Parts, "nodes"> & { readonly more?: string } = {}): RuleModel {
  return ruleModel(op, "alone", { nodes: [node(op, `x${rest.more ?? ""}`, "y", attributes)], ...rest });
}

/** An operator on what a Conv makes, for those that no integer would reach otherwise. */
function behindConv(op: string, attributes = {}, rest: Omit<Parts, "nodes"> & { readonly more?: string } = {}): RuleModel {
  const constants = { w0: noise(8, 8, 1, 1), ...rest.constants };
  const nodes = [node("Conv", "x w0", "a"), node(op, `a${rest.more ?? ""}`, "y", attributes)];
  return ruleModel(op, "behind a Conv", { nodes, constants });
}

/** An operator on the input and what a Conv makes of it. */
function withConv(op: string, attributes = {}): RuleModel {
  const nodes = [node("Conv", "x w0", "a"), node(op, "x a", "y", attributes)];
  return ruleModel(op, "on two values", { nodes, constants: { w0: noise(8, 8, 1, 1) } });
}

/** An operator on the input and its Sigmoid, whose grid is fixed. */
function withSigmoid(op: string, attributes = {}): RuleModel {
  return ruleModel(op, "beside a Sigmoid", { nodes: [node("Sigmoid", "x", "a"), node(op, "x a", "y", attributes)] });
}

function activated(low: number | undefined, high: number | undefined): RuleModel {
  const constants = { w: noise(8, 8, 1, 1), b: noise(8), lo: f32([], [low ?? 0]), hi: f32([], [high ?? 0]) };
  const act = high === undefined ? node("Relu", "a", "y") : node("Clip", "a lo hi", "y");
  return ruleModel("Conv", `into ${act.op} at ${high ?? "no"} end`, { nodes: [node("Conv", "x w b", "a"), act], constants });
}

/** A Relu or Clip that has no operator before it to vanish into. */
function bounded(low: number, high: number | undefined): RuleModel {
  const constants = { w: noise(8, 8, 1, 1), lo: f32([], [low]), hi: f32([], [high ?? 0]) };
  const act = high === undefined ? node("Relu", "p", "y") : node("Clip", "p lo hi", "y");
  const nodes = [node("Conv", "x w", "a"), node("MaxPool", "a", "p", { kernel_shape: [2, 2] }), act];
  return ruleModel(act.op, `alone from ${low} to ${high ?? "anything"}`, { nodes, constants });
}

const DENSE = { x: [2, 16] };
const linear = { mode: "linear", coordinate_transformation_mode: "half_pixel" };

/** A model for each operator that the rows of TFLite targets call integer, and for each way of theirs that the rules tell apart. */
export const RULE_MODELS: readonly RuleModel[] = [
  alone("Conv", { pads: [1, 1, 1, 1] }, { more: " w b", constants: { w: noise(8, 8, 3, 3), b: noise(8) } }),
  ruleModel("Conv", "by depth", {
    nodes: [node("Conv", "x w b", "y", { pads: [1, 1, 1, 1], group: 8 })],
    constants: { w: noise(8, 1, 3, 3), b: noise(8) },
  }),
  ruleModel("Conv", "in groups", { nodes: [node("Conv", "x w", "y", { group: 2 })], constants: { w: noise(8, 4, 1, 1) } }),
  activated(undefined, undefined),
  activated(0, 6),
  activated(0, 2.5),
  alone("ConvTranspose", { strides: [2, 2] }, { more: " w b", constants: { w: noise(8, 4, 2, 2), b: noise(4) } }),
  alone("Gemm", {}, { ...DENSE, more: " w b", constants: { w: noise(16, 12), b: noise(12) } }),
  ruleModel("Gemm", "transposed", {
    nodes: [node("Gemm", "x w b", "y", { transB: 1 })],
    constants: { w: noise(12, 16), b: noise(12) },
    ...DENSE,
  }),
  alone("MatMul", {}, { ...DENSE, more: " w", constants: { w: noise(16, 12) } }),
  ruleModel("MatMul", "of two computed values", {
    nodes: [node("Transpose", "x", "t", { perm: [0, 2, 1] }), node("MatMul", "x t", "y")],
    x: [1, 4, 6],
  }),
  alone("PRelu", {}, { more: " s", constants: { s: noise(8, 1, 1) } }),
  alone("LeakyRelu", { alpha: float(0.1) }),
  alone("HardSwish"),
  withSigmoid("Add"),
  withSigmoid("Sub"),
  withSigmoid("Mul"),
  ruleModel("Add", "a constant", { nodes: [node("Add", "x k", "y")], constants: { k: noise(8, 1, 1) } }),
  ruleModel("Mul", "by a constant", { nodes: [node("Mul", "x k", "y")], constants: { k: noise(8, 1, 1) } }),
  behindConv("ReduceMean", { keepdims: 1 }, { more: " axes", constants: { axes: i64([2], [2, 3]) } }),
  behindConv("GlobalAveragePool"),
  alone("Sigmoid"),
  alone("Softmax", { axis: -1 }, { x: [2, 10] }),
  alone("Tanh"),
  ruleModel("LpNormalization", "before a Conv", {
    nodes: [node("LpNormalization", "x", "a", { axis: 1 }), node("Conv", "a w", "y")],
    constants: { w: noise(8, 8, 1, 1) },
  }),
  withSigmoid("Concat", { axis: 1 }),
  withConv("Concat", { axis: 1 }),
  withConv("Max"),
  withConv("Min"),
  ruleModel("Where", "on two values", {
    nodes: [node("Conv", "x w", "a"), node("Where", "c x a", "y")],
    constants: { w: noise(8, 8, 1, 1), c: fromNumbers("bool", [8, 1, 1], [1, 0, 1, 0, 0, 1, 1, 0]) },
  }),
  behindConv("MaxPool", { kernel_shape: [2, 2], strides: [2, 2] }),
  behindConv("AveragePool", { kernel_shape: [2, 2], strides: [2, 2] }),
  behindConv("Pad", {}, { more: " p", constants: { p: i64([8], [0, 0, 1, 1, 0, 0, 1, 1]) } }),
  behindConv("Resize", linear, { more: " - s", constants: { s: f32([4], [1, 1, 2, 2]) } }),
  behindConv("Reshape", {}, { more: " r", constants: { r: i64([2], [1, 512]) } }),
  behindConv("Flatten"),
  behindConv("Transpose", { perm: [0, 2, 3, 1] }),
  behindConv("Unsqueeze", {}, { more: " ax", constants: { ax: i64([1], [4]) } }),
  ruleModel("Squeeze", "behind a Conv", {
    nodes: [node("Conv", "x w", "a"), node("Squeeze", "a ax", "y")],
    constants: { w: noise(8, 8, 8, 8), ax: i64([2], [2, 3]) },
  }),
  behindConv("Slice", {}, { more: " s e ax", constants: { s: i64([1], [2]), e: i64([1], [6]), ax: i64([1], [1]) } }),
  behindConv("Gather", { axis: 1 }, { more: " i", constants: { i: i64([3], [2, 0, 5]) } }),
  ruleModel("Split", "behind a Conv", {
    nodes: [node("Conv", "x w", "a"), node("Split", "a", "b c", { axis: 1, num_outputs: 2 }), node("Add", "b c", "y")],
    constants: { w: noise(8, 8, 1, 1) },
  }),
  behindConv("Expand", {}, { more: " e", constants: { e: i64([4], [2, 8, 8, 8]) } }),
  behindConv("Tile", {}, { more: " e", constants: { e: i64([4], [1, 2, 1, 1]) } }),
  behindConv("SpaceToDepth", { blocksize: 2 }),
  behindConv("DepthToSpace", { blocksize: 2 }),
  behindConv("Identity"),
  behindConv("Dropout"),
  bounded(0, undefined),
  bounded(0, 6),
  bounded(-0.5, 3),
];
