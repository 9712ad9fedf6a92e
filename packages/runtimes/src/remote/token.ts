import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync, writeFileSync } from "node:fs";
import { fail } from "@tessera/core/base/error";

/** Fewest characters of a token: 22 of base64url are 128 bits. */
const MIN_TOKEN = 22;
/** Most bytes of a token file. */
const MAX_FILE = 1024;

/** Throws unless a token is long enough and of characters that a header may have. @throws USAGE, which does not repeat it */
export function checkToken(token: string): void {
  if (!/^[\w.~+/=-]*$/.test(token))
    throw fail("USAGE", "Cannot use the token: it has characters other than letters, digits and -._~+/=");
  if (token.length < MIN_TOKEN || new Set(token).size < 8)
    throw fail("USAGE", `Cannot use the token: it is too easy to guess (at least ${MIN_TOKEN} random characters)`, {
      hint: "Make one with `tessera agent --new-token FILE`",
    });
}

/** Writes a new token of 256 random bits into a file that only its owner reads. @throws IO when there is such a file already */
export function writeNewToken(path: string): void {
  try {
    writeFileSync(path, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
  } catch (cause) {
    throw fail("IO", `Cannot write ${path}: ${(cause as Error).message}`, { cause, at: { file: path } });
  }
}

/**
 * The token in a file, which nobody but its owner may read or write (not checked on Windows, which has no such bits).
 * @throws IO when it cannot be read, USAGE when it is open to others or holds no token
 */
export function readToken(path: string): string {
  let text: string;
  let mode: number;
  let isFile: boolean;
  try {
    const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      // Of the open file, not of its name: what is checked is what is read.
      const stat = fstatSync(file);
      mode = stat.mode;
      isFile = stat.isFile();
      const bytes = new Uint8Array(MAX_FILE + 1);
      text = isFile ? new TextDecoder().decode(bytes.subarray(0, readSync(file, bytes))) : "";
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw fail("IO", `Cannot read the token in ${path}: ${(cause as Error).message}`, { cause, at: { file: path } });
  }
  if (!isFile) throw fail("USAGE", `Cannot use ${path} as a token: it is no file`);
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    throw fail(
      "USAGE",
      `Cannot use ${path} as a token: others than its owner may read or write it (mode ${(mode & 0o777).toString(8)})`,
      {
        hint: `Run chmod 600 on it, or make a new one: whoever read it can use it`,
      },
    );
  const token = text.trim();
  if (text.length > MAX_FILE) throw fail("USAGE", `Cannot use ${path} as a token: it is longer than ${MAX_FILE} bytes`);
  checkToken(token);
  return token;
}

/** Whether two secrets are the same, in a time that does not tell where they differ. */
export function sameSecret(a: string, b: string): boolean {
  const digest = (text: string): Uint8Array => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
