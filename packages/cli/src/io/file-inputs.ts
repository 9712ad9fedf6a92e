import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import type { ValueInfo } from "@tessera/core/graph/model";
import type { Target } from "@tessera/core/targets/target";
import { tfliteIo } from "@tessera/runtimes/tflite-io";

const INPUTS: Readonly<Record<Target["format"], (bytes: Uint8Array) => readonly ValueInfo[]>> = {
  onnx: (bytes) => modelFromOnnx(bytes).graph.inputs,
  tflite: (bytes) => tfliteIo(bytes).inputs,
};

/** The inputs of a file in its own terms: the layout and types of the file, not of the model in it. */
export function fileInputs(format: Target["format"], bytes: Uint8Array): readonly ValueInfo[] {
  return INPUTS[format](bytes);
}
