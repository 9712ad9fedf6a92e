import type { Model, Node } from "../graph/model.ts";
import { attrInt, isOp } from "../graph/node.ts";
import { type Slide, slide } from "../interp/slide.ts";
import { readWindow, windowPads, windowPositions } from "../ops/spatial.ts";

/** A node whose weights meet their inputs in dot products, and where those inputs are seen. */
export interface CovariancePlace {
  readonly node: string;
  /** Constant with the weights, of the float model. */
  readonly weight: string;
  /** The value that is looked at: the node's first input, under its name in the model that runs. */
  readonly input: string;
  /** Blocks of weights that see inputs of their own: groups of a Conv, one for a matrix. */
  readonly groups: number;
  /** Inputs of one dot product. */
  readonly size: number;
  /** A Conv's node and kernel; absent for a matrix, whose inputs are rows. */
  readonly conv?: { readonly node: Node; readonly kernel: readonly number[] };
}

/** What keeps a node from being looked at, in words; or where to look. */
export type PlaceOrWhy = CovariancePlace | { readonly why: string };

/**
 * Where a Conv, Gemm or MatMul of a model takes its inputs from.
 *
 * @param runs - the model that is going to run, where that is another than the float model: the same node is looked for there by name
 */
export function covariancePlace(model: Model, node: Node, runs: Model = model): PlaceOrWhy {
  const input = runs.graph.nodes.find((n) => n.name === node.name)?.inputs[0];
  const weight = node.inputs[1];
  const shape = weight === undefined ? undefined : model.graph.constants.get(weight)?.shape;
  if (input === undefined || weight === undefined || shape === undefined) return { why: "its weights are no constant" };
  if (isOp(node, "Conv")) {
    const kernel = shape.slice(2);
    const size = shape.slice(1).reduce((a, b) => a * b, 1);
    return { node: node.name, weight, input, groups: attrInt(node, "group", 1), size, conv: { node, kernel } };
  }
  if (!isOp(node, "Gemm") && !isOp(node, "MatMul")) return { why: `${node.op} is neither Conv nor matrix product` };
  if (shape.length !== 2) return { why: `its weights have shape [${shape}], not that of a matrix` };
  if (isOp(node, "Gemm") && attrInt(node, "transA", 0) !== 0) return { why: "its input is transposed" };
  return { node: node.name, weight, input, groups: 1, size: shape[isTransposed(node) ? 1 : 0] as number };
}

/** Whether rows of a matrix product's constant are its outputs. */
export function isTransposed(node: Node): boolean {
  return isOp(node, "Gemm") && attrInt(node, "transB", 0) !== 0;
}

/** Where the inputs of a Conv's dot products lie in one channel of a value of shape [N, C, ...spatial]. @throws ATTRIBUTE_INVALID */
export function slideOf({ node, kernel }: NonNullable<CovariancePlace["conv"]>, spatial: readonly number[]): Slide {
  const window = readWindow(node, kernel);
  return slide({
    input: spatial,
    kernel,
    output: spatial.map((size, axis) => Math.max(0, windowPositions(window, size, axis) as number)),
    strides: window.strides,
    dilations: window.dilations,
    begin: spatial.map((size, axis) => windowPads(window, size, axis)[0]),
  });
}
