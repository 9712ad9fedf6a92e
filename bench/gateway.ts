/**
 * Verification by face and voice, end to end over HTTP: requests of one client, one after another, against the service in a process of its own, timed
 * from the first byte sent to the last one received; a picture of 250 x 250 and 1.8 s of speech each. People are chimeras of LFW faces (folds 3 to 5)
 * and LibriSpeech voices (eval), none of whom the thresholds were measured on; their pictures are those that quality and liveness let pass. From the root, after bench/gateway-models.ts:
 *
 *   npx tsx --conditions=source bench/gateway.ts --models FOLDER [--requests 1000] [--kinds int8,fp32] [--clients 1] [--liveness .5] [--json FILE]
 */
import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import type { Challenge, Decision } from "@tessera/core/protocol/gateway-api";
import { soundOf } from "@tessera/core/signal/sound";
import { decodeWav, encodeWav } from "@tessera/core/signal/wav";
import { checkConfig, type GatewayConfigFile } from "@tessera/gateway/config";
import { makeToken, printTokens } from "@tessera/gateway/http/tokens";
import { openPipeline } from "@tessera/gateway/pipeline/open";
import type { Pipeline } from "@tessera/gateway/pipeline/pipeline";
import { startGateway } from "@tessera/gateway/start";
import { sharedDir } from "@tessera/testkit/shared";

const { values: flags } = parseArgs({
  options: {
    models: { type: "string" },
    requests: { type: "string", default: "1000" },
    warmup: { type: "string", default: "100" },
    kinds: { type: "string", default: "int8,fp32" },
    clients: { type: "string", default: "1" },
    liveness: { type: "string", default: "0.5" },
    json: { type: "string" },
    serve: { type: "string" },
  },
});

/** Seconds of each utterance: from .3 s on, behind the silence at its beginning. */
const CUT = { from: 0.3, length: 1.8 } as const;

/** Pictures and utterances of a person that are enrolled; the others verify. */
const ENROLLED = 2;

/** Pictures of a person. */
const MOST_FACES = 6;

/** Of how many requests one claims to be somebody else. */
const IMPOSTOR_EVERY = 5;

/** The service: says its address, then how much memory it holds whenever it is asked. */
async function serve(file: string): Promise<void> {
  const gateway = await startGateway(checkConfig(JSON.parse(readFileSync(file, "utf8")), { file }), { version: "bench" });
  process.on("message", (message) => {
    if (message === "memory") process.send?.({ rss: process.memoryUsage.rss(), cpu: process.cpuUsage() });
    else void gateway.close().then(() => process.disconnect());
  });
  process.send?.({ url: gateway.url });
}

interface Person {
  readonly name: string;
  readonly faces: readonly Uint8Array[];
  readonly voices: readonly Uint8Array[];
}

async function people(shared: string, pipeline: Pipeline): Promise<readonly Person[]> {
  const lfw = join(shared, "data/lfw");
  const rows = (path: string) =>
    readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(","));
  const first = new Set(
    rows(join(lfw, "pairs.csv"))
      .filter(([fold]) => fold === "1" || fold === "2")
      .flatMap(([, a = "", b = ""]) => [a, b]),
  );
  const faces = new Map<string, string[]>();
  for (const [path = "", subject = "", , role] of rows(join(lfw, "manifest.csv")))
    if (role === "eval" && !first.has(path)) faces.set(subject, [...(faces.get(subject) ?? []), join(lfw, path)]);
  const voices = new Map<string, string[]>();
  const libri = join(shared, "data/voice-librispeech");
  for (const [path = "", subject = "", , , role] of rows(join(libri, "manifest.csv")))
    if (role === "eval") voices.set(subject, [...(voices.get(subject) ?? []), join(libri, path)]);
  const crowd: Person[] = [];
  for (const paths of [...faces.values()].filter((list) => list.length >= MOST_FACES)) {
    const own = at([...voices.values()], crowd.length);
    const usable: Uint8Array[] = [];
    for (const path of paths.slice(0, 2 * MOST_FACES)) {
      const bytes = readFileSync(path);
      if (usable.length < MOST_FACES && (await pipeline.probe("face", bytes)).embedding) usable.push(bytes);
    }
    if (usable.length === MOST_FACES) crowd.push({ name: `person-${crowd.length}`, faces: usable, voices: own.map(cut) });
    if (crowd.length === voices.size) break;
  }
  return crowd;
}

function cut(path: string): Uint8Array {
  const sound = decodeWav(readFileSync(path));
  const from = Math.round(CUT.from * sound.rateHz);
  return encodeWav(soundOf(sound.rateHz, sound.samples.subarray(from, from + Math.round(CUT.length * sound.rateHz))));
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly ms: number;
}

const agent = new Agent({ keepAlive: true });

function call(url: string, options: { readonly token: string; readonly body?: Buffer; readonly type?: string }): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { token, body = Buffer.alloc(0), type } = options;
    const headers = { authorization: `Bearer ${token}`, "content-length": body.length, ...(type && { "content-type": type }) };
    const start = performance.now();
    const sent = request(url, { method: "POST", agent, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString(), ms: performance.now() - start }),
      );
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function form(parts: readonly (readonly [name: string, bytes: Uint8Array])[]): { readonly body: Buffer; readonly type: string } {
  const boundary = randomBytes(12).toString("hex");
  const pieces = parts.flatMap(([name, bytes]) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${name === "nonce" ? "" : '; filename="x"'}\r\n\r\n`,
    ),
    bytes,
    Buffer.from("\r\n"),
  ]);
  return {
    body: Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)]),
    type: `multipart/form-data; boundary=${boundary}`,
  };
}

function quantiles(values: readonly number[]) {
  const sorted = [...values].sort((a, b) => a - b);
  // Nearest rank: of 1,000 the 950th and the 990th.
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: sorted.at(-1) ?? Number.NaN };
}

async function measure(kind: string, models: string, crowd: readonly Person[]) {
  const folder = mkdtempSync(join(tmpdir(), "tessera-gateway-"));
  const tokens = (["operator", "developer"] as const).map((role) => makeToken(role, role));
  const [operator = "", developer = ""] = tokens.map(({ token }) => token);
  writeFileSync(join(folder, "tokens.json"), printTokens(tokens.map(({ entry }) => entry)), { mode: 0o600 });
  writeFileSync(join(folder, "passphrase"), randomBytes(24).toString("hex"), { mode: 0o600 });
  mkdirSync(join(folder, "data"), { mode: 0o700 });
  const model = (name: string) => ({ model: join(models, kind, `${name}.onnx`) });
  const many = 10_000_000;
  const config: GatewayConfigFile = {
    version: 1,
    deviceId: "bench",
    listen: { port: 0 },
    face: {
      detector: model("detector"),
      liveness: { ...model("liveness"), threshold: Number(flags.liveness) },
      embedder: model("face"),
      decision: { far: 1e-3 },
    },
    voice: { vad: model("vad"), embedder: model("voice"), decision: { far: 1e-2 } },
    // The impostors here are many, and to be judged one by one.
    lockout: { tries: 100, firstWaitMs: 1, longestWaitMs: 1, growth: 1, primaryAfter: 10_000 },
    limits: { callsPerMinute: many, retriesPerMinute: many },
    log: "error",
  };
  const file = join(folder, "gateway.json");
  writeFileSync(file, JSON.stringify(config));
  const child = fork(fileURLToPath(import.meta.url), ["--serve", file], { execArgv: ["--conditions=source", "--import", "tsx"] });
  const said = <T>() =>
    new Promise<T>((resolve, reject) => {
      child.once("message", (message) => resolve(message as T));
      child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}`)));
    });
  const memory = async () => {
    const answer = said<{ rss: number; cpu: NodeJS.CpuUsage }>();
    child.send("memory");
    return answer;
  };
  try {
    const { url } = await said<{ url: string }>();
    for (const person of crowd) {
      const parts = [
        ...person.faces.slice(0, ENROLLED).map((b) => ["image", b] as const),
        ...person.voices.slice(0, ENROLLED).map((b) => ["audio", b] as const),
      ];
      const { status, body } = await call(`${url}/v1/subjects/${person.name}/enrol`, { token: operator, ...form(parts) });
      if (status !== 201) throw new Error(`enrolment ended with ${status}: ${body}`);
    }
    const verify = async (i: number) => {
      const claimed = at(crowd, i % crowd.length);
      const impostor = i % IMPOSTOR_EVERY === IMPOSTOR_EVERY - 1;
      const who = impostor ? at(crowd, (i + 1 + (Math.floor(i / 7) % (crowd.length - 1))) % crowd.length) : claimed;
      const pick = <T>(list: readonly T[]) => at(list, ENROLLED + (Math.floor(i / crowd.length) % (list.length - ENROLLED)));
      const { nonce } = JSON.parse((await call(`${url}/v1/challenge`, { token: developer })).body) as Challenge;
      const body = form([
        ["image", pick(who.faces)],
        ["audio", pick(who.voices)],
        ["nonce", Buffer.from(nonce)],
      ]);
      const answer = await call(`${url}/v1/subjects/${claimed.name}/verify`, { token: developer, ...body });
      if (answer.status !== 200) throw new Error(`verification ended with ${answer.status}: ${answer.body}`);
      return { impostor: who !== claimed, ms: answer.ms, decision: JSON.parse(answer.body) as Decision };
    };
    for (let i = 0; i < Number(flags.warmup); i++) await verify(i);
    const before = await memory();
    const done: Awaited<ReturnType<typeof verify>>[] = [];
    const rss: number[] = [before.rss];
    let next = 0;
    const start = performance.now();
    const client = async (): Promise<void> => {
      while (next < Number(flags.requests)) {
        done.push(await verify(next++));
        if (done.length % 250 === 0) rss.push((await memory()).rss);
      }
    };
    await Promise.all(Array.from({ length: Number(flags.clients) }, client));
    const seconds = (performance.now() - start) / 1000;
    const after = await memory();
    child.send("close");
    await new Promise((resolve) => child.once("exit", resolve));
    return summary(kind, done, {
      rss,
      seconds,
      cpuMs: (after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / 1000,
    });
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

function summary(
  kind: string,
  done: readonly { readonly impostor: boolean; readonly ms: number; readonly decision: Decision }[],
  process: { readonly rss: readonly number[]; readonly seconds: number; readonly cpuMs: number },
) {
  const stages = new Map<string, number[]>();
  for (const { decision } of done)
    for (const { modality, stage, ms } of decision.stages) {
      const name = modality === undefined ? stage : `${modality} ${stage}`;
      stages.set(name, [...(stages.get(name) ?? []), ms]);
    }
  const tally = (impostor: boolean) => {
    const of = done.filter((d) => d.impostor === impostor);
    const outcomes: Record<string, number> = {};
    for (const { decision } of of) {
      const why = decision.modalities.filter((m) => m.outcome !== "match").map((m) => `${m.modality} ${m.outcome}`);
      const name = [decision.decision, ...why].join(", ");
      outcomes[name] = (outcomes[name] ?? 0) + 1;
    }
    return outcomes;
  };
  return {
    kind,
    requests: done.length,
    endToEnd: quantiles(done.map((d) => d.ms)),
    inService: quantiles(done.map((d) => d.decision.totalMs)),
    stages: Object.fromEntries([...stages].map(([name, values]) => [name, { count: values.length, ...quantiles(values) }])),
    genuine: tally(false),
    impostor: tally(true),
    rssMiB: process.rss.map((bytes) => Math.round(bytes / 2 ** 20)),
    requestsPerSecond: done.length / process.seconds,
    cpuMsPerRequest: process.cpuMs / done.length,
  };
}

async function main(): Promise<void> {
  const shared = sharedDir();
  const { models } = flags;
  if (shared === undefined || models === undefined) throw new Error("needs the shared folder, and --models FOLDER");
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const fp32 = (name: string) => ({
    model: join(models, "fp32", `${name}.onnx`),
    card: join(models, "fp32", `${name}.card.json`),
  });
  const liveness = { ...fp32("liveness"), threshold: Number(flags.liveness) };
  const pipeline = await openPipeline({ face: { detector: fp32("detector"), liveness, embedder: fp32("face") } });
  const crowd = await people(shared, pipeline);
  await pipeline.close();
  const results = [];
  for (const kind of flags.kinds.split(",")) {
    const result = await measure(kind, models, crowd);
    results.push(result);
    const row = (name: string, q: { p50: number; p95: number; p99: number; max: number }) =>
      say(`${name.padEnd(18)}${[q.p50, q.p95, q.p99, q.max].map((v) => v.toFixed(1).padStart(8)).join("")}`);
    say(
      `\n${kind}: ${result.requests} requests of ${flags.clients} client(s), ms${"p50".padStart(8)}${"p95".padStart(8)}${"p99".padStart(8)}${"max".padStart(8)}`,
    );
    row("end to end", result.endToEnd);
    row("in the service", result.inService);
    for (const [name, q] of Object.entries(result.stages)) row(`  ${name}`, q);
    say(`genuine ${JSON.stringify(result.genuine)}, impostor ${JSON.stringify(result.impostor)}`);
    say(
      `RSS MiB ${result.rssMiB.join(" ")}; ${result.requestsPerSecond.toFixed(1)} requests/s, ${result.cpuMsPerRequest.toFixed(1)} ms of CPU each`,
    );
  }
  const machine = { cores: availableParallelism(), cpu: cpus()[0]?.model, node: process.version };
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ machine, results }, undefined, 2)}\n`);
}

if (flags.serve !== undefined) await serve(flags.serve);
else await main();
