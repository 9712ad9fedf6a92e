import type { Challenge, GatewayModality, GatewayRole } from "@tessera/core/protocol/gateway-api";
import { createApp } from "@tessera/gateway/http/app";
import { createLog } from "@tessera/gateway/http/log";
import { createMetrics } from "@tessera/gateway/http/metrics";
import { type AppParts, SERVICE_LIMITS, type ServiceLimits } from "@tessera/gateway/http/parts";
import { ROLES } from "@tessera/gateway/http/roles";
import { fixedTokens, makeToken } from "@tessera/gateway/http/tokens";
import {
  memoryAudit,
  memoryLockout,
  memoryTemplates,
  type ScriptedCapture,
  scriptedFile,
  scriptedPipeline,
  scriptedSpace,
} from "./gateway-parts.ts";

/** Threshold of both modalities in {@link scriptedGateway}. */
export const SCRIPTED_THRESHOLD = 0.7;

/** What a request of a test is made of. */
export interface ScriptedForm {
  readonly image?: ScriptedCapture | readonly ScriptedCapture[];
  readonly audio?: ScriptedCapture | readonly ScriptedCapture[];
  readonly nonce?: string;
  readonly webauthn?: string;
}

/** A body of multipart/form-data. */
export function formOf({ image, audio, nonce, webauthn }: ScriptedForm): FormData {
  const form = new FormData();
  const files = (name: string, modality: GatewayModality, captures: ScriptedForm["image"] = []): void => {
    for (const capture of [captures].flat())
      form.append(name, new Blob([scriptedFile(modality, capture as ScriptedCapture) as Uint8Array<ArrayBuffer>]), "capture");
  };
  files("image", "face", image);
  files("audio", "voice", audio);
  if (nonce !== undefined) form.append("nonce", nonce);
  if (webauthn !== undefined) form.append("webauthn", webauthn);
  return form;
}

/** What of a gateway of stand-ins a test wants otherwise. */
export type ScriptedChanges = Partial<Omit<AppParts, "limits">> & {
  readonly limits?: Partial<ServiceLimits>;
  readonly logTo?: { write(line: string): void };
};

/** Parts of a gateway made of stand-ins, a clock that stands until it is turned, and a token for every role. */
export function scriptedParts(changes: ScriptedChanges = {}) {
  const clock = { ms: Date.UTC(2026, 0, 1) };
  const now = (): number => clock.ms;
  const made = ROLES.map((role) => makeToken(role, role));
  const tokens = Object.fromEntries(made.map(({ token, entry }) => [entry.role, token])) as Readonly<Record<GatewayRole, string>>;
  const lockout = memoryLockout(now);
  const audit = memoryAudit();
  const rules = (modality: GatewayModality) => ({
    spaces: [{ space: scriptedSpace(modality), thresholdCosine: SCRIPTED_THRESHOLD }],
    liveness: false,
  });
  const policy = { mode: "any" as const, modalities: { face: rules("face"), voice: rules("voice") } };
  const { limits, logTo, ...rest } = changes;
  const parts: AppParts = {
    version: "0.0.0",
    deviceId: "test-device",
    pipeline: scriptedPipeline(),
    templates: memoryTemplates(),
    lockout,
    audit,
    tokens: fixedTokens(made.map((m) => m.entry)),
    policy: { verify: policy, identify: policy, enrol: { duplicates: "refuse" } },
    limits: { ...SERVICE_LIMITS, ...limits },
    metrics: createMetrics(),
    log: createLog(logTo === undefined ? { level: "silent" } : { level: "debug", to: logTo }),
    problems: () => [],
    page: new Map(),
    tls: false,
    now,
    ...rest,
  };
  return { parts, tokens, clock, lockout };
}

/** {@link scriptedParts} as an application, and how to ask it things. */
export function scriptedGateway(changes: ScriptedChanges = {}) {
  const made = scriptedParts(changes);
  const app = createApp(made.parts);
  const { tokens } = made;
  /** A request ("GET /v1/me") with the token of a role. */
  const ask = async (role: GatewayRole | undefined, call: string, init: RequestInit = {}): Promise<Response> => {
    const [method = "GET", path = "/"] = call.split(" ");
    const headers = new Headers(init.headers);
    if (role !== undefined) headers.set("authorization", `Bearer ${tokens[role]}`);
    return app.request(path, { ...init, method, headers });
  };
  const challenge = async (role: GatewayRole, body?: object): Promise<string> => {
    const response = await ask(role, "POST /v1/challenge", body === undefined ? {} : { body: JSON.stringify(body) });
    return ((await response.json()) as Challenge).nonce;
  };
  return {
    ...made,
    app,
    ask,
    challenge,
    enrol: (subject: string, form: ScriptedForm, role: GatewayRole = "operator") =>
      ask(role, `POST /v1/subjects/${encodeURIComponent(subject)}/enrol`, { body: formOf(form) }),
    verify: async (subject: string, form: ScriptedForm, role: GatewayRole = "capture") =>
      ask(role, `POST /v1/subjects/${encodeURIComponent(subject)}/verify`, {
        body: formOf({ ...form, nonce: form.nonce ?? (await challenge(role)) }),
      }),
    identify: async (form: ScriptedForm, role: GatewayRole = "capture") =>
      ask(role, "POST /v1/identify", { body: formOf({ ...form, nonce: form.nonce ?? (await challenge(role)) }) }),
  };
}
