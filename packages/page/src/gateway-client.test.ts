import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Plan } from "./flow.ts";
import { captureDigest, gatewayClient } from "./gateway-client.ts";
import { sendCaptures } from "./send-captures.ts";

const SIGNAL = new AbortController().signal;
const CAPTURES = { images: [new Blob(["one"]), new Blob(["two"])], sounds: [new Blob(["three"])] };

interface Call {
  readonly path: string;
  readonly init: RequestInit;
}

/** A client whose answers are given in turn, and what it asked. */
function client(answers: readonly (Response | Error)[], token?: string) {
  const calls: Call[] = [];
  const left = [...answers];
  const made = gatewayClient({
    token: () => token,
    fetch: async (path, init) => {
      calls.push({ path, init });
      const answer = left.shift();
      if (answer === undefined || answer instanceof Error) throw answer ?? new Error("No answer left");
      return answer;
    },
  });
  return { made, calls };
}

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

describe("gatewayClient()", () => {
  it("binds the nonce of a try to the captures and sends both, with the token in the header only", async () => {
    const { made, calls } = client([json(200, { nonce: "n1" }), json(200, { decision: "accept" })], "secret");
    await made.verify("zo\u00eb+1", CAPTURES, SIGNAL);
    expect(calls.map(({ path }) => path)).toEqual(["/v1/challenge", "/v1/subjects/zo%C3%AB%2B1/verify"]);
    for (const { path, init } of calls) {
      expect(new Headers(init.headers).get("authorization")).toBe("Bearer secret");
      expect(path).not.toContain("secret");
      expect(init.credentials).toBe("omit");
    }
    expect(JSON.parse(calls[0]?.init.body as string)).toEqual({ digest: await captureDigest(CAPTURES) });
    const form = calls[1]?.init.body as FormData;
    expect([...form.keys()]).toEqual(["nonce", "image", "image", "audio"]);
    expect(form.get("nonce")).toBe("n1");
  });

  it("digests captures as the gateway does", async () => {
    const hash = (...parts: readonly (string | Buffer)[]) =>
      parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest();
    const each = ["one", "two", "three"].map((text) => hash(text));
    expect(await captureDigest(CAPTURES)).toBe(hash(...each).toString("base64url"));
  });

  it("takes a decision for a decision and a refused enrolment for an answer, whatever their status", async () => {
    const locked = { decision: "locked", retryAfterSeconds: 3 };
    expect(await client([json(200, { nonce: "n" }), json(429, locked)]).made.identify(CAPTURES, SIGNAL)).toEqual(locked);
    const refused = { error: { says: "no" }, enrolled: [] };
    expect(await client([json(422, refused)]).made.enrol("ada", CAPTURES, SIGNAL)).toEqual(refused);
  });

  it("tells problems apart", async () => {
    const problem = async (answer: Response | Error) =>
      client([answer])
        .made.subjects()
        .catch((error: { problem: unknown }) => error.problem);
    expect(await problem(json(401, {}))).toEqual({ kind: "unauthorised" });
    expect(await problem(json(403, { error: { says: "an operator only" } }))).toEqual({
      kind: "forbidden",
      detail: "an operator only",
    });
    expect(await problem(new TypeError("Failed to fetch"))).toEqual({ kind: "offline" });
    // A page of some proxy instead of an answer.
    expect(await problem(new Response("<html>", { status: 200 }))).toEqual({ kind: "refused" });
  });

  it("deletes a person, and says so when it could not", async () => {
    const { made, calls } = client([new Response(null, { status: 204 }), json(403, {})]);
    await made.remove("a@b");
    expect(calls[0]).toMatchObject({ path: "/v1/subjects/a%40b", init: { method: "DELETE" } });
    await expect(made.remove("a@b")).rejects.toMatchObject({ problem: { kind: "forbidden" } });
  });
});

describe("sendCaptures()", () => {
  const plan: Plan = { task: "verify", subject: "ada", faces: 1, voices: 1 };
  const busy = () => json(503, {}, { "retry-after": "60" });
  const nonce = () => json(200, { nonce: "n" });

  it("asks a busy gateway again, with a new nonce, after the time it names but not for minutes", async () => {
    const { made, calls } = client([nonce(), busy(), nonce(), json(200, { decision: "accept" })]);
    const waits: number[] = [];
    let told = 0;
    const event = await sendCaptures(made, plan, {
      captures: CAPTURES,
      signal: SIGNAL,
      onBusy: () => told++,
      wait: async (seconds) => void waits.push(seconds),
    });
    expect(event).toMatchObject({ kind: "answered", outcome: { kind: "decision", decision: { decision: "accept" } } });
    expect([waits, told, calls.length]).toEqual([[5], 1, 4]);
  });

  it("gives up after three tries, and at once on any other problem or when it was stopped", async () => {
    const wait = async (): Promise<void> => undefined;
    const given = (answers: readonly (Response | Error)[], signal = SIGNAL) =>
      sendCaptures(client(answers).made, plan, { captures: CAPTURES, signal, onBusy: () => undefined, wait });
    expect(await given([nonce(), busy(), nonce(), busy(), nonce(), busy()])).toMatchObject({ problem: { kind: "busy" } });
    expect(await given([json(401, {})])).toMatchObject({ kind: "went-wrong", problem: { kind: "unauthorised" } });
    expect(await given([nonce(), busy()], AbortSignal.abort())).toMatchObject({ problem: { kind: "busy" } });
  });
});
