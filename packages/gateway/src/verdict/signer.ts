import { createPrivateKey, generateKeyPairSync, type KeyObject, randomUUID, sign } from "node:crypto";
import { fail } from "@tessera/core/base/error";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import { encode, Tagged } from "cborg";
import { calculateJwkThumbprint, type JWK, SignJWT } from "jose";
import * as v from "valibot";
import type { SealedFile } from "./sealed-file.ts";

/** What a verdict says. */
export interface Verdict {
  readonly subject: string;
  readonly modalities: readonly GatewayModality[];
  /** The nonce of the try. */
  readonly nonce: string;
  /** Digest of the captures, as a challenge may be bound to. */
  readonly digest: string;
  readonly call: "verify" | "identify";
}

/** Whoever signs verdicts for this device. */
export interface VerdictSigner {
  /** Public keys, for `GET /v1/jwks`. */
  readonly jwks: { readonly keys: readonly JWK[] };
  sign(verdict: Verdict): Promise<{ readonly verdict: string; readonly verdictCose?: string }>;
}

/** How verdicts are made. */
export interface VerdictConfig {
  /** Who they are meant for: claim `aud`. */
  readonly audience: string;
  readonly lifetimeSeconds: number;
  /** Whether a COSE_Sign1 comes with every JWT. */
  readonly cose: boolean;
}

/** Authentication methods (RFC 8176, 2): face recognition and voice biometric. */
const AMR: Readonly<Record<GatewayModality, string>> = { face: "face", voice: "vbm" };

const KEY_FILE = v.strictObject({ version: v.literal(1), pkcs8: v.string() });

/**
 * Opens the device's signing key, made at the first start (P-256, for ES256, RFC 7518, 3.4) and kept in a sealed file.
 * @throws what the sealed file does
 */
export async function openSigner(
  file: SealedFile,
  options: VerdictConfig & { readonly deviceId: string; readonly now: () => number },
): Promise<VerdictSigner> {
  const key = await signingKey(file);
  const { kty, crv, x, y } = key.export({ format: "jwk" });
  if (kty !== "EC" || crv !== "P-256" || x === undefined || y === undefined)
    throw fail("STORE_DAMAGED", "Cannot sign verdicts: the device's key is no P-256 key");
  const jwk = { kty, crv, x, y };
  const kid = await calculateJwkThumbprint(jwk);
  const { audience, lifetimeSeconds, deviceId } = options;
  return {
    jwks: { keys: [{ ...jwk, kid, use: "sig", alg: "ES256" }] },
    async sign(verdict) {
      const iat = Math.floor(options.now() / 1000);
      const exp = iat + lifetimeSeconds;
      const jti = randomUUID();
      const amr = verdict.modalities.map((m) => AMR[m]);
      const { subject, nonce, digest, call } = verdict;
      const jwt = await new SignJWT({ nonce, amr, digest, call })
        .setProtectedHeader({ alg: "ES256", kid, typ: "tessera-verdict+jwt" })
        .setSubject(subject)
        .setIssuer(deviceId)
        .setAudience(audience)
        .setIssuedAt(iat)
        .setExpirationTime(exp)
        .setJti(jti)
        .sign(key);
      if (!options.cose) return { verdict: jwt };
      // CWT claims (RFC 8392, 3.1; 10 is the nonce of RFC 9711); amr, digest and call have no number of theirs.
      const claims = new Map<number | string, unknown>([
        [1, deviceId],
        [2, subject],
        [3, audience],
        [4, exp],
        [6, iat],
        [7, Buffer.from(jti)],
        [10, Buffer.from(nonce, "base64url")],
        ["amr", amr],
        ["call", call],
        ["digest", Buffer.from(digest, "base64url")],
      ]);
      return { verdict: jwt, verdictCose: Buffer.from(coseSign1(key, encode(claims), kid)).toString("base64url") };
    },
  };
}

async function signingKey(file: SealedFile): Promise<KeyObject> {
  const stored = await file.read();
  if (stored === undefined) {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await file.write({ version: 1, pkcs8: privateKey.export({ format: "der", type: "pkcs8" }).toString("base64") });
    return privateKey;
  }
  const parsed = v.safeParse(KEY_FILE, stored);
  if (!parsed.success) throw fail("STORE_DAMAGED", "Cannot sign verdicts: the file of the device's key holds something else");
  return createPrivateKey({ key: Buffer.from(parsed.output.pkcs8, "base64"), format: "der", type: "pkcs8" });
}

/** A COSE_Sign1 message (RFC 9052, 4.2), tagged 18: protected header {alg: ES256}, unprotected {kid}. */
function coseSign1(key: KeyObject, payload: Uint8Array, kid: string): Uint8Array {
  const header = encode(new Map([[1, -7]]));
  const toBeSigned = encode(["Signature1", header, new Uint8Array(0), payload]);
  const signature = sign("sha256", toBeSigned, { key, dsaEncoding: "ieee-p1363" });
  return encode(new Tagged(18, [header, new Map([[4, Buffer.from(kid)]]), payload, signature]));
}
