import type { Server } from "node:http";
import { isTesseraError } from "@tessera/core/base/error";
import type { GatewayModality, LiveMessage } from "@tessera/core/protocol/gateway-api";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { modalityOf } from "./captures.ts";
import type { Guard } from "./guard.ts";
import type { AppParts } from "./parts.ts";
import { mayCall } from "./roles.ts";

/** Time for the first message, which brings the token, milliseconds. */
const HELLO_MS = 5000;

/** Answers that wait for a slow reader, bytes; more are left out. */
const MAX_UNREAD_BYTES = 64 << 10;

/** Close codes (RFC 6455, 7.4.1): going away, unsupported data, policy violation. */
const CLOSE = { idle: 1001, unsupported: 1003, refused: 1008 } as const;

/** The subprotocol; browsers may send the token as `bearer.TOKEN` besides. */
const PROTOCOL = "tessera.v1";

/** Takes over `WS /v1/live` of a server: pictures and sounds in, notes on their quality out. `close` ends all connections. */
export function attachLive(server: Server, parts: AppParts, guard: Guard): { close(): void } {
  const { limits } = parts;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.liveFrameBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });
  // Who has yet to bring a token, the longest wait first.
  const strangers = new Set<WebSocket>();
  server.on("upgrade", (request, socket, head) => {
    const refuse = (status: string): void => {
      // Nobody else would end it when the other side does not: such connections would fill all places, and the service could not stop.
      socket.once("finish", () => socket.destroy());
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    };
    socket.on("error", () => socket.destroy());
    if (request.url?.split("?")[0] !== "/v1/live") return refuse("404 Not Found");
    if (sockets.clients.size >= limits.liveConnections) {
      // Strangers give way: who holds places without a token must not keep out those who have one.
      const [stranger] = strangers;
      if (stranger === undefined) return refuse("503 Service Unavailable");
      strangers.delete(stranger);
      stranger.terminate();
    }
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((p) => p.trim());
    const token = offered.find((p) => p.startsWith("bearer."))?.slice("bearer.".length);
    sockets.handleUpgrade(request, socket, head, (ws) => {
      strangers.add(ws);
      ws.once("close", () => strangers.delete(ws));
      const known = (): void => void strangers.delete(ws);
      serve(ws, { parts, guard, token, address: request.socket.remoteAddress ?? "unknown", known });
    });
  });
  return {
    close() {
      for (const ws of sockets.clients) ws.terminate();
      sockets.close();
    },
  };
}

function serve(
  ws: WebSocket,
  options: {
    readonly parts: AppParts;
    readonly guard: Guard;
    readonly token: string | undefined;
    readonly address: string;
    /** Told once the token was found good. */
    readonly known: () => void;
  },
): void {
  const { parts, guard, address } = options;
  const { metrics, limits, log } = parts;
  const gone = new AbortController();
  let token = options.token;
  let admitted: Promise<boolean> | undefined;
  // One frame is looked at, at most one waits: the newest. Older ones are worth nothing to somebody who moves before a camera.
  let busy = false;
  let newest: Uint8Array | undefined;
  let timer = setTimeout(() => ws.close(CLOSE.refused, "no token"), HELLO_MS);
  metrics.live(1);

  const admit = async (presented: string): Promise<boolean> => {
    try {
      const { id, role } = await guard.caller(presented, address);
      if (!mayCall(role, "capture")) throw new Error("role");
      if (guard.waitMs(id) > 0) throw new Error("rate");
      token = presented;
      options.known();
      return true;
    } catch {
      ws.close(CLOSE.refused, "refused");
      return false;
    }
  };
  const awake = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => ws.close(CLOSE.idle, "idle"), limits.liveIdleMs);
  };
  const look = async (frame: Uint8Array): Promise<void> => {
    const modality = modalityOf(frame);
    if (modality === undefined) return ws.close(CLOSE.unsupported, "neither picture nor sound");
    // A token that was revoked meanwhile ends the connection.
    if (token === undefined || parts.tokens.find(token) === undefined) return ws.close(CLOSE.refused, "refused");
    const message = await qualityOf(parts, { modality, frame, signal: gone.signal });
    if (message === undefined || ws.readyState !== ws.OPEN || ws.bufferedAmount > MAX_UNREAD_BYTES) {
      metrics.liveFrame("dropped");
      return;
    }
    metrics.liveFrame("looked-at");
    ws.send(JSON.stringify(message));
  };
  const work = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      for (let frame = newest; frame !== undefined && ws.readyState === ws.OPEN; frame = newest) {
        newest = undefined;
        await look(frame);
      }
    } catch (error) {
      log.lines.error({ err: error }, "live failed");
      ws.terminate();
    } finally {
      busy = false;
    }
  };

  if (token !== undefined) admitted = admit(token);
  ws.on("message", (data: RawData, isBinary: boolean) => {
    awake();
    if (admitted === undefined) {
      const hello = isBinary ? undefined : tokenOf(data);
      if (hello === undefined) return ws.close(CLOSE.refused, "no token");
      admitted = admit(hello);
      return;
    }
    if (!isBinary) return ws.close(CLOSE.unsupported, "text");
    if (newest !== undefined) metrics.liveFrame("dropped");
    newest = bytesOf(data);
    admitted.then((yes) => (yes ? work() : undefined)).catch(() => ws.terminate());
  });
  ws.on("error", () => ws.terminate());
  ws.on("close", () => {
    clearTimeout(timer);
    gone.abort();
    newest = undefined;
    metrics.live(-1);
  });
}

/** What is to be said of a frame; `undefined` when nobody had time for it. */
async function qualityOf(
  { pipeline }: AppParts,
  request: { readonly modality: GatewayModality; readonly frame: Uint8Array; readonly signal: AbortSignal },
): Promise<LiveMessage | undefined> {
  const { modality, frame, signal } = request;
  if (!pipeline.modalities.includes(modality)) return undefined;
  const startMs = performance.now();
  try {
    const { notes, quality } = await pipeline.probe(modality, frame, { stop: "quality", signal });
    return { kind: "quality", modality, good: notes.length === 0, notes, quality, ms: performance.now() - startMs };
  } catch (error) {
    if (signal.aborted || (isTesseraError(error) && error.code === "GATEWAY_BUSY")) return undefined;
    throw error;
  }
}

function tokenOf(data: RawData): string | undefined {
  const bytes = bytesOf(data);
  if (bytes.length > 1024) return undefined;
  try {
    const hello: unknown = JSON.parse(Buffer.from(bytes).toString("utf8"));
    const token = typeof hello === "object" && hello !== null && "token" in hello ? hello.token : undefined;
    return typeof token === "string" ? token : undefined;
  } catch {
    return undefined;
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}
