import { dirname } from "node:path";
import { fail } from "@tessera/core/base/error";
import { diskError, NODE_FS, type StoreFs } from "./store-fs.ts";

/**
 * A counter outside the store's folder that only goes up: a TPM's, or a file where whoever can write the folder cannot write. A copy of the
 * whole folder put back later is whole and valid in itself; only something that was not put back with it can tell.
 */
export interface RollbackAnchor {
  /** Where the counter stands; `undefined` when there is none yet. */
  read(): Promise<number | undefined>;
  /** Makes the counter at any number above 0, or adds one to it; resolves with where it stands when that is durable. */
  increment(): Promise<number>;
}

/** A counter in a file, for a place that is not restored, copied or written together with the store: another disk, another user's folder. */
export function fileAnchor(path: string, fs: StoreFs = NODE_FS): RollbackAnchor {
  async function read(): Promise<number | undefined> {
    const bytes = await fs.read(path);
    if (bytes === undefined) return undefined;
    const value = Number(Buffer.from(bytes).toString("latin1"));
    if (!Number.isSafeInteger(value) || value <= 0)
      throw fail("STORE_DAMAGED", "Cannot read the store's anchor: it is no number");
    return value;
  }
  return {
    read,
    async increment() {
      const next = ((await read()) ?? 0) + 1;
      try {
        const file = await fs.open(`${path}.tmp`, "create");
        await file.write(Buffer.from(`${next}\n`, "latin1"), 0);
        await file.sync();
        await file.close();
        await fs.rename(`${path}.tmp`, path);
        await fs.syncFolder(dirname(path));
      } catch (error) {
        throw diskError("move the store's anchor", error);
      }
      return next;
    },
  };
}
