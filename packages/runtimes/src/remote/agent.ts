import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { fail, isTesseraError } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { Hardware } from "../hardware.ts";
import { WORK } from "./agent-work.ts";
import { decodeFrame, encodeFrame, type Frame } from "./frame.ts";
import { type Lease, type LeaseOffice, leaseOffice } from "./lease.ts";
import { AGENT_LIMITS, type AgentLimits } from "./limits.ts";
import { isLoopbackHost } from "./loopback.ts";
import { checkToken, sameSecret } from "./token.ts";
import { AGENT_PROTOCOL, type AgentHello, LEASE_HEADER, recordAt } from "./wire.ts";

/** What {@link startAgent} needs. */
export interface AgentOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Whoever knows it may run models here. */
  readonly token: string;
  /** Version of Tessera, for reports. */
  readonly version: string;
  readonly hardware: Hardware;
  /** Runtimes of this machine whose sessions live in worker threads or processes. */
  readonly runtimes: readonly Runtime[];
  /** Certificate chain and key in PEM; without, traffic and token are in the clear. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Listen beyond loopback without `tls`. */
  readonly insecureHttp?: boolean;
  readonly limits?: Partial<AgentLimits>;
  /** Hears who came and went, in words without secrets. */
  readonly log?: (line: string) => void;
}

/** An agent that listens. */
export interface Agent {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Connections at once: one of work, one that holds the device, and callers that are turned away. */
const MAX_CONNECTIONS = 32;
/** Largest request that is neither an upload nor work, bytes. */
const SMALL_REQUEST = 4096;
/** Time between packets that ask a silent peer whether it is still there, milliseconds. */
const KEEP_ALIVE_MS = 10_000;

/**
 * Runs models on this machine for one bench at a time: the other end is `connectDevice`. Work is done strictly one after the other, and times are taken here,
 * next to the runtime: neither the network nor a second client is in them.
 *
 * The protocol is HTTP/1.1 POST with `Authorization: Bearer TOKEN` and bodies that are frames (`frame.ts`): `/v1/take` gives {@link AgentHello}; `/v1/hold`
 * never ends, and when it does, whoever took the device is gone and their work is stopped; `/v1/free` gives it back; the rest is {@link WORK}. The token is
 * checked before a byte of a body is read, and so is the length of the body. Errors are frames with `{ error: { code, message, hint, at } }`.
 *
 * @throws USAGE for a weak token, and for an address beyond loopback without `tls` or `insecureHttp`; IO when the address cannot be listened on
 */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { host, port: wanted, token, tls, insecureHttp = false, log = () => {} } = options;
  checkToken(token);
  if (tls === undefined && !insecureHttp && !isLoopbackHost(host))
    throw fail("USAGE", `Cannot listen on ${host}: it is open to the network, and token and models would be in the clear`, {
      hint: "Give --tls-cert and --tls-key, or listen on 127.0.0.1 behind an SSH tunnel; --insecure-http if the network is yours alone",
    });
  const limits = { ...AGENT_LIMITS, ...options.limits };
  const desk: Desk = { options, limits, office: leaseOffice(limits, log) };
  const settings = {
    headersTimeout: 10_000,
    requestTimeout: limits.uploadMs,
    connectionsCheckingInterval: 5000,
    keepAliveTimeout: limits.idleMs,
    maxHeaderSize: 8192,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  const listener: RequestListener = (request, response) => void answer(request, response, desk);
  const server = tls === undefined ? createServer(settings, listener) : createTlsServer({ ...settings, ...tls }, listener);
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) =>
      reject(
        fail("IO", `Cannot listen on ${host}:${wanted}: ${cause.message}`, {
          cause,
          hint: "Name another address or port with --listen, or stop what listens there",
        }),
      ),
    );
    server.listen(wanted, host, resolve);
  });
  const { address, port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await desk.office.close();
    await closed;
  };
  return {
    host: address,
    port,
    close() {
      closing ??= close();
      return closing;
    },
  };
}

interface Desk {
  readonly options: AgentOptions;
  readonly limits: AgentLimits;
  readonly office: LeaseOffice;
}

async function answer(request: IncomingMessage, response: ServerResponse, desk: Desk): Promise<void> {
  // A connection that breaks is dealt with where it is read or held.
  request.on("error", () => {});
  response.on("error", () => {});
  try {
    checkCaller(request, desk.options.token);
    await serve(request, response, desk);
  } catch (error) {
    const { code, message, at, hint, cause } = isTesseraError(error)
      ? error
      : fail("RUNTIME_FAILED", `Cannot do the work: ${wordsOf(error)}`);
    const why = cause === undefined ? {} : { cause: wordsOf(cause) };
    const status = code !== "AGENT_REFUSED" ? (code === "LIMIT_EXCEEDED" ? 413 : 422) : statusOf(error);
    // A body that was not read cannot be told from the next request.
    if (!request.complete) response.setHeader("connection", "close");
    send(response, status, { head: { error: { code, message, at, hint, ...why } }, blobs: [] });
  }
}

/** That the token is wrong. */
const WRONG_TOKEN = "Cannot use the device: the token is not the one of the agent";

function statusOf(error: unknown): number {
  return error instanceof Error && error.message === WRONG_TOKEN ? 401 : 409;
}

function checkCaller({ headers, method }: IncomingMessage, token: string): void {
  const given = /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
  if (!sameSecret(given, token))
    throw fail("AGENT_REFUSED", WRONG_TOKEN, { hint: "Give a copy of the agent's own token file with --token-file" });
  if (method !== "POST") throw fail("MALFORMED", "Cannot answer: requests are made with POST");
}

async function serve(request: IncomingMessage, response: ServerResponse, desk: Desk): Promise<void> {
  const { office, options, limits } = desk;
  const path = /^\/v1\/([a-z]+)$/.exec(request.url ?? "")?.[1] ?? "";
  const header = request.headers[LEASE_HEADER];
  const id = typeof header === "string" ? header : undefined;
  if (path === "take") {
    const { protocol } = recordAt(decodeFrame(await bodyOf(request, SMALL_REQUEST)).head, "the head");
    if (protocol !== AGENT_PROTOCOL)
      throw fail(
        "AGENT_REFUSED",
        `Cannot use the device: it speaks protocol ${AGENT_PROTOCOL}, not ${JSON.stringify(protocol)?.slice(0, 20)}`,
        {
          hint: `Run the same version of Tessera on both; there it is ${options.version}`,
        },
      );
    send(response, 200, { head: helloOf(office.take(), desk), blobs: [] });
    return;
  }
  const lease = office.find(id);
  if (path === "hold") {
    await bodyOf(request, SMALL_REQUEST);
    office.hold(lease);
    // The only sure sign that the other end is gone, however it went.
    response.on("close", () => void office.free(lease, "the other end is gone"));
    lease.gone.addEventListener("abort", () => response.end());
    response.writeHead(200).flushHeaders();
    return;
  }
  if (path === "free") {
    await bodyOf(request, SMALL_REQUEST);
    await office.free(lease, "given back");
    send(response, 200, { head: {}, blobs: [] });
    return;
  }
  const work = Object.hasOwn(WORK, path) ? WORK[path] : undefined;
  if (work === undefined) throw fail("MALFORMED", "Cannot answer: there is no such request");
  const most = path === "put" ? limits.modelBytes + SMALL_REQUEST : limits.requestBytes;
  const reply = await office.work(lease, async () => {
    const { head, blobs } = decodeFrame(await bodyWhile(lease.gone, request, most));
    return work({ ...options, limits, lease, head: recordAt(head, "the head"), blobs });
  });
  send(response, 200, reply);
}

function helloOf(lease: Lease, { options, limits }: Desk): AgentHello {
  const { version, hardware, runtimes } = options;
  return {
    protocol: AGENT_PROTOCOL,
    version,
    hardware,
    runtimes: runtimes.map((r) => ({ id: r.id, version: r.version, formats: r.formats })),
    limits,
    lease: lease.id,
  };
}

function send(response: ServerResponse, status: number, frame: Frame): void {
  if (response.destroyed || response.headersSent) return;
  const bytes = encodeFrame(frame);
  response.writeHead(status, { "content-type": "application/octet-stream", "content-length": bytes.length });
  response.end(bytes);
}

function wordsOf(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).slice(0, 4000);
}

/** As {@link bodyOf}; a body that never comes does not keep the device. */
async function bodyWhile(gone: AbortSignal, request: IncomingMessage, limit: number): Promise<Uint8Array> {
  const stop = (): void => void request.destroy();
  gone.addEventListener("abort", stop);
  try {
    return await bodyOf(request, limit);
  } finally {
    gone.removeEventListener("abort", stop);
  }
}

/** The body of a request that says how long it is, and is no longer than that. */
async function bodyOf(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  const length = Number(request.headers["content-length"] ?? Number.NaN);
  if (!Number.isSafeInteger(length) || length < 0)
    throw fail("MALFORMED", "Cannot take the request: it does not say how long it is");
  if (length > limit)
    throw fail("LIMIT_EXCEEDED", `Cannot take the request: it has ${length} bytes, ${limit} are the most`, {
      hint: "Raise --max-model of the agent if the device has the memory",
    });
  const body = new Uint8Array(length);
  let at = 0;
  for await (const part of request as AsyncIterable<Uint8Array>) {
    body.set(part, at);
    at += part.length;
  }
  if (at !== length) throw fail("MALFORMED", "Cannot take the request: it was cut off");
  return body;
}
