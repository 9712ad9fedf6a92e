import { writeTflite } from "../../formats/tflite/write.ts";
import type { Model } from "../../graph/model.ts";
import { lowerTflite } from "./lower.ts";
import type { LowerTfliteOptions } from "./options.ts";

/**
 * The bytes of a `.tflite` file with the model. The same model and plan give the same bytes.
 *
 * @throws what `lowerTflite` throws; TOO_LARGE above 2 GiB
 * @example
 * const file = modelToTflite(model, { plan, io: "integer" });
 */
export function modelToTflite(model: Model, options: LowerTfliteOptions = {}): Uint8Array<ArrayBuffer> {
  return writeTflite(lowerTflite(model, options).records);
}
