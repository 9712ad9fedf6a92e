import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readFileSync, readSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
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
    throw ioError(path, error);
  }
}

/** Largest part of a file read at a time by {@link fileParts}, bytes. */
const PART_BYTES = 2 ** 20;

/**
 * A file in parts of a size (the last one may be shorter), from an offset on, each in memory of its own. Parts smaller than a mebibyte are read
 * several at a time. @throws IO
 */
export function* fileParts(
  path: string,
  options: { readonly offset?: number; readonly size?: number } = {},
): Generator<Uint8Array> {
  const { offset = 0, size = PART_BYTES } = options;
  const block = size * Math.max(1, Math.floor(PART_BYTES / size));
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    for (let at = offset; ; ) {
      const buffer = new Uint8Array(block);
      let filled = 0;
      for (let got = 1; got > 0 && filled < block; filled += got)
        got = readSync(file, buffer, filled, block - filled, at + filled);
      for (let start = 0; start < filled; start += size) yield buffer.subarray(start, Math.min(filled, start + size));
      if (filled < block) return;
      at += filled;
    }
  } catch (error) {
    throw ioError(path, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Bytes of a file. @throws IO */
export function fileSize(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw ioError(path, error);
  }
}

/** sha-256 of a file, hexadecimal, without having all of it in memory. @throws IO */
export function sha256OfFile(path: string): string {
  const hash = createHash("sha256");
  for (const part of fileParts(path)) hash.update(part);
  return hash.digest("hex");
}

/** What went wrong with a file as one of our errors; others as they are. */
function ioError(path: string, error: unknown): unknown {
  const isSystem = error instanceof Error && "code" in error && typeof error.code === "string" && error.code.startsWith("E");
  return isSystem ? fail("IO", `Cannot read ${path}: ${error.message}`, { at: { file: path }, cause: error }) : error;
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
