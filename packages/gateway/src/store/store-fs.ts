import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { fail, isTesseraError } from "@tessera/core/base/error";
import { errno } from "./errno.ts";
import { claimFolder } from "./lock-file.ts";

/** An open file. Positions and lengths in bytes. */
export interface StoreFile {
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** Returns when the bytes and the length are on the medium. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The few things the store asks of a disk, so that tests can bring one that fails or dies. Paths are absolute. */
export interface StoreFs {
  /** Opens for writing: "create" makes an empty file or empties it, "update" needs one. */
  open(path: string, how: "create" | "update"): Promise<StoreFile>;
  /** The whole file, or `undefined` when there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Names in a folder, or `undefined` when there is none. */
  list(path: string): Promise<readonly string[] | undefined>;
  makeFolder(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a folder with all in it; nothing happens when there is none. */
  remove(path: string): Promise<void>;
  /** Returns when the names in a folder are on the medium. */
  syncFolder(path: string): Promise<void>;
  /** Claims a folder for this process; the function that comes back gives it free. @throws STORE_BUSY */
  claim(path: string): Promise<() => Promise<void>>;
}

/** The disk of this machine. Files are readable by their owner only. */
export const NODE_FS: StoreFs = {
  async open(path, how) {
    const flags = how === "create" ? constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC : constants.O_RDWR;
    const handle = await open(path, flags, 0o600);
    return {
      async write(bytes, position) {
        let done = 0;
        while (done < bytes.length) {
          done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
        }
      },
      truncate: (length) => handle.truncate(length),
      // The length is flushed with the data, times are not: fdatasync is enough.
      sync: () => handle.datasync(),
      close: () => handle.close(),
    };
  },
  read: (path) => orUndefined(readFile(path)),
  list: (path) => orUndefined(readdir(path)),
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  rename: (from, to) => rename(from, to),
  remove: (path) => rm(path, { recursive: true, force: true }),
  async syncFolder(path) {
    // Windows cannot open folders; its file systems journal names themselves.
    if (process.platform === "win32") return;
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  claim: claimFolder,
};

/** An error of the disk as one of ours: STORE_FULL when there is no room, else IO. */
export function diskError(doing: string, cause: unknown): Error {
  if (isTesseraError(cause)) return cause;
  const code = errno(cause);
  if (code === "ENOSPC" || code === "EDQUOT") return fail("STORE_FULL", `Cannot ${doing}: the disk is full`, { cause });
  return fail("IO", `Cannot ${doing}: ${code ?? "the disk failed"}`, { cause });
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errno(error) === "ENOENT") return undefined;
    throw error;
  }
}
