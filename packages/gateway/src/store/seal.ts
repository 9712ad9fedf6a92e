import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Bytes that sealing adds. */
export const SEAL_BYTES: number = NONCE_BYTES + TAG_BYTES;

/**
 * How many sealings one key may do. With random 96-bit nonces NIST SP 800-38D 8.3 allows 2^32 for a chance of a repeat below 2^-32; we stop at
 * half of it.
 */
export const SEALS_PER_KEY: number = 2 ** 31;

/** AES-256-GCM with a random nonce of 96 bits: nonce, ciphertext, tag of 128 bits. `aad` is bound, not stored. */
export function seal(key: Uint8Array, plain: Uint8Array, aad: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(aad);
  const body = cipher.update(plain);
  cipher.final();
  return Buffer.concat([nonce, body, cipher.getAuthTag()]);
}

/** What {@link seal} sealed; `undefined` when the key, the bytes or `aad` are not the very same. */
export function unseal(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array | undefined {
  if (sealed.length < SEAL_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES));
  try {
    decipher.final();
    return plain;
  } catch {
    plain.fill(0);
    return undefined;
  }
}

/** A key of 32 bytes for one purpose, by HKDF-SHA256 (RFC 5869). */
export function deriveKey(key: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, info, 32));
}
