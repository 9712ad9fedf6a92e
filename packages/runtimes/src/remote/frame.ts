import { fail } from "@tessera/core/base/error";

/** A message between a bench and the agent on a device: JSON, and bytes that JSON refers to by their place in the list. */
export interface Frame {
  readonly head: unknown;
  readonly blobs: readonly Uint8Array[];
}

/** Largest JSON part of a frame, bytes. */
const MAX_HEAD_BYTES = 4 << 20;

/** Most blobs of a frame. */
const MAX_BLOBS = 65_536;

/** u32 length of the JSON, the JSON `{ head, sizes }` in UTF-8, then the blobs back to back. Little-endian. */
export function encodeFrame({ head, blobs }: Frame): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify({ head, sizes: blobs.map((blob) => blob.length) }));
  const total = blobs.reduce((sum, blob) => sum + blob.length, 4 + json.length);
  const bytes = new Uint8Array(total);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  let at = 4 + json.length;
  for (const blob of blobs) {
    bytes.set(blob, at);
    at += blob.length;
  }
  return bytes;
}

/** Reads what {@link encodeFrame} wrote; blobs share its memory. Every byte must be accounted for. @throws MALFORMED, LIMIT_EXCEEDED */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < 4) throw malformed(`${bytes.length} bytes are no frame`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
  if (length > MAX_HEAD_BYTES)
    throw fail("LIMIT_EXCEEDED", `Cannot read the message: its head of ${length} bytes passes ${MAX_HEAD_BYTES}`);
  if (4 + length > bytes.length) throw malformed("its head is cut off");
  const { head, sizes } = jsonOf(bytes.subarray(4, 4 + length));
  if (!Array.isArray(sizes) || sizes.length > MAX_BLOBS) throw malformed("it does not list its blobs");
  const blobs: Uint8Array[] = [];
  let at = 4 + length;
  for (const size of sizes) {
    if (!Number.isInteger(size) || size < 0 || at + size > bytes.length) throw malformed("a blob reaches past its end");
    blobs.push(bytes.subarray(at, at + size));
    at += size;
  }
  if (at !== bytes.length) throw malformed(`${bytes.length - at} bytes are left over`);
  return { head, blobs };
}

function jsonOf(bytes: Uint8Array): { readonly head?: unknown; readonly sizes?: unknown } {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Said below, with what could not be read.
  }
  throw malformed("its head is no JSON object");
}

function malformed(why: string): Error {
  return fail("MALFORMED", `Cannot read the message: ${why}`, { hint: "Run the same version of Tessera on both machines" });
}
