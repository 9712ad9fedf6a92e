import { createServer, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createAdaptorServer } from "@hono/node-server";
import { fail } from "@tessera/core/base/error";
import { createApp } from "./app.ts";
import { createGuard } from "./guard.ts";
import { attachLive } from "./live.ts";
import type { AppParts } from "./parts.ts";

/** Where and how to listen. */
export interface ServeOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Connections at a time. */
  readonly connections: number;
  /** Longest time a request may take to arrive, milliseconds. */
  readonly requestMs: number;
  /** PEM. */
  readonly tls?: { readonly key: Uint8Array; readonly cert: Uint8Array };
}

/** Time for requests under way when the service stops, milliseconds. */
const STOP_MS = 10_000;

/** Longest time for a request's header, milliseconds. */
const HEADER_MS = 10_000;

/** Serves an application over TCP. `close` takes nothing new and lets what is under way finish. @throws GATEWAY_CONFIG when it cannot listen */
export async function serveGateway(
  parts: AppParts,
  options: ServeOptions,
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const { host, port, requestMs, tls } = options;
  const guard = createGuard(parts);
  const { fetch } = createApp(parts, guard);
  // A connection that sends its header or body too slowly is ended, so that few of them cannot hold all places.
  const slow = {
    headersTimeout: Math.min(HEADER_MS, requestMs),
    requestTimeout: requestMs,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: Math.min(1000, requestMs),
    maxHeaderSize: 16 << 10,
  };
  const server = createAdaptorServer(
    tls === undefined
      ? { fetch: fetch as never, createServer, serverOptions: slow }
      : {
          fetch: fetch as never,
          createServer: createTlsServer,
          serverOptions: { ...slow, key: Buffer.from(tls.key), cert: Buffer.from(tls.cert), minVersion: "TLSv1.2" as const },
        },
  ) as Server;
  server.maxConnections = options.connections;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      reject(
        fail("GATEWAY_CONFIG", `Cannot listen on ${host}:${port}: ${cause.code ?? cause.message}`, {
          cause,
          hint: "Name another address or port under `listen`, or stop what listens there",
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  const live = attachLive(server, parts, guard);
  return {
    url: addressOf(server, options),
    async close() {
      live.close();
      await drained(server);
    },
  };
}

function addressOf(server: Server, { host, port, tls }: ServeOptions): string {
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${bound}`;
}

/** Resolves when every request under way has its answer, or after {@link STOP_MS} without. */
async function drained(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), STOP_MS);
  await closed;
  clearTimeout(timer);
}
