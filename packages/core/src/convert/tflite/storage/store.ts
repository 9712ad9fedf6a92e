import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { LowerTfliteOptions } from "../options.ts";
import { storeDynamicInt8 } from "./dynamic-int8.ts";
import { type StorageReport, storeFloat16 } from "./float16.ts";
import { slimTflite } from "./slim.ts";

/** Applies the options that say how a file is stored: element type of float weights, and whether it is slim. */
export function storeTflite(
  records: TfliteDraft,
  options: Pick<LowerTfliteOptions, "weights" | "slim">,
): { readonly records: TfliteDraft; readonly report: StorageReport | undefined } {
  const { weights = "float32", slim = false } = options;
  const stored =
    weights === "float16" ? storeFloat16(records) : weights === "dynamic-int8" ? storeDynamicInt8(records) : undefined;
  const plain = stored?.records ?? records;
  return { records: slim ? slimTflite(plain) : plain, report: stored?.report };
}
