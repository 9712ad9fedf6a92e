import type { DType } from "../../../graph/dtype.ts";
import type { Node } from "../../../graph/model.ts";
import type { AttributeInput } from "../../../graph/node.ts";
import type { Tensor } from "../../../graph/tensor.ts";

/** How recurrent layers are said: step by step with shared weights, or as UNIDIRECTIONAL_SEQUENCE_LSTM, which keeps its state from call to call. */
export type RecurrentForm = "unrolled" | "sequence";

/** What the driver of the rewrites knows beside the graph. */
export interface LegaliseOptions {
  /** LSTM layers as one operator where it can say them, or unrolled (the default: LiteRT for the web refuses the operator). */
  readonly recurrent?: RecurrentForm;
}

/** Defaults of {@link LegaliseOptions}. */
export const LEGALISE_DEFAULTS = { recurrent: "unrolled" } as const satisfies LegaliseOptions;

/** Attributes of a node to be made, in plain form. */
export type MadeAttributes = Readonly<Record<string, AttributeInput | undefined>>;

/** A node to be rewritten, and the means to do it. Values made here are known by name at once; their types are inferred before the next round. */
export interface LegaliseSite {
  readonly node: Node;
  readonly options: Required<LegaliseOptions>;
  /** Input `index` by name; "" when it is absent. */
  input(index: number): string;
  /** Whether something reads output `index`. */
  isUsed(index: number): boolean;
  /** Sizes of a value that was there before. @throws NotStatic where one is not a number */
  shape(name: string): readonly number[];
  dtype(name: string): DType;
  constant(name: string): Tensor | undefined;
  /** The elements of a small integer value, when they are known. */
  ints(name: string): readonly number[] | undefined;
  /** The node that alone reads output `index`, when it is no graph output. */
  soleReader(index: number): Node | undefined;
  /** The node that makes a value, when this node is its only reader. */
  soleProducer(name: string): Node | undefined;
  /** A scalar constant of the type of the node's first input, unless told. Made once for each value. */
  scalar(value: number, dtype?: DType): string;
  /** A constant. */
  tensor(hint: string, value: Tensor): string;
  /** A constant int64 list: axes, shapes. */
  list(hint: string, values: readonly number[]): string;
  /** A node with one output; gives the output's name. */
  op(op: string, inputs: readonly string[], attributes?: MadeAttributes): string;
  /** A node with several outputs. */
  ops(
    op: string,
    inputs: readonly string[],
    made: { readonly count: number; readonly attributes?: MadeAttributes },
  ): readonly string[];
  /** Gives `made` the encoding that the plan has for `like`: the same numbers in another shape. `axis` is where the channels went. */
  sameNumbers(made: string, like: string, axis?: number): void;
  /** Whether the plan makes a value integers. */
  isEncoded(name: string): boolean;
  /** Ends the rewrite: output `index` of the node is what `values[index]` names. */
  finish(...values: readonly (string | undefined)[]): "done";
  /** Ends it with the reason why TFLite cannot say the node, and the rewrite by a human that would make it possible. */
  cannot(why: string, rewrite: string): Cannot;
}

/** Why a node cannot be converted. */
export interface Cannot {
  readonly kind: "cannot";
  readonly why: string;
  /** What would make it possible: a sentence for the user. */
  readonly rewrite: string;
}

/** What a row did with a node: nothing, because it is in order; all; or it says why not. */
export type Verdict = "keep" | "done" | Cannot;

/** A rewrite of nodes that TFLite has no operator for. */
export interface LegaliseRow {
  readonly name: string;
  /** Operators (of the standard domain) that it looks at. */
  readonly ops: readonly string[];
  /** What becomes of the node. */
  readonly says: string;
  /** What the runtime pays for it, and how exact it is. */
  readonly costs: string;
  readonly rewrite: (site: LegaliseSite) => Verdict;
}

/** A node that a row rewrote. */
export interface Legalised {
  readonly row: string;
  readonly node: string;
  readonly op: string;
  readonly says: string;
}

/** A node that cannot be converted. */
export interface Refused {
  readonly node: string;
  readonly op: string;
  readonly why: string;
  readonly rewrite: string;
}
