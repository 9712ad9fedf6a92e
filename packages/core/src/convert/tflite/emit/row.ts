import type { TesseraError } from "../../../base/error.ts";
import type { Draft } from "../../../formats/flatbuffer/table.ts";
import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import type { BuiltinOptions } from "../../../formats/tflite/options.ts";
import type { Encoding } from "../../../graph/plan.ts";
import type { Tensor } from "../../../graph/tensor.ts";
import type { Order } from "../layout/order.ts";
import type { LayoutRule, PortOrders, Site } from "../layout/rule.ts";
import type { TensorRef, TfliteDType } from "./builder.ts";

/**
 * When an operator computes in integers: all its data inputs and its outputs have an encoding in the plan. An operator without such a rule computes in
 * float, between DEQUANTIZE and QUANTIZE.
 */
export interface IntegerRule {
  /** Positions of the inputs that must have an encoding; all float inputs that are present unless given. Biases are not among them. */
  readonly data?: readonly number[];
  /** Data inputs and outputs must have one and the same encoding, because the kernel does not rescale (or the LiteRT specification says so). */
  readonly same?: true;
  /** The kernel's own output grid, by element type. */
  readonly output?: { readonly int8?: Grid; readonly int16?: Grid };
  /** Element types of the kernels; int8 and int16 unless given. */
  readonly types?: readonly Encoding["dtype"][];
}

/** Scale and zero point of an output that the kernel does not let one choose. */
export interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Options of an operator to be written. */
export type OptionsDraft = Draft<BuiltinOptions>;

/** An operator to be written. Inputs that are `undefined` are optional ones left out. */
export interface OperatorDraft {
  readonly inputs: readonly (TensorRef | undefined)[];
  readonly outputs: readonly TensorRef[];
  readonly options?: OptionsDraft;
  /** Tensors between, of recurrent operators. */
  readonly intermediates?: readonly TensorRef[];
}

/** Options of {@link EmitContext.weight}. */
export interface WeightOptions {
  /** Physical order in which the constant is stored; canonical unless given. */
  readonly order?: Order;
  /** Sizes under which it is stored (after ordering), when the file wants another rank. The axis of per-channel scales must survive: give its position. */
  readonly shape?: readonly number[];
  /** Position of the quantized axis in `shape`. */
  readonly axis?: number;
}

/** What the emission of one node works with. Tensors are in the orders that were assigned, and in integers or float as the node computes. */
export interface EmitContext extends Site {
  readonly orders: PortOrders;
  /** Whether the node computes in integers. */
  readonly integer: boolean;
  /** Code of the activation that was fused into the node (ACTIVATIONS). */
  readonly activation: number;
  /** Data input `index`, made to stand in the assigned order (or in `order`), dequantized for a float node. Constants become operands. */
  input(index: number, order?: Order): TensorRef;
  /** The tensor of output `index`. To be called once for each output that has a name. */
  output(index: number): TensorRef;
  /** Order of input `index`. @throws when it has none */
  inputOrder(index: number): Order;
  outputOrder(index: number): Order;
  /** A constant input as a weight: float, or the integers of its encoding when the node computes in integers. */
  weight(index: number, options?: WeightOptions): TensorRef;
  /** A bias of `count` values for a product of `input` and `weight`: int32 (int64 beside int16 activations) for an integer node. Zeros when input `index` is absent. */
  bias(index: number, of: { readonly count: number; readonly input: TensorRef; readonly weight: TensorRef }): TensorRef;
  /** The encoding of a value or constant in the plan. */
  encoding(name: string): Encoding | undefined;
  /** A value of the file that is no value of the model. Encoding and element type of `like`, unless given. */
  temporary(
    hint: string,
    tensor: { readonly shape: readonly number[]; readonly like: TensorRef; readonly dtype?: TfliteDType },
  ): TensorRef;
  /** A constant of the file, as it is. */
  constantTensor(hint: string, tensor: Tensor, encoding?: Encoding): TensorRef;
  /** A tensor that keeps its value from step to step, zeros at first. */
  variable(
    hint: string,
    tensor: { readonly shape: readonly number[]; readonly dtype: TfliteDType; readonly encoding?: Encoding | undefined },
  ): TensorRef;
  /** An int32 constant: sizes, axes, pads. A scalar when `values` is a number. */
  ints(hint: string, values: readonly number[] | number): TensorRef;
  /** An int32 constant of shape [n, 2]: cells before and behind each axis. */
  pairs(hint: string, values: readonly (readonly [number, number])[]): TensorRef;
  /** Appends an operator. */
  operator(op: BuiltinOperator, draft: OperatorDraft): void;
  /** Counts something for the report, e.g. `note("padding", ...)`. */
  note(kind: "padding" | "decomposed", says: string): void;
  /** An UNSUPPORTED_OP error to throw: why the node cannot be said in TFLite, and the rewrite that would make it possible. */
  refuse(why: string, rewrite: string): TesseraError;
}

/** How one operator of the canonical model (or of the domain "tflite", made by legalisation) becomes operators of TFLite. */
export interface Emission {
  readonly layout: LayoutRule;
  readonly integer?: IntegerRule | ((site: Site) => IntegerRule | undefined);
  /** Appends the operators. Throws what `context.refuse` gives where the node cannot be expressed. */
  readonly emit: (context: EmitContext) => void;
}
