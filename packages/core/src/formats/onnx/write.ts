import { type ChunkOptions, encodeMessage, encodeMessageChunks } from "../protobuf/encode.ts";
import type { ModelProto } from "./records.ts";
import { MODEL } from "./schema.ts";

/**
 * Writes an `.onnx` file. Records that came from `readOnnx` untouched give the very bytes they were read from.
 *
 * @throws TOO_LARGE above 2 GiB (store the weights as external data), MALFORMED, LIMIT_EXCEEDED
 */
export function writeOnnx(model: ModelProto): Uint8Array<ArrayBuffer> {
  return encodeMessage(MODEL, model);
}

/**
 * Writes an `.onnx` file as chunks to be put one after another into a file; weights are not copied but shared with the records.
 *
 * @throws TOO_LARGE, MALFORMED, LIMIT_EXCEEDED
 */
export function writeOnnxChunks(model: ModelProto, options: ChunkOptions = {}): Uint8Array[] {
  return encodeMessageChunks(MODEL, model, options);
}
