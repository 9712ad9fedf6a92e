import { randomBytes, scrypt } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import { joinParts, u32 } from "../store/bytes.ts";
import { seal, unseal } from "../store/seal.ts";
import type { KeyProvider } from "./key-provider.ts";

/** Options of {@link fileKeyProvider}. */
export interface FileKeyOptions {
  /** Cost of scrypt: a power of two, at least 2^15. Memory is 1 KiB times this. */
  readonly cost?: number;
}

/** Defaults of {@link fileKeyProvider}: 32 MiB, a tenth of a second on a board. */
export const FILE_KEY_DEFAULTS = { cost: 2 ** 15 } as const satisfies Required<FileKeyOptions>;

const BLOCK = 8;
const SALT_BYTES = 16;
/** Refuses wrapped keys that ask for more than 1 GiB, so that an altered file cannot starve the device. */
const MOST_COST = 2 ** 20;

/**
 * Wraps the data key with a key that scrypt (RFC 7914; r = 8, p = 1) makes of a passphrase. The parameters travel with the wrapped key and are
 * bound to it. Take the passphrase from `readPassphrase`.
 */
export function fileKeyProvider(passphrase: Uint8Array, options: FileKeyOptions = {}): KeyProvider {
  const secret = Uint8Array.from(passphrase);
  const { cost } = { ...FILE_KEY_DEFAULTS, ...options };
  checkCost(cost);
  return {
    id: "file",
    async wrap(dataKey, aad) {
      const salt = randomBytes(SALT_BYTES);
      const head = Buffer.concat([u32(cost), salt]);
      const key = await stretch(secret, salt, cost);
      const wrapped = Buffer.concat([head, seal(key, dataKey, joinParts(head, aad))]);
      key.fill(0);
      return wrapped;
    },
    async unwrap(wrapped, aad) {
      if (wrapped.length < 4 + SALT_BYTES) throw rejected();
      const head = Buffer.from(wrapped.subarray(0, 4 + SALT_BYTES));
      const stored = head.readUInt32LE(0);
      checkCost(stored);
      const key = await stretch(secret, head.subarray(4), stored);
      const dataKey = unseal(key, wrapped.subarray(head.length), joinParts(head, aad));
      key.fill(0);
      if (dataKey === undefined) throw rejected();
      return dataKey;
    },
    close: () => secret.fill(0),
  };
}

function checkCost(cost: number): void {
  if (!Number.isInteger(Math.log2(cost)) || cost < FILE_KEY_DEFAULTS.cost || cost > MOST_COST) {
    throw fail("KEY_REJECTED", `Cannot use scrypt with cost ${cost}: it must be a power of two from 2^15 to 2^20`);
  }
}

function rejected(): Error {
  return fail("KEY_REJECTED", "Cannot unwrap the data key: the passphrase, the device id or the wrapped key is another");
}

function stretch(passphrase: Uint8Array, salt: Uint8Array, cost: number): Promise<Buffer> {
  const settings = { N: cost, r: BLOCK, p: 1, maxmem: 256 * BLOCK * cost };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salt, 32, settings, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
