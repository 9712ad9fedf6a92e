import { readFileSync } from "node:fs";
import { join } from "node:path";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { withGraph } from "@tessera/core/graph/edit";
import type { Model } from "@tessera/core/graph/model";
import { rebatch } from "@tessera/core/passes/rebatch";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { unitPlan } from "@tessera/core/quant/unit-plan";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { predict } from "@tessera/core/targets/predictor/predict";
import { checkFusion } from "@tessera/runtimes/fusion-check";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";

const shared = sharedDir();

/** Files, and the changes of layout that ONNX Runtime makes around integers as far as the predictor counts them rightly. */
const FILES: readonly { readonly file: string; readonly transposes?: true; readonly batch?: number }[] = [
  { file: "face-embedding/mobilefacenet-foamliu-128.onnx", transposes: true },
  { file: "face-embedding/mobilefacenet-sirius-192-batch2.tflite", transposes: true, batch: 1 },
  { file: "face-liveness/minifasnet-v2-2.7-80.onnx", transposes: true },
  { file: "face-detection/ultralight-rfb-320.onnx", transposes: true },
  { file: "face-detection/yunet-n-320.onnx", transposes: true },
  { file: "voice/tinysv-dvector-256.onnx", transposes: true },
  { file: "keystroke/typenet-triplet-m50-128.onnx", transposes: true },
  // One-dimensional convolutions between Squeeze and Unsqueeze: their changes of layout meet in ways that are not followed.
  { file: "voice/silero-vad-16k-op15.onnx" },
  { file: "mcu/mlperf-tiny-kws-dscnn-int8.tflite", transposes: true },
  { file: "mcu/mlperf-tiny-vww-mobilenet-float32.tflite", transposes: true },
];

/** 576 samples for the sound, 1 for every other size that is open. */
function closed(model: Model): Model {
  const inputs = model.graph.inputs.map((input) => {
    const { type } = input;
    if (type.kind !== "tensor" || type.shape === undefined) return input;
    const shape = type.shape.map((d) => (typeof d === "number" ? d : d === "sequence" ? 576 : 1));
    return { ...input, type: { ...type, shape } };
  });
  return withGraph(model, { ...model.graph, inputs });
}

describe.skipIf(shared === undefined)("the predictor against ONNX Runtime on real models", () => {
  for (const { file, transposes, batch } of FILES) {
    test(`${file}: integer kernels by name, conversions${transposes ? " and transposes" : ""}`, async () => {
      const bytes = readFileSync(join(shared as string, "models", file));
      const read = file.endsWith(".onnx") ? modelFromOnnx(bytes) : modelFromTflite(bytes).model;
      const source = closed(batch === undefined ? read : rebatch(read, { batch }));
      const { model: float } = await simplifyModel(source, { prove: false });
      const integer = unitPlan(float, ORT_X64);
      const { integer: expected } = predict({ float, integer }, ORT_X64);
      const found = await checkFusion(modelToOnnx(applyPlan(integer.model, integer.plan)), ORT_X64);
      const kernels = new Set(Object.values(ORT_X64.integerKernels).flat());
      const plain = Object.entries(found.operators).map(([op, n]) => [op.replace(/^.*\./, ""), n] as const);
      expect(expected?.integerOperators).toEqual(Object.fromEntries(plain.filter(([op]) => kernels.has(op))));
      expect([expected?.quantize, expected?.dequantize]).toEqual([found.quantizeLeft, found.dequantizeLeft]);
      if (transposes) expect(expected?.transposes).toBe(found.layout.length);
    }, 60_000);
  }
});
