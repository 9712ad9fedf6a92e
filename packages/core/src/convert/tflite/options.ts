import type { QuantPlan } from "../../graph/plan.ts";
import type { RecurrentForm } from "./legalise/row.ts";
import type { StorageReport } from "./storage/float16.ts";
import type { Meetings } from "./storage/meetings.ts";

/** Options of `lowerTflite`. */
export interface LowerTfliteOptions {
  /** Makes the values, weights and biases that it lists integers. */
  readonly plan?: QuantPlan;
  /** Whether inputs and outputs with an encoding are float (QUANTIZE and DEQUANTIZE at the borders) or integers in the file. */
  readonly io?: "float" | "integer";
  /** How the file lays out image-like inputs and outputs: those of rank 4 that operators bound to channels-last read or make. Others keep the canonical order. */
  readonly layout?: "nhwc" | "nchw";
  /** How float weights are stored. */
  readonly weights?: "float32" | "float16" | "dynamic-int8";
  /** Leave out what no runtime reads: names, and zero points that are all the same. */
  readonly slim?: boolean;
  /**
   * LSTM layers step by step (runs everywhere), or as UNIDIRECTIONAL_SEQUENCE_LSTM: smaller, for TFLite Micro, refused by LiteRT for the web, and
   * its state lives on from call to call until the host resets it.
   */
  readonly recurrent?: RecurrentForm;
  /** Sizes of symbolic dimensions by name. A first size that is not given is 1. */
  readonly dims?: ReadonlyMap<string, number>;
}

/** Defaults of {@link LowerTfliteOptions}. */
export const LOWER_TFLITE_DEFAULTS = {
  io: "float",
  layout: "nhwc",
  weights: "float32",
  slim: false,
  recurrent: "unrolled",
} as const satisfies LowerTfliteOptions;

/** A TRANSPOSE that the two worlds' layouts made necessary. */
export interface InsertedTranspose {
  readonly tensor: string;
  /** Permutation, by physical position. */
  readonly perm: readonly number[];
  /** Who reads the result. */
  readonly reader: string;
}

/** A place where numbers change between integers and float inside the graph. */
export interface FloatIsland {
  readonly node: string;
  readonly op: string;
  readonly why: string;
}

/** An input or output of the file: the value stands with canonical axis order[i] at position i. */
export interface FilePort {
  readonly name: string;
  readonly order: readonly number[];
}

/** What lowering did. */
export interface LowerReport {
  readonly inputs: readonly FilePort[];
  readonly outputs: readonly FilePort[];
  /** Operators of the file by name. */
  readonly operators: ReadonlyMap<string, number>;
  readonly transposes: readonly InsertedTranspose[];
  /** PAD operators that neither SAME nor VALID could say, by node. */
  readonly padding: readonly string[];
  /** Nodes that compute in float although the plan makes integers of other values. */
  readonly floatIslands: readonly FloatIsland[];
  /** QUANTIZE and DEQUANTIZE operators at inputs and outputs. */
  readonly borders: number;
  /** Those between nodes, where one computes in float and another in integers. */
  readonly conversions: number;
  /** The same by what they do, counted in the finished file. */
  readonly meetings: Meetings;
  /** Nodes that became others before they were emitted, in words. */
  readonly decomposed: readonly string[];
  /** Whether the assignment of layouts is known to need the fewest TRANSPOSEs. */
  readonly layoutExact: boolean;
  /** What the option `weights` changed. */
  readonly storage?: StorageReport;
}
