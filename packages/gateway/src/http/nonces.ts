import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { Challenge } from "@tessera/core/protocol/gateway-api";

/** Nonces of this run of the gateway. */
export interface Nonces {
  /** A nonce for one try of one caller; with a digest for these captures only. */
  issue(caller: string, digest?: string): Challenge;
  /**
   * Uses a nonce up. `digest` is that of the captures that came with it.
   * @throws NONCE_INVALID when it is not one of ours, not this caller's, has run out, or was made for other captures; NONCE_USED
   */
  use(caller: string, nonce: string, digest: string): void;
}

/** What {@link createNonces} leaves out. */
export const NONCE_DEFAULTS = { lifetimeMs: 60_000, maxUsed: 100_000 } as const;

/** Milliseconds since 1970 in 8 bytes, then 16 random bytes, then whether captures are bound. */
const HEAD_BYTES = 25;
const MAC_BYTES = 32;

/**
 * Nonces that need no memory until they are used: expiry, random bits and a MAC under a key of this run over them, the caller and the digest.
 * Used ones are remembered until they would have run out anyway.
 */
export function createNonces(options: {
  readonly now: () => number;
  readonly lifetimeMs?: number;
  readonly maxUsed?: number;
}): Nonces {
  const { now, lifetimeMs, maxUsed } = { ...NONCE_DEFAULTS, ...options };
  const key = randomBytes(32);
  // In the order of use; as all live equally long, those that ran out are near the front.
  const used = new Map<string, number>();
  const macOf = (head: Uint8Array, caller: string, digest: string): Buffer =>
    createHmac("sha256", key).update(head).update(`${caller.length}:${caller}`).update(digest).digest();

  return {
    issue(caller, digest) {
      const expires = now() + lifetimeMs;
      const head = Buffer.alloc(HEAD_BYTES);
      head.writeBigUInt64BE(BigInt(Math.floor(expires)));
      randomBytes(16).copy(head, 8);
      head[24] = digest === undefined ? 0 : 1;
      const nonce = Buffer.concat([head, macOf(head, caller, digest ?? "")]).toString("base64url");
      return { nonce, expiresAt: new Date(expires).toISOString() };
    },
    use(caller, nonce, digest) {
      const bytes = Buffer.from(nonce, "base64url");
      // Only the one spelling counts: two spellings of one nonce would be two uses of it.
      if (bytes.length !== HEAD_BYTES + MAC_BYTES || bytes.toString("base64url") !== nonce)
        throw fail("NONCE_INVALID", "Cannot use the nonce: it is not one of this gateway");
      const head = bytes.subarray(0, HEAD_BYTES);
      const bound = head[24] === 1;
      if (!timingSafeEqual(macOf(head, caller, bound ? digest : ""), bytes.subarray(HEAD_BYTES)))
        throw fail(
          "NONCE_INVALID",
          "Cannot use the nonce: it was not given to this caller for these captures since the gateway started",
        );
      const nowMs = now();
      const expires = Number(head.readBigUInt64BE());
      if (expires <= nowMs) throw fail("NONCE_INVALID", "Cannot use the nonce: it ran out");
      if (used.has(nonce)) throw fail("NONCE_USED", "Cannot use the nonce: it was used before");
      for (const [old, until] of used) {
        if (until > nowMs) break;
        used.delete(old);
      }
      // Fails closed: forgetting a used one would let it be used again.
      if (used.size >= maxUsed) throw fail("GATEWAY_BUSY", "Cannot use the nonce: too many were used in the last minute");
      used.set(nonce, expires);
    },
  };
}
