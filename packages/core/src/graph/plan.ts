import type { DType } from "./dtype.ts";
import type { Tensor } from "./tensor.ts";

/** Numeric types a quantized tensor may have; int64 is for biases beside 16-bit activations. */
export type QuantDType = Extract<DType, "int8" | "uint8" | "int16" | "uint16" | "int32" | "int64" | "int4" | "uint4">;

/** How a tensor is written in integers: real = (q - zeroPoint) * scale. One scale, or one for each index of `axis`. */
export interface Encoding {
  readonly dtype: QuantDType;
  /** float32 values > 0. */
  readonly scale: readonly number[];
  /** Same length as `scale`. */
  readonly zeroPoint: readonly number[];
  /** Axis of per-channel scales; absent for per-tensor. */
  readonly axis?: number;
  /** The integer range in use when it is smaller than the type's, e.g. [-127, 127] or the 7-bit [-64, 63]. */
  readonly range?: readonly [number, number];
  /** Why this encoding: method and figures, one line. */
  readonly reason: string;
}

/** The precision a node computes in. */
export type NodePrecision = "int8" | "int16x8" | "float16" | "float32";

/** The choice for one node. */
export interface NodeChoice {
  readonly precision: NodePrecision;
  /** One line: why. */
  readonly reason: string;
}

/** Evidence of what a plan was calibrated on; no sample can be told from it. */
export interface CalibrationEvidence {
  readonly samples: number;
  /** sha-256 (hex) over the fed tensors in order. */
  readonly digest: string;
  readonly method: string;
  /** How the inputs were made, where they were not real ones. */
  readonly synthetic?: string;
}

/**
 * Quantization as data beside the float graph. Serialised as JSON with sorted keys, so that plans can be read, compared and edited. Tensor names are
 * those of the graph; weights are tensors too.
 */
export interface QuantPlan {
  readonly kind: "quant-plan";
  readonly version: 1;
  /** The target whose rules made it. */
  readonly target: string;
  readonly tensors: ReadonlyMap<string, Encoding>;
  readonly nodes: ReadonlyMap<string, NodeChoice>;
  /**
   * Factors by channel (axis 1) by which values between convolutions are scaled before they are quantized, and scaled back in the weights that
   * read them: see scaleChannels. Encodings are those of the scaled network.
   */
  readonly channelScales?: ReadonlyMap<string, readonly number[]>;
  /**
   * float32 tensors that stand in place of the model's constants of these names, once channels are scaled: weights whose rounding was chosen (they lie
   * on the grid of their encoding) and corrected biases. See plannedModel.
   */
  readonly constants?: ReadonlyMap<string, Tensor>;
  readonly calibration?: CalibrationEvidence;
}
