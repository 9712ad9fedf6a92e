import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import type { TfliteDraft } from "../../../formats/tflite/schema.ts";
import type { PlanBorders } from "../../../graph/plan-borders.ts";
import { namedOperators, openFile } from "./records.ts";

/** How often numbers change their form in a file. */
export interface Meetings extends PlanBorders {
  /** Integers that move onto another grid or into another type. */
  readonly requantize: number;
}

/** Counts the operators of a file that change the form of numbers, by what they read: floats, halves or integers. */
export function countMeetings(records: TfliteDraft): Meetings {
  const file = openFile(records);
  const counts = { quantize: 0, dequantize: 0, requantize: 0, cast: 0 };
  for (const { name, record } of namedOperators(file)) {
    if (name !== "QUANTIZE" && name !== "DEQUANTIZE") continue;
    const type = file.tensors[record.inputs?.[0] ?? -1]?.type ?? TENSOR_TYPES.FLOAT32;
    if (name === "QUANTIZE") counts[type === TENSOR_TYPES.FLOAT32 ? "quantize" : "requantize"]++;
    else counts[type === TENSOR_TYPES.FLOAT16 ? "cast" : "dequantize"]++;
  }
  return counts;
}
