import type { Target } from "./target.ts";

/** Apple's Neural Engine by CoreML: a float16 machine as far as ONNX files go. */
export const APPLE_ANE: Target = {
  id: "apple-ane",
  says: "Apple Neural Engine by CoreML: float16; no integers from ONNX files",
  runtime: "ort-node",
  here: "simulated",
  noIntegers: {
    why: "ONNX Runtime's CoreML provider takes no Q/DQ pairs; the Neural Engine computes in float16",
    instead: "fp16",
  },
  format: "onnx",
  activations: { dtype: "int8", symmetric: true },
  weights: { dtype: "int8", perChannelAxis: {}, reducedRange: "never" },
  operators: {},
  integerKernels: {},
  fusions: [{ from: ["Conv", "Relu"], says: "by CoreML's own compiler" }],
  fallback: { dtype: "float32", says: "what CoreML does not take runs on the Arm cores, and the graph is cut there" },
  facts: [
    {
      says: "CoreML has 8-bit weights and activations from iOS 17 / macOS 14, accelerated from A17 Pro and M4 on; they are made by Apple's own tools from a CoreML model",
      verified: "read",
      source: "coremltools documentation: optimisation",
    },
    {
      says: "ONNX Runtime's CoreML provider takes no QuantizeLinear or DequantizeLinear",
      verified: "read",
      source: "its list of supported operators",
    },
  ],
  floatRewrites: [],
  notes: [
    "Ship float16: values beyond 65,504 are the one danger, and `tessera quantize --scheme fp16` keeps their nodes in float32.",
    "Nothing of CoreML runs here: float16 files are computed by ONNX Runtime, which casts them to float32 on a processor.",
  ],
};
