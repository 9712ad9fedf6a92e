import type { NodePrecision, QuantDType } from "../graph/plan.ts";

/**
 * What a target's runtime does with an operator of a quantized graph, by its ONNX name.
 *
 * - `integer`: has an integer kernel when its listed inputs and its output are quantized; `weight` and `bias` are input positions
 * - `through`: moves integers without touching them, so output and input share one encoding
 * - `equal`: has an integer kernel that works only when its data inputs and its output share one encoding; `over` tells which inputs carry data
 * - `absorbed`: vanishes into the quantization range of the value before it, or into its kernel (Relu, Clip); `alone` where the runtime has an
 *   integer kernel for it besides, with encodings of its own on either side
 * - `float`: computes in float whatever stands around it
 */
export type OperatorRule =
  | {
      readonly kind: "integer";
      readonly weight?: number;
      readonly bias?: number;
      /** Only the first input carries data, others say how (axes). */
      readonly over?: "first";
      /** The one output grid of the kernel: zero point as for unsigned types; signed 8-bit ones subtract 128. */
      readonly fixedOutput?: { readonly scale: number; readonly zeroPoint: number };
      /** The runtime computes in float here when the result is what the model answers: why. */
      readonly floatAtOutput?: string;
    }
  | {
      readonly kind: "through";
      /** Only while a string attribute has this value; otherwise it computes in float, and why. */
      readonly when?: { readonly attribute: string; readonly is: string; readonly fallback: string; readonly otherwise: string };
    }
  | { readonly kind: "equal"; readonly over: "first" | "all" }
  | { readonly kind: "absorbed"; readonly alone?: true }
  | { readonly kind: "float"; readonly why: string };

/** Integer types of one way to quantize, and which operators take part. */
export interface IntegerScheme {
  readonly precision: Extract<NodePrecision, "int8" | "int16x8">;
  readonly activations: {
    readonly dtype: Extract<QuantDType, "int8" | "uint8" | "int16" | "uint16">;
    readonly symmetric: boolean;
  };
  readonly bias: Extract<QuantDType, "int32" | "int64">;
  /** By standard ONNX operator name. What is not listed computes in float. */
  readonly operators: Readonly<Record<string, OperatorRule>>;
}

/** A statement about a device, and how it is known: from our own runs, from its documents, or from hearsay that nobody here could check. */
export interface TargetFact {
  readonly says: string;
  readonly verified: "measured here" | "read" | "unverified";
  readonly source: string;
}

/** Several operators of a graph that the runtime computes as one. */
export interface Fusion {
  /** In order, by ONNX name. */
  readonly from: readonly string[];
  readonly says: string;
}

/** What a device has to give. A class of devices gets the figures of a modest member; a command line may know better. */
export interface TargetBudget {
  /** Weights and code, where they lie apart from working memory. */
  readonly storageBytes?: number;
  /** Activations and the runtime's own working memory. */
  readonly memoryBytes?: number;
  /** One inference. */
  readonly latencyMs?: number;
  readonly says: string;
}

/** A device or runtime, as data. Every "may I, will it be fast there" question is answered from such a row. */
export interface Target {
  readonly id: string;
  /** One line for help texts and reports. */
  readonly says: string;
  /** Id of the Runtime that runs its artefacts here. */
  readonly runtime: "ort-node" | "ort-web" | "litert";
  /**
   * What that says of the device. "device": it is this kind of machine, and times hold; "same runtime": the same software on another processor,
   * so that decisions hold to a last bit and times do not; "simulated": another runtime computes the same file, by the rules of the format.
   */
  readonly here: "device" | "same runtime" | "simulated";
  /** There is no integer scheme: why, and the scheme to use instead. The rules of integers in this row are then empty. */
  readonly noIntegers?: { readonly why: string; readonly instead: "fp16" };
  readonly format: "onnx" | "tflite";
  readonly activations: IntegerScheme["activations"];
  readonly weights: {
    readonly dtype: Extract<QuantDType, "int8">;
    /**
     * Axis of per-channel scales by operator, "columns" for that of the output features of a Gemm or MatMul; operators that are not listed get one
     * scale per tensor.
     */
    readonly perChannelAxis: Readonly<Record<string, number | "columns">>;
    /** Use 7 of 8 bits: where 16-bit intermediate sums of u8*s8 saturate. */
    readonly reducedRange: "never" | "without-vnni" | "always";
    /** Biases stay in float: the device's tools take no integers for them. */
    readonly floatBias?: true;
  };
  /** Least width of the real range of an activation. */
  readonly leastRange?: number;
  /** By standard ONNX operator name. What is not listed computes in float. */
  readonly operators: Readonly<Record<string, OperatorRule>>;
  /** The scheme with 16-bit activations and 8-bit weights, where the runtime has kernels for it: see `withScheme`. */
  readonly wide?: IntegerScheme;
  /**
   * How a Relu or Clip may vanish: "range" into the range of the encoding behind it alone; "kernel" also into the node before it, when that is one
   * of `operators`, by clamping at one of `bounds` (low, high).
   */
  readonly absorbs?: {
    readonly operators: readonly string[];
    readonly bounds: readonly (readonly [number, number])[];
  };
  /** Float inputs of the graph are quantized at the border, so that what moves them before the first kernel moves integers. */
  readonly quantizesInputs?: true;
  /** A BatchNormalization that no Conv took in is written as a convolution by channel, which has an integer kernel. */
  readonly normAsConv?: true;
  /** Operator that moves integers from one grid onto another; where there is one, conflicting grids are cut apart by it. */
  readonly requantize?: "Identity";
  /** Operators of QLinear kind that count as integer in the runtime's own optimised graph, by what they stand for. */
  readonly integerKernels: Readonly<Record<string, readonly string[]>>;
  /** Integer operators that the runtime computes in a slow reference kernel, with the reason. What is not listed is accelerated. */
  readonly slowKernels?: Readonly<Record<string, string>>;
  /** Operators that are computed as one with the one before them. */
  readonly fusions?: readonly Fusion[];
  /** C is generated for it, with kernels for these instructions: see codegen. Such a target computes in integers alone. */
  readonly generates?: { readonly isa: "portable" | "dsp" | "mve" };
  /** Where nodes run that stay in float. */
  readonly fallback?: { readonly dtype: "float32" | "float16"; readonly says: string };
  readonly budget?: TargetBudget;
  /** What the row rests on. */
  readonly facts?: readonly TargetFact[];
  /** Names of passes that pay on this target in float, with the measured reason. */
  readonly floatRewrites: readonly { readonly pass: string; readonly why: string }[];
  /** Sentences about this target that a report should carry. */
  readonly notes: readonly string[];
}
