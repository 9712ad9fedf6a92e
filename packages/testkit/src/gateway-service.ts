import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Challenge, Decision, GatewayRole } from "@tessera/core/protocol/gateway-api";
import type { GatewayConfigFile } from "@tessera/gateway/config";
import { ROLES } from "@tessera/gateway/http/roles";
import { makeToken, printTokens } from "@tessera/gateway/http/tokens";
import type { GatewayModels } from "./gateway-models.ts";

/** A token for every role. */
export type RoleTokens = Readonly<Record<GatewayRole, string>>;

/** Files of captures as they are sent. */
export interface CaptureFiles {
  readonly image?: Uint8Array | readonly Uint8Array[];
  readonly audio?: Uint8Array | readonly Uint8Array[];
}

/** Networks of a gateway with what decides by them, as its configuration has them. */
export type ServiceModels = Pick<GatewayConfigFile, "face" | "voice">;

/** The networks that tests write, with thresholds between their people. */
export function testServiceModels({ face, voice }: GatewayModels): ServiceModels {
  const decision = { threshold: 0.8, note: "between the people of the tests" };
  return { face: { ...face, decision }, voice: { ...voice, decision } };
}

/** Writes the folder of a gateway on a free port: configuration, tokens, passphrase. Limits are such that they do not stand in the way of tests. */
export function writeGatewayFolder(folder: string, models: ServiceModels, changes: Partial<GatewayConfigFile> = {}): RoleTokens {
  mkdirSync(folder, { recursive: true });
  const made = ROLES.map((role) => makeToken(role, role));
  const config: GatewayConfigFile = {
    version: 1,
    deviceId: "test-device",
    listen: { port: 0 },
    ...models,
    log: "silent",
    ...changes,
    limits: { callsPerMinute: 10_000_000, retriesPerMinute: 10_000_000, strangersPerMinute: 10_000_000, ...changes.limits },
  };
  writeFileSync(join(folder, "passphrase"), "correct horse battery staple\n", { mode: 0o600 });
  writeFileSync(join(folder, "tokens.json"), printTokens(made.map((m) => m.entry)), { mode: 0o600 });
  writeFileSync(join(folder, "gateway.json"), JSON.stringify(config, undefined, 2));
  return Object.fromEntries(made.map(({ token, entry }) => [entry.role, token])) as RoleTokens;
}

/** Calls of a gateway that listens somewhere. */
export interface ServiceClient {
  ask(role: GatewayRole | undefined, call: string, init?: RequestInit): Promise<Response>;
  challenge(role?: GatewayRole): Promise<string>;
  enrol(subject: string, files: CaptureFiles): Promise<Response>;
  verify(subject: string, files: CaptureFiles, role?: GatewayRole): Promise<Response>;
  identify(files: CaptureFiles, role?: GatewayRole): Promise<Response>;
}

/** The decision in an answer. @throws Error when it is something else */
export async function decisionIn(response: Response): Promise<Decision> {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

/** A form of captures. */
export function captureForm({ image = [], audio = [] }: CaptureFiles, nonce?: string): FormData {
  const form = new FormData();
  const put = (name: string, files: Uint8Array | readonly Uint8Array[]): void => {
    for (const file of files instanceof Uint8Array ? [files] : files)
      form.append(name, new Blob([file as Uint8Array<ArrayBuffer>]), "capture");
  };
  put("image", image);
  put("audio", audio);
  if (nonce !== undefined) form.append("nonce", nonce);
  return form;
}

/** A client of a gateway. */
export function serviceClient(url: string, tokens: RoleTokens): ServiceClient {
  const ask: ServiceClient["ask"] = (role, call, init = {}) => {
    const [method = "GET", path = "/"] = call.split(" ");
    const headers = new Headers(init.headers);
    if (role !== undefined) headers.set("authorization", `Bearer ${tokens[role]}`);
    return fetch(`${url}${path}`, { ...init, method, headers });
  };
  const challenge = async (role: GatewayRole = "capture"): Promise<string> =>
    ((await (await ask(role, "POST /v1/challenge")).json()) as Challenge).nonce;
  return {
    ask,
    challenge,
    enrol: (subject, files) => ask("operator", `POST /v1/subjects/${subject}/enrol`, { body: captureForm(files) }),
    verify: async (subject, files, role = "capture") =>
      ask(role, `POST /v1/subjects/${subject}/verify`, { body: captureForm(files, await challenge(role)) }),
    identify: async (files, role = "capture") =>
      ask(role, "POST /v1/identify", { body: captureForm(files, await challenge(role)) }),
  };
}
