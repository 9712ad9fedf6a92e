import { createHash } from "node:crypto";
import { fail } from "@tessera/core/base/error";

/** Files of a client by the SHA-256 of their content, as many as fit. */
export interface ModelShelf {
  has(sha256: string): boolean;
  /** Keeps a file; the ones that were used longest ago make room. @throws MALFORMED for another content than promised, LIMIT_EXCEEDED */
  put(sha256: string, bytes: Uint8Array): void;
  /** @throws DATA_MISSING when it is not there */
  get(sha256: string): Uint8Array;
  clear(): void;
}

/** A shelf for so many bytes. */
export function modelShelf(limitBytes: number): ModelShelf {
  const files = new Map<string, Uint8Array>();
  let size = 0;
  return {
    has: (sha256) => files.has(sha256),
    put(sha256, bytes) {
      if (bytes.length > limitBytes)
        throw fail("LIMIT_EXCEEDED", `Cannot take the file: it has ${bytes.length} bytes, the device keeps ${limitBytes}`);
      if (createHash("sha256").update(bytes).digest("hex") !== sha256)
        throw fail("MALFORMED", "Cannot take the file: its content is not the one promised", { hint: "Send it again" });
      if (files.has(sha256)) return;
      for (const [oldest, old] of files) {
        if (size + bytes.length <= limitBytes) break;
        files.delete(oldest);
        size -= old.length;
      }
      files.set(sha256, bytes);
      size += bytes.length;
    },
    get(sha256) {
      const bytes = files.get(sha256);
      if (bytes === undefined)
        throw fail("DATA_MISSING", "Cannot open the model: the device has not got it", {
          hint: "Models and their data do not fit the device's memory together: raise --max-model there",
        });
      // Most recently used last.
      files.delete(sha256);
      files.set(sha256, bytes);
      return bytes;
    },
    clear() {
      files.clear();
      size = 0;
    },
  };
}
