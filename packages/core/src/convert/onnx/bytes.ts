import { readOnnx } from "../../formats/onnx/read.ts";
import { writeOnnx } from "../../formats/onnx/write.ts";
import type { DecodeLimits } from "../../formats/protobuf/limits.ts";
import type { Model } from "../../graph/model.ts";
import { type LowerOptions, lowerOnnx } from "./lower.ts";
import { type RaiseOptions, raiseOnnx } from "./raise.ts";

/** Options of {@link modelFromOnnx}. */
export interface FromOnnxOptions extends RaiseOptions {
  /** Limits of the reader to be raised by name. */
  readonly limits?: Partial<DecodeLimits>;
}

/**
 * The canonical model of the bytes of an `.onnx` file. Weights stay views of `bytes`: do not write into it.
 *
 * @throws what `readOnnx` and `raiseOnnx` throw
 * @example
 * const model = modelFromOnnx(await readFile("face.onnx"));
 */
export function modelFromOnnx(bytes: Uint8Array, options: FromOnnxOptions = {}): Model {
  return raiseOnnx(readOnnx(bytes, options.limits), options);
}

/**
 * The bytes of an `.onnx` file with the model. The same model gives the same bytes.
 *
 * @throws UNSUPPORTED_OPSET; TOO_LARGE above 2 GiB
 */
export function modelToOnnx(model: Model, options: LowerOptions = {}): Uint8Array<ArrayBuffer> {
  return writeOnnx(lowerOnnx(model, options));
}
