import { INT8_FILES, INT8_OPERATORS } from "./litert.ts";
import type { OperatorRule, Target } from "./target.ts";

/** What NNAPI has no quantized form of: it would come back to the processor, with a copy each way. */
const NOT_IN_NNAPI: OperatorRule = { kind: "float", why: "NNAPI has no quantized form of it" };

const OPERATORS: Readonly<Record<string, OperatorRule>> = {
  ...INT8_OPERATORS,
  LeakyRelu: NOT_IN_NNAPI,
};

const BACK_TO_PROCESSOR = "drivers of this lineage are known to send its int8 form back to the processor";

/** MediaTek's NeuroPilot by TFLite files, with the rules that it has from NNAPI. */
export const MEDIATEK_NEUROPILOT: Target = {
  ...INT8_FILES,
  id: "mediatek-neuropilot",
  says: "MediaTek NeuroPilot by TFLite int8, rules of the NNAPI lineage: per channel for convolutions only",
  here: "simulated",
  weights: { dtype: "int8", perChannelAxis: { Conv: 0, ConvTranspose: 1 }, reducedRange: "never" },
  operators: OPERATORS,
  slowKernels: {
    PRelu: BACK_TO_PROCESSOR,
    HardSwish: `${BACK_TO_PROCESSOR} before Android 11`,
    LpNormalization: BACK_TO_PROCESSOR,
    Where: BACK_TO_PROCESSOR,
  },
  fallback: { dtype: "float32", says: "the Arm cores, by LiteRT's own kernels, with a copy each way" },
  facts: [
    {
      says: "Scales and zero points must be constants; scales per channel, symmetric, for CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV from API level 29; signed activations from API level 30",
      verified: "read",
      source: "NNAPI reference: operand codes",
    },
    {
      says: "NNAPI is deprecated since Android 15; NeuroPilot's own delegate and converter take the same files",
      verified: "read",
      source: "Android developer documentation; MediaTek NeuroPilot overview",
    },
    {
      says: "Wrong answers of depthwise convolutions on some drivers",
      verified: "read",
      source: "tensorflow/tensorflow issues 57475 and 60653",
    },
    {
      says: "Which operators a driver sends back to the processor",
      verified: "unverified",
      source: "differs by driver and version: ask the device",
    },
  ],
  notes: [
    "Nothing of NeuroPilot runs here: accuracy is LiteRT's on this machine, and times are not those of the device.",
    "Some drivers of this lineage compute depthwise convolutions wrongly (tensorflow#57475, #60653): hold outputs of the device against the golden set before shipping.",
    "Fully connected layers have one scale for all weights: NNAPI knows scales per channel for convolutions alone.",
  ],
};
