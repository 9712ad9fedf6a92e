import { isTesseraError } from "../base/error.ts";
import { MODEL } from "./onnx/schema.ts";
import { makeCursor, readTag, readVarint } from "./protobuf/wire.ts";

/** The kinds of model file that are told apart by their content. */
export type FileFormat = "onnx" | "ort" | "tflite" | "unknown";

/** Top-level fields looked at before a file is believed: `graph` may stand first and be almost all of it. */
const MAX_FIELDS = 32;

/**
 * Tells what a file is from its content, whatever its name. FlatBuffers name themselves at byte 4; ONNX has no signature, so a file
 * counts as ONNX if its first fields are those of a `ModelProto` with the graph or IR version among them. Also a file that was cut off
 * counts, so that the reader can say what is wrong with it.
 */
export function detectFormat(bytes: Uint8Array): FileFormat {
  const identifier = String.fromCharCode(...bytes.subarray(4, 8));
  if (identifier === "ORTM") return "ort";
  if (identifier === "TFL3") return "tflite";
  return looksLikeOnnx(bytes) ? "onnx" : "unknown";
}

function looksLikeOnnx(bytes: Uint8Array): boolean {
  const cursor = makeCursor(bytes);
  let telling = false;
  try {
    for (let i = 0; i < MAX_FIELDS && cursor.pos < bytes.length; i++) {
      const tag = readTag(cursor, bytes.length);
      const field = MODEL.byNumber[tag >>> 3];
      if (field === undefined || (tag & 7) !== field.wire) return false;
      telling = telling || field.key === "graph" || field.key === "irVersion";
      readVarint(cursor, bytes.length);
      if (field.wire === 2) cursor.pos += cursor.hi * 4294967296 + cursor.lo;
    }
    return telling;
  } catch (error) {
    // Cut off in the middle of a field: what was seen before counts.
    if (!isTesseraError(error)) throw error;
    return telling && error.code === "TRUNCATED";
  }
}
