import { fail } from "@tessera/core/base/error";

/** Joins parts so that no two lists of parts give the same bytes: each is led by its length (u32, little endian). Texts are UTF-8. */
export function joinParts(...parts: readonly (string | Uint8Array | number)[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (const part of parts) {
    const bytes = typeof part === "string" ? Buffer.from(part, "utf8") : typeof part === "number" ? u64(part) : part;
    chunks.push(u32(bytes.length), bytes);
  }
  return Buffer.concat(chunks);
}

/** What {@link joinParts} joined. @throws STORE_DAMAGED */
export function splitParts(joined: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(joined.buffer, joined.byteOffset, joined.byteLength);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 4 > joined.length) throw fail("STORE_DAMAGED", `Cannot read a record: part ${i} of ${count} is missing`);
    const length = view.getUint32(at, true);
    at += 4;
    if (at + length > joined.length) throw fail("STORE_DAMAGED", `Cannot read a record: part ${i} of ${count} is cut off`);
    parts.push(joined.subarray(at, at + length));
    at += length;
  }
  if (at !== joined.length) throw fail("STORE_DAMAGED", `Cannot read a record: ${joined.length - at} bytes too many`);
  return parts;
}

/** A u32, little endian. */
export function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

/** A u64, little endian, of a non-negative safe integer. */
export function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
