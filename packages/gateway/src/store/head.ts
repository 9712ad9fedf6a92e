import { createHmac, timingSafeEqual } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import { joinParts } from "./bytes.ts";

/**
 * How far a journal is acknowledged. Two slots of one small file hold the last two heads; a commit overwrites the older one, so that a write that
 * is cut off leaves the other. What the slots say, and what they do not say, decides what may be cut:
 *
 * - both valid and one apart: the newer one is the truth; bytes of the journal behind it were never acknowledged;
 * - one valid: the other was being written when the process died, which happens only after the next group of records (or the next generation of
 *   the file) was safely on disk; so that must be there whole. If it is not, somebody damaged the slot *and* cut the journal;
 * - anything else cannot come from a crash.
 */
export interface Head {
  /** Commits since the journal was made; its parity is the slot. */
  readonly counter: number;
  /** Which file of the journal. */
  readonly generation: number;
  /** Which data key. */
  readonly epoch: number;
  /** Number of the last record. */
  readonly sequence: number;
  /** Bytes of the file that count. */
  readonly length: number;
  /** State of the monotonic anchor that goes with it; 0 without one. */
  readonly anchor: number;
  /** How far the sister journal was when this was written. */
  readonly peer: number;
  /** Chain code after the last record, 32 bytes. */
  readonly chain: Uint8Array;
}

/** Where the slots begin: on pages of their own. */
export const HEAD_SLOT_OFFSETS = [0, 4096] as const;

const MAGIC = Buffer.from("TSRHEAD1", "latin1");
const BODY_BYTES = 8 + 8 + 4 + 4 + 8 + 8 + 8 + 8 + 32;

/** Bytes of a slot. */
export const HEAD_SLOT_BYTES: number = BODY_BYTES + 32;

/** A slot's bytes: the fields and an HMAC-SHA256 over them and the journal's name. */
export function encodeHead(head: Head, key: Uint8Array, name: string): Uint8Array {
  const body = Buffer.alloc(BODY_BYTES);
  MAGIC.copy(body);
  const longs = [head.sequence, head.length, head.anchor, head.peer];
  body.writeBigUInt64LE(BigInt(head.counter), 8);
  body.writeUInt32LE(head.generation, 16);
  body.writeUInt32LE(head.epoch, 20);
  for (const [i, value] of longs.entries()) body.writeBigUInt64LE(BigInt(value), 24 + 8 * i);
  body.set(head.chain, 56);
  return Buffer.concat([body, macOf(body, key, name)]);
}

/** The newest head of a head file, the one before it when it is whole too, and whether a slot is torn. @throws STORE_DAMAGED */
export function readHeads(
  file: Uint8Array,
  name: string,
  keyOf: (epoch: number) => Uint8Array | undefined,
): { readonly newest: Head; readonly before?: Head } {
  const [even, odd] = HEAD_SLOT_OFFSETS.map((offset, slot) => {
    const head = decodeSlot(file.subarray(offset, offset + HEAD_SLOT_BYTES), name, keyOf);
    return head !== undefined && head.counter % 2 === slot ? head : undefined;
  });
  if (even === undefined || odd === undefined) {
    const newest = even ?? odd;
    if (newest === undefined) throw fail("STORE_DAMAGED", `Cannot open the ${name}: neither slot of its head is valid`);
    return { newest };
  }
  const [newest, before] = even.counter > odd.counter ? [even, odd] : [odd, even];
  if (newest.counter - before.counter !== 1) {
    throw fail(
      "STORE_DAMAGED",
      `Cannot open the ${name}: its head was written at commits ${before.counter} and ${newest.counter}`,
    );
  }
  return { newest, before };
}

function decodeSlot(slot: Uint8Array, name: string, keyOf: (epoch: number) => Uint8Array | undefined): Head | undefined {
  if (slot.length !== HEAD_SLOT_BYTES) return undefined;
  const bytes = Buffer.from(slot);
  const body = bytes.subarray(0, BODY_BYTES);
  if (!body.subarray(0, 8).equals(MAGIC)) return undefined;
  const epoch = body.readUInt32LE(20);
  const key = keyOf(epoch);
  if (key === undefined || !timingSafeEqual(macOf(body, key, name), bytes.subarray(BODY_BYTES))) return undefined;
  const long = (at: number) => Number(body.readBigUInt64LE(at));
  return {
    counter: long(8),
    generation: body.readUInt32LE(16),
    epoch,
    sequence: long(24),
    length: long(32),
    anchor: long(40),
    peer: long(48),
    chain: new Uint8Array(body.subarray(56, 88)),
  };
}

function macOf(body: Uint8Array, key: Uint8Array, name: string): Buffer {
  return createHmac("sha256", key)
    .update(joinParts("tessera head", name, body))
    .digest();
}
