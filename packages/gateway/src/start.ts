import { readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Health } from "@tessera/core/protocol/gateway-api";
import type { GatewayConfig } from "./config.ts";
import { policiesOf } from "./decision/from-config.ts";
import { createLog, type GatewayLog } from "./http/log.ts";
import { createMetrics } from "./http/metrics.ts";
import { pageFiles } from "./http/page-files.ts";
import type { AppParts } from "./http/parts.ts";
import { serveGateway } from "./http/serve.ts";
import { fileTokens } from "./http/tokens.ts";
import { anchorOf, keysOf } from "./key-config.ts";
import { openPipeline } from "./pipeline/open.ts";
import type { Pipeline } from "./pipeline/pipeline.ts";
import type { LockoutPolicy } from "./store/lockout-policy.ts";
import { openStore } from "./store/open.ts";
import { openAuthenticator } from "./verdict/authenticator.ts";
import { sealedFile } from "./verdict/sealed-file.ts";
import { openSigner } from "./verdict/signer.ts";

/** A gateway that runs. */
export interface RunningGateway {
  readonly url: string;
  /** Takes nothing new, lets what is under way finish, closes store and workers. */
  close(): Promise<void>;
}

/** What {@link startGateway} takes besides the configuration. */
export interface StartOptions {
  readonly version: string;
  readonly log?: GatewayLog;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** Free room on the disk of the store below which the gateway calls itself degraded, bytes. */
const LOW_DISK_BYTES = 64 << 20;

/** A failure of a part counts as a problem for so long, milliseconds. */
const RECENT_MS = 60_000;

/** Opens store and pipeline and serves. @throws GATEWAY_CONFIG, and what the parts throw */
export async function startGateway(config: GatewayConfig, options: StartOptions): Promise<RunningGateway> {
  const opened: (() => Promise<void> | void)[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of opened.splice(0).reverse()) await close();
  };
  try {
    return await open(config, options, { opened, closeAll });
  } catch (error) {
    await closeAll();
    throw error;
  }
}

async function open(
  config: GatewayConfig,
  options: StartOptions,
  life: { readonly opened: (() => Promise<void> | void)[]; readonly closeAll: () => Promise<void> },
): Promise<RunningGateway> {
  const { now = Date.now } = options;
  const { opened } = life;
  const log = options.log ?? createLog({ level: config.log });
  const policies = await policiesOf(config);
  const tokens = fileTokens(config.tokens, { now });
  const keys = await keysOf(config);
  opened.push(() => keys.close?.());
  const { deviceId } = config;
  const anchor = anchorOf(config);
  const policy = lockoutPolicy(config);
  const store = await openStore({ dir: config.dataDir, deviceId, keys, policy, ...(anchor && { anchor }) });
  opened.push(() => store.close());
  const trouble = createTrouble(config.dataDir, now);
  opened.push(trouble.stop);
  const pipeline = watchedPipeline(await openPipeline(pipelineConfig(config)), trouble.failed);
  opened.push(() => pipeline.close());
  const sealed = (name: string) => sealedFile(join(config.dataDir, `${name}.sealed`), { purpose: name, deviceId, keys });
  const signer = config.verdict && (await openSigner(sealed("signing-key"), { ...config.verdict, deviceId, now }));
  const authenticator = config.webauthn ? await openAuthenticator(sealed("webauthn")) : undefined;
  const parts: AppParts = {
    version: options.version,
    deviceId,
    pipeline,
    templates: store.templates,
    lockout: store.lockout,
    audit: store.audit,
    tokens,
    policy: { ...policies, enrol: enrolPolicy(config) },
    limits: config.limits,
    ...(signer && { signer }),
    ...(authenticator && { authenticator }),
    metrics: createMetrics({ templates: { help: "Templates in the store", read: () => store.templates.list().length } }),
    log,
    problems: trouble.problems,
    page: pageFiles(),
    tls: config.listen.tls !== undefined,
    now,
  };
  const { host, port, tls } = config.listen;
  const { connections, requestMs } = config.limits;
  const files = tls && { key: await readFile(tls.key), cert: await readFile(tls.cert) };
  await store.audit.append("start", { detail: { version: options.version, mode: config.decision.mode, tls: parts.tls } });
  const { url, close } = await serveGateway(parts, { host, port, connections, requestMs, ...(files && { tls: files }) });
  log.lines.info({ url, device: deviceId, mode: config.decision.mode }, "gateway started");
  let closing: Promise<void> | undefined;
  return {
    url,
    close() {
      closing ??= (async () => {
        await close();
        await store.audit.append("stop");
        await life.closeAll();
        log.lines.info("gateway stopped");
      })();
      return closing;
    },
  };
}

function lockoutPolicy({ lockout }: GatewayConfig): LockoutPolicy {
  const set = (value: number) => ({ value, source: "the gateway's configuration", verified: true });
  return {
    tries: set(lockout.tries),
    firstWaitMs: set(lockout.firstWaitMs),
    growth: set(lockout.growth),
    longestWaitMs: set(lockout.longestWaitMs),
    primaryAfter: set(lockout.primaryAfter),
  };
}

function enrolPolicy({ enrol }: GatewayConfig): AppParts["policy"]["enrol"] {
  const { agreementCosine, duplicates } = enrol;
  return { duplicates, ...(agreementCosine !== undefined && { agreementCosine }) };
}

function pipelineConfig(config: GatewayConfig): Parameters<typeof openPipeline>[0] {
  const { face, voice, workers, limits } = config;
  const { maxPixels, maxSeconds } = limits;
  return { workers, limits: { maxPixels, maxSeconds }, ...(face && { face }), ...(voice && { voice }) };
}

/** What went wrong lately. Words for anybody: they name no path and no person. */
function createTrouble(dataDir: string, now: () => number) {
  const failedAt = new Map<string, number>();
  let lowDisk = false;
  const look = async (): Promise<void> => {
    const { bavail, bsize } = await statfs(dataDir);
    lowDisk = bavail * bsize < LOW_DISK_BYTES;
  };
  const timer = setInterval(() => void look().catch(() => {}), 30_000);
  timer.unref();
  void look().catch(() => {});
  return {
    stop: () => clearInterval(timer),
    failed: (what: string) => void failedAt.set(what, now()),
    problems: (): Health["problems"] => [
      ...[...failedAt].filter(([, at]) => now() - at < RECENT_MS).map(([what]) => what),
      ...(lowDisk ? ["The disk of the store is almost full"] : []),
    ],
  };
}

function watchedPipeline(pipeline: Pipeline, failed: (what: string) => void): Pipeline {
  return {
    models: pipeline.models,
    modalities: pipeline.modalities,
    close: () => pipeline.close(),
    async probe(modality, bytes, options) {
      try {
        return await pipeline.probe(modality, bytes, options);
      } catch (error) {
        if (options?.signal?.aborted !== true) failed(`Recognition by ${modality} failed or was refused in the last minute`);
        throw error;
      }
    },
  };
}
