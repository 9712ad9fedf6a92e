import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyAuthenticationResponse, verifyRegistrationResponse } from "@simplewebauthn/server";
import type { CredentialAnswer, Decision, WebAuthnAssertion } from "@tessera/core/protocol/gateway-api";
import { scriptedGateway } from "@tessera/testkit/gateway-app";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { fileKeyProvider } from "../keys/file-key.ts";
import { type Authenticator, openAuthenticator } from "./authenticator.ts";
import { sealedFile } from "./sealed-file.ts";

const rpId = "example.org";
const origin = "https://login.example.org";
const challenge = Buffer.from("a challenge of the relying party").toString("base64url");
const userHandle = Buffer.from("user-17").toString("base64url");
const clientData = (type: string, more: object = {}) =>
  Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false, ...more })).toString("base64url");

let folder: string;
const open = (name: string) =>
  openAuthenticator(
    sealedFile(join(folder, name), { purpose: "webauthn", deviceId: "d", keys: fileKeyProvider(Buffer.from("correct horse")) }),
  );
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-webauthn-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** As a relying party does it. */
async function registered({ credentialId, attestationObject, clientDataJSON }: CredentialAnswer) {
  const { verified, registrationInfo } = await verifyRegistrationResponse({
    response: {
      id: credentialId,
      rawId: credentialId,
      type: "public-key",
      response: { attestationObject, clientDataJSON },
      clientExtensionResults: {},
    },
    expectedChallenge: challenge,
    expectedOrigin: origin,
    expectedRPID: rpId,
  });
  if (!verified || registrationInfo === undefined) throw new Error("not verified");
  return registrationInfo;
}

function authenticated(assertion: WebAuthnAssertion, credential: Awaited<ReturnType<typeof registered>>["credential"]) {
  const { credentialId, authenticatorData, clientDataJSON, signature, userHandle: handle } = assertion;
  return verifyAuthenticationResponse({
    response: {
      id: credentialId,
      rawId: credentialId,
      type: "public-key",
      response: { authenticatorData, clientDataJSON, signature, userHandle: handle },
      clientExtensionResults: {},
    },
    expectedChallenge: challenge,
    expectedOrigin: origin,
    expectedRPID: rpId,
    credential,
    requireUserVerification: true,
  });
}

describe("the gateway as an authenticator", () => {
  test("its credentials and assertions verify at a relying party, with user verification and a counter that only grows", async () => {
    let authenticator: Authenticator = await open("a");
    const made = await authenticator.register("ann", { rpId, userHandle, clientDataJSON: clientData("webauthn.create") });
    const info = await registered(made);
    expect(info).toMatchObject({ fmt: "none", userVerified: true, aaguid: "00000000-0000-0000-0000-000000000000" });
    let { credential } = info;
    for (let i = 1; i <= 4; i++) {
      // A restart after every second use: the counter goes on.
      if (i === 3) authenticator = await open("a");
      const assertion = await authenticator.assert("ann", { rpId, clientDataJSON: clientData("webauthn.get") });
      if (assertion === undefined) throw new Error("no assertion");
      expect(assertion.userHandle).toBe(userHandle);
      const { verified, authenticationInfo } = await authenticated(assertion, credential);
      expect(verified).toBe(true);
      expect(authenticationInfo).toMatchObject({ newCounter: i, userVerified: true });
      credential = { ...credential, counter: authenticationInfo.newCounter };
    }
  });

  test("assertions that are made at once have different counters", async () => {
    const authenticator = await open("b");
    const { credential } = await registered(
      await authenticator.register("ann", { rpId, userHandle, clientDataJSON: clientData("webauthn.create") }),
    );
    const many = await Promise.all(
      Array.from({ length: 5 }, () => authenticator.assert("ann", { rpId, clientDataJSON: clientData("webauthn.get") })),
    );
    const counters = await Promise.all(
      many.map(async (a) => (await authenticated(a as WebAuthnAssertion, credential)).authenticationInfo.newCounter),
    );
    expect(counters).toEqual([1, 2, 3, 4, 5]);
  });

  test("refuses what a browser would: other origins, plain http, other types, domains that are none", async () => {
    const authenticator = await open("c");
    const get =
      (more: object, id = rpId) =>
      () =>
        authenticator.check({ rpId: id, clientDataJSON: clientData("webauthn.get", more) });
    expect(get({})).not.toThrow();
    expect(get({ origin: "https://example.org" })).not.toThrow();
    expect(get({ origin: "http://localhost:8080" }, "localhost")).not.toThrow();
    const refused = expect.objectContaining({ code: "REQUEST_INVALID" });
    for (const bad of [
      "https://evil.org",
      "https://notexample.org",
      "http://example.org",
      "https://example.org.evil.org",
      "https://example.org/path",
      "null",
      "",
    ])
      expect(get({ origin: bad }), bad).toThrow(refused);
    for (const bad of ["", "org", "EXAMPLE.org", "example.org/", "*.org", "1.2.3.4", `${"a.".repeat(130)}org`])
      expect(get({}, bad), bad).toThrow(refused);
    expect(() => authenticator.check({ rpId, clientDataJSON: clientData("webauthn.create") })).toThrow(refused);
    expect(() => authenticator.check({ rpId, clientDataJSON: "e30" })).toThrow(refused);
    expect(() => authenticator.check({ rpId })).toThrow(refused);
    expect(() => authenticator.check("x")).toThrow(refused);
    expect(() => authenticator.register("ann", { rpId, userHandle: "", clientDataJSON: clientData("webauthn.create") })).toThrow(
      refused,
    );
  });

  test("through the service: released with an accepted decision only, gone with the person", async () => {
    const gateway = scriptedGateway({ authenticator: await open("d") });
    const ann = { person: "ann" };
    const body = JSON.stringify({ rpId, userHandle, clientDataJSON: clientData("webauthn.create") });
    expect((await gateway.ask("operator", "POST /v1/subjects/ann/webauthn", { body })).status).toBe(404);
    await gateway.enrol("ann", { image: ann });
    expect((await gateway.ask("operator", "POST /v1/subjects/ann/webauthn", { body: "{}" })).status).toBe(400);
    const made = await gateway.ask("operator", "POST /v1/subjects/ann/webauthn", { body });
    expect(made.status).toBe(201);
    const { credential } = await registered((await made.json()) as CredentialAnswer);
    const webauthn = JSON.stringify({ rpId, clientDataJSON: clientData("webauthn.get") });
    const decide = async (form: Parameters<typeof gateway.verify>[1]) =>
      (await (await gateway.verify("ann", form)).json()) as Decision;
    const accepted = await decide({ image: ann, webauthn });
    expect((await authenticated(accepted.assertion as WebAuthnAssertion, credential)).verified).toBe(true);
    for (const image of [{ person: "ben" }, { ...ann, poor: "dark" }, { ...ann, live: 0 }] as const)
      expect(await decide({ image, webauthn })).not.toHaveProperty("assertion");
    expect(await decide({ image: ann })).not.toHaveProperty("assertion");
    expect((await gateway.verify("ann", { image: ann, webauthn: "no json" })).status).toBe(400);
    await gateway.ask("operator", "DELETE /v1/subjects/ann");
    await gateway.enrol("ann", { image: ann });
    expect(await decide({ image: ann, webauthn })).not.toHaveProperty("assertion");
    expect((await scriptedGateway().verify("ann", { image: ann, webauthn })).status).toBe(400);
  });

  test("a deletion that breaks off leaves no credential to whoever gets the name next", async () => {
    const gateway = scriptedGateway({ authenticator: await open("e") });
    const { templates } = gateway.parts;
    await gateway.enrol("ann", { image: { person: "ann" } });
    const body = JSON.stringify({ rpId, userHandle, clientDataJSON: clientData("webauthn.create") });
    expect((await gateway.ask("operator", "POST /v1/subjects/ann/webauthn", { body })).status).toBe(201);
    const dies = vi.spyOn(templates, "remove").mockImplementation(async (subject) => {
      dies.mockRestore();
      await templates.remove(subject);
      throw new Error("died");
    });
    expect((await gateway.ask("operator", "DELETE /v1/subjects/ann")).status).toBe(500);
    await gateway.enrol("ann", { image: { person: "ben" } });
    const webauthn = JSON.stringify({ rpId, clientDataJSON: clientData("webauthn.get") });
    const decided = (await (await gateway.verify("ann", { image: { person: "ben" }, webauthn })).json()) as Decision;
    expect(decided.decision).toBe("accept");
    expect(decided).not.toHaveProperty("assertion");
  });

  test("a credential that is made while its person is deleted does not stay", async () => {
    const authenticator = await open("f");
    const gateway = scriptedGateway({ authenticator });
    await gateway.enrol("ann", { image: { person: "ann" } });
    const register = vi.spyOn(authenticator, "register").mockImplementation(async (...args) => {
      register.mockRestore();
      const made = await authenticator.register(...args);
      await gateway.parts.templates.remove("ann");
      return made;
    });
    const body = JSON.stringify({ rpId, userHandle, clientDataJSON: clientData("webauthn.create") });
    expect((await gateway.ask("operator", "POST /v1/subjects/ann/webauthn", { body })).status).toBe(404);
    expect(await authenticator.assert("ann", { rpId, clientDataJSON: clientData("webauthn.get") })).toBeUndefined();
  });
});
