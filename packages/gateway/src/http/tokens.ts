import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { fail } from "@tessera/core/base/error";
import type { GatewayRole } from "@tessera/core/protocol/gateway-api";
import * as v from "valibot";
import { ROLES } from "./roles.ts";

/** One token as its file knows it: never the token itself. */
export interface TokenEntry {
  /** Name of the caller: in the audit log, and the key of its lock-out. */
  readonly id: string;
  readonly role: GatewayRole;
  /** SHA-256 of the token, hexadecimal. Tokens have 256 random bits, so that no slow hash is needed. */
  readonly sha256: string;
}

const ENTRY = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be 1 to 64 lower-case letters, digits, dots, dashes")),
  role: v.picklist(ROLES),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits")),
});

const FILE = v.strictObject({ version: v.literal(1), tokens: v.array(ENTRY) });

/** Largest file of tokens, bytes. */
const MAX_FILE_BYTES = 1 << 20;

/** Milliseconds after which the file is looked at again: a revoked token ends that soon, without a restart. */
const RELOAD_MS = 1000;

/** Reads a file of tokens. @throws GATEWAY_CONFIG */
export function parseTokens(text: string): readonly TokenEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail("GATEWAY_CONFIG", "Cannot read the tokens: the file is not JSON");
  }
  const parsed = v.safeParse(FILE, value);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    throw fail("GATEWAY_CONFIG", `Cannot read the tokens: ${v.getDotPath(issue) ?? "the file"}: ${issue.message}`);
  }
  const { tokens } = parsed.output;
  if (new Set(tokens.map((t) => t.id)).size < tokens.length)
    throw fail("GATEWAY_CONFIG", "Cannot read the tokens: two of them have one id");
  return tokens;
}

/** The text of a file of tokens. */
export function printTokens(tokens: readonly TokenEntry[]): string {
  return `${JSON.stringify({ version: 1, tokens }, undefined, 2)}\n`;
}

/** A new token and its entry. The token is shown once and kept nowhere. */
export function makeToken(id: string, role: GatewayRole): { readonly token: string; readonly entry: TokenEntry } {
  const token = `tsg_${randomBytes(32).toString("base64url")}`;
  return { token, entry: { id, role, sha256: createHash("sha256").update(token).digest("hex") } };
}

/** The tokens that hold now. */
export interface TokenBook {
  /** Whose token it is. Takes the same time for every token that is not there. */
  find(token: string): TokenEntry | undefined;
  /** Why no token holds at the moment, where that is so. */
  problem(): string | undefined;
}

/** A book of tokens that do not change. */
export function fixedTokens(tokens: readonly TokenEntry[]): TokenBook {
  return { find: (token) => findToken(tokens, token), problem: () => undefined };
}

/**
 * The book of a file, read again when the file changes. While the file cannot be read no token holds: a revocation that was half written must not
 * open anything.
 * @throws GATEWAY_CONFIG when it cannot be read at the start
 */
export function fileTokens(path: string, options: { readonly now: () => number }): TokenBook {
  const stamp = (): string => {
    const { mtimeMs, size, ino } = statSync(path);
    if (size > MAX_FILE_BYTES) throw fail("GATEWAY_CONFIG", `Cannot read the tokens: ${path} has ${size} bytes`);
    return `${mtimeMs}/${size}/${ino}`;
  };
  const read = (): readonly TokenEntry[] => parseTokens(readFileSync(path, "utf8"));
  let tokens: readonly TokenEntry[];
  let seen: string;
  try {
    seen = stamp();
    tokens = read();
  } catch (cause) {
    throw fail("GATEWAY_CONFIG", `Cannot use the tokens: ${cause instanceof Error ? cause.message : cause}`, {
      at: { file: path },
      cause,
    });
  }
  let lookedMs = options.now();
  let trouble: string | undefined;
  const refresh = (): void => {
    const nowMs = options.now();
    if (nowMs - lookedMs < RELOAD_MS && nowMs >= lookedMs) return;
    lookedMs = nowMs;
    try {
      const current = stamp();
      if (current === seen && trouble === undefined) return;
      tokens = read();
      seen = current;
      trouble = undefined;
    } catch {
      tokens = [];
      trouble = "The file of tokens cannot be read: nobody is let in";
    }
  };
  return {
    find(token) {
      refresh();
      return findToken(tokens, token);
    },
    problem() {
      refresh();
      return trouble;
    },
  };
}

/** Every entry is compared, in constant time each: how long it takes tells nothing about how near a guess was. */
function findToken(tokens: readonly TokenEntry[], token: string): TokenEntry | undefined {
  const presented = createHash("sha256").update(token).digest();
  let found: TokenEntry | undefined;
  for (const entry of tokens) if (timingSafeEqual(presented, Buffer.from(entry.sha256, "hex"))) found = entry;
  return found;
}
