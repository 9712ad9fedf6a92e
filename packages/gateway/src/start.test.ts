import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditEntry, Health } from "@tessera/core/protocol/gateway-api";
import { encodePnm } from "@tessera/core/signal/pnm";
import { encodeWav } from "@tessera/core/signal/wav";
import { scriptedGateway } from "@tessera/testkit/gateway-app";
import { type FakeFaceOptions, fakeFace, fakeVoice, writeGatewayModels } from "@tessera/testkit/gateway-models";
import {
  decisionIn,
  type RoleTokens,
  serviceClient,
  testServiceModels,
  writeGatewayFolder,
} from "@tessera/testkit/gateway-service";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfig } from "./config.ts";
import { fileKeyProvider } from "./keys/file-key.ts";
import { type RunningGateway, startGateway } from "./start.ts";
import { type StoreClock, SYSTEM_CLOCK } from "./store/clock.ts";
import { openStore } from "./store/open.ts";

let folder: string;
let home: string;
let tokens: RoleTokens;
let running: RunningGateway | undefined;
let jwks: unknown;

const picture = (person: number, more: Partial<FakeFaceOptions> = {}) => encodePnm(fakeFace({ person, ...more }));
const sound = (person: number, take = 0) => encodeWav(fakeVoice({ person, take }));

async function start(path = home) {
  running = await startGateway(readConfig(path), { version: "1.2.3" });
  return serviceClient(running.url, tokens);
}

async function stop(): Promise<void> {
  await running?.close();
  running = undefined;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-start-"));
  home = join(folder, "home");
  tokens = writeGatewayFolder(home, testServiceModels(writeGatewayModels(folder)), {
    workers: 1,
    verdict: { audience: "https://door.example", cose: true },
    webauthn: true,
  });
});
afterAll(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a gateway with its real store, pipeline and networks", () => {
  test("enrols, accepts the person, rejects somebody else and a screen, and signs what it accepted", async () => {
    const client = await start();
    expect((await client.enrol("ann", { image: [picture(1), picture(1, { take: 1 })], audio: sound(1) })).status).toBe(201);
    expect((await client.enrol("ben", { image: picture(2), audio: sound(2) })).status).toBe(201);
    const accepted = await decisionIn(
      await client.verify("ann", { image: picture(1, { take: 2 }), audio: sound(1, 1) }, "developer"),
    );
    expect(accepted).toMatchObject({
      decision: "accept",
      modalities: [{ outcome: "match" }, { outcome: "match" }],
      verdictCose: expect.any(String),
    });
    jwks = await (await client.ask(undefined, "GET /v1/jwks")).json();
    const { payload } = await jwtVerify(accepted.verdict ?? "", createLocalJWKSet(jwks as never), {
      audience: "https://door.example",
      issuer: "test-device",
    });
    expect(payload).toMatchObject({ sub: "ann", amr: ["face", "vbm"] });
    const stages = accepted.stages.map((s) => `${s.modality ?? ""}/${s.stage}`);
    for (const stage of ["face/detect", "face/liveness", "face/embed", "voice/vad", "voice/embed", "/compare"])
      expect(stages).toContain(stage);
    const mixed = await decisionIn(await client.verify("ann", { image: picture(1), audio: sound(2) }));
    expect(mixed).toMatchObject({ decision: "reject", modalities: [{ outcome: "match" }, { outcome: "no-match" }] });
    const screen = await decisionIn(await client.verify("ann", { image: picture(1, { screen: true }), audio: sound(1) }));
    expect(screen).toMatchObject({ decision: "reject", modalities: [{ outcome: "not-live" }, { outcome: "not-compared" }] });
    expect(await decisionIn(await client.identify({ image: picture(2, { take: 1 }), audio: sound(2, 1) }))).toMatchObject({
      decision: "accept",
      subject: "ben",
    });
    expect(((await (await client.ask(undefined, "GET /v1/health")).json()) as Health).status).toBe("ok");
    await stop();
  });

  test("people, keys and the log outlive a restart", async () => {
    const client = await start();
    expect((await decisionIn(await client.verify("ann", { image: picture(1), audio: sound(1) }))).decision).toBe("accept");
    expect(await (await client.ask(undefined, "GET /v1/jwks")).json()).toEqual(jwks);
    const log = (await (await client.ask("auditor", "GET /v1/audit?from=1")).json()) as AuditEntry[];
    expect(log.map((e) => e.sequence)).toEqual(log.map((_, i) => i + 1));
    expect(log.filter((e) => e.event === "start")).toHaveLength(2);
    await expect(startGateway(readConfig(home), { version: "1" })).rejects.toMatchObject({ code: "STORE_BUSY" });
    await client.enrol("marguerite-the-unmistakable", { image: picture(3), audio: sound(3) });
    await stop();
  });

  test("of a person nothing is left on disk in the clear, nor are there tokens", () => {
    const files = readdirSync(home, { recursive: true, encoding: "utf8" }).filter((name) => statSync(join(home, name)).isFile());
    expect(files.length).toBeGreaterThan(5);
    for (const name of files) {
      const text = readFileSync(join(home, name), "latin1");
      for (const secret of ["marguerite", ...Object.values(tokens)]) expect(text.includes(secret), name).toBe(false);
    }
  });

  test("a copy of the folder opens neither under another device id nor with another passphrase", async () => {
    const copied = (name: string): string => {
      const path = join(folder, name);
      cpSync(home, path, { recursive: true });
      return path;
    };
    const device = copied("device");
    const config = JSON.parse(readFileSync(join(device, "gateway.json"), "utf8"));
    writeFileSync(join(device, "gateway.json"), JSON.stringify({ ...config, deviceId: "another-device" }));
    await expect(start(device)).rejects.toMatchObject({ code: "KEY_REJECTED" });
    const passphrase = copied("passphrase");
    writeFileSync(join(passphrase, "passphrase"), "wrong horse battery staple");
    await expect(start(passphrase)).rejects.toMatchObject({ code: "KEY_REJECTED" });
  });

  test("what was opened before a failure is given back", async () => {
    const other = join(folder, "other");
    const { face } = testServiceModels(writeGatewayModels(folder));
    writeGatewayFolder(other, { ...(face && { face: { ...face, detector: { ...face.detector, model: "none.onnx" } } }) });
    await expect(start(other)).rejects.toMatchObject({ code: "IO" });
    await expect(start(other)).rejects.toMatchObject({ code: "IO" });
  });
});

describe("lock-outs with the real store", () => {
  const ann = { person: "ann" };
  const openAt = async (dir: string, ms: { wall: number }) => {
    const keys = fileKeyProvider(Buffer.from("correct horse"));
    const clock: StoreClock = { ...SYSTEM_CLOCK, wallMs: () => ms.wall, monotonicMs: () => ms.wall };
    const store = await openStore({ dir, deviceId: "d", keys, clock });
    const { templates, lockout, audit } = store;
    return { store, gateway: scriptedGateway({ templates, lockout, audit }) };
  };

  test("five wrong tries lock a subject, across a restart, until time lifts it", async () => {
    const dir = join(folder, "lockout");
    const ms = { wall: Date.UTC(2026, 0, 1) };
    let { store, gateway } = await openAt(dir, ms);
    await gateway.enrol("ann", { image: ann });
    const decide = async (person: string) => (await decisionIn(await gateway.verify("ann", { image: { person } }))).decision;
    for (let i = 0; i < 5; i++) expect(await decide("ben")).toBe("reject");
    expect(await decide("ann")).toBe("locked");
    await store.close();
    ({ store, gateway } = await openAt(dir, ms));
    expect(await decide("ann")).toBe("locked");
    ms.wall += 31_000;
    expect(await decide("ann")).toBe("accept");
    await store.close();
  });

  test("twenty tries at once are five, and after twenty wrong ones only an operator helps", async () => {
    const ms = { wall: Date.UTC(2026, 0, 1) };
    const { store, gateway } = await openAt(join(folder, "primary"), ms);
    await gateway.enrol("ann", { image: ann });
    const decide = async (person: string) => decisionIn(await gateway.verify("ann", { image: { person } }));
    const many = await Promise.all(Array.from({ length: 20 }, () => decide("ben")));
    expect(many.filter((d) => d.decision === "reject")).toHaveLength(5);
    for (let i = 5; i < 20; i++) {
      ms.wall += 3_600_000;
      expect((await decide("ben")).decision).toBe("reject");
    }
    ms.wall += 30 * 86_400_000;
    expect(await decide("ann")).toMatchObject({ decision: "locked", reasons: ["Too many wrong tries: an operator must unlock"] });
    await gateway.ask("operator", "POST /v1/unlock", { body: '{"subject":"ann"}' });
    expect((await decide("ann")).decision).toBe("accept");
    await store.close();
  });
});
