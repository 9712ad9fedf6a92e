import type { FlatLimits } from "../../formats/flatbuffer/limits.ts";
import { readTflite } from "../../formats/tflite/read.ts";
import { writeTflite } from "../../formats/tflite/write.ts";
import type { Model } from "../../graph/model.ts";
import { lowerTflite } from "./lower.ts";
import type { LowerTfliteOptions } from "./options.ts";
import { type RaisedTflite, type RaiseTfliteOptions, raiseTflite } from "./raise.ts";

/** Options of {@link modelFromTflite}. */
export interface FromTfliteOptions extends RaiseTfliteOptions {
  /** Limits of the reader to be raised by name. */
  readonly limits?: Partial<FlatLimits>;
}

/**
 * The canonical model and the plan of the bytes of a `.tflite` file. Weights that need no change stay views of `bytes`: do not write into it.
 *
 * @throws what `readTflite` and `raiseTflite` throw
 * @example
 * const { model, plan, notes } = modelFromTflite(await readFile("face.tflite"));
 */
export function modelFromTflite(bytes: Uint8Array, options: FromTfliteOptions = {}): RaisedTflite {
  return raiseTflite(readTflite(bytes, options.limits), options);
}

/**
 * The bytes of a `.tflite` file with the model. The same model and plan give the same bytes.
 *
 * @throws what `lowerTflite` throws; TOO_LARGE above 2 GiB
 * @example
 * const file = modelToTflite(model, { plan, io: "integer" });
 */
export function modelToTflite(model: Model, options: LowerTfliteOptions = {}): Uint8Array<ArrayBuffer> {
  // Zero points that are all zero, of every weight and every bias, are an eighth of a small network otherwise.
  return writeTflite(lowerTflite(model, options).records, { share: true });
}
