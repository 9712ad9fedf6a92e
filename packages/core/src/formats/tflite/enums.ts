/*
 * The enums of the TFLite schema (3d). In records they are plain numbers, because a file may hold a code of a newer schema; these tables
 * name the known ones.
 */

/** Element types of tensors. Those with 4 and 2 bits are packed, the low bits first. */
export const TENSOR_TYPES = {
  FLOAT32: 0,
  FLOAT16: 1,
  INT32: 2,
  UINT8: 3,
  INT64: 4,
  STRING: 5,
  BOOL: 6,
  INT16: 7,
  COMPLEX64: 8,
  INT8: 9,
  FLOAT64: 10,
  COMPLEX128: 11,
  UINT64: 12,
  RESOURCE: 13,
  VARIANT: 14,
  UINT32: 15,
  UINT16: 16,
  INT4: 17,
  BFLOAT16: 18,
  INT2: 19,
  UINT4: 20,
  FLOAT8_E4M3FN: 21,
  FLOAT8_E5M2: 22,
} as const;

/** Name of an element type. */
export type TensorTypeName = keyof typeof TENSOR_TYPES;

/** How a sparse dimension is stored. */
export const DIMENSION_TYPES = { DENSE: 0, SPARSE_CSR: 1 } as const;

/** Padding of convolutions and pools; SAME is TensorFlow's, with the larger half at the end. */
export const PADDINGS = { SAME: 0, VALID: 1 } as const;

/** Activation functions that an operator applies to its own output. */
export const ACTIVATIONS = { NONE: 0, RELU: 1, RELU_N1_TO_1: 2, RELU6: 3, TANH: 4, SIGN_BIT: 5 } as const;

/** Name of a fused activation. */
export type ActivationName = keyof typeof ACTIVATIONS;

/** Kinds of locality-sensitive hashing. */
export const LSH_PROJECTION_TYPES = { UNKNOWN: 0, SPARSE: 1, DENSE: 2 } as const;

/** Layouts of the weights of FULLY_CONNECTED. */
export const WEIGHTS_FORMATS = { DEFAULT: 0, SHUFFLED4x16INT8: 1 } as const;

/** Kinds of LSTM kernel; FULL has peepholes and projection. */
export const LSTM_KERNEL_TYPES = { FULL: 0, BASIC: 1 } as const;

/** How EMBEDDING_LOOKUP_SPARSE combines rows. */
export const COMBINERS = { SUM: 0, MEAN: 1, SQRTN: 2 } as const;

/** MIRROR_PAD modes: REFLECT leaves the border out, SYMMETRIC repeats it. */
export const MIRROR_PAD_MODES = { REFLECT: 0, SYMMETRIC: 1 } as const;

/** Functions of the deprecated REDUCE_WINDOW. */
export const REDUCE_WINDOW_FUNCTIONS = { UNSUPPORTED: 0, ADD: 1, MUL: 2, MINIMUM: 3, MAXIMUM: 4, ALL: 5, ANY: 6 } as const;

/** Formats of the custom options of an operator. */
export const CUSTOM_OPTIONS_FORMATS = { FLEXBUFFERS: 0 } as const;

/** Precision asked of StableHLO products. */
export const STABLEHLO_PRECISIONS = { DEFAULT: 0, HIGH: 1, HIGHEST: 2 } as const;

/** Comparisons of STABLEHLO_COMPARE. */
export const STABLEHLO_COMPARISON_DIRECTIONS = { EQ: 0, NE: 1, GE: 2, GT: 3, LE: 4, LT: 5 } as const;

/** How STABLEHLO_COMPARE understands its inputs. */
export const STABLEHLO_COMPARISON_TYPES = { NOTYPE: 0, FLOAT: 1, FLOAT_TOTAL_ORDER: 2, SIGNED: 3, UNSIGNED: 4 } as const;

/** Algorithms of STABLEHLO_RNG_BIT_GENERATOR. */
export const RNG_ALGORITHMS = { DEFAULT: 0, PHILOX: 1, THREEFRY: 2 } as const;

/** Name of a code in one of these tables, or undefined for a code of a newer schema. */
export function enumName<T extends Readonly<Record<string, number>>>(table: T, code: number): (keyof T & string) | undefined {
  return Object.keys(table).find((name) => table[name] === code) as (keyof T & string) | undefined;
}
