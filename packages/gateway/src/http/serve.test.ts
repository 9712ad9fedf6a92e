import { generateKeyPairSync } from "node:crypto";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { LiveMessage } from "@tessera/core/protocol/gateway-api";
import { formOf, type ScriptedChanges, scriptedParts } from "@tessera/testkit/gateway-app";
import { scriptedFile, scriptedPipeline } from "@tessera/testkit/gateway-parts";
import { afterEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { type ServeOptions, serveGateway } from "./serve.ts";
import { makeToken } from "./tokens.ts";

const running: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of running.splice(0)) await close();
});

async function served(changes: ScriptedChanges = {}, options: Partial<ServeOptions> = {}) {
  const made = scriptedParts(changes);
  const { url, close } = await serveGateway(made.parts, {
    host: "127.0.0.1",
    port: 0,
    connections: 64,
    requestMs: 5000,
    ...options,
  });
  running.push(close);
  const as = (role: keyof typeof made.tokens) => ({ authorization: `Bearer ${made.tokens[role]}` });
  return { ...made, url, close, as, port: Number(new URL(url).port) };
}

/** A pipeline that begins with nothing before `open` is called. */
function heldPipeline() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const pipeline = scriptedPipeline({ until: () => opened });
  return { pipeline, open: () => open(), begun: () => vi.waitFor(() => expect(pipeline.seen).toBe(1)) };
}

/** Sends bytes as they are; what came back until the other side closed. */
function raw(port: number, text: string, options: { readonly drip?: boolean } = {}): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => {
      if (options.drip !== true) return socket.write(text);
      let at = 0;
      const timer = setInterval(() => {
        if (socket.destroyed || at >= text.length) clearInterval(timer);
        else socket.write(text[at++] ?? "");
      }, 20);
      socket.on("close", () => clearInterval(timer));
      return true;
    });
    socket.on("data", (data) => {
      answer += data;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}

describe("over TCP", () => {
  test("the whole way: enrol, challenge, verify", async () => {
    const { url, as } = await served();
    const post = (path: string, role: "operator" | "capture", body?: FormData) =>
      fetch(`${url}${path}`, { method: "POST", headers: as(role), ...(body && { body }) });
    expect((await post("/v1/subjects/ann/enrol", "operator", formOf({ image: { person: "ann" } }))).status).toBe(201);
    const { nonce } = (await (await post("/v1/challenge", "capture")).json()) as { nonce: string };
    const decided = await post("/v1/subjects/ann/verify", "capture", formOf({ image: { person: "ann", take: 1 }, nonce }));
    expect(await decided.json()).toMatchObject({ decision: "accept" });
  });

  test("headers that are too long, requests that are none, and headers that come too slowly end the connection, not the service", async () => {
    const { port, url } = await served({}, { requestMs: 400 });
    expect(await raw(port, `GET /v1/health HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`)).toContain(" 431 ");
    expect(await raw(port, "\x16\x03\x01\x02\x00 hello\r\n\r\n")).toContain(" 400 ");
    expect(await raw(port, "GET / HTTP/9.9\r\n\r\n")).toContain(" 400 ");
    expect(
      await raw(port, "POST /v1/challenge HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ).toContain(" 400 ");
    expect(await raw(port, `GET /v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: ${"y".repeat(4000)}`, { drip: true })).toContain(
      " 408 ",
    );
    expect((await fetch(`${url}/v1/health`)).status).toBe(200);
  });

  test("a body that comes too slowly is given up", async () => {
    const { port, tokens } = await served({}, { requestMs: 400 });
    const head = `POST /v1/identify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokens.capture}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n--b`;
    const answer = await raw(port, head);
    expect(answer === "" || answer.includes(" 408 ") || answer.includes(" 400 ")).toBe(true);
  });

  test("takes no more connections than it may", async () => {
    const { port } = await served({}, { connections: 2 });
    const open = [1, 2].map(() => connect(port, "127.0.0.1"));
    await Promise.all(open.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    expect(await raw(port, "GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")).toBe("");
    for (const socket of open) socket.destroy();
  });

  test("who is refused an upgrade and does not hang up holds no place, and does not keep the service from stopping", async () => {
    const { port, url, close } = await served({}, { connections: 2 });
    const held = [1, 2].map(() => connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
    try {
      for (const socket of held) {
        const answer = new Promise((resolve) => socket.once("data", resolve));
        socket.on("error", () => {});
        socket.write("GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        expect(String(await answer)).toContain(" 404 ");
      }
      await vi.waitFor(async () => expect((await fetch(`${url}/v1/health`)).status).toBe(200), { timeout: 4000 });
      await close();
    } finally {
      for (const socket of held) socket.destroy();
    }
  });

  test("when it stops, requests under way get their answers and new ones none", async () => {
    const { pipeline, open, begun } = heldPipeline();
    const { url, port, as, close } = await served({ pipeline });
    const body = formOf({ image: { person: "ann" } });
    const enrol = fetch(`${url}/v1/subjects/ann/enrol`, { method: "POST", headers: as("operator"), body });
    await begun();
    const closed = close();
    open();
    expect((await enrol).status).toBe(201);
    await closed;
    await expect(new Promise((_, reject) => connect(port, "127.0.0.1").on("error", reject))).rejects.toMatchObject({
      code: "ECONNREFUSED",
    });
  });

  test("who hangs up before an answer costs no try and no line of failure", async () => {
    const lines: string[] = [];
    // Goes on only when it is told that the caller has gone.
    const pipeline = scriptedPipeline({
      until: (signal) => new Promise((resolve) => signal?.addEventListener("abort", () => resolve())),
    });
    const { port, as, lockout, url } = await served({ pipeline, logTo: { write: (line) => void lines.push(line) } });
    const { nonce } = (await (await fetch(`${url}/v1/challenge`, { method: "POST", headers: as("capture") })).json()) as {
      nonce: string;
    };
    const body = Buffer.from(await new Response(formOf({ image: { person: "ann" }, nonce })).arrayBuffer());
    const type = `multipart/form-data; boundary=${/^--(\S+)/.exec(body.toString("latin1"))?.[1]}`;
    const request = httpRequest({
      port,
      path: "/v1/subjects/ann/verify",
      method: "POST",
      headers: { ...as("capture"), "content-type": type },
    });
    request.on("error", () => {});
    request.end(body);
    await vi.waitFor(() => expect(pipeline.seen).toBe(1));
    request.destroy();
    await vi.waitFor(() => expect(lines.join("")).toContain('"status":400'));
    expect(lines.join("")).not.toContain("request failed");
    expect(lockout.failures.size).toBe(0);
  });

  test("cannot listen where somebody does", async () => {
    const { port } = await served();
    await expect(served({}, { port })).rejects.toMatchObject({
      code: "GATEWAY_CONFIG",
      message: expect.stringContaining("EADDRINUSE"),
    });
  });

  test("does not start with a key that is none", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = Buffer.from(privateKey.export({ format: "pem", type: "pkcs8" }));
    await expect(served({}, { tls: { key, cert: Buffer.from("no certificate") } })).rejects.toThrow();
  });
});

describe("WS /v1/live", () => {
  const open = (url: string, protocols: readonly string[] = []) =>
    new WebSocket(`${url.replace("http", "ws")}/v1/live`, [...protocols]);
  const closed = (ws: WebSocket) => new Promise<number>((resolve) => ws.once("close", resolve));
  const opened = (ws: WebSocket) => new Promise((resolve, reject) => ws.once("open", resolve).once("error", reject));
  const message = (ws: WebSocket) =>
    new Promise<LiveMessage>((resolve) => ws.once("message", (data) => resolve(JSON.parse(String(data)))));
  const frame = (person: string, more = {}) => scriptedFile("face", { person, ...more });

  test("a token as first message or as subprotocol, then a note for each frame", async () => {
    const { url, tokens } = await served();
    for (const way of ["message", "subprotocol"]) {
      const ws = open(url, way === "subprotocol" ? ["tessera.v1", `bearer.${tokens.capture}`] : []);
      await opened(ws);
      expect(ws.protocol).toBe(way === "subprotocol" ? "tessera.v1" : "");
      if (way === "message") ws.send(JSON.stringify({ token: tokens.capture }));
      ws.send(frame("ann"));
      expect(await message(ws)).toMatchObject({ kind: "quality", modality: "face", good: true, notes: [] });
      ws.send(scriptedFile("voice", { person: "ann", poor: "silent" }));
      expect(await message(ws)).toMatchObject({ kind: "quality", modality: "voice", good: false, notes: [{ code: "silent" }] });
      ws.close();
      await closed(ws);
    }
  });

  test("says nothing that would help to get past recognition: no score, no liveness, no subject", async () => {
    const { url, tokens } = await served();
    const ws = open(url);
    await opened(ws);
    ws.send(JSON.stringify({ token: tokens.developer }));
    ws.send(frame("ann", { live: 0.2 }));
    expect(Object.keys(await message(ws)).sort()).toEqual(["good", "kind", "modality", "ms", "notes", "quality"]);
  });

  test("without a token, with a wrong one or an auditor's, with text or with something that is no capture, it ends", async () => {
    const { url, tokens } = await served();
    const hello = JSON.stringify({ token: tokens.capture });
    const cases: readonly (readonly [sends: readonly (string | Uint8Array)[], code: number])[] = [
      [[frame("ann")], 1008],
      [["hello"], 1008],
      [[JSON.stringify({ token: "tsg_wrong" })], 1008],
      [[JSON.stringify({ token: tokens.auditor })], 1008],
      [[hello, "text"], 1003],
      [[hello, Buffer.from("GIF89a")], 1003],
    ];
    for (const [sends, code] of cases) {
      const ws = open(url);
      await opened(ws);
      const ended = closed(ws);
      for (const send of sends) ws.send(send);
      expect(await ended).toBe(code);
    }
  });

  test("a frame beyond the limit, silence, and a token that was revoked end it", async () => {
    const { token, entry } = makeToken("phone", "capture");
    let known = true;
    const tokens = { find: (presented: string) => (known && presented === token ? entry : undefined), problem: () => undefined };
    const { url } = await served({ tokens, limits: { liveFrameBytes: 10_000, liveIdleMs: 150 } });
    const enter = async () => {
      const ws = open(url);
      await opened(ws);
      ws.send(JSON.stringify({ token }));
      ws.send(frame("ann"));
      await message(ws);
      return ws;
    };
    const large = await enter();
    large.send(new Uint8Array(10_001));
    expect(await closed(large)).toBe(1009);
    expect(await closed(await enter())).toBe(1001);
    const revoked = await enter();
    known = false;
    revoked.send(frame("ann"));
    expect(await closed(revoked)).toBe(1008);
  });

  test("frames that come faster than they are looked at are dropped but for the newest", async () => {
    const { pipeline, open: begin, begun } = heldPipeline();
    const { url, tokens } = await served({ pipeline });
    const ws = open(url);
    await opened(ws);
    const answers: LiveMessage[] = [];
    ws.on("message", (data) => answers.push(JSON.parse(String(data))));
    ws.send(JSON.stringify({ token: tokens.capture }));
    ws.send(frame("ann"));
    await begun();
    for (let i = 0; i < 30; i++) ws.send(frame("ann", i === 29 ? { poor: "dark" } : {}));
    // A ping is answered after everything before it was taken in.
    const pong = new Promise((resolve) => ws.once("pong", resolve));
    ws.ping();
    await pong;
    begin();
    await vi.waitFor(() => expect(answers.at(-1)?.notes[0]?.code).toBe("dark"));
    expect(pipeline.seen).toBe(2);
    expect(answers).toHaveLength(2);
  });

  test("whoever has brought no token yet gives way when all places are taken", async () => {
    const { url, tokens } = await served({ limits: { liveConnections: 2 } });
    const strangers = [open(url), open(url)];
    await Promise.all(strangers.map(opened));
    const ended = Promise.race(strangers.map(closed));
    const ws = open(url);
    await opened(ws);
    expect(await ended).toBe(1006);
    ws.send(JSON.stringify({ token: tokens.capture }));
    ws.send(frame("ann"));
    expect(await message(ws)).toMatchObject({ kind: "quality" });
  });

  test("there are only so many at a time, and no other address", async () => {
    const { url, tokens } = await served({ limits: { liveConnections: 1 } });
    const first = open(url);
    await opened(first);
    first.send(JSON.stringify({ token: tokens.capture }));
    first.send(frame("ann"));
    await message(first);
    await expect(opened(open(url))).rejects.toThrow("503");
    await expect(opened(new WebSocket(`${url.replace("http", "ws")}/v1/other`))).rejects.toThrow("404");
  });
});
