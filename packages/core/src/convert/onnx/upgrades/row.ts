import type { DType } from "../../../graph/dtype.ts";
import type { Attribute, Node, TensorType } from "../../../graph/model.ts";
import { makeNode } from "../../../graph/node.ts";
import { f32, fromNumbers, i64, type Tensor } from "../../../graph/tensor.ts";

/** What an upgrade may ask of the graph around the node, and what it may add to it. */
export interface UpgradeContext {
  /** Adds a constant to the node's graph under a fresh name like `hint`; answers the name. */
  constant(hint: string, tensor: Tensor): string;
  /** A value name that nothing in the model uses. */
  value(hint: string): string;
  /** The constant behind a value, when there is one that no caller can override. */
  constantOf(value: string): Tensor | undefined;
  /** The type of a value as far as it is declared or can be inferred. */
  typeOf(value: string): TensorType | undefined;
  /** Whether anybody reads the value, here or in a subgraph, or it is a graph output. */
  isUsed(value: string): boolean;
}

/** One change of meaning in the history of an operator. */
export interface UpgradeRow {
  readonly op: string;
  /** The opset that brought the change: nodes of older opsets go through `upgrade`, and what comes out has the meaning of opset `until`. */
  readonly until: number;
  /** What changed, in a line. */
  readonly says: string;
  /**
   * The nodes that compute, at opset `until`, what `node` computes just before it. The last ones make the node's outputs; a node that keeps the
   * name of the old one is the old one's successor. @throws UNSUPPORTED_OP for the few forms that have no successor
   */
  upgrade(node: Node, context: UpgradeContext): readonly Node[];
}

/** The input at `index`, "" when it is absent. */
export function inputAt(node: Node, index: number): string {
  return node.inputs[index] ?? "";
}

/** The output at `index`, "" when it is absent. */
export function outputAt(node: Node, index: number): string {
  return node.outputs[index] ?? "";
}

/** The list without the empty names at its end. */
export function trimmed(names: readonly string[]): readonly string[] {
  let end = names.length;
  while (end > 0 && names[end - 1] === "") end--;
  return names.slice(0, end);
}

/** The node with other inputs and some attributes changed (`undefined` removes one). */
export function rewritten(
  node: Node,
  change: {
    readonly op?: string;
    readonly inputs?: readonly string[];
    readonly outputs?: readonly string[];
    readonly attributes?: Readonly<Record<string, Attribute | undefined>>;
  },
): Node {
  const attributes = new Map(node.attributes);
  for (const [name, value] of Object.entries(change.attributes ?? {})) {
    if (value === undefined) attributes.delete(name);
    else attributes.set(name, value);
  }
  return {
    ...node,
    op: change.op ?? node.op,
    inputs: trimmed(change.inputs ?? node.inputs),
    outputs: change.outputs ?? node.outputs,
    attributes,
  };
}

/** Base for the names of what an upgrade adds: the node's first output. */
export function hintOf(node: Node, suffix: string): string {
  return `${node.outputs.find((name) => name !== "") ?? node.name}/${suffix}`;
}

/** Adds `i64[n]` as a constant. */
export function addInts(context: UpgradeContext, hint: string, values: readonly (number | bigint)[]): string {
  return context.constant(hint, i64([values.length], values));
}

/** The integers of an attribute without loss; `undefined` when it is absent or of another kind. */
export function rawInts(node: Node, name: string): readonly (number | bigint)[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === "ints" ? attribute.value : undefined;
}

/** Float types whose values can be made from numbers. */
const PLAIN_FLOATS: ReadonlySet<DType> = new Set(["float16", "bfloat16", "float32", "float64"]);

/**
 * A scalar of the element type of the value `like`: a constant where that type is known and is a float, otherwise a CastLike (in `nodes`, to stand
 * before its reader) that constant folding removes as soon as the type is known.
 */
export function scalarLike(
  value: number,
  like: string,
  options: { readonly hint: string; readonly context: UpgradeContext },
): { readonly name: string; readonly nodes: readonly Node[] } {
  const { hint, context } = options;
  const dtype = context.typeOf(like)?.dtype;
  if (dtype !== undefined && PLAIN_FLOATS.has(dtype))
    return { name: context.constant(hint, fromNumbers(dtype, [], [value])), nodes: [] };
  const name = context.value(hint);
  const single = context.constant(`${hint}/float`, f32([], [value]));
  return { name, nodes: [makeNode("CastLike", { inputs: [single, like], outputs: [name] })] };
}
