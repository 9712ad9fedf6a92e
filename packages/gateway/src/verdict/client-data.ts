import { fail } from "@tessera/core/base/error";
import * as v from "valibot";

const CLIENT_DATA = v.object({ type: v.string(), challenge: v.pipe(v.string(), v.minLength(16)), origin: v.string() });

/** Checks the id of a relying party: a domain in lower case, or "localhost". @throws REQUEST_INVALID */
export function rpIdOf(text: string): string {
  if (
    text.length > 253 ||
    !/^(localhost|(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)$/.test(text)
  )
    throw fail("REQUEST_INVALID", "Cannot use rpId: it is no domain in lower case");
  return text;
}

/**
 * Does what a browser does for a relying party (WebAuthn, 5.1.3 and 5.1.4): the origin must lie within the domain, over https, so that a page of
 * one site gets nothing for another. @throws REQUEST_INVALID
 */
export function clientDataOf(clientDataJSON: string, options: { readonly type: string; readonly rpId: string }): void {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(clientDataJSON, "base64url")));
  } catch {
    throw fail("REQUEST_INVALID", "Cannot use clientDataJSON: it is not JSON in base64url");
  }
  const parsed = v.safeParse(CLIENT_DATA, value);
  if (!parsed.success) throw fail("REQUEST_INVALID", "Cannot use clientDataJSON: it needs type, challenge and origin");
  const { type, origin } = parsed.output;
  if (type !== options.type) throw fail("REQUEST_INVALID", `Cannot use clientDataJSON: its type must be ${options.type}`);
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  const secure = url?.protocol === "https:" || (url?.protocol === "http:" && url.hostname === "localhost");
  const within = url !== undefined && (url.hostname === options.rpId || url.hostname.endsWith(`.${options.rpId}`));
  if (!secure || !within || url?.origin !== origin)
    throw fail("REQUEST_INVALID", "Cannot use clientDataJSON: its origin does not belong to rpId");
}
