import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fail } from "@tessera/core/base/error";
import * as v from "valibot";
import { LOG_LEVELS } from "./http/log.ts";
import { SERVICE_LIMITS } from "./http/parts.ts";
import { ANCHOR_CONFIG, KEY_CONFIG, keyPaths } from "./key-config.ts";
import { PIPELINE_DEFAULTS } from "./pipeline/config.ts";
import { LOCKOUT_POLICY } from "./store/lockout-policy.ts";

/** Name of the file in the gateway's folder. */
export const CONFIG_NAME = "gateway.json";

/** Largest configuration that is read, bytes. */
const MAX_CONFIG_BYTES = 1 << 20;

const text = v.pipe(v.string(), v.minLength(1, "must not be empty"));
const count = (most: number) =>
  v.pipe(
    v.number(),
    v.integer("must be a whole number"),
    v.minValue(1, "must be at least 1"),
    v.maxValue(most, `must be at most ${most}`),
  );
const share = v.pipe(v.number(), v.minValue(0, "must be 0 to 1"), v.maxValue(1, "must be 0 to 1"));
const cosine = v.pipe(v.number(), v.minValue(-1, "must be -1 to 1"), v.maxValue(1, "must be -1 to 1"));

const threshold = v.union(
  [
    v.strictObject({ far: v.pipe(v.number(), v.gtValue(0, "must be above 0"), v.ltValue(1, "must be below 1")) }),
    v.strictObject({ threshold: v.pipe(v.number(), v.finite()), note: text }),
  ],
  'must be { "far": above 0 and below 1 }, or { "threshold": number, "note": "why this one" }',
);
const modelPaths = { model: text, card: v.optional(text) };

const CONFIG = v.strictObject({
  version: v.literal(1),
  deviceId: v.pipe(v.string(), v.regex(/^[\w.:-]{1,64}$/, "must be 1 to 64 letters, digits and _ . : -")),
  listen: v.optional(
    v.strictObject({
      host: v.optional(text, "127.0.0.1"),
      port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535)), 7443),
      tls: v.optional(v.strictObject({ key: text, cert: text })),
      insecureHttp: v.optional(v.boolean(), false),
    }),
    {},
  ),
  dataDir: v.optional(text, "data"),
  tokens: v.optional(text, "tokens.json"),
  keys: v.optional(KEY_CONFIG, { provider: "file", passphraseFile: "passphrase" }),
  anchor: v.optional(ANCHOR_CONFIG),
  workers: v.optional(count(64), PIPELINE_DEFAULTS.workers),
  face: v.optional(
    v.strictObject({
      detector: v.strictObject(modelPaths),
      liveness: v.optional(v.strictObject({ ...modelPaths, threshold: share })),
      embedder: v.strictObject(modelPaths),
      decision: threshold,
    }),
  ),
  voice: v.optional(
    v.strictObject({
      vad: v.optional(v.strictObject(modelPaths)),
      embedder: v.strictObject(modelPaths),
      decision: threshold,
    }),
  ),
  decision: v.optional(
    v.strictObject({
      mode: v.optional(v.picklist(["all", "any", "fused"]), "all"),
      fusion: v.optional(v.strictObject({ model: text, threshold: v.pipe(v.number(), v.finite()), note: text })),
      identify: v.optional(v.strictObject({ face: v.optional(threshold), voice: v.optional(threshold) }), {}),
    }),
    {},
  ),
  enrol: v.optional(
    v.strictObject({ agreementCosine: v.optional(cosine), duplicates: v.optional(v.picklist(["refuse", "allow"]), "refuse") }),
    {},
  ),
  lockout: v.optional(
    v.strictObject({
      tries: v.optional(count(100), LOCKOUT_POLICY.tries.value),
      firstWaitMs: v.optional(count(86_400_000), LOCKOUT_POLICY.firstWaitMs.value),
      growth: v.optional(v.pipe(v.number(), v.minValue(1, "must be at least 1"), v.maxValue(100)), LOCKOUT_POLICY.growth.value),
      longestWaitMs: v.optional(count(86_400_000), LOCKOUT_POLICY.longestWaitMs.value),
      primaryAfter: v.optional(count(10_000), LOCKOUT_POLICY.primaryAfter.value),
    }),
    {},
  ),
  verdict: v.optional(
    v.strictObject({ audience: text, lifetimeSeconds: v.optional(count(3600), 60), cose: v.optional(v.boolean(), false) }),
  ),
  webauthn: v.optional(v.boolean(), false),
  limits: v.optional(
    v.strictObject({
      maxBodyBytes: v.optional(count(256 << 20), SERVICE_LIMITS.maxBodyBytes),
      maxHeldBytes: v.optional(count(4 * 2 ** 30), SERVICE_LIMITS.maxHeldBytes),
      concurrent: v.optional(count(1024), SERVICE_LIMITS.concurrent),
      queue: v.optional(count(65_536), SERVICE_LIMITS.queue),
      callsPerMinute: v.optional(count(10_000_000), SERVICE_LIMITS.callsPerMinute),
      retriesPerMinute: v.optional(count(10_000_000), SERVICE_LIMITS.retriesPerMinute),
      strangersPerMinute: v.optional(count(10_000_000), SERVICE_LIMITS.strangersPerMinute),
      enrolCaptures: v.optional(count(16), SERVICE_LIMITS.enrolCaptures),
      nonceLifetimeMs: v.optional(count(3_600_000), SERVICE_LIMITS.nonceLifetimeMs),
      liveConnections: v.optional(count(10_000), SERVICE_LIMITS.liveConnections),
      liveFrameBytes: v.optional(count(64 << 20), SERVICE_LIMITS.liveFrameBytes),
      liveIdleMs: v.optional(count(3_600_000), SERVICE_LIMITS.liveIdleMs),
      connections: v.optional(count(65_536), 256),
      requestMs: v.optional(count(3_600_000), 30_000),
      maxPixels: v.optional(count(1 << 30), PIPELINE_DEFAULTS.limits.maxPixels),
      maxSeconds: v.optional(count(3600), PIPELINE_DEFAULTS.limits.maxSeconds),
    }),
    {},
  ),
  log: v.optional(v.picklist(LOG_LEVELS), "info"),
});

type Checked = v.InferOutput<typeof CONFIG>;

/** A model of a configuration with the card that was found for it. */
type Found<T> = Omit<T, "card"> & { readonly card: string };
type Face = NonNullable<Checked["face"]>;
type Voice = NonNullable<Checked["voice"]>;

/** The configuration of a gateway with everything that a file may leave out filled in. Paths are absolute. */
export type GatewayConfig = Omit<Checked, "face" | "voice"> & {
  readonly face?: Omit<Face, "detector" | "liveness" | "embedder"> & {
    readonly detector: Found<Face["detector"]>;
    readonly liveness?: Found<NonNullable<Face["liveness"]>>;
    readonly embedder: Found<Face["embedder"]>;
  };
  readonly voice?: Omit<Voice, "vad" | "embedder"> & {
    readonly vad?: Found<NonNullable<Voice["vad"]>>;
    readonly embedder: Found<Voice["embedder"]>;
  };
};

/** What a file may hold. */
export type GatewayConfigFile = v.InferInput<typeof CONFIG>;

/**
 * Reads `gateway.json`, or that of a folder. Unknown fields are refused; paths are relative to the file; a card that is not named is NAME.card.json next
 * to its model. @throws GATEWAY_CONFIG with the path of the field
 */
export function readConfig(path: string): GatewayConfig {
  const stat = statSync(path, { throwIfNoEntry: false });
  const file = resolve(stat?.isDirectory() === true ? join(path, CONFIG_NAME) : path);
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined) {
    throw fail("GATEWAY_CONFIG", `Cannot read ${file}: there is no such file`, {
      at: { file },
      hint: "Make one with `tessera gateway init DIR`",
    });
  }
  if (size > MAX_CONFIG_BYTES) throw fail("GATEWAY_CONFIG", `Cannot read ${file}: it has ${size} bytes`, { at: { file } });
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    throw fail("GATEWAY_CONFIG", `Cannot read ${file}: ${cause instanceof Error ? cause.message : cause}`, {
      at: { file },
      cause,
    });
  }
  return checkConfig(value, { file });
}

/** Checks the JSON of a configuration. `file` is where its paths start from. @throws GATEWAY_CONFIG with the path of the field */
export function checkConfig(value: unknown, options: { readonly file: string }): GatewayConfig {
  const { file } = options;
  const parsed = v.safeParse(CONFIG, value);
  if (!parsed.success) {
    const issue = parsed.issues[0];
    const unknown = issue.expected === "never" && issue.type === "strict_object";
    const path = v.getDotPath(issue) ?? "the file";
    throw wrong(file, path, unknown ? "there is no such field" : issue.message);
  }
  const config = withPaths(parsed.output, dirname(file));
  const { listen, face, voice, decision, limits } = config;
  if (face === undefined && voice === undefined) throw wrong(file, "face", "there must be face or voice, or both");
  if (!isLoopback(listen.host) && listen.tls === undefined && !listen.insecureHttp)
    throw wrong(
      file,
      "listen",
      `${listen.host} is open to the network: give tls.key and tls.cert, or say insecureHttp: true where something in front encrypts`,
    );
  if ((decision.mode === "fused") !== (decision.fusion !== undefined))
    throw wrong(file, "decision.fusion", 'must be there if and only if the mode is "fused"');
  if (limits.maxBodyBytes > limits.maxHeldBytes) throw wrong(file, "limits.maxHeldBytes", "must be at least maxBodyBytes");
  return config;
}

function wrong(file: string, path: string, why: string): Error {
  return fail("GATEWAY_CONFIG", `Cannot use the configuration: ${path}: ${why}`, { at: { file } });
}

/** Whether an address is of this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function withPaths(config: Checked, folder: string): GatewayConfig {
  const at = (path: string): string => resolve(folder, path);
  const found = <T extends { readonly model: string; readonly card?: string | undefined }>(entry: T): Found<T> => ({
    ...entry,
    model: at(entry.model),
    card: at(entry.card ?? `${entry.model.replace(/\.[^./\\]+$/, "")}.card.json`),
  });
  const { face, voice, keys, decision, listen, ...rest } = config;
  return {
    ...rest,
    dataDir: at(config.dataDir),
    tokens: at(config.tokens),
    keys: keyPaths(keys, at),
    listen: { ...listen, ...(listen.tls && { tls: { key: at(listen.tls.key), cert: at(listen.tls.cert) } }) },
    ...(face && {
      face: {
        decision: face.decision,
        detector: found(face.detector),
        embedder: found(face.embedder),
        ...(face.liveness && { liveness: found(face.liveness) }),
      },
    }),
    ...(voice && {
      voice: { decision: voice.decision, embedder: found(voice.embedder), ...(voice.vad && { vad: found(voice.vad) }) },
    }),
    decision: { ...decision, ...(decision.fusion && { fusion: { ...decision.fusion, model: at(decision.fusion.model) } }) },
  };
}
