import { createHmac } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import { joinParts } from "./bytes.ts";
import type { JournalKeys } from "./journal-keys.ts";

/** What a file of a journal begins with; the first chain code covers it. */
export interface JournalHeader {
  readonly generation: number;
  readonly epoch: number;
  /** Where the generation before ended: its last record and chain code. */
  readonly sequence: number;
  readonly chain: Uint8Array;
}

/** Bytes of the header. */
export const HEADER_BYTES: number = 8 + 4 + 4 + 8 + 32 + 16;

const MAGIC = Buffer.from("TSRJRNL1", "latin1");

/** The bytes. */
export function encodeHeader(header: JournalHeader, storeId: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(bytes);
  bytes.writeUInt32LE(header.generation, 8);
  bytes.writeUInt32LE(header.epoch, 12);
  bytes.writeBigUInt64LE(BigInt(header.sequence), 16);
  bytes.set(header.chain, 24);
  bytes.set(storeId, 56);
  return bytes;
}

/** What the bytes say, not yet proven: the chain does that. @throws STORE_DAMAGED */
export function decodeHeader(file: Uint8Array, name: string): JournalHeader {
  const bytes = Buffer.from(file.buffer, file.byteOffset, Math.min(file.byteLength, HEADER_BYTES));
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, 8).equals(MAGIC)) {
    throw fail("STORE_DAMAGED", `Cannot open the ${name}: its file has no header`);
  }
  return {
    generation: bytes.readUInt32LE(8),
    epoch: bytes.readUInt32LE(12),
    sequence: Number(bytes.readBigUInt64LE(16)),
    chain: new Uint8Array(bytes.subarray(24, 56)),
  };
}

/** The chain code before the first record. */
export function firstChain(file: Uint8Array, keys: JournalKeys, name: string): Uint8Array {
  return createHmac("sha256", keys.chain)
    .update(joinParts("tessera journal", name, file.subarray(0, HEADER_BYTES)))
    .digest();
}
