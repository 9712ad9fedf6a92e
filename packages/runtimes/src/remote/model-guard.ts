import { fail } from "@tessera/core/base/error";
import { parseExternalData } from "@tessera/core/formats/onnx/external-data";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import type { TensorProto } from "@tessera/core/formats/onnx/records";
import { writeOnnx } from "@tessera/core/formats/onnx/write";

/** The key under which an ONNX tensor names the file that its data is in. */
const LOCATION = Buffer.from("location");

/** A plain file name: no folder, no hidden file, nothing that a shell or another system would read otherwise. */
const PLAIN_NAME = /^(?!\.)[\w. -]{1,255}$/;

function holds(bytes: Uint8Array, wanted: Buffer): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(wanted);
}

/**
 * An ONNX model from the network, safe to load as far as files go: tensors lie inside it or in the data that came with it, so that no path of it ever makes
 * the runtime read a file of the device. A model that never says "location" names no file; any other is read, checked, and written anew, so that the
 * runtime gets nothing but what was checked.
 *
 * @throws EXTERNAL_DATA for a tensor in any other place; what `readOnnx` throws
 */
export function guardedOnnx(bytes: Uint8Array, given: ReadonlySet<string>): Uint8Array {
  for (const name of given)
    if (!PLAIN_NAME.test(name)) throw fail("EXTERNAL_DATA", "Cannot load the model: external data goes by plain file names here");
  if (!holds(bytes, LOCATION)) return bytes;
  const model = readOnnx(bytes);
  const open: unknown[] = [model];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { externalData } = next as TensorProto;
    if (Array.isArray(externalData) && externalData.length > 0) {
      const { location } = parseExternalData(next as TensorProto);
      if (!given.has(location))
        throw fail("EXTERNAL_DATA", "Cannot load the model: it keeps data in a file that was not sent with it");
    }
    for (const value of Object.values(next as object)) {
      if (ArrayBuffer.isView(value)) continue;
      if (!Array.isArray(value)) {
        if (typeof value === "object" && value !== null) open.push(value);
      } else if (typeof value[0] === "object" && !ArrayBuffer.isView(value[0])) for (const item of value) open.push(item);
    }
  }
  return writeOnnx(model);
}
