import type { QuantDType } from "../graph/plan.ts";

/**
 * What a target's runtime does with an operator of a quantized graph.
 *
 * - `integer`: has an integer kernel when its listed inputs and its output are quantized; `weight` and `bias` are input positions
 * - `through`: moves integers without touching them, so output and input share one encoding
 * - `absorbed`: vanishes into the quantization range of the value before it (Relu, Clip)
 * - `float`: computes in float whatever stands around it
 */
export type OperatorRule =
  | {
      readonly kind: "integer";
      readonly weight?: number;
      readonly bias?: number;
      readonly fixedOutput?: { readonly scale: number; readonly zeroPoint: number };
    }
  | { readonly kind: "through" }
  | { readonly kind: "absorbed" }
  | { readonly kind: "float"; readonly why: string };

/** A device or runtime, as data. Every "may I, will it be fast there" question is answered from such a row. */
export interface Target {
  readonly id: string;
  /** One line for help texts and reports. */
  readonly says: string;
  /** Id of the Runtime that runs its artefacts here. */
  readonly runtime: "ort-node" | "ort-web";
  readonly format: "onnx";
  readonly activations: { readonly dtype: Extract<QuantDType, "int8" | "uint8">; readonly symmetric: boolean };
  readonly weights: {
    readonly dtype: Extract<QuantDType, "int8">;
    /** Axis of per-channel scales by operator; operators that are not listed get one scale per tensor. */
    readonly perChannelAxis: Readonly<Record<string, number>>;
    /** Use 7 of 8 bits: where 16-bit intermediate sums of u8*s8 saturate. */
    readonly reducedRange: "never" | "without-vnni";
  };
  /** By standard ONNX operator name. What is not listed computes in float. */
  readonly operators: Readonly<Record<string, OperatorRule>>;
  /** Operators of QLinear kind that count as integer in the runtime's own optimised graph, by what they stand for. */
  readonly integerKernels: Readonly<Record<string, readonly string[]>>;
  /** Names of passes that pay on this target in float, with the measured reason. */
  readonly floatRewrites: readonly { readonly pass: string; readonly why: string }[];
  /** Sentences about this target that a report should carry. */
  readonly notes: readonly string[];
}
