import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fail } from "@tessera/core/base/error";
import { Hono, type MiddlewareHandler } from "hono";
import { adminCalls } from "./admin-calls.ts";
import { createGuard, type Guard } from "./guard.ts";
import { PAGE_HEADERS, PAGE_TYPES } from "./page-files.ts";
import type { AppEnv, AppParts } from "./parts.ts";
import { problemOf } from "./problem.ts";
import { recognitionCalls } from "./recognition-calls.ts";

/** The whole service as an application of hono: what it does with a `Request`, wherever that comes from. */
export function createApp(parts: AppParts, guard: Guard = createGuard(parts)): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(watched(parts));
  app.onError(async (error, c) => {
    const { status, body } = problemOf(error);
    if (status >= 500 && status !== 503) parts.log.lines.error({ id: c.get("requestId"), err: error }, "request failed");
    if (status === 503 && c.res.headers.get("Retry-After") === null) c.header("Retry-After", "1");
    if (status === 401) c.header("WWW-Authenticate", "Bearer");
    return c.json(body, status);
  });
  app.notFound((c) => {
    const { status, body } = problemOf(fail("NOT_FOUND", "Cannot answer: there is no such address"));
    return c.json(body, status);
  });
  app.route("/", recognitionCalls(parts, guard));
  app.route("/", adminCalls(parts, guard));
  app.get("/*", async (c, next) => {
    const path = parts.page.get(c.req.path);
    if (path === undefined) return next();
    for (const [name, value] of Object.entries(PAGE_HEADERS)) c.header(name, value);
    return c.body(new Uint8Array(await readFile(path)), 200, {
      "Content-Type": PAGE_TYPES[extname(path)] ?? "application/octet-stream",
    });
  });
  return app;
}

/** Headers that every answer has, a line in the log, a count. */
function watched(parts: AppParts): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startMs = performance.now();
    const id = randomUUID();
    c.set("requestId", id);
    await next();
    c.header("X-Request-Id", id);
    c.header("X-Content-Type-Options", "nosniff");
    c.header("Referrer-Policy", "no-referrer");
    c.header("Cross-Origin-Resource-Policy", "same-origin");
    if (parts.tls) c.header("Strict-Transport-Security", "max-age=31536000");
    if (c.req.path.startsWith("/v1/") || c.req.path === "/metrics") c.header("Cache-Control", "no-store");
    const ms = performance.now() - startMs;
    // The pattern of the route, never the address: that holds the subject.
    const route = routeOf(c.req.method, c.req.path);
    parts.metrics.request(route, c.res.status, ms);
    const caller = c.get("caller") as { readonly id: string } | undefined;
    parts.log.lines.info(
      { id, route, status: c.res.status, ms: Math.round(ms), caller: caller?.id, outcome: c.get("outcome") },
      "request",
    );
  };
}

const METHODS = new Set(["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"]);
const SUBJECT_CALLS = new Set(["enrol", "verify", "renew", "webauthn"]);
const PLAIN = new Set(["challenge", "identify", "subjects", "models", "me", "health", "jwks", "audit", "unlock", "live"]);

/** A name for the request out of a fixed set, whatever the address holds: a label that callers could choose would fill the memory. */
function routeOf(method: string, path: string): string {
  const verb = METHODS.has(method) ? method : "OTHER";
  const [, v1, first, subject, call, ...rest] = path.split("/");
  if (path === "/metrics") return `${verb} /metrics`;
  if (v1 !== "v1") return `${verb} page`;
  if (rest.length > 0 || first === undefined || !PLAIN.has(first)) return `${verb} unknown`;
  if (subject === undefined) return `${verb} /v1/${first}`;
  if (first !== "subjects") return `${verb} unknown`;
  if (call === undefined) return `${verb} /v1/subjects/:subject`;
  return SUBJECT_CALLS.has(call) ? `${verb} /v1/subjects/:subject/${call}` : `${verb} unknown`;
}
