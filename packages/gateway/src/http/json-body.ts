import { fail } from "@tessera/core/base/error";
import { type ByteBudget, withBody } from "./body.ts";

/** Largest JSON that a call takes, bytes. */
const MAX_JSON_BYTES = 64 << 10;

/** The JSON object of a request; its fields are yet to be checked. `undefined` for an empty body where that may be. @throws REQUEST_INVALID, REQUEST_TOO_LARGE */
export function jsonBody<T extends object>(
  request: Request,
  options: { readonly budget: ByteBudget; readonly optional?: boolean },
): Promise<{ readonly [K in keyof T]?: unknown } | undefined> {
  return withBody(request, { maxBytes: MAX_JSON_BYTES, budget: options.budget }, async (body) => {
    if (body.length === 0 && options.optional === true) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    } catch {
      throw fail("REQUEST_INVALID", "Cannot read the request: it is not JSON in UTF-8");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw fail("REQUEST_INVALID", "Cannot read the request: it is no JSON object");
    return value as { readonly [K in keyof T]?: unknown };
  });
}
