import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { fail, type TesseraError } from "@tessera/core/base/error";
import { ERROR_CODES, type ErrorCode } from "@tessera/core/base/error-codes";
import { decodeFrame, encodeFrame, type Frame } from "./frame.ts";
import { LEASE_HEADER } from "./wire.ts";

/** Where an agent listens, and the token that it was started with. */
export interface AgentAddress {
  readonly host: string;
  readonly port: number;
  readonly token: string;
  /** Encrypted, the agent's certificate checked: against `ca` (PEM) where given, else against what Node trusts. */
  readonly tls?: { readonly ca?: string };
}

/** Options of an {@link Ask}. */
export interface AskOptions {
  /** Breaks the connection; the agent then stops the work. */
  readonly signal?: AbortSignal | undefined;
  /** Silence after which the device counts as gone, milliseconds. */
  readonly silenceMs?: number | undefined;
}

/** A way to ask an agent. */
export interface Asker {
  /** @throws what the agent answers; RUNTIME_FAILED when it cannot be reached */
  ask(path: string, frame: Frame, options?: AskOptions & { readonly lease?: string }): Promise<Frame>;
  /** Holds the device; `onEnd` is called once when the agent lets go or is gone. Resolves once it is held. */
  hold(lease: string, onEnd: () => void): Promise<void>;
  /** Breaks all connections. */
  end(): void;
}

/** Silence unless said otherwise: for requests that are answered at once. */
const SILENCE_MS = 30_000;
/** Largest answer, bytes: outputs of a run. */
const MAX_ANSWER = 256 << 20;

/** Asks the agent at an address, one request at a time. */
export function agentAsker(address: AgentAddress): Asker {
  const { host, port, token, tls } = address;
  const request = tls === undefined ? httpRequest : httpsRequest;
  const settings = { keepAlive: true, keepAliveMsecs: 10_000, maxSockets: 1 };
  const secure =
    tls === undefined ? {} : { ...(tls.ca === undefined ? {} : { ca: tls.ca }), servername: /^[\d.:]+$/.test(host) ? "" : host };
  const pool = tls === undefined ? new HttpAgent(settings) : new HttpsAgent(settings);
  // Holding takes a connection for as long as it lasts.
  const holding = tls === undefined ? new HttpAgent(settings) : new HttpsAgent(settings);
  const optionsOf = (path: string, more: { readonly lease?: string | undefined; readonly length: number }): RequestOptions => ({
    host,
    port,
    path: `/v1/${path}`,
    method: "POST",
    ...secure,
    headers: {
      authorization: `Bearer ${token}`,
      "content-length": more.length,
      ...(more.lease === undefined ? {} : { [LEASE_HEADER]: more.lease }),
    },
  });
  const lost = (cause: Error): TesseraError =>
    fail("RUNTIME_FAILED", `Cannot reach the device at ${host}:${port}: ${cause.message || "the connection broke"}`, {
      cause,
      hint: "Look whether `tessera agent` still runs there and what it said last, then start again",
    });

  return {
    ask(path, frame, { lease, signal, silenceMs = SILENCE_MS } = {}) {
      return new Promise((resolve, reject) => {
        const body = encodeFrame(frame);
        const sent = request(
          { ...optionsOf(path, { lease, length: body.length }), agent: pool, ...(signal === undefined ? {} : { signal }) },
          (response) => {
            const parts: Buffer[] = [];
            let size = 0;
            response.on("data", (part: Buffer) => {
              size += part.length;
              if (size > MAX_ANSWER) response.destroy(new Error(`its answer is larger than ${MAX_ANSWER} bytes`));
              else parts.push(part);
            });
            response.on("error", (cause) => reject(lost(cause)));
            response.on("aborted", () => reject(lost(new Error("its answer broke off"))));
            response.on("end", () => {
              try {
                const reply = decodeFrame(new Uint8Array(Buffer.concat(parts, size)));
                if (response.statusCode === 200) resolve(reply);
                else reject(errorOf(reply.head, address));
              } catch (cause) {
                reject(
                  fail("RUNTIME_FAILED", `Cannot use ${host}:${port}: what answers there is no tessera agent of this version`, {
                    cause,
                  }),
                );
              }
            });
          },
        );
        sent.setTimeout(silenceMs, () => sent.destroy(new Error("it was silent for too long")));
        sent.on("error", (cause) => reject(signal?.aborted ? cause : lost(cause)));
        sent.end(body);
      });
    },
    hold(lease, onEnd) {
      return new Promise((resolve, reject) => {
        const body = encodeFrame({ head: {}, blobs: [] });
        const sent = request({ ...optionsOf("hold", { lease, length: body.length }), agent: holding }, (response) => {
          response.resume();
          response.on("error", () => {});
          response.on("close", onEnd);
          if (response.statusCode === 200) resolve();
          else reject(lost(new Error("it let go at once")));
        });
        sent.on("error", (cause) => reject(lost(cause)));
        sent.end(body);
      });
    },
    end() {
      pool.destroy();
      holding.destroy();
    },
  };
}

/** What the agent says went wrong, as the error that it was there. */
function errorOf(head: unknown, { host, port }: AgentAddress): Error {
  const { error } = (head ?? {}) as { readonly error?: Readonly<Record<string, unknown>> };
  const { code, message, hint, at, cause } = error ?? {};
  if (typeof code !== "string" || !Object.hasOwn(ERROR_CODES, code) || typeof message !== "string")
    return fail("RUNTIME_FAILED", `Cannot use the device at ${host}:${port}: its answer is not understood`);
  const places = Object.entries(typeof at === "object" && at !== null ? at : {}).filter(
    ([key, value]) => ["node", "tensor", "pass"].includes(key) && typeof value === "string",
  );
  return fail(code as ErrorCode, message, {
    at: Object.fromEntries(places),
    ...(typeof hint === "string" ? { hint } : {}),
    ...(typeof cause === "string" ? { cause: new Error(cause) } : {}),
  });
}
