import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { fail } from "@tessera/core/base/error";

/** Where a passphrase comes from. Never the command line: every user of the machine can read that. */
export type PassphraseSource =
  | { readonly kind: "file"; readonly path: string }
  /** The variable is removed from the environment once read, so that children do not inherit it. */
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "stdin" };

const LEAST_BYTES = 8;
const MOST_BYTES = 4096;

/** The passphrase's bytes, without a line end after them. A file must be its owner's alone (mode 0600 or less). @throws KEY_UNAVAILABLE */
export async function readPassphrase(source: PassphraseSource): Promise<Uint8Array> {
  const bytes = await bytesOf(source);
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 10 || bytes[end - 1] === 13)) end--;
  if (end < LEAST_BYTES || end > MOST_BYTES) {
    throw fail("KEY_UNAVAILABLE", `Cannot use the passphrase: it has ${end} bytes, not ${LEAST_BYTES} to ${MOST_BYTES}`);
  }
  return bytes.subarray(0, end);
}

async function bytesOf(source: PassphraseSource): Promise<Uint8Array> {
  switch (source.kind) {
    case "file":
      return fromFile(source.path);
    case "env": {
      const value = process.env[source.name];
      if (value === undefined) throw fail("KEY_UNAVAILABLE", `Cannot read the passphrase: ${source.name} is not set`);
      delete process.env[source.name];
      return Buffer.from(value, "utf8");
    }
    case "stdin":
      return readFileSync(0);
  }
}

async function fromFile(path: string): Promise<Uint8Array> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw fail("KEY_UNAVAILABLE", "Cannot read the passphrase: the file cannot be opened", { at: { file: path }, cause });
  });
  try {
    // Asked of the open file, not of the path, which might be another file by then.
    const { mode, size } = await handle.stat();
    if (process.platform !== "win32" && (mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8).padStart(4, "0");
      throw fail("KEY_UNAVAILABLE", `Cannot use the passphrase: its file has mode ${found}, others can read it`, {
        at: { file: path },
        hint: "chmod 600 the file",
      });
    }
    if (size > MOST_BYTES)
      throw fail("KEY_UNAVAILABLE", "Cannot use the passphrase: its file is too long", { at: { file: path } });
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
