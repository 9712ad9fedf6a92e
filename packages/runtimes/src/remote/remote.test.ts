import { request } from "node:http";
import { connect as connectSocket } from "node:net";
import type { Runtime, Session } from "@tessera/core/graph/runtime";
import { f32, sameTensor, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { ONNX_FILES } from "@tessera/testkit/runtime-files";
import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { readHardware } from "../hardware.ts";
import { ortNodeRuntime } from "../ort-node.ts";
import { type Agent, type AgentOptions, startAgent } from "./agent.ts";
import { connectDevice, type RemoteDevice } from "./connect.ts";
import { encodeFrame } from "./frame.ts";
import { AGENT_PROTOCOL } from "./wire.ts";

const TOKEN = "Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHNlY3JldA";
const hardware = await readHardware();
const inThread = await ortNodeRuntime({ worker: false });
const FEEDS = new Map([["x", f32([1, 3], [1, 2, 3])]]);

function agentOf(options: Partial<AgentOptions> = {}): Promise<Agent> {
  return startAgent({ host: "127.0.0.1", port: 0, token: TOKEN, version: "1.2.3", hardware, runtimes: [inThread], ...options });
}

const suiteAgent = await agentOf();
const suiteDevice = await connectDevice({ ...suiteAgent, token: TOKEN });
afterAll(async () => {
  await suiteDevice.close();
  await suiteAgent.close();
});

runtimeSuite({ name: "ort-node on a device, here this very machine", make: async () => suiteDevice.runtime("ort-node") });

describe("a device", () => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });
  async function started(
    options: Partial<AgentOptions> = {},
  ): Promise<Agent & { readonly token: string; readonly lines: string[] }> {
    const lines: string[] = [];
    const agent = await agentOf({ ...options, log: (line) => lines.push(line) });
    open.push(agent);
    return { ...agent, token: TOKEN, lines };
  }
  async function taken(agent: Agent): Promise<RemoteDevice> {
    const device = await connectDevice({ ...agent, token: TOKEN });
    open.push(device);
    return device;
  }
  const refused = (words: string) => expect.objectContaining({ code: "AGENT_REFUSED", message: expect.stringContaining(words) });
  const coded = (code: string, words = "") => expect.objectContaining({ code, message: expect.stringContaining(words) });

  test("says what it is: version, hardware, runtimes", async () => {
    const device = await taken(await started());
    const runtimes = [{ id: "ort-node", version: inThread.version, formats: ["onnx", "ort"] }];
    expect(device).toMatchObject({ version: "1.2.3", hardware, runtimes });
    expect(device.runtime("ort-node")).toMatchObject({ id: "remote-ort-node", version: inThread.version });
    expect(() => device.runtime("litert")).toThrow(coded("RUNTIME_MISSING", "the device has ort-node"));
  });

  test("lets in nobody without its token, and tells nothing of it", async () => {
    const agent = await started();
    for (const token of ["x", TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase()]) {
      const error = await connectDevice({ ...agent, token }).catch((e: unknown) => e);
      expect(error).toEqual(refused("the token is not the one"));
      expect(JSON.stringify(error)).not.toContain(TOKEN);
    }
    expect(await posted(agent, "/v1/take", { token: "no", body: new Uint8Array(0) })).toBe(401);
    expect(await posted(agent, "/v1/run", { token: "", body: new Uint8Array(0) })).toBe(401);
    expect(agent.lines).toEqual([]);
  });

  test("starts with no weak token, and beyond loopback only when told that the traffic is in the clear", async () => {
    for (const token of ["short", "a".repeat(40), `${TOKEN} x`]) await expect(agentOf({ token })).rejects.toThrow(coded("USAGE"));
    await expect(agentOf({ host: "0.0.0.0" })).rejects.toThrow(coded("USAGE", "open to the network"));
    open.push(await agentOf({ host: "0.0.0.0", insecureHttp: true }));
  });

  test("turns away whoever speaks another protocol", async () => {
    const agent = await started();
    const body = encodeFrame({ head: { protocol: AGENT_PROTOCOL + 1 }, blobs: [] });
    const answer = await posted(agent, "/v1/take", { body, whole: true });
    expect(answer).toMatch(/it speaks protocol 1, not 2.*there it is 1\.2\.3/s);
    // Nobody has it now.
    expect((await taken(agent)).version).toBe("1.2.3");
  });

  test("serves one at a time, and the next one once it was given back", async () => {
    const agent = await started();
    const first = await taken(agent);
    await expect(connectDevice(agent)).rejects.toThrow(refused("busy"));
    await first.close();
    await taken(agent);
    expect(agent.lines).toEqual(["taken", "free: given back", "taken"]);
  });

  test("is free again when whoever had it dies in the middle of a run, and what they left is not there any more", async () => {
    const slow = slowed(inThread);
    const agent = await started({ runtimes: [slow.runtime] });
    const lease = await takenByHand(agent);
    await lease.opened(ONNX_FILES.add());
    const run = lease.running();
    await slow.reached;
    lease.die();
    await expect(connectDevice(agent)).rejects.toThrow(refused("busy"));
    slow.release();
    await run;
    await expect.poll(() => agent.lines, { timeout: 5000 }).toContain("free: the other end is gone");
    await expect.poll(() => connectDevice(agent).then((d) => d.close().then(() => "free")), { timeout: 5000 }).toBe("free");
    expect(slow.closed()).toBe(1);
    expect(await posted(agent, "/v1/run", { lease: lease.id, body: encodeFrame({ head: {}, blobs: [] }) })).toBe(409);
  });

  test("stops work that takes too long, says so, and is usable again", async () => {
    const slow = slowed(inThread);
    const agent = await started({ runtimes: [slow.runtime], limits: { requestMs: 1000 } });
    const device = await taken(agent);
    const session = await device.runtime("ort-node").load(ONNX_FILES.add());
    const run = session.run(FEEDS);
    await expect.poll(() => agent.lines, { timeout: 5000 }).toContain("free: a request took more than 1000 ms");
    slow.release();
    await expect(run).rejects.toThrow(refused("took too long"));
    await expect.poll(() => connectDevice(agent).then((d) => d.close().then(() => "free")), { timeout: 5000 }).toBe("free");
  });

  test("is free again when it was taken and not held, or not used for long", async () => {
    const impatient = await started({ limits: { holdMs: 20 } });
    expect(await posted(impatient, "/v1/take", { body: encodeFrame({ head: { protocol: AGENT_PROTOCOL }, blobs: [] }) })).toBe(
      200,
    );
    await expect.poll(() => impatient.lines, { timeout: 5000 }).toEqual(["taken", "free: taken and not held"]);
    const agent = await started({ limits: { idleMs: 20 } });
    const device = await taken(agent);
    await expect.poll(() => agent.lines, { timeout: 5000 }).toContain("free: silent for too long");
    await expect(device.runtime("ort-node").load(ONNX_FILES.add())).rejects.toThrow(refused("not taken"));
  });

  test("makes whole rounds in one request, and ratios of what it measured: every figure is its own", async () => {
    const asked: string[] = [];
    const scripted: Runtime = {
      ...inThread,
      async load(bytes, options) {
        const session = await inThread.load(bytes, options);
        const own = asked.length === 0 ? "a" : "b";
        asked.push(`load ${own}`);
        const wallMs = own === "a" ? [4, 4] : [1, 1];
        const time = async () => {
          asked.push(own);
          return { wallMs, cpuMs: own === "a" ? 8 : 4 };
        };
        return { ...session, time };
      },
    };
    const device = await taken(await started({ runtimes: [scripted] }));
    const runtime = device.runtime("ort-node");
    const a = await runtime.load(ONNX_FILES.add());
    const b = await runtime.load(ONNX_FILES.add(2));
    const rounds: number[] = [];
    const report = await device.measure(
      [
        { name: "a", session: a, feeds: FEEDS },
        { name: "b", session: b, feeds: FEEDS },
      ],
      { rounds: 7, runs: 2, onRound: (done) => rounds.push(done) },
    );
    expect(report).toMatchObject({ rounds: 7, runsPerRound: 2, baseline: "a" });
    expect(report.rows[1]).toMatchObject({
      name: "b",
      runs: 14,
      p50Ms: 1,
      cpuMs: 2,
      speedup: { value: 4 },
      cpuSpeedup: { value: 2 },
    });
    expect(rounds.at(-1)).toBe(7);
    // One session and the other in every round: never all rounds of one first.
    const turns = asked.slice(2);
    for (let i = 0; i < turns.length; i += 2) expect(turns.slice(i, i + 2).toSorted()).toEqual(["a", "b"]);
    expect(await a.time(FEEDS, { runs: 2 })).toEqual({ wallMs: [4, 4], cpuMs: 8 });
    const stranger = await inThread.load(ONNX_FILES.add());
    await expect(device.measure([{ name: "x", session: stranger, feeds: FEEDS }])).rejects.toThrow(
      coded("RUNTIME_FAILED", "not one of this device"),
    );
    await stranger.close();
  });

  test("weighs a model in a process of its own", async () => {
    const device = await taken(await started());
    const memory = await device.weigh(ONNX_FILES.add(), FEEDS, { runtime: "ort-node" });
    expect(memory.kind).toBe("memory");
    expect(memory.peakRssBytes).toBeGreaterThan(memory.baselineRssBytes - 1);
    await expect(device.weigh(Uint8Array.of(1, 2, 3), FEEDS, { runtime: "ort-node" })).rejects.toThrow(coded("RUNTIME_FAILED"));
  });

  test("gets a model once, however often it is opened", async () => {
    const paths: string[] = [];
    const agent = await started();
    const device = await taken({ ...agent, port: await relay(agent, (path) => paths.push(path), open) });
    const runtime = device.runtime("ort-node");
    for (let i = 0; i < 3; i++) await (await runtime.load(ONNX_FILES.add())).close();
    expect(paths.filter((p) => p === "put")).toHaveLength(1);
    expect(paths.filter((p) => p === "open")).toHaveLength(3);
  });

  test("bounds what is asked of it: bytes, sessions, threads, runs", async () => {
    const limits = { modelBytes: 20_000, requestBytes: 20_000, sessions: 2, runs: 10, threads: 3 };
    const agent = await started({ limits });
    const device = await taken(agent);
    const runtime = device.runtime("ort-node");
    const limit = (words: string) => coded("LIMIT_EXCEEDED", words);
    await expect(runtime.load(new Uint8Array(30_000))).rejects.toThrow(limit("the device takes 20000"));
    await expect(runtime.load(ONNX_FILES.add(), { threads: 4 })).rejects.toThrow(limit("3 threads"));
    const session = await runtime.load(ONNX_FILES.add());
    await expect(session.time(FEEDS, { runs: 11 })).rejects.toThrow(limit("11 times"));
    await expect(session.time(FEEDS, { runs: 1, warmup: 10 })).rejects.toThrow(limit("11 times"));
    await expect(device.measure([{ name: "a", session, feeds: FEEDS }], { rounds: 1, runs: 9 })).rejects.toThrow(
      limit("11 times"),
    );
    await runtime.load(ONNX_FILES.add());
    await expect(runtime.load(ONNX_FILES.add())).rejects.toThrow(limit("2 are open"));
    await session.close();
    await runtime.load(ONNX_FILES.add());
  });

  test("turns away a body that is too long before any of it is there, and one that does not say how long it is", async () => {
    const agent = await started({ limits: { requestBytes: 1000, modelBytes: 1000 } });
    const lease = await takenByHand(agent);
    const raw = (path: string, head: string): Promise<string> =>
      rawAnswer(
        agent,
        `POST /v1/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nX-Tessera-Lease: ${lease.id}\r\n${head}\r\n\r\n`,
      );
    expect(await raw("run", "Content-Length: 1001")).toMatch(/^HTTP\/1\.1 413 /);
    expect(await raw("put", "Content-Length: 900000000000")).toMatch(/^HTTP\/1\.1 413 /);
    expect(await raw("run", "Transfer-Encoding: chunked")).toMatch(/^HTTP\/1\.1 422 /);
    expect(
      await rawAnswer(
        agent,
        "POST /v1/take HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer no\r\nContent-Length: 1000000000\r\n\r\n",
      ),
    ).toMatch(/^HTTP\/1\.1 401 /);
    lease.die();
  });

  test("refuses another content than was promised", async () => {
    const agent = await started();
    const lease = await takenByHand(agent);
    const body = encodeFrame({ head: { sha256: "0".repeat(64) }, blobs: [ONNX_FILES.add()] });
    expect(await posted(agent, "/v1/put", { lease: lease.id, body, whole: true })).toContain("not the one promised");
    lease.die();
  });

  test("takes times of 0 or more from a device and nothing else", async () => {
    const lying: Runtime = {
      ...inThread,
      load: async (...args) => ({ ...(await inThread.load(...args)), time: async () => ({ wallMs: [-1], cpuMs: 1 }) }),
    };
    const device = await taken(await started({ runtimes: [lying] }));
    const session = await device.runtime("ort-node").load(ONNX_FILES.add());
    await expect(session.time(FEEDS, { runs: 1 })).rejects.toThrow(coded("MALFORMED", "1 times"));
  });

  test("is gone with the next step when its agent is", async () => {
    const agent = await started();
    const device = await taken(agent);
    const session = await device.runtime("ort-node").load(ONNX_FILES.add());
    await agent.close();
    const error = await session.run(FEEDS).catch((e: unknown) => e);
    expect(error).toEqual(coded("RUNTIME_FAILED", "Cannot reach the device at 127.0.0.1:"));
    expect(error).toMatchObject({ hint: expect.stringContaining("tessera agent") });
    await session.close();
    await expect(connectDevice(agent)).rejects.toThrow(coded("RUNTIME_FAILED", "Cannot reach the device"));
  });

  test("computes the same in worker threads, which end with the lease", async () => {
    const agent = await started({ runtimes: [await ortNodeRuntime()] });
    const device = await taken(agent);
    const x = ONNX_FILES.conv.input();
    const session = await device.runtime("ort-node").load(ONNX_FILES.conv.bytes());
    const there = (await session.run(new Map([["x", x]]))).get("y") as Tensor;
    const local = await inThread.load(ONNX_FILES.conv.bytes());
    expect(sameTensor(there, (await local.run(new Map([["x", x]]))).get("y") as Tensor)).toBe(true);
    await local.close();
    await device.close();
    expect([...toNumbers(there)].some((v) => v > 0)).toBe(true);
  });
});

/** A runtime whose runs wait until they are let go. */
function slowed(inner: Runtime): {
  readonly runtime: Runtime;
  readonly reached: Promise<void>;
  release(): void;
  closed(): number;
} {
  let release = (): void => {};
  let reach = (): void => {};
  let closed = 0;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    reach = resolve;
  });
  const runtime: Runtime = {
    ...inner,
    async load(bytes, options) {
      const session: Session = await inner.load(bytes, options);
      return {
        ...session,
        async run(feeds) {
          reach();
          await gate;
          return session.run(feeds);
        },
        async close() {
          closed++;
          await session.close();
        },
      };
    },
  };
  return { runtime, reached, release: () => release(), closed: () => closed };
}

interface Post {
  readonly token?: string;
  readonly lease?: string;
  readonly body: Uint8Array;
  readonly whole?: boolean;
}

/** Status of a request, or with `whole` the text of the answer. */
function posted(
  agent: Pick<Agent, "host" | "port">,
  path: string,
  { token = TOKEN, lease, body, whole }: Post,
): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      "content-length": body.length,
      ...(lease === undefined ? {} : { "x-tessera-lease": lease }),
    };
    const sent = request({ host: agent.host, port: agent.port, path, method: "POST", headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (part: Buffer) => {
        text += part.toString("latin1");
      });
      response.on("end", () => resolve(whole ? text : (response.statusCode ?? 0)));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** What comes back for bytes on the line, until the other end closes. */
function rawAnswer(agent: Agent, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(agent.port, agent.host, () => socket.write(text));
    let got = "";
    socket.on("data", (part) => {
      got += part.toString("latin1");
    });
    socket.on("close", () => resolve(got));
    socket.on("error", reject);
  });
}

/** A client that is made of requests, so that it can die as one does: without a word. */
async function takenByHand(agent: Agent) {
  const body = encodeFrame({ head: { protocol: AGENT_PROTOCOL }, blobs: [] });
  const text = (await posted(agent, "/v1/take", { body, whole: true })) as string;
  const id = /"lease":"([\w-]+)"/.exec(text)?.[1] as string;
  const nothing = encodeFrame({ head: {}, blobs: [] });
  const socket = connectSocket(agent.port, agent.host);
  socket.on("error", () => {});
  socket.write(
    `POST /v1/hold HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\nX-Tessera-Lease: ${id}\r\nContent-Length: ${nothing.length}\r\n\r\n`,
  );
  socket.write(nothing);
  await new Promise((resolve) => socket.once("data", resolve));
  return {
    id,
    die: () => void socket.destroy(),
    async opened(bytes: Uint8Array): Promise<void> {
      const { createHash } = await import("node:crypto");
      const sha256 = createHash("sha256").update(bytes).digest("hex");
      expect(await posted(agent, "/v1/put", { lease: id, body: encodeFrame({ head: { sha256 }, blobs: [bytes] }) })).toBe(200);
      const open = encodeFrame({ head: { runtime: "ort-node", model: sha256, external: [], options: {} }, blobs: [] });
      expect(await posted(agent, "/v1/open", { lease: id, body: open })).toBe(200);
    },
    running(): Promise<unknown> {
      const tensors = [{ name: "x", dtype: "float32", shape: [1, 3], blobs: [0] }];
      const run = encodeFrame({ head: { session: 1, tensors }, blobs: [new Uint8Array(12)] });
      return posted(agent, "/v1/run", { lease: id, body: run }).catch(() => undefined);
    },
  };
}

/** A port that passes everything on, and hears the paths that are asked for. */
async function relay(agent: Agent, heard: (path: string) => void, open: { close(): Promise<void> }[]): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer((near) => {
    const far = connectSocket(agent.port, agent.host);
    near.on("data", (part) => {
      for (const match of part.toString("latin1").matchAll(/POST \/v1\/(\w+) /g)) heard(match[1] as string);
    });
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => new Promise((resolve) => server.close(() => resolve())) });
  return (server.address() as { port: number }).port;
}
