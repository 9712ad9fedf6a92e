import type { Matrix } from "../../base/matrix.ts";
import { type Model, type Node, tensorType } from "../../graph/model.ts";
import { type AttributeInput, makeNode } from "../../graph/node.ts";
import { f32, i64, type Tensor } from "../../graph/tensor.ts";

/** A graph being written, value by value: each function adds nodes and gives the name of what they make. All values are float32 with two axes. */
export interface ScoreGraph {
  readonly input: string;
  op(op: string, inputs: readonly string[], attributes?: Readonly<Record<string, AttributeInput>>): string;
  /** [1, inputs] to [1, outputs]: x Wᵀ + b. */
  dense(x: string, layer: { readonly weights: Matrix; readonly bias: Float64Array }): string;
  /** [1, features] to [1, outputs], each feature to as many outputs in turn as there are weights for it: a depthwise convolution of one pixel, and Relu. */
  depthwiseRelu(x: string, layer: { readonly weights: Float64Array; readonly bias: Float64Array }): string;
  /** Sum over all `width` columns, [1, width] to [1, 1], as a dense layer: what every road to a device takes. */
  sum(x: string, width: number): string;
  /** Sum of squares over all `width` columns: [1, width] to [1, 1]. */
  squares(x: string, width: number): string;
  /** Sum of squares of each row: [m, n] to [m, 1]. */
  rowSquares(x: string): string;
  /** Over the rows: [m, 1] to [1, 1]. */
  reduce(op: "ReduceMin" | "ReduceSum", x: string): string;
  scalar(value: number): string;
  row(values: ArrayLike<number>): string;
  column(values: ArrayLike<number>): string;
  rows(values: Matrix): string;
  /** The model whose output is that value, under a name of its own. */
  finish(value: string, output: string): Model;
}

/** Starts a graph from one sample, f32[1, features]. */
export function scoreGraph(of: { readonly input: string; readonly features: number; readonly name: string }): ScoreGraph {
  const nodes: Node[] = [];
  const constants = new Map<string, Tensor>();
  const counts = new Map<string, number>();
  const fresh = (hint: string): string => {
    const count = (counts.get(hint) ?? 0) + 1;
    counts.set(hint, count);
    return `${hint}_${count}`;
  };
  const constant = (hint: string, tensor: Tensor): string => {
    const name = fresh(hint);
    constants.set(name, tensor);
    return name;
  };
  const numbers = (hint: string, shape: readonly number[], values: ArrayLike<number>): string =>
    constant(hint, f32(shape, Float32Array.from(values)));
  const op: ScoreGraph["op"] = (name, inputs, attributes = {}) => {
    const output = fresh(name.toLowerCase());
    nodes.push(makeNode(name, { inputs, outputs: [output] }, { attributes }));
    return output;
  };
  const over = (name: "ReduceMin" | "ReduceSum", x: string, axis: number): string =>
    op(name, [x, constant("axes", i64([1], [axis]))], { keepdims: 1 });
  const dense: ScoreGraph["dense"] = (x, { weights, bias }) => {
    const inputs = [x, numbers("weights", [weights.rows, weights.cols], weights.data), numbers("bias", [bias.length], bias)];
    return op("Gemm", inputs, { transB: 1 });
  };
  const sum: ScoreGraph["sum"] = (x, width) => {
    const ones = { rows: 1, cols: width, data: new Float64Array(width).fill(1) };
    return dense(x, { weights: ones, bias: Float64Array.of(0) });
  };
  return {
    input: of.input,
    op,
    dense,
    depthwiseRelu: (x, { weights, bias }) => {
      const { features } = of;
      const outputs = weights.length;
      const pixel = op("Reshape", [x, constant("shape", i64([4], [1, features, 1, 1]))]);
      const kernel = [numbers("weights", [outputs, 1, 1, 1], weights), numbers("bias", [outputs], bias)];
      const made = op("Conv", [pixel, ...kernel], { kernel_shape: [1, 1], group: features });
      return op("Reshape", [op("Relu", [made]), constant("shape", i64([2], [1, outputs]))]);
    },
    sum,
    squares: (x, width) => sum(op("Mul", [x, x]), width),
    rowSquares: (x) => over("ReduceSum", op("Mul", [x, x]), 1),
    reduce: (name, x) => over(name, x, 0),
    scalar: (value) => numbers("scalar", [], [value]),
    row: (values) => numbers("row", [1, values.length], values),
    column: (values) => numbers("column", [values.length, 1], values),
    rows: ({ rows, cols, data }) => numbers("rows", [rows, cols], data),
    finish: (value, output) => ({
      kind: "model",
      graph: {
        name: of.name,
        inputs: [{ name: of.input, type: tensorType("float32", [1, of.features]) }],
        outputs: [{ name: output, type: tensorType("float32", [1, 1]) }],
        nodes: nodes.map((node) => (node.outputs[0] === value ? { ...node, outputs: [output] } : node)),
        constants,
        types: new Map(),
      },
      domains: new Map(),
      metadata: new Map(),
      producer: { name: "tessera", version: "" },
      source: { format: "built" },
    }),
  };
}
