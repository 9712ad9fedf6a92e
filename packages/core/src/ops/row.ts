import type { Dim } from "../graph/dim.ts";
import type { Node, TensorType, ValueType } from "../graph/model.ts";
import type { Tensor } from "../graph/tensor.ts";

/** One formal input or output of an operator, in the words of the ONNX specification. */
export interface Param {
  readonly name: string;
  /** "one": required; "optional": may be absent; "many": variadic, last in the list. */
  readonly arity: "one" | "optional" | "many";
}

/** What an attribute must be. `fallback` is the specification's default; an attribute without one and not `required` is optional. */
export interface AttrSpec {
  readonly kind: "int" | "ints" | "float" | "floats" | "string" | "strings" | "tensor" | "graph";
  readonly required?: boolean;
  readonly fallback?: number | string | readonly number[] | readonly string[];
  /** Allowed strings. */
  readonly oneOf?: readonly string[];
}

/** What shape and type inference of one node may look at. */
export interface InferContext {
  readonly node: Node;
  /** Types of the inputs; `undefined` for an absent input or one about which nothing is known. */
  readonly inputs: readonly (TensorType | undefined)[];
  /** The constant behind input `index`, when there is one. */
  constant(index: number): Tensor | undefined;
  /**
   * The elements of a small integer input as sizes, when they are known or symbolic: constants, and what shape chains
   * (Shape, Gather, Concat, Mul ...) carry.
   */
  dims(index: number): readonly Dim[] | undefined;
  /** Types of a subgraph's outputs, for control flow: infers the graph attribute `name` with the given input types. */
  subgraph(name: string, inputTypes: readonly (TensorType | undefined)[]): readonly (ValueType | undefined)[];
}

/**
 * Output types of a node, as far as they can be known: `undefined` for an output about which nothing can be said. Must throw SHAPE_MISMATCH,
 * DTYPE_MISMATCH or ATTRIBUTE_INVALID on certain contradictions, with the actual shapes in the message.
 */
export type InferRule = (context: InferContext) => readonly (TensorType | undefined)[];

/** Cost of one node at static shapes. */
export interface Cost {
  /** Multiply-accumulates. */
  readonly macs: number;
  /** Other elementary operations (comparisons, additions, function evaluations), one per element and function. */
  readonly ops: number;
}

/** Cost rule: sizes are static when it is called; outputs are given. Bytes are counted by the caller from the types. */
export type CostRule = (
  node: Node,
  inputs: readonly (TensorType | undefined)[],
  outputs: readonly (TensorType | undefined)[],
) => Cost;

/** All that `ops` knows of one operator at the canonical opset. */
export interface OpRow {
  /** First opset in which the operator exists with its present meaning or a narrower type list. */
  readonly since: number;
  readonly inputs: readonly Param[];
  readonly outputs: readonly Param[];
  readonly attributes: Readonly<Record<string, AttrSpec>>;
  readonly infer: InferRule;
  readonly cost: CostRule;
  /** Same inputs give the same outputs. False for random generators. */
  readonly deterministic?: false;
}
