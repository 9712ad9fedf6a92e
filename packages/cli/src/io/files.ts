import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fail } from "@tessera/core/base/error";

/** Largest file read into memory, bytes: the protobuf limit. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** Reads a file whole, as a plain Uint8Array: the slice() of a Buffer would share memory. @throws IO, TOO_LARGE */
export function readBytes(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES)
      throw fail("TOO_LARGE", `Cannot read ${path}: ${size} bytes is more than 2 GiB`, { at: { file: path } });
    const { buffer, byteOffset, length } = readFileSync(path);
    return new Uint8Array(buffer, byteOffset, length);
  } catch (error) {
    if (error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("E")) {
      throw fail("IO", `Cannot read ${path}: ${error.message}`, { at: { file: path }, cause: error });
    }
    throw error;
  }
}

/** Reads a text file (UTF-8). @throws IO */
export function readText(path: string): string {
  return new TextDecoder().decode(readBytes(path));
}

/** sha-256 of bytes, hexadecimal. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}

/** Writes a file under a temporary name next to it and renames: nobody ever sees half a file. @throws IO */
export function writeFile(path: string, content: Uint8Array | string | Iterable<Uint8Array>): void {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  const chunks =
    typeof content === "string" ? [new TextEncoder().encode(content)] : content instanceof Uint8Array ? [content] : content;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(temporary, "w");
    try {
      for (const chunk of chunks) for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fail("IO", `Cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      at: { file: path },
      cause: error,
    });
  }
}
