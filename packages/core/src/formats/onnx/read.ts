import { fail } from "../../base/error.ts";
import { decodeMessage } from "../protobuf/decode.ts";
import type { DecodeLimits } from "../protobuf/limits.ts";
import type { ModelProto } from "./records.ts";
import { MODEL } from "./schema.ts";

/**
 * Reads the bytes of an `.onnx` file into records; only the syntax is looked at. Weights stay views of `bytes`, so do not write into it.
 * The records are frozen.
 *
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED with the byte offset; UNSUPPORTED_FORMAT if nothing in the file is known to ONNX
 * @example
 * const model = readOnnx(bytes);
 * const nodes = model.graph?.node ?? [];
 */
export function readOnnx(bytes: Uint8Array, limits: Partial<DecodeLimits> = {}): ModelProto {
  if (bytes.length === 0) throw fail("TRUNCATED", "Cannot read the model: the file is empty", { at: { offset: 0 } });
  const model = decodeMessage(MODEL, bytes, limits);
  if (model.graph === undefined && model.irVersion === undefined && model.functions === undefined) {
    throw fail("UNSUPPORTED_FORMAT", "Cannot read the model: it has neither graph nor functions nor IR version", {
      at: { offset: 0 },
    });
  }
  return model;
}
