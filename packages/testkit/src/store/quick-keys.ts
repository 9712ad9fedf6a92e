import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { KeyProvider } from "@tessera/gateway/keys/key-provider";

/** A key provider for tests that open stores thousands of times: AES-GCM under a fixed key, without the cost of scrypt. Protects nothing. */
export function quickKeys(secret = 1): KeyProvider {
  const key = Buffer.alloc(32, secret);
  return {
    id: "quick",
    async wrap(dataKey, aad) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(aad);
      const body = Buffer.concat([cipher.update(dataKey), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), body]);
    },
    async unwrap(wrapped, aad) {
      try {
        const decipher = createDecipheriv("aes-256-gcm", key, wrapped.subarray(0, 12), { authTagLength: 16 });
        decipher.setAAD(aad);
        decipher.setAuthTag(wrapped.subarray(12, 28));
        return new Uint8Array(Buffer.concat([decipher.update(wrapped.subarray(28)), decipher.final()]));
      } catch (cause) {
        throw fail("KEY_REJECTED", "Cannot unwrap: not the same key or binding", { cause });
      }
    },
  };
}
