import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";

/**
 * A record as it lies in a journal:
 *
 * | bytes | what |
 * |---|---|
 * | 4 | length of what follows the checksum |
 * | 4 | CRC-32 of what follows it |
 * | 8 | sequence number, one more than the record before |
 * | 1 | kind |
 * | 1 | 1 on the last record of a group that was acknowledged together, else 0 |
 * | 4, n | sealed description |
 * | 4, m | sealed secret, may be empty |
 * | 32 | chain code: HMAC-SHA256 over the chain code before and every byte above but length and CRC |
 *
 * Integers are little endian. The chain code under a secret key is what forbids to drop, insert, reorder or alter records; the CRC only tells
 * quickly and without a key that the medium failed.
 */
export interface Frame {
  readonly sequence: number;
  readonly kind: number;
  readonly last: boolean;
  readonly meta: Uint8Array;
  readonly secret: Uint8Array;
  readonly chain: Uint8Array;
}

/** A frame and where it ends, or why there is none. */
export type FrameRead = { readonly frame: Frame; readonly secretAt: number; readonly end: number } | { readonly broken: string };

const FIXED_BYTES = 8 + 1 + 1 + 4 + 4 + 32;

/** What a frame is made of before it has its chain code. */
export type FrameParts = Omit<Frame, "chain">;

/** The bytes of a frame, its chain code, and where in them the secret begins. */
export function encodeFrame(
  parts: FrameParts,
  before: Uint8Array,
  key: Uint8Array,
): { readonly bytes: Uint8Array; readonly chain: Uint8Array; readonly secretOffset: number } {
  const length = FIXED_BYTES + parts.meta.length + parts.secret.length;
  const bytes = Buffer.alloc(8 + length);
  bytes.writeUInt32LE(length, 0);
  bytes.writeBigUInt64LE(BigInt(parts.sequence), 8);
  bytes.writeUInt8(parts.kind, 16);
  bytes.writeUInt8(parts.last ? 1 : 0, 17);
  let at = 18;
  for (const part of [parts.meta, parts.secret]) {
    bytes.writeUInt32LE(part.length, at);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  const chain = chainAfter(before, bytes.subarray(8, at), key);
  bytes.set(chain, at);
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return { bytes, chain, secretOffset: at - parts.secret.length };
}

/** The frame at a place of a file, checked to the last bit against the record before it. */
export function readFrame(
  file: Uint8Array,
  at: number,
  before: { readonly sequence: number; readonly chain: Uint8Array; readonly key: Uint8Array },
): FrameRead {
  if (at + 8 + FIXED_BYTES > file.length) return { broken: "it ends within a record" };
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = view.getUint32(at, true);
  const end = at + 8 + length;
  if (length < FIXED_BYTES || end > file.length) return { broken: "it ends within a record" };
  if (crc32(file.subarray(at + 8, end)) !== view.getUint32(at + 4, true)) return { broken: "a checksum is wrong" };
  const chainAt = end - 32;
  const chain = file.subarray(chainAt, end);
  if (!chainAfter(before.chain, file.subarray(at + 8, chainAt), before.key).equals(chain)) {
    return { broken: "a record does not follow the one before it" };
  }
  const sequence = Number(view.getBigUint64(at + 8, true));
  const metaLength = view.getUint32(at + 18, true);
  const metaAt = at + 22;
  if (sequence !== before.sequence + 1 || metaAt + metaLength + 4 > chainAt) return { broken: "a record is malformed" };
  const secretAt = metaAt + metaLength + 4;
  if (secretAt + view.getUint32(secretAt - 4, true) !== chainAt) return { broken: "a record is malformed" };
  return {
    frame: {
      sequence,
      kind: view.getUint8(at + 16),
      last: view.getUint8(at + 17) === 1,
      meta: file.subarray(metaAt, metaAt + metaLength),
      secret: file.subarray(secretAt, chainAt),
      chain,
    },
    secretAt,
    end,
  };
}

function chainAfter(before: Uint8Array, bytes: Uint8Array, key: Uint8Array): Buffer {
  return createHmac("sha256", key).update(before).update(bytes).digest();
}
