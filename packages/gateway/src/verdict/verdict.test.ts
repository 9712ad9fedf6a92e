import { createPublicKey, verify } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Decision } from "@tessera/core/protocol/gateway-api";
import { scriptedGateway } from "@tessera/testkit/gateway-app";
import { decode, encode, Tagged } from "cborg";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileKeyProvider } from "../keys/file-key.ts";
import { sealedFile } from "./sealed-file.ts";
import { openSigner, type VerdictSigner } from "./signer.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-verdict-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const keys = fileKeyProvider(Buffer.from("correct horse"));
const at = (name: string, more: { deviceId?: string; purpose?: string; passphrase?: string } = {}) =>
  sealedFile(join(folder, name), {
    purpose: more.purpose ?? "test",
    deviceId: more.deviceId ?? "device-1",
    keys: more.passphrase === undefined ? keys : fileKeyProvider(Buffer.from(more.passphrase)),
  });

describe("sealedFile", () => {
  test("gives back what was written, and shows nothing of it", async () => {
    expect(await at("a").read()).toBeUndefined();
    const file = at("a");
    await file.write({ secret: "open sesame" });
    await file.write({ secret: "open sesame", twice: true });
    expect(await at("a").read()).toEqual({ secret: "open sesame", twice: true });
    expect(readFileSync(join(folder, "a"), "latin1")).not.toContain("sesame");
  });

  test("opens neither on another device, nor for another purpose, nor with another passphrase, nor with a bit changed", async () => {
    await at("b").write({ x: 1 });
    for (const other of [{ deviceId: "device-2" }, { purpose: "other" }, { passphrase: "wrong horse" }])
      await expect(at("b", other).read()).rejects.toMatchObject({ code: "KEY_REJECTED" });
    const bytes = readFileSync(join(folder, "b"));
    for (const offset of [0, 10, 40, bytes.length - 20, bytes.length - 1]) {
      const changed = Buffer.from(bytes);
      changed[offset] = (changed[offset] ?? 0) ^ 1;
      writeFileSync(join(folder, "b"), changed);
      await expect(at("b").read(), `offset ${offset}`).rejects.toMatchObject({
        code: expect.stringMatching(/^(STORE_DAMAGED|KEY_REJECTED)$/),
      });
    }
    writeFileSync(join(folder, "b"), bytes.subarray(0, 30));
    await expect(at("b").read()).rejects.toMatchObject({ code: "STORE_DAMAGED" });
  });
});

describe("verdicts", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const config = { audience: "https://door.example", lifetimeSeconds: 60, cose: true, deviceId: "device-1", now: () => nowMs };
  let signer: VerdictSigner;
  beforeAll(async () => {
    signer = await openSigner(at("key"), config);
  });
  const verdict = { subject: "ann", modalities: ["face", "voice"], nonce: "AAECAwQF", digest: "abcd", call: "verify" } as const;
  const check = (jwt: string, options = {}) =>
    jwtVerify(jwt, createLocalJWKSet(signer.jwks as never), {
      currentDate: new Date(nowMs),
      audience: config.audience,
      issuer: "device-1",
      algorithms: ["ES256"],
      ...options,
    });

  test("a JWT over subject, device, modalities and nonce that the published key verifies", async () => {
    const { verdict: jwt } = await signer.sign(verdict);
    const { payload, protectedHeader } = await check(jwt);
    expect(payload).toEqual({
      sub: "ann",
      iss: "device-1",
      aud: "https://door.example",
      nonce: "AAECAwQF",
      digest: "abcd",
      amr: ["face", "vbm"],
      call: "verify",
      iat: nowMs / 1000,
      exp: nowMs / 1000 + 60,
      jti: expect.any(String),
    });
    expect(protectedHeader).toEqual({ alg: "ES256", typ: "tessera-verdict+jwt", kid: signer.jwks.keys[0]?.kid });
    expect(JSON.stringify(signer.jwks)).not.toContain('"d"');
  });

  test("runs out, is for one audience, and does not survive a change", async () => {
    const { verdict: jwt } = await signer.sign(verdict);
    await expect(check(jwt, { currentDate: new Date(nowMs + 61_000) })).rejects.toThrow("exp");
    await expect(check(jwt, { audience: "https://elsewhere.example" })).rejects.toThrow("aud");
    const [head, , tail] = jwt.split(".");
    const forged = Buffer.from(JSON.stringify({ sub: "eve", iss: "device-1", aud: config.audience })).toString("base64url");
    await expect(check(`${head}.${forged}.${tail}`)).rejects.toThrow("signature");
  });

  test("the key is the same after a restart, and another on another device", async () => {
    const again = await openSigner(at("key"), config);
    expect(again.jwks).toEqual(signer.jwks);
    const other = await openSigner(at("key-2"), config);
    expect(other.jwks).not.toEqual(signer.jwks);
  });

  test("a COSE_Sign1 that anybody can take apart says the same", async () => {
    const { verdictCose = "" } = await signer.sign(verdict);
    const tags = Tagged.decoder(18);
    const message = decode(Buffer.from(verdictCose, "base64url"), { tags: { 18: tags }, useMaps: true }) as Tagged;
    const [header, unprotected, payload, signature] = message.value as [
      Uint8Array,
      Map<number, Uint8Array>,
      Uint8Array,
      Uint8Array,
    ];
    expect(decode(header, { useMaps: true })).toEqual(new Map([[1, -7]]));
    expect(Buffer.from(unprotected.get(4) ?? []).toString()).toBe(signer.jwks.keys[0]?.kid);
    const key = createPublicKey({ key: signer.jwks.keys[0] as never, format: "jwk" });
    const signed = encode(["Signature1", header, new Uint8Array(0), payload]);
    expect(verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    const claims = decode(payload, { useMaps: true }) as Map<number | string, unknown>;
    expect([1, 2, 3, 4, 6, "amr", "call"].map((claim) => claims.get(claim))).toEqual([
      "device-1",
      "ann",
      config.audience,
      nowMs / 1000 + 60,
      nowMs / 1000,
      ["face", "vbm"],
      "verify",
    ]);
    expect(claims.get(10)).toEqual(new Uint8Array([0, 1, 2, 3, 4, 5]));
  });

  test("comes with an accepted decision only, and names the modalities that matched", async () => {
    const gateway = scriptedGateway({ signer });
    gateway.clock.ms = nowMs;
    await gateway.enrol("ann", { image: { person: "ann" }, audio: { person: "ann" } });
    const decide = async (form: Parameters<typeof gateway.verify>[1]) =>
      (await (await gateway.verify("ann", form)).json()) as Decision;
    const nonce = await gateway.challenge("capture");
    const accepted = await decide({ image: { person: "ann" }, audio: { person: "ben" }, nonce });
    const { payload } = await check(accepted.verdict ?? "");
    expect(payload).toMatchObject({ sub: "ann", amr: ["face"], nonce });
    for (const form of [
      { image: { person: "ben" } },
      { image: { person: "ann", poor: "dark" } },
      { image: { person: "ann", live: 0 } },
    ] as const)
      expect(await decide(form)).not.toHaveProperty("verdict");
    const found = (await (await gateway.identify({ image: { person: "ann" } })).json()) as Decision;
    expect((await check(found.verdict ?? "")).payload).toMatchObject({ sub: "ann", call: "identify" });
    expect(await (await gateway.ask(undefined, "GET /v1/jwks")).json()).toEqual(signer.jwks);
  });
});
