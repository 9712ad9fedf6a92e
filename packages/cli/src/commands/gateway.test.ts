import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { type GatewayModels, writeGatewayModels } from "@tessera/testkit/gateway-models";
import { spawnGateway } from "@tessera/testkit/gateway-process";
import { type RoleTokens, serviceClient } from "@tessera/testkit/gateway-service";
import { type Printed, printedBy } from "@tessera/testkit/printed";
import { runCommand } from "citty";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { gateway } from "./gateway.ts";

vi.setConfig({ testTimeout: 120_000 });

const sandbox = commandSandbox("tessera-gateway-");
let models: GatewayModels;
let home: string;

beforeAll(() => {
  models = writeGatewayModels(sandbox.folder);
  home = join(sandbox.folder, "home");
});

async function run(...args: readonly string[]): Promise<Printed & { readonly code: unknown }> {
  const printed = await printedBy(() => runCommand(gateway, { rawArgs: [...args] }));
  return { ...printed, code: process.exitCode };
}

const usage = (words: string) => expect.objectContaining({ code: "USAGE", message: expect.stringContaining(words) });
const faces = (): readonly string[] => ["--face", models.face.embedder.model, "--detector", models.face.detector.model];
const thresholds = ["--face-threshold", "0.8", "--voice-threshold", "0.8", "--note", "for a test"];

describe("tessera gateway", () => {
  test("init refuses what a start would refuse, and leaves nothing behind", async () => {
    await expect(run("init", home)).rejects.toThrow(usage("no models"));
    await expect(run("init", home, "--face", models.face.embedder.model)).rejects.toThrow(usage("go together"));
    await expect(run("init", home, "--liveness", models.face.liveness.model)).rejects.toThrow(usage("--liveness"));
    await expect(run("init", home, ...faces(), "--face-threshold", "0.8")).rejects.toThrow(usage("--note"));
    await expect(run("init", home, ...faces(), "--far", "0.001")).rejects.toThrow(
      expect.objectContaining({ code: "GATEWAY_CONFIG" }),
    );
    await expect(run("init", home, "--voice", models.face.detector.model, ...thresholds)).rejects.toThrow(
      expect.objectContaining({ code: "GATEWAY_CONFIG" }),
    );
    await expect(run("init")).rejects.toThrow(usage("name a folder"));
    await expect(run("nowhere")).rejects.toThrow(usage("init, run, token"));
    expect(existsSync(home)).toBe(false);
  });

  test("init makes a folder whose secrets only the owner can read, run serves it, SIGTERM ends it cleanly, the log is whole", async () => {
    const made = await run(
      "init",
      home,
      ...faces(),
      "--liveness",
      models.face.liveness.model,
      "--voice",
      models.voice.embedder.model,
      "--vad",
      models.voice.vad.model,
      ...thresholds,
      "--port",
      "0",
      "--json",
    );
    const { tokens: list } = JSON.parse(made.out) as { tokens: { role: string; token: string }[] };
    const tokens = Object.fromEntries(list.map((t) => [t.role, t.token])) as RoleTokens;
    for (const secret of ["passphrase", "tokens.json"]) expect(statSync(join(home, secret)).mode & 0o777).toBe(0o600);
    for (const token of Object.values(tokens)) expect(readFileSync(join(home, "tokens.json"), "utf8")).not.toContain(token);
    await expect(run("init", home, ...faces(), ...thresholds)).rejects.toThrow(usage("gateway.json is there"));

    const child = await spawnGateway(home);
    const client = serviceClient(child.url, tokens);
    expect(await (await client.ask("capture", "GET /v1/me")).json()).toMatchObject({
      role: "capture",
      modalities: ["face", "voice"],
      mode: "all",
    });
    await expect(run("verify-audit", home)).rejects.toThrow(expect.objectContaining({ code: "STORE_BUSY" }));
    // A token that is added and one that is revoked while it runs.
    const added = (await run("token", "add", home, "--name", "kiosk", "--role", "operator")).out.trim();
    await run("token", "revoke", home, "--name", "capture");
    const status = async (token: string) =>
      (await fetch(`${child.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } })).status;
    await vi.waitFor(async () => expect([await status(added), await status(tokens.capture)]).toEqual([200, 401]), {
      timeout: 10_000,
      interval: 200,
    });
    const { code, out, err } = await child.stop("SIGTERM");
    expect([code, out]).toEqual([0, ""]);
    expect(err).toContain("gateway stopped");

    expect((await run("token", "list", home)).out).toMatch(/kiosk\s+operator/);
    const audit = JSON.parse((await run("verify-audit", home, "--json")).out);
    expect(audit).toMatchObject({ first: 1, last: audit.entries });
    expect(audit.entries).toBeGreaterThanOrEqual(3);
  });

  test("token refuses names that are taken, unknown or none", async () => {
    await expect(run("token", "add", home, "--name", "kiosk")).rejects.toThrow(usage("there is one"));
    await expect(run("token", "add", home)).rejects.toThrow(usage("--name"));
    await expect(run("token", "add", home, "--name", "x", "--role", "admin")).rejects.toThrow(usage("--role"));
    await expect(run("token", "add", home, "--name", "No Name")).rejects.toThrow(
      expect.objectContaining({ code: "GATEWAY_CONFIG" }),
    );
    await expect(run("token", "revoke", home, "--name", "nobody")).rejects.toThrow(usage("there is none"));
    await expect(run("token", "show", home)).rejects.toThrow(usage("add, list, revoke"));
    await expect(run("token", "list", home, "more")).rejects.toThrow(usage('"more"'));
  });
});
