import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type {
  AssertionRequest,
  CredentialAnswer,
  CredentialRequest,
  WebAuthnAssertion,
} from "@tessera/core/protocol/gateway-api";
import { encode } from "cborg";
import * as v from "valibot";
import { serially } from "../store/serially.ts";
import { clientDataOf, rpIdOf } from "./client-data.ts";
import type { SealedFile } from "./sealed-file.ts";

/** A software authenticator (WebAuthn level 2, 6): credentials of subjects, used only after an accepted decision. */
export interface Authenticator {
  /** Makes a credential. One subject has one for each relying party: an older one is replaced. @throws REQUEST_INVALID */
  register(subject: string, request: CredentialRequest): Promise<CredentialAnswer>;
  /** Checks a request before anything is decided. @throws REQUEST_INVALID */
  check(request: unknown): AssertionRequest;
  /** An assertion with user presence and verification; `undefined` when the subject has no credential for the relying party. The caller has decided. */
  assert(subject: string, request: AssertionRequest): Promise<WebAuthnAssertion | undefined>;
  /** Forgets a subject's credentials. */
  remove(subject: string): Promise<void>;
}

const CREDENTIAL = v.strictObject({
  id: v.string(),
  subject: v.string(),
  rpId: v.string(),
  userHandle: v.string(),
  pkcs8: v.string(),
  counter: v.pipe(v.number(), v.integer(), v.minValue(0)),
});
const FILE = v.strictObject({ version: v.literal(1), credentials: v.array(CREDENTIAL) });
type Credential = v.InferOutput<typeof CREDENTIAL>;

const ASSERTION = v.strictObject({ rpId: v.string(), clientDataJSON: v.string() });

/** Flags of authenticator data: user present, user verified, attested credential data follow. */
const UP = 0x01;
const UV = 0x04;
const AT = 0x40;

/** Most credentials of one gateway. */
const MAX_CREDENTIALS = 10_000;

/** Opens the authenticator of a sealed file. @throws what the sealed file does */
export async function openAuthenticator(file: SealedFile): Promise<Authenticator> {
  let credentials = await readCredentials(file);
  const oneByOne = serially();
  // One change at a time, in memory only when it is on disk: a counter that was released is never released again.
  const change = <T>(make: () => { readonly next: readonly Credential[]; readonly result: T }): Promise<T> =>
    oneByOne(async () => {
      const { next, result } = make();
      await file.write({ version: 1, credentials: next });
      credentials = next;
      return result;
    });
  return {
    register(subject, request) {
      const rpId = rpIdOf(request.rpId);
      clientDataOf(request.clientDataJSON, { type: "webauthn.create", rpId });
      const handle = Buffer.from(request.userHandle, "base64url");
      if (handle.length < 1 || handle.length > 64)
        throw fail("REQUEST_INVALID", "Cannot make a credential: userHandle has 1 to 64 bytes");
      return change(() => {
        const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
        const id = randomBytes(32);
        const made: Credential = {
          id: id.toString("base64url"),
          subject,
          rpId,
          userHandle: handle.toString("base64url"),
          pkcs8: privateKey.export({ format: "der", type: "pkcs8" }).toString("base64"),
          counter: 0,
        };
        const kept = credentials.filter((c) => c.subject !== subject || c.rpId !== rpId);
        if (kept.length >= MAX_CREDENTIALS)
          throw fail("REQUEST_INVALID", `Cannot make a credential: there are ${MAX_CREDENTIALS}`);
        // An all-zero AAGUID: attestation "none" says nothing about the make of the authenticator.
        const attested = Buffer.concat([Buffer.alloc(16), u16(id.length), id, coseKey(createPublicKey(privateKey))]);
        const authData = Buffer.concat([authenticatorHead(rpId, UP | UV | AT, 0), attested]);
        const attestation = encode({ fmt: "none", attStmt: {}, authData: new Uint8Array(authData) });
        const result = {
          credentialId: made.id,
          attestationObject: Buffer.from(attestation).toString("base64url"),
          clientDataJSON: request.clientDataJSON,
        };
        return { next: [...kept, made], result };
      });
    },
    check(request) {
      const parsed = v.safeParse(ASSERTION, request);
      if (!parsed.success) throw fail("REQUEST_INVALID", `Cannot use the part "webauthn": ${parsed.issues[0].message}`);
      clientDataOf(parsed.output.clientDataJSON, { type: "webauthn.get", rpId: rpIdOf(parsed.output.rpId) });
      return parsed.output;
    },
    async assert(subject, request) {
      if (!credentials.some((c) => c.subject === subject && c.rpId === request.rpId)) return undefined;
      return change(() => {
        const used = credentials.find((c) => c.subject === subject && c.rpId === request.rpId);
        if (used === undefined) return { next: credentials, result: undefined };
        const counter = used.counter + 1;
        const authData = authenticatorHead(used.rpId, UP | UV, counter);
        const clientData = Buffer.from(request.clientDataJSON, "base64url");
        const key = createPrivateKey({ key: Buffer.from(used.pkcs8, "base64"), format: "der", type: "pkcs8" });
        const signature = sign("sha256", Buffer.concat([authData, createHash("sha256").update(clientData).digest()]), key);
        const result = {
          credentialId: used.id,
          authenticatorData: authData.toString("base64url"),
          clientDataJSON: request.clientDataJSON,
          signature: signature.toString("base64url"),
          userHandle: used.userHandle,
        };
        return { next: credentials.map((c) => (c === used ? { ...c, counter } : c)), result };
      });
    },
    async remove(subject) {
      if (!credentials.some((c) => c.subject === subject)) return;
      await change(() => ({ next: credentials.filter((c) => c.subject !== subject), result: undefined }));
    },
  };
}

async function readCredentials(file: SealedFile): Promise<readonly Credential[]> {
  const stored = await file.read();
  if (stored === undefined) return [];
  const parsed = v.safeParse(FILE, stored);
  if (!parsed.success) throw fail("STORE_DAMAGED", "Cannot use WebAuthn credentials: their file holds something else");
  return parsed.output.credentials;
}

/** SHA-256 of the relying party's id, flags, counter of uses as u32 (WebAuthn, 6.1). */
function authenticatorHead(rpId: string, flags: number, counter: number): Buffer {
  const tail = Buffer.alloc(5);
  tail[0] = flags;
  tail.writeUInt32BE(counter, 1);
  return Buffer.concat([createHash("sha256").update(rpId).digest(), tail]);
}

/** A public key of P-256 as COSE_Key (RFC 9053, 7.1.1): kty EC2, alg ES256, crv, x, y. */
function coseKey(key: KeyObject): Uint8Array {
  const { x = "", y = "" } = key.export({ format: "jwk" });
  return encode(
    new Map<number, number | Uint8Array>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, new Uint8Array(Buffer.from(x, "base64url"))],
      [-3, new Uint8Array(Buffer.from(y, "base64url"))],
    ]),
  );
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
