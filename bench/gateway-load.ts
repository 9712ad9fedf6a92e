/**
 * Many clients at once against a gateway in a process of its own, over TCP: decisions by face and voice, their times, and the memory that the
 * gateway takes meanwhile. A client asks again when it has its answer, so that as many requests as there are clients are always under way.
 *
 *   npx tsx --conditions=source bench/gateway-load.ts [--clients 50] [--requests 1000] [--workers 2] [--json FILE]
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type LoadCase, loadGateway } from "@tessera/testkit/gateway-load";
import { spawnGateway } from "@tessera/testkit/gateway-process";
import { sharedModels } from "@tessera/testkit/gateway-samples";
import { type CaptureFiles, decisionIn, serviceClient, writeGatewayFolder } from "@tessera/testkit/gateway-service";
import { sharedDir } from "@tessera/testkit/shared";

const { values: flags } = parseArgs({
  options: {
    clients: { type: "string", default: "50" },
    requests: { type: "string", default: "1000" },
    workers: { type: "string", default: "2" },
    json: { type: "string" },
  },
});

const shared = sharedDir();
if (shared === undefined) throw new Error("There is no folder `shared` beside the repository: no models and no people");
const data = join(shared, "data");
const clients = Number(flags.clients);

/** Pictures of one person each, and a voice for them: who the person is does not matter here. */
function* people(): Generator<CaptureFiles & { readonly name: string }> {
  const voices = join(data, "voice-emodb/wav/03");
  const sounds = readdirSync(voices).map((name) => new Uint8Array(readFileSync(join(voices, name))));
  const faces = join(data, "lfw/images");
  for (const [i, name] of readdirSync(faces).entries()) {
    const [file] = readdirSync(join(faces, name));
    const audio = sounds[i % sounds.length];
    if (file !== undefined && audio !== undefined)
      yield { name: `p${i}`, image: new Uint8Array(readFileSync(join(faces, name, file))), audio };
  }
}

const home = mkdtempSync(join(tmpdir(), "tessera-load-"));
const models = sharedModels(shared);
const tokens = writeGatewayFolder(home, models, { workers: Number(flags.workers), enrol: { duplicates: "allow" } });
const gateway = await spawnGateway(home);
try {
  const client = serviceClient(gateway.url, tokens);
  const cases: LoadCase[] = [];
  for (const { name, ...files } of people()) {
    if (cases.length === clients) break;
    // Those whose picture quality or liveness refuses do not come in.
    if ((await client.enrol(name, files)).status !== 201) continue;
    const { decision } = await decisionIn(await client.verify(name, files));
    if (decision === "accept") cases.push({ subject: name, files, decision });
  }
  const report = await loadGateway(gateway.url, tokens, { clients, requests: Number(flags.requests), cases });
  const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
  if (flags.json !== undefined)
    writeFileSync(flags.json, `${JSON.stringify({ machine, people: cases.length, ...report }, undefined, 2)}\n`);
  const { wrong, ...figures } = report;
  const mb = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  console.log(`${machine.cpu}, ${machine.cores} cores, ${clients} clients, ${cases.length} people`);
  console.log(`decisions ${figures.requests}, wrong ${wrong.length}, ${figures.perSecond.toFixed(1)} a second`);
  console.log(
    `p50 ${figures.p50Ms.toFixed(0)} ms, p95 ${figures.p95Ms.toFixed(0)} ms, p99 ${figures.p99Ms.toFixed(0)} ms, most ${figures.mostMs.toFixed(0)} ms`,
  );
  console.log(`resident ${mb(figures.rssBeforeBytes)} before, ${mb(figures.rssPeakBytes)} at most`);
  for (const line of wrong.slice(0, 10)) console.log(line);
  if (wrong.length > 0) process.exitCode = 1;
} finally {
  await gateway.stop();
  rmSync(home, { recursive: true, force: true });
}
