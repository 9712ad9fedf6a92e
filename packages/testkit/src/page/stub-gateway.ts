import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, extname, join } from "node:path";

/** Headers as the gateway sends them with its page. */
const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' blob:; media-src blob:; connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
} as const;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** A canned answer. `body` goes as JSON. */
export interface StubAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request as a test looks at it. */
export interface StubRequest {
  /** "GET /v1/health". */
  readonly call: string;
  readonly authorization: string | undefined;
  readonly body: Buffer;
}

/** A server that looks like a gateway to the page and answers what a test tells it. */
export interface StubGateway {
  readonly url: string;
  /** Requests of the API so far, oldest first. */
  readonly requests: StubRequest[];
  close(): Promise<void>;
}

/** Serves the page that was built into `folder`, and the API from `answer`; undefined is 404, "hang-up" cuts the connection. */
export async function stubGateway(
  folder: string,
  answer: (request: StubRequest) => StubAnswer | "hang-up" | undefined,
): Promise<StubGateway> {
  const requests: StubRequest[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const path = new URL(request.url ?? "/", "http://stub").pathname;
      if (path === "/" || path.startsWith("/page/")) {
        const name = path === "/" ? "index.html" : basename(path);
        const bytes = await readFile(join(folder, name)).catch(() => undefined);
        response.writeHead(bytes === undefined ? 404 : 200, {
          ...PAGE_HEADERS,
          "content-type": TYPES[extname(name)] ?? "text/plain",
        });
        response.end(bytes);
        return;
      }
      const asked: StubRequest = {
        call: `${request.method} ${path}`,
        authorization: request.headers.authorization,
        body: await bodyOf(request),
      };
      requests.push(asked);
      const told = answer(asked);
      if (told === "hang-up") {
        request.socket.destroy();
        return;
      }
      response.writeHead(told?.status ?? 404, { "content-type": "application/json", ...told?.headers });
      response.end(told?.body === undefined ? undefined : JSON.stringify(told.body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
