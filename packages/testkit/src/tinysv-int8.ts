import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import { deviceInput } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import { f32 } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";

/** TinySV's network as an int8 .tflite, run as the program that is generated for microcontrollers: numbers above its zero point, which is all that a cosine needs. */
export function tinysvIntegers(bytes: Uint8Array): (sample: Float32Array) => Promise<Float64Array> {
  const { model, plan } = modelFromTflite(bytes);
  const grid = plan?.tensors.get(model.graph.inputs[0]?.name ?? "");
  if (plan === undefined || grid === undefined) throw new Error("the input is not quantized");
  const program = lowerToDevice(compileInteger(model, plan));
  const [input = ""] = program.inputs;
  const [output = ""] = program.outputs;
  const zero = program.values.get(output)?.zeroPoint ?? 0;
  return async (sample) => {
    const fed = deviceInput(program, input, quantizeTensor(f32([1, 1, 49, 40], sample), grid));
    return Float64Array.from(runDevice(program, new Map([[input, fed]])).get(output) as Int8Array, (q) => q - zero);
  };
}
