import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { KeyProvider } from "../keys/key-provider.ts";
import { joinParts, splitParts } from "../store/bytes.ts";
import { seal, unseal } from "../store/seal.ts";
import { diskError, NODE_FS } from "../store/store-fs.ts";

/** A small secret of the service on disk: JSON, whole or not at all, under a data key of its own that the key provider wrapped. */
export interface SealedFile {
  /** `undefined` when there is no file. @throws KEY_UNAVAILABLE, KEY_REJECTED, STORE_DAMAGED */
  read(): Promise<unknown>;
  /** Resolves when it is on the medium. @throws IO, STORE_FULL */
  write(value: unknown): Promise<void>;
}

const MAGIC = "tessera sealed file 1";

/** The file at a path, bound to its purpose and device: a copy under another name or on another device does not open. */
export function sealedFile(
  path: string,
  options: { readonly purpose: string; readonly deviceId: string; readonly keys: KeyProvider },
): SealedFile {
  const { purpose, deviceId, keys } = options;
  const aad = joinParts(MAGIC, purpose, deviceId);
  // Wrapping takes a tenth of a second: once for each opening, not for each write.
  let held: { readonly wrapped: Uint8Array; readonly dataKey: Uint8Array } | undefined;
  return {
    async read() {
      const bytes = await NODE_FS.read(path).catch((cause) => Promise.reject(diskError(`read ${path}`, cause)));
      if (bytes === undefined) return undefined;
      const [magic, wrapped, sealed] = splitParts(bytes, 3);
      if (wrapped === undefined || sealed === undefined || Buffer.from(magic ?? []).toString() !== MAGIC)
        throw fail("STORE_DAMAGED", `Cannot read ${path}: it is no sealed file`);
      const dataKey = await keys.unwrap(wrapped, aad);
      const plain = unseal(dataKey, sealed, aad);
      if (plain === undefined) throw fail("STORE_DAMAGED", `Cannot read ${path}: it was changed, or is another gateway's`);
      held = { wrapped: Uint8Array.from(wrapped), dataKey };
      return JSON.parse(Buffer.from(plain).toString("utf8"));
    },
    async write(value) {
      if (held === undefined) {
        const dataKey = randomBytes(32);
        held = { wrapped: await keys.wrap(dataKey, aad), dataKey };
      }
      const bytes = joinParts(MAGIC, held.wrapped, seal(held.dataKey, Buffer.from(JSON.stringify(value)), aad));
      try {
        await NODE_FS.makeFolder(dirname(path));
        const file = await NODE_FS.open(`${path}.new`, "create");
        try {
          await file.write(bytes, 0);
          await file.sync();
        } finally {
          await file.close();
        }
        await NODE_FS.rename(`${path}.new`, path);
        await NODE_FS.syncFolder(dirname(path));
      } catch (cause) {
        throw diskError(`write ${path}`, cause);
      }
    },
  };
}
