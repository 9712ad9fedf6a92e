import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { GatewayRole } from "@tessera/core/protocol/gateway-api";
import { formOf, scriptedGateway } from "@tessera/testkit/gateway-app";
import { describe, expect, test } from "vitest";

const face = { person: "ann" };

describe("every call by every role", () => {
  // What a call answers when the role may make it; everybody else gets 403, and strangers 401.
  const CALLS = [
    { call: "POST /v1/challenge", roles: "any", status: 200 },
    { call: "GET /v1/me", roles: "any", status: 200 },
    { call: "GET /v1/models", roles: "any", status: 200 },
    { call: "POST /v1/subjects/ann/verify", roles: ["capture", "operator", "developer"], status: 400, form: {} },
    { call: "POST /v1/identify", roles: ["capture", "operator", "developer"], status: 400, form: {} },
    { call: "POST /v1/subjects/ann/enrol", roles: ["operator", "developer"], status: 201, form: { image: face } },
    { call: "GET /v1/subjects", roles: ["operator", "developer"], status: 200 },
    { call: "DELETE /v1/subjects/ben", roles: ["operator", "developer"], status: 404 },
    { call: "POST /v1/subjects/ben/renew", roles: ["operator", "developer"], status: 404 },
    { call: "POST /v1/subjects/ben/webauthn", roles: ["operator", "developer"], status: 400 },
    { call: "POST /v1/unlock", roles: ["operator", "developer"], status: 204, body: '{"subject":"ann"}' },
    { call: "GET /metrics", roles: ["auditor"], status: 200 },
    { call: "GET /v1/audit", roles: ["auditor"], status: 200 },
  ] as const;
  const ROLES: readonly GatewayRole[] = ["capture", "operator", "developer", "auditor"];

  for (const row of CALLS) {
    for (const role of [...ROLES, undefined]) {
      const allowed = role !== undefined && (row.roles === "any" || (row.roles as readonly string[]).includes(role));
      const expected = role === undefined ? 401 : allowed ? row.status : 403;
      test(`${row.call} answers ${role ?? "a stranger"} with ${expected}`, async () => {
        const gateway = scriptedGateway();
        const body = "form" in row ? formOf(row.form) : "body" in row ? row.body : undefined;
        const response = await gateway.ask(role, row.call, body === undefined ? {} : { body });
        expect(response.status).toBe(expected);
        if (expected === 401) expect(response.headers.get("www-authenticate")).toBe("Bearer");
        if (expected >= 400)
          expect(await response.json()).toMatchObject({
            error: { code: expect.any(String), says: expect.any(String), next: expect.any(String) },
          });
      });
    }
  }

  test("health and the keys of verdicts are for everybody", async () => {
    const gateway = scriptedGateway();
    const health = await gateway.ask(undefined, "GET /v1/health");
    expect(await health.json()).toEqual({ status: "ok", version: "0.0.0", uptimeSeconds: 0, problems: [] });
    expect(await (await gateway.ask(undefined, "GET /v1/jwks")).json()).toEqual({ keys: [] });
  });

  test("says who the caller is and what a decision needs", async () => {
    const gateway = scriptedGateway();
    const me = await gateway.ask("capture", "GET /v1/me");
    expect(await me.json()).toEqual({ token: "capture", role: "capture", modalities: ["face", "voice"], mode: "any" });
  });
});

describe("tokens that are none", () => {
  for (const header of ["", "Bearer", "Bearer ", "Basic abc", "Bearer tsg_x", `Bearer ${"x".repeat(5000)}`, "Bearer a b"]) {
    test(`refuses "${header.slice(0, 20)}"`, async () => {
      const { app } = scriptedGateway();
      const response = await app.request("/v1/me", { headers: { authorization: header } });
      expect(response.status).toBe(401);
    });
  }

  test("stops listening to an address that keeps guessing, and writes one line a minute about it", async () => {
    const gateway = scriptedGateway({ limits: { strangersPerMinute: 5 } });
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) statuses.push((await gateway.ask(undefined, "GET /v1/me")).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    gateway.clock.ms += 60_000;
    expect((await gateway.ask(undefined, "GET /v1/me")).status).toBe(401);
    const log = await gateway.parts.audit.read(0, 100);
    expect(log.map((e) => [e.event, e.detail])).toEqual([
      ["unknown-caller", { count: 1 }],
      ["unknown-caller", { count: 8 }],
    ]);
  });

  test("lets known callers in however many strangers knock", async () => {
    const gateway = scriptedGateway({ limits: { strangersPerMinute: 1 } });
    for (let i = 0; i < 5; i++) await gateway.ask(undefined, "GET /v1/me");
    expect((await gateway.ask("capture", "GET /v1/me")).status).toBe(200);
  });
});

describe("rates", () => {
  test("answers a caller that asks too often with 429 and when to come back, and lets others pass", async () => {
    const gateway = scriptedGateway({ limits: { callsPerMinute: 3 } });
    for (let i = 0; i < 3; i++) expect((await gateway.ask("capture", "GET /v1/me")).status).toBe(200);
    const refused = await gateway.ask("capture", "GET /v1/me");
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toBe("20");
    expect((await gateway.ask("operator", "GET /v1/me")).status).toBe(200);
    gateway.clock.ms += 20_000;
    expect((await gateway.ask("capture", "GET /v1/me")).status).toBe(200);
  });
});

describe("addresses", () => {
  for (const path of [
    "/v1/nothing",
    "/v2/me",
    "/v1/subjects/ann/nothing",
    "/nothing.html",
    "/../gateway.json",
    "/page/%2e%2e/x",
    "/page/..%2fpackage.json",
  ]) {
    test(`knows nothing of ${path}`, async () => {
      const { app } = scriptedGateway();
      const response = await app.request(path);
      expect(response.status).toBe(404);
      expect(await response.json()).toMatchObject({ error: { code: "NOT_FOUND" } });
    });
  }

  for (const name of ["a/b", "", ".hidden", "a b", "%00", "%", "x".repeat(129), "a\u0308", "<script>"]) {
    test(`refuses the subject ${JSON.stringify(name.slice(0, 12))}`, async () => {
      const gateway = scriptedGateway();
      const response = await gateway.ask("operator", `DELETE /v1/subjects/${encodeURIComponent(name)}`);
      expect([400, 404]).toContain(response.status);
      const { error } = (await response.json()) as { error: { code: string } };
      expect(["REQUEST_INVALID", "NOT_FOUND"]).toContain(error.code);
    });
  }

  test("refuses names of more bytes than the store takes", async () => {
    const gateway = scriptedGateway();
    expect((await gateway.enrol("山".repeat(85), { image: face })).status).toBe(201);
    expect((await gateway.enrol("山".repeat(86), { image: face })).status).toBe(400);
  });

  test("takes names of every script", async () => {
    const gateway = scriptedGateway();
    for (const name of ["ann", "Zoë", "山田", "o.k-1_2@example.org"]) {
      expect((await gateway.enrol(name, { image: { person: name } })).status).toBe(201);
    }
    const list = (await (await gateway.ask("operator", "GET /v1/subjects")).json()) as { subject: string }[];
    expect(list.map((s) => s.subject)).toEqual(["Zoë", "ann", "o.k-1_2@example.org", "山田"]);
  });
});

describe("headers", () => {
  test("every answer forbids guessing types, and answers of the API forbid storing", async () => {
    const gateway = scriptedGateway();
    for (const path of ["/v1/health", "/v1/me", "/nothing"]) {
      const response = await gateway.app.request(path);
      expect(response.headers.get("x-content-type-options")).toBe("nosniff");
      expect(response.headers.get("referrer-policy")).toBe("no-referrer");
      expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
      if (path.startsWith("/v1/")) expect(response.headers.get("cache-control")).toBe("no-store");
    }
  });

  test("the page gets a policy that lets it load its own files only", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tessera-page-"));
    try {
      const path = join(folder, "index.html");
      writeFileSync(path, "<!doctype html>");
      const { app } = scriptedGateway({ page: new Map([["/", path]]), tls: true });
      const response = await app.request("/");
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(response.headers.get("content-security-policy")).toMatch(/^default-src 'self';/);
      expect(response.headers.get("content-security-policy")).not.toContain("unsafe");
      expect(response.headers.get("strict-transport-security")).toBe("max-age=31536000");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("what is wrong inside", () => {
  test("a failing network answers 500 and tells nothing but that; the log tells the rest", async () => {
    const lines: string[] = [];
    const gateway = scriptedGateway({ logTo: { write: (line) => void lines.push(line) } });
    const response = await gateway.verify("ann", { image: { person: "crash" } });
    expect(response.status).toBe(500);
    const text = await response.text();
    expect(text).not.toContain("secret");
    expect(JSON.parse(text)).toMatchObject({ error: { code: "INTERNAL" } });
    expect(lines.join("")).toContain("for a secret reason");
  });

  test("a service that is full answers 503 and when to come back", async () => {
    const busy = {
      check: () => {
        throw fail("GATEWAY_BUSY", "Cannot take the request: full");
      },
    };
    const gateway = scriptedGateway({ lockout: { ...scriptedGateway().lockout, ...busy } });
    const response = await gateway.verify("ann", { image: face });
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
  });

  test("health names the problems that there are", async () => {
    const { app } = scriptedGateway({ problems: () => ["The disk of the store is almost full"] });
    expect(await (await app.request("/v1/health")).json()).toMatchObject({
      status: "degraded",
      problems: ["The disk of the store is almost full"],
    });
  });

  test("nothing is enrolled, and nobody accepted, when the log cannot be written", async () => {
    const gateway = scriptedGateway();
    await gateway.enrol("ann", { image: face });
    gateway.parts.audit.append = async () => {
      throw fail("STORE_FULL", "Cannot write: the disk is full");
    };
    expect((await gateway.enrol("ben", { image: { person: "ben" } })).status).toBe(507);
    expect(gateway.parts.templates.list().map((t) => t.subject)).toEqual(["ann"]);
    expect((await gateway.verify("ann", { image: face })).status).toBe(507);
  });
});

describe("people and the log", () => {
  test("lists who is enrolled, deletes one modality, then the rest", async () => {
    const gateway = scriptedGateway();
    await gateway.enrol("ann", { image: face, audio: { person: "ann" } });
    const list = await (await gateway.ask("operator", "GET /v1/subjects")).json();
    expect(list).toEqual([
      {
        subject: "ann",
        templates: [
          {
            modality: "face",
            template: "t1",
            embeddingSpace: "scripted-face",
            samples: 1,
            enrolledAt: "2026-01-01T00:00:00.000Z",
          },
          {
            modality: "voice",
            template: "t2",
            embeddingSpace: "scripted-voice",
            samples: 1,
            enrolledAt: "2026-01-01T00:00:00.000Z",
          },
        ],
      },
    ]);
    expect((await gateway.ask("operator", "DELETE /v1/subjects/ann?modality=gait")).status).toBe(400);
    expect((await gateway.ask("operator", "DELETE /v1/subjects/ann?modality=voice")).status).toBe(204);
    expect((await gateway.ask("operator", "DELETE /v1/subjects/ann?modality=voice")).status).toBe(404);
    expect((await gateway.ask("operator", "POST /v1/subjects/ann/renew")).status).toBe(204);
    expect((await gateway.ask("operator", "DELETE /v1/subjects/ann")).status).toBe(204);
    expect(await (await gateway.ask("operator", "GET /v1/subjects")).json()).toEqual([]);
    const log = (await (await gateway.ask("auditor", "GET /v1/audit?from=1")).json()) as { event: string; detail: object }[];
    expect(log.map((e) => [e.event, e.detail])).toEqual([
      ["delete", { caller: "operator", modality: "voice" }],
      ["renew", { caller: "operator" }],
      ["delete", { caller: "operator", modality: "all" }],
    ]);
    expect((await gateway.ask("auditor", "GET /v1/audit?from=-1")).status).toBe(400);
  });

  test("a call beyond the role is written down", async () => {
    const gateway = scriptedGateway();
    await gateway.ask("capture", "GET /v1/subjects");
    expect(await gateway.parts.audit.read(0, 10)).toMatchObject([
      { event: "forbidden", detail: { caller: "capture", needed: "operator" } },
    ]);
  });

  test("metrics and log hold no subject, no token, no nonce", async () => {
    const lines: string[] = [];
    const gateway = scriptedGateway({ logTo: { write: (line) => void lines.push(line) } });
    await gateway.enrol("marguerite", { image: { person: "marguerite" } });
    const nonce = await gateway.challenge("capture");
    await gateway.verify("marguerite", { image: { person: "marguerite" }, nonce });
    await gateway.verify("marguerite", { image: { person: "somebody" } });
    await gateway.ask("operator", "DELETE /v1/subjects/marguerite");
    await gateway.ask("capture", "GET /v1/marguerite");
    const metrics = await (await gateway.ask("auditor", "GET /metrics")).text();
    expect(metrics).toContain('tessera_decisions_total{call="verify",decision="accept"} 1');
    expect(metrics).toContain('tessera_decisions_total{call="verify",decision="reject"} 1');
    expect(metrics).toContain('tessera_enrolments_total{outcome="enrolled"} 1');
    expect(metrics).toContain('route="POST /v1/subjects/:subject/verify"');
    expect(lines).toHaveLength(8);
    for (const text of [metrics, lines.join("")]) {
      for (const secret of ["marguerite", nonce, ...Object.values(gateway.tokens)]) expect(text).not.toContain(secret);
    }
  });
});
