import { chmodSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fail } from "@tessera/core/base/error";
import type { GatewayRole } from "@tessera/core/protocol/gateway-api";
import { makeToken, parseTokens, printTokens, type TokenEntry } from "@tessera/gateway/http/tokens";

/** The tokens of a file. @throws GATEWAY_CONFIG, IO */
export function readTokens(path: string): readonly TokenEntry[] {
  try {
    return parseTokens(readFileSync(path, "utf8"));
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || cause.code !== "ENOENT") throw cause;
    throw fail("IO", `Cannot read ${path}: there is no such file`, { cause });
  }
}

/** Adds a token and gives it: it is nowhere else. @throws USAGE when the id is taken or no id */
export function addToken(path: string, id: string, role: GatewayRole): string {
  const tokens = readTokens(path);
  if (tokens.some((t) => t.id === id))
    throw fail("USAGE", `Cannot add the token "${id}": there is one of that name`, {
      hint: "Revoke that first, or take another --name",
    });
  const { token, entry } = makeToken(id, role);
  replace(path, [...tokens, entry]);
  return token;
}

/** Takes a token away; a running gateway notices within a second. @throws USAGE when there is none */
export function revokeToken(path: string, id: string): void {
  const tokens = readTokens(path);
  if (!tokens.some((t) => t.id === id))
    throw fail("USAGE", `Cannot revoke the token "${id}": there is none of that name`, {
      hint: "tessera gateway token list has the names",
    });
  replace(
    path,
    tokens.filter((t) => t.id !== id),
  );
}

/** Whole or not at all, checked as it will be read. */
function replace(path: string, tokens: readonly TokenEntry[]): void {
  const text = printTokens(tokens);
  parseTokens(text);
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  chmodSync(`${path}.new`, 0o600);
  renameSync(`${path}.new`, path);
}
