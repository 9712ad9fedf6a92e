import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import type { Model } from "@tessera/core/graph/model";
import { rebatch } from "@tessera/core/passes/rebatch";
import { closedSizes } from "../../packages/cli/src/work/lifted.ts";

/** A shared model as the predictor is held against it: a float network for one sample, every size known. */
export interface PredictedModel {
  readonly id: string;
  readonly file: string;
  /** Sizes for those that the file leaves open; 1 for the rest. */
  readonly dims?: Readonly<Record<string, number>>;
  readonly batch?: number;
  /** Prices were fitted on it, beside the chains of layers; the others are held out. */
  readonly fitted?: true;
}

/** The shared models with a network that integers can do something for. */
export const PREDICTED_MODELS: readonly PredictedModel[] = [
  { id: "foamliu", file: "face-embedding/mobilefacenet-foamliu-128.onnx", fitted: true },
  { id: "sirius", file: "face-embedding/mobilefacenet-sirius-192-batch2.tflite", batch: 1 },
  { id: "minifasnet", file: "face-liveness/minifasnet-v2-2.7-80.onnx", fitted: true },
  { id: "ultralight", file: "face-detection/ultralight-rfb-320.onnx" },
  { id: "yunet", file: "face-detection/yunet-n-320.onnx", fitted: true },
  { id: "tinysv", file: "voice/tinysv-dvector-256.onnx" },
  { id: "typenet", file: "keystroke/typenet-triplet-m50-128.onnx" },
  { id: "silero", file: "voice/silero-vad-16k-op15.onnx", dims: { sequence: 576 } },
  { id: "kws", file: "mcu/mlperf-tiny-kws-dscnn-int8.tflite", fitted: true },
  { id: "vww", file: "mcu/mlperf-tiny-vww-mobilenet-float32.tflite" },
];

/** Reads one of {@link PREDICTED_MODELS}. @param models the folder `models` of the shared data */
export function readPredicted({ file, dims = {}, batch }: PredictedModel, models: string): Model {
  const bytes = readFileSync(join(models, file));
  const model = file.endsWith(".onnx") ? modelFromOnnx(bytes) : modelFromTflite(bytes).model;
  const one = batch === undefined ? model : rebatch(model, { batch });
  return closedSizes(one, new Map(Object.entries(dims))).model;
}
