import { fail, type TesseraError } from "@tessera/core/base/error";

/** One part of a form. */
export interface Part {
  readonly name: string;
  /** A view into the body. */
  readonly bytes: Uint8Array;
}

/** What {@link parseMultipart} leaves out. */
export const MULTIPART_DEFAULTS = { maxParts: 32, maxHeadBytes: 4096 } as const;

const CRLF = Buffer.from("\r\n");
const BLANK = Buffer.from("\r\n\r\n");

/** The boundary of a `multipart/form-data` content type (RFC 2046, 5.1.1). @throws MEDIA_UNSUPPORTED for another type, REQUEST_INVALID */
export function boundaryOf(contentType: string | undefined): string {
  if (contentType === undefined || !/^multipart\/form-data\s*(;|$)/i.test(contentType))
    throw fail("MEDIA_UNSUPPORTED", "Cannot read the request: its content type must be multipart/form-data", {
      hint: "Send the captures as parts of a form",
    });
  const match = /;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined || !/^[0-9A-Za-z'()+_,\-./:=? ]{1,70}$/.test(boundary) || boundary.endsWith(" "))
    throw malformed("its content type names no boundary of 1 to 70 characters");
  return boundary;
}

/**
 * Takes a form apart (RFC 7578 over RFC 2046, 5.1), strictly: nothing before the first boundary, CRLF everywhere, a name in every part, the closing
 * boundary there. Parts are views, nothing is copied. @throws REQUEST_INVALID
 */
export function parseMultipart(
  body: Uint8Array,
  boundary: string,
  options: { readonly maxParts?: number; readonly maxHeadBytes?: number } = {},
): readonly Part[] {
  const { maxParts, maxHeadBytes } = { ...MULTIPART_DEFAULTS, ...options };
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const first = Buffer.from(`--${boundary}`);
  const next = Buffer.from(`\r\n--${boundary}`);
  if (!startsWith(bytes, first, 0)) throw malformed("the body does not begin with the boundary");
  const parts: Part[] = [];
  let at = first.length;
  while (!startsWith(bytes, Buffer.from("--"), at)) {
    if (!startsWith(bytes, CRLF, at)) throw malformed("a boundary is not followed by a line break");
    if (parts.length === maxParts) throw malformed(`there are more than ${maxParts} parts`);
    const headEnd = bytes.indexOf(BLANK, at);
    if (headEnd < 0 || headEnd - at > maxHeadBytes)
      throw malformed(`the head of a part does not end within ${maxHeadBytes} bytes`);
    const from = headEnd + BLANK.length;
    const to = bytes.indexOf(next, from);
    if (to < 0) throw malformed("a part does not end with the boundary");
    parts.push({ name: nameOf(bytes.toString("latin1", at + CRLF.length, headEnd)), bytes: bytes.subarray(from, to) });
    at = to + next.length;
  }
  return parts;
}

function nameOf(head: string): string {
  let name: string | undefined;
  for (const line of head.split("\r\n")) {
    const [, field, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*)$/s.exec(line) ?? [];
    if (field === undefined || value === undefined || /[\0\r\n]/.test(value))
      throw malformed("the head of a part is no list of fields");
    const key = field.toLowerCase();
    // RFC 7578, 4.7: senders must not use it; another encoding would be read as if it were none.
    if (key === "content-transfer-encoding" && !/^(binary|8bit|7bit)$/i.test(value))
      throw malformed("a part is in a transfer encoding");
    if (key !== "content-disposition") continue;
    if (name !== undefined) throw malformed("a part has two dispositions");
    name = /^form-data\s*;(?:.*;)?\s*name="([^"\\]{1,64})"/i.exec(value)?.[1];
    if (name === undefined) throw malformed("a part has no name");
  }
  if (name === undefined) throw malformed("a part has no name");
  return name;
}

function startsWith(bytes: Buffer, what: Buffer, at: number): boolean {
  return bytes.length >= at + what.length && bytes.compare(what, 0, what.length, at, at + what.length) === 0;
}

function malformed(why: string): TesseraError {
  return fail("REQUEST_INVALID", `Cannot read the form: ${why}`);
}
