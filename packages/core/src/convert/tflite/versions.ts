import type { Draft } from "../../formats/flatbuffer/table.ts";
import type { BuiltinOperator } from "../../formats/tflite/builtin-operators.ts";
import { TENSOR_TYPES, type TensorTypeName } from "../../formats/tflite/enums.ts";
import type { Operator } from "../../formats/tflite/schema.ts";
import type { Tensor } from "../../formats/tflite/tensor-tables.ts";

/** One call of an operator as far as its version depends on it. Inputs left out are `undefined`. */
export interface VersionedCall {
  readonly inputs: readonly (Draft<Tensor> | undefined)[];
  readonly outputs: readonly (Draft<Tensor> | undefined)[];
  readonly options?: Draft<Operator>["builtinOptions"];
}

/** A version that a call needs under a condition. */
export interface VersionRule {
  readonly version: number;
  /** The condition in words. */
  readonly says: string;
  readonly when: (call: VersionedCall) => boolean;
}

function rule(version: number, says: string, when: VersionRule["when"]): VersionRule {
  return { version, says, when };
}

function typeOf(tensor: Draft<Tensor> | undefined): number | undefined {
  return tensor === undefined ? undefined : (tensor.type ?? TENSOR_TYPES.FLOAT32);
}

/** Whether input `index` has one of the types. */
function input(index: number, ...types: readonly TensorTypeName[]): VersionRule["when"] {
  return ({ inputs }) => types.some((name) => typeOf(inputs[index]) === TENSOR_TYPES[name]);
}

function output(...types: readonly TensorTypeName[]): VersionRule["when"] {
  return ({ outputs }) => types.some((name) => typeOf(outputs[0]) === TENSOR_TYPES[name]);
}

function all(...conditions: readonly VersionRule["when"][]): VersionRule["when"] {
  return (call) => conditions.every((c) => c(call));
}

function any(...conditions: readonly VersionRule["when"][]): VersionRule["when"] {
  return (call) => conditions.some((c) => c(call));
}

/** Whether one of the fields of the options has a value other than zero or false. */
function option(...names: readonly string[]): VersionRule["when"] {
  return ({ options }) => names.some((name) => Boolean((options as Readonly<Record<string, unknown>> | undefined)?.[name]));
}

function rankOf(tensor: Draft<Tensor> | undefined): number {
  return tensor?.shape?.length ?? 0;
}

function rankAbove(limit: number): VersionRule["when"] {
  return ({ inputs }) => rankOf(inputs[0]) > limit;
}

/** Inputs of different shapes, one of them of more than four axes. */
const broadcastsWide: VersionRule["when"] = ({ inputs }) =>
  (inputs[0]?.shape ?? []).join() !== (inputs[1]?.shape ?? []).join() && inputs.some((t) => rankOf(t) > 4);

function perChannel(index: number): VersionRule["when"] {
  return ({ inputs }) => (inputs[index]?.quantization?.scale?.length ?? 0) > 1;
}

const int8 = input(0, "INT8");
const int16 = input(0, "INT16");
/** Float activations with int8 weights. */
const hybrid = all(input(0, "FLOAT32"), input(1, "INT8"), output("FLOAT32"));
const quantized = ({ inputs }: VersionedCall): boolean => (inputs[0]?.quantization?.scale?.length ?? 0) > 0;

/** Conditions that many operators share. */
const INT8_2 = rule(2, "int8", int8);
const INT16_3 = rule(3, "int16", int16);
const INT8_INT16: readonly VersionRule[] = [INT16_3, INT8_2];

/** Real product of the scales of a quantized MUL over that of its output. */
function mulRescale({ inputs, outputs }: VersionedCall): number {
  const scale = (t: Draft<Tensor> | undefined): number => t?.quantization?.scale?.[0] ?? 0;
  const out = scale(outputs[0]);
  return out === 0 ? 0 : (scale(inputs[0]) * scale(inputs[1])) / out;
}

/** SUB and ADD of int16 that do not promise scales that are powers of two; the options' default is the promise. */
const freeInt16Scales: VersionRule["when"] = (call) =>
  int16(call) && (call.options as { readonly potScaleInt16?: boolean } | undefined)?.potScaleInt16 === false;

/**
 * The version that each operator needs, first rule that holds; operators that are not here, and calls that no rule fits, have version 1. Facts from
 * LiteRT's own table (op_version.cc), except that 16x8 convolutions (int16 activations, int8 weights) get the version in which int16 came, where
 * that table says 1 because it looks for int16 weights. Runtimes refuse versions above those they know.
 */
export const OPERATOR_VERSIONS: Readonly<Partial<Record<BuiltinOperator, readonly VersionRule[]>>> = {
  ABS: [
    rule(5, "int32", input(0, "INT32")),
    rule(3, "quantized int16", all(int16, quantized)),
    rule(4, "int16", int16),
    rule(2, "8-bit", input(0, "INT8", "UINT8")),
  ],
  ADD: [
    rule(
      5,
      "int16 that is not quantized",
      all(int16, (c) => !quantized(c)),
    ),
    rule(4, "int64", input(0, "INT64")),
    rule(3, "int16 with any scales", freeInt16Scales),
    INT8_2,
  ],
  ARG_MAX: [rule(3, "bool", input(0, "BOOL")), INT8_2],
  ARG_MIN: [rule(3, "bool", input(0, "BOOL")), INT8_2],
  AVERAGE_POOL_2D: INT8_INT16,
  BATCH_MATMUL: [
    INT16_3,
    INT8_2,
    rule(4, "float times int8, inputs quantized asymmetrically", all(hybrid, option("asymmetricQuantizeInputs"))),
  ],
  BATCH_TO_SPACE_ND: [rule(4, "int16", int16), rule(3, "not four axes", ({ inputs }) => rankOf(inputs[0]) !== 4), INT8_2],
  // Version 1 was taken back.
  BROADCAST_TO: [rule(3, "int8 or int16", input(0, "INT8", "INT16")), rule(2, "always", () => true)],
  CAST: [
    rule(7, "bfloat16", any(input(0, "BFLOAT16"), output("BFLOAT16"))),
    rule(6, "int4 to float", all(input(0, "INT4"), output("FLOAT32"))),
    rule(5, "float64 or float16", any(input(0, "FLOAT64", "FLOAT16"), output("FLOAT64", "FLOAT16"))),
    rule(4, "uint16", any(input(0, "UINT16"), output("UINT16"))),
    rule(3, "int8", any(int8, output("INT8"))),
    rule(2, "uint32", any(input(0, "UINT32"), output("UINT32"))),
  ],
  CONCATENATION: [rule(4, "uint32", input(0, "UINT32")), INT16_3, INT8_2],
  CONV_2D: [
    rule(8, "int16 with a declared bias type", all(int16, option("quantizedBiasType"))),
    rule(6, "grouped", ({ inputs }) => {
      const channels = inputs[0]?.shape?.[3] ?? 0;
      const depth = inputs[1]?.shape?.[3] ?? 0;
      return depth > 0 && channels > 0 && channels !== depth;
    }),
    rule(4, "int16", int16),
    rule(7, "int8 with int4 weights", all(int8, input(1, "INT4"))),
    rule(3, "int8", int8),
    rule(5, "float with int8 weights per channel", all(hybrid, perChannel(1))),
    rule(2, "float with int8 weights", hybrid),
  ],
  DEPTHWISE_CONV_2D: [
    rule(5, "int16", int16),
    rule(6, "float with int8 weights per channel", all(hybrid, perChannel(1))),
    rule(4, "float with int8 weights", hybrid),
    rule(7, "int8 with int4 weights", all(int8, input(1, "INT4"))),
    rule(3, "int8", int8),
    rule(2, "dilated", ({ options }) => {
      const o = options as { readonly dilationWFactor?: number; readonly dilationHFactor?: number } | undefined;
      return (o?.dilationWFactor ?? 1) !== 1 || (o?.dilationHFactor ?? 1) !== 1;
    }),
  ],
  DEPTH_TO_SPACE: [INT8_2],
  DEQUANTIZE: [
    rule(6, "int4", input(0, "INT4")),
    rule(3, "int16 or float16", input(0, "INT16", "FLOAT16")),
    rule(5, "int8 per channel", all(int8, perChannel(0))),
    INT8_2,
  ],
  DIV: [rule(2, "broadcast of five axes or more", broadcastsWide)],
  EQUAL: [rule(4, "int16", int16), rule(3, "string", input(0, "STRING")), INT8_2],
  EXP: [rule(2, "int8 or int16", input(0, "INT8", "INT16"))],
  FILL: [
    rule(4, "float16", input(1, "FLOAT16")),
    rule(3, "int8 or int16", input(1, "INT8", "INT16")),
    rule(2, "bool or string", input(1, "BOOL", "STRING")),
  ],
  FLOOR_DIV: [rule(3, "int8 or int16", input(0, "INT8", "INT16")), rule(2, "float", input(0, "FLOAT32"))],
  FLOOR_MOD: [rule(2, "int8 or int16", input(0, "INT8", "INT16"))],
  FULLY_CONNECTED: [
    rule(13, "int16 with int4 weights", all(int16, input(1, "INT4"))),
    rule(12, "float with int8 weights per channel", all(hybrid, perChannel(1))),
    rule(11, "int16 with a declared bias type", all(int16, option("quantizedBiasType"))),
    rule(8, "sparse weights", ({ inputs }) => inputs[1]?.sparsity !== undefined),
    rule(7, "int16", int16),
    rule(6, "no bias", ({ inputs }) => inputs[2] === undefined),
    rule(5, "axes kept", option("keepNumDims")),
    rule(10, "int8 with int4 weights", all(int8, input(1, "INT4"))),
    rule(4, "int8", int8),
    rule(9, "float with int8 weights, inputs quantized asymmetrically", all(hybrid, option("asymmetricQuantizeInputs"))),
    rule(3, "float with int8 weights", hybrid),
    rule(2, "shuffled weights", option("weightsFormat")),
  ],
  GATHER: [
    rule(7, "int4", input(0, "INT4")),
    rule(6, "int16 indices", input(1, "INT16")),
    rule(5, "batch axes", option("batchDims")),
    rule(4, "int16", int16),
    rule(3, "bool", input(0, "BOOL")),
    INT8_2,
  ],
  GATHER_ND: [
    rule(5, "bool", input(0, "BOOL")),
    rule(4, "int16 indices", input(1, "INT16")),
    INT16_3,
    rule(2, "string", input(0, "STRING")),
  ],
  GELU: [rule(2, "8-bit", input(0, "INT8", "UINT8"))],
  GREATER: [INT8_2],
  GREATER_EQUAL: INT8_INT16,
  L2_NORMALIZATION: [rule(2, "int8", output("INT8"))],
  LEAKY_RELU: [rule(2, "int16", int16)],
  LESS: INT8_INT16,
  LESS_EQUAL: [INT8_2],
  LOG: [rule(2, "int8 or int16", input(0, "INT8", "INT16"))],
  LOGISTIC: INT8_INT16,
  LOG_SOFTMAX: [INT8_2],
  MAXIMUM: [rule(4, "int16", int16), rule(3, "broadcast of five axes or more", broadcastsWide), INT8_2],
  MAX_POOL_2D: INT8_INT16,
  MEAN: INT8_INT16,
  MINIMUM: [rule(4, "int16", int16), rule(3, "broadcast of five axes or more", broadcastsWide), INT8_2],
  MIRROR_PAD: INT8_INT16,
  MUL: [
    rule(
      7,
      "int16 that is not quantized, or uint32",
      any(
        all(int16, (c) => !quantized(c)),
        input(0, "UINT32"),
      ),
    ),
    rule(6, "complex", input(0, "COMPLEX64")),
    rule(5, "int64", input(0, "INT64")),
    rule(4, "int16", int16),
    rule(3, "scales whose ratio is one or more", (call) => mulRescale(call) >= 1),
    INT8_2,
  ],
  NOT_EQUAL: [rule(3, "string", input(0, "STRING")), INT8_2],
  PACK: [INT8_2, INT16_3, rule(4, "uint32", input(0, "UINT32"))],
  PAD: [rule(5, "bool", input(0, "BOOL")), rule(4, "five axes or more", rankAbove(4)), INT16_3, INT8_2],
  PADV2: [rule(5, "bool", input(0, "BOOL")), rule(4, "five axes or more", rankAbove(4)), INT16_3, INT8_2],
  QUANTIZE: [
    rule(4, "int4", any(input(0, "INT4"), output("INT4"))),
    rule(3, "per channel", ({ outputs }) => (outputs[0]?.quantization?.scale?.length ?? 0) > 1),
    rule(2, "to int16", output("INT16")),
  ],
  RANGE: [rule(2, "int64", input(0, "INT64"))],
  REDUCE_MAX: INT8_INT16,
  REDUCE_MIN: INT8_INT16,
  REDUCE_PROD: [rule(2, "int8 or int16", input(0, "INT8", "INT16"))],
  RELU: [INT16_3, rule(2, "8-bit", input(0, "INT8", "UINT8"))],
  RELU6: INT8_INT16,
  RESIZE_BILINEAR: [rule(4, "int16", int16), rule(3, "half pixel centres", option("halfPixelCenters")), INT8_2],
  RESIZE_NEAREST_NEIGHBOR: [
    rule(4, "int16", int16),
    rule(3, "half pixel centres or aligned corners", option("halfPixelCenters", "alignCorners")),
    INT8_2,
  ],
  REVERSE_V2: [rule(3, "int8", int8), rule(2, "bool", input(0, "BOOL"))],
  RSQRT: INT8_INT16,
  SELECT: [
    rule(4, "uint32", input(0, "UINT32")),
    rule(3, "five axes", ({ inputs }) => inputs.some((t) => rankOf(t) === 5)),
    INT8_2,
  ],
  SELECT_V2: [rule(2, "uint32", input(0, "UINT32"))],
  SIGN: [rule(2, "int32", input(0, "INT32"))],
  SLICE: [
    rule(6, "uint32", input(0, "UINT32")),
    rule(5, "five axes or more", rankAbove(4)),
    rule(4, "int16", int16),
    rule(3, "string", input(0, "STRING")),
    INT8_2,
  ],
  SOFTMAX: INT8_INT16,
  SPACE_TO_BATCH_ND: [rule(4, "int16", int16), rule(3, "not four axes", ({ inputs }) => rankOf(inputs[0]) !== 4), INT8_2],
  SPACE_TO_DEPTH: [INT8_2],
  // The axis is input 0.
  SPLIT: [rule(4, "int16", input(1, "INT16")), rule(3, "int32", input(1, "INT32")), rule(2, "int8", input(1, "INT8"))],
  SPLIT_V: [INT8_2],
  SQUARED_DIFFERENCE: [INT8_2],
  SQUEEZE: [rule(2, "string", input(0, "STRING"))],
  STRIDED_SLICE: [
    rule(8, "ends given as sizes", option("offset")),
    rule(7, "uint32", input(0, "UINT32")),
    rule(6, "ellipsis or new axes", option("ellipsisMask", "newAxisMask")),
    rule(5, "string", input(0, "STRING")),
    rule(4, "five axes or more", rankAbove(4)),
    rule(3, "bool", input(0, "BOOL")),
    INT8_2,
  ],
  SUB: [
    rule(5, "int16 with any scales", freeInt16Scales),
    rule(4, "int64", input(0, "INT64")),
    rule(3, "broadcast of five axes or more", broadcastsWide),
    INT8_2,
  ],
  SUM: [INT8_2],
  SVDF: [
    rule(3, "int8", int8),
    rule(4, "float with int8 weights, inputs quantized asymmetrically", all(hybrid, option("asymmetricQuantizeInputs"))),
    rule(2, "float with int8 weights", hybrid),
  ],
  TANH: INT8_INT16,
  TILE: [rule(3, "int8", int8), rule(2, "string", input(0, "STRING"))],
  TOPK_V2: [rule(3, "int16", any(int16, input(1, "INT16"))), INT8_2],
  TRANSPOSE: [
    rule(7, "int4", input(0, "INT4")),
    rule(6, "six axes or more", rankAbove(5)),
    rule(5, "int16", int16),
    rule(4, "five axes", rankAbove(4)),
    rule(3, "bool", input(0, "BOOL")),
    INT8_2,
  ],
  // Output sizes, weights, input, bias.
  TRANSPOSE_CONV: [
    rule(5, "int16 with a declared bias type", all(input(2, "INT16"), option("quantizedBiasType"))),
    rule(4, "fused activation", option("fusedActivationFunction")),
    rule(3, "bias", ({ inputs }) => inputs[3] !== undefined),
    rule(2, "int8 weights", input(1, "INT8")),
  ],
  UNIDIRECTIONAL_SEQUENCE_LSTM: [
    rule(5, "int16 with int8 weights", all(int16, input(2, "INT8"))),
    rule(4, "diagonal recurrent weights", option("diagonalRecurrentTensors")),
    rule(
      3,
      "float with int8 weights, inputs quantized asymmetrically",
      all(input(0, "FLOAT32"), input(2, "INT8"), option("asymmetricQuantizeInputs")),
    ),
    rule(2, "float with int8 weights", all(input(0, "FLOAT32"), input(2, "INT8"))),
  ],
  UNPACK: [rule(2, "8-bit", input(0, "INT8", "UINT8")), rule(3, "bool", input(0, "BOOL")), rule(4, "int16", int16)],
  WHERE: [rule(2, "not bool", ({ inputs }) => typeOf(inputs[0]) !== TENSOR_TYPES.BOOL)],
};

/**
 * The version of an operator that a call needs, from 1 on.
 *
 * @example
 * operatorVersion("CONV_2D", { inputs: [x, weights, bias], outputs: [y], options }); // 3 for int8
 */
export function operatorVersion(name: BuiltinOperator, call: VersionedCall): number {
  return OPERATOR_VERSIONS[name]?.find((r) => r.when(call))?.version ?? 1;
}
