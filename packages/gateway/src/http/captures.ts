import { createHash } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import { STORE_LIMITS } from "../store/templates.ts";
import type { Part } from "./multipart.ts";

/** One capture as it was sent: a whole file. */
export interface Capture {
  readonly modality: GatewayModality;
  readonly bytes: Uint8Array;
}

/** A form of captures. */
export interface CaptureForm {
  /** Faces first, then voices, each in the order in which they were sent. */
  readonly captures: readonly Capture[];
  readonly nonce?: string;
  /** JSON. */
  readonly webauthn?: string;
  /** Of the captures, as a challenge may be bound to: SHA-256 over the SHA-256 of each, base64url. */
  readonly digest: string;
}

const PART_MODALITY: Readonly<Record<string, GatewayModality | undefined>> = { image: "face", audio: "voice" };

/** Longest nonce and longest text of a part, bytes. */
const MAX_TEXT_BYTES = 8192;

/** The modality of a file by how it begins: JPEG, PNG, PGM or PPM for a face, WAV for a voice; `undefined` for anything else. */
export function modalityOf(bytes: Uint8Array): GatewayModality | undefined {
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  if (head.startsWith("\xff\xd8\xff") || head.startsWith("\x89PNG\r\n\x1a\n") || /^P[256]\s/.test(head)) return "face";
  if ((head.startsWith("RIFF") || head.startsWith("RF64")) && head.slice(8, 12) === "WAVE") return "voice";
  return undefined;
}

/**
 * Sorts the parts of a form. @throws REQUEST_INVALID for a part that is not in the table of calls or comes too often, MEDIA_UNSUPPORTED for a file of
 * another kind
 */
export function captureForm(parts: readonly Part[], options: { readonly most: number }): CaptureForm {
  const captures: Capture[] = [];
  const texts = new Map<string, string>();
  for (const { name, bytes } of parts) {
    const modality = PART_MODALITY[name];
    if (modality !== undefined) {
      if (modalityOf(bytes) !== modality) throw fail("MEDIA_UNSUPPORTED", `Cannot use the part "${name}": it is no such file`);
      captures.push({ modality, bytes });
    } else if (name === "nonce" || name === "webauthn") {
      if (texts.has(name)) throw fail("REQUEST_INVALID", `Cannot use the form: it has two parts "${name}"`);
      if (bytes.length > MAX_TEXT_BYTES) throw fail("REQUEST_INVALID", `Cannot use the part "${name}": it is too long`);
      texts.set(name, Buffer.from(bytes).toString("utf8"));
    } else throw fail("REQUEST_INVALID", "Cannot use the form: parts are image, audio, nonce and webauthn");
  }
  if (captures.length === 0) throw fail("REQUEST_INVALID", "Cannot use the form: it has neither image nor audio");
  for (const modality of ["face", "voice"] as const) {
    const count = captures.filter((c) => c.modality === modality).length;
    if (count > options.most)
      throw fail(
        "REQUEST_INVALID",
        `Cannot use the form: it has ${count} captures of the ${modality}, at most ${options.most} are taken`,
      );
  }
  captures.sort((a, b) => (a.modality === b.modality ? 0 : a.modality === "face" ? -1 : 1));
  const digest = createHash("sha256");
  for (const { bytes } of captures) digest.update(createHash("sha256").update(bytes).digest());
  const nonce = texts.get("nonce");
  const webauthn = texts.get("webauthn");
  return {
    captures,
    digest: digest.digest("base64url"),
    ...(nonce !== undefined && { nonce }),
    ...(webauthn !== undefined && { webauthn }),
  };
}

/** A subject's name from an address. @throws REQUEST_INVALID */
export function subjectOf(name: string | undefined): string {
  // NFC only: two spellings of one name would be two people, with a lock-out each.
  const written = name !== undefined && /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._@+-]{0,127}$/u.test(name);
  if (!written || name.normalize("NFC") !== name || Buffer.byteLength(name) > STORE_LIMITS.nameBytes)
    throw fail(
      "REQUEST_INVALID",
      `Cannot use the subject: a name is 1 to 128 letters, digits and . _ @ + -, in NFC, of ${STORE_LIMITS.nameBytes} bytes at most, the first a letter or digit`,
    );
  return name;
}
