import { decodeRoot } from "../flatbuffer/decode.ts";
import type { FlatLimits } from "../flatbuffer/limits.ts";
import { withBothCodes } from "./operator-code.ts";
import { mapChanged, resolveOutside } from "./outside.ts";
import { MODEL, type TfliteModel } from "./schema.ts";

/** What a TFLite file starts with at byte 4. */
export const TFLITE_IDENTIFIER = "TFL3";

/**
 * Reads the bytes of a `.tflite` file into records; only the syntax is looked at. Constant data stays a view of `bytes`, so do not write
 * into it; the records are frozen. Two things that depend on the age of the file are made equal: operator codes stand in both fields (see
 * `withBothCodes`), and data behind the flatbuffer is taken in (see `resolveOutside`). What a newer schema may have put there is
 * kept as far as it can be, see `listUnknown`.
 *
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED with the byte offset; UNSUPPORTED_FORMAT without the mark `TFL3`
 * @example
 * const model = readTflite(bytes);
 * const operators = model.subgraphs?.[0]?.operators ?? [];
 */
export function readTflite(bytes: Uint8Array, limits: Partial<FlatLimits> = {}): TfliteModel {
  const model = resolveOutside(decodeRoot(MODEL, bytes, { identifier: TFLITE_IDENTIFIER, limits }), bytes);
  const operatorCodes = mapChanged(model.operatorCodes, withBothCodes);
  return operatorCodes === undefined || operatorCodes === model.operatorCodes
    ? model
    : Object.freeze({ ...model, operatorCodes });
}
