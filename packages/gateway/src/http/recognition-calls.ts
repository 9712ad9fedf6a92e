import { fail } from "@tessera/core/base/error";
import type { AssertionRequest, ChallengeRequest, Decision, EnrolAnswer, EnrolRefusal } from "@tessera/core/protocol/gateway-api";
import { type Context, Hono } from "hono";
import type { Probe } from "../pipeline/pipeline.ts";
import { serially } from "../store/serially.ts";
import { createByteBudget, withBody } from "./body.ts";
import { type CaptureForm, captureForm, subjectOf } from "./captures.ts";
import { enrol } from "./enrol-call.ts";
import { createGate } from "./gate.ts";
import { type Guard, tooOften } from "./guard.ts";
import { jsonBody } from "./json-body.ts";
import { boundaryOf, parseMultipart } from "./multipart.ts";
import { createNonces } from "./nonces.ts";
import type { AppEnv, AppParts } from "./parts.ts";
import { createRateLimit } from "./rate-limit.ts";
import { type Asked, type Decided, decide, lockedAnswer, lockKey } from "./verify-call.ts";

/** Challenge, enrol, verify, identify. */
export function recognitionCalls(parts: AppParts, guard: Guard): Hono<AppEnv> {
  const { limits, now, metrics } = parts;
  const app = new Hono<AppEnv>();
  const nonces = createNonces({ now, lifetimeMs: limits.nonceLifetimeMs });
  const budget = createByteBudget(limits.maxHeldBytes);
  const gate = createGate(limits);
  const oneByOne = serially();
  const retries = createRateLimit({ perMinute: limits.retriesPerMinute, now });

  const withForm = <T>(c: Context<AppEnv>, most: number, use: (form: CaptureForm, startMs: number) => Promise<T>): Promise<T> => {
    const boundary = boundaryOf(c.req.header("content-type"));
    return withBody(c.req.raw, { maxBytes: limits.maxBodyBytes, budget }, (body) =>
      use(captureForm(parseMultipart(body, boundary), { most }), performance.now()),
    );
  };

  const probe = async (c: Context<AppEnv>, form: CaptureForm): Promise<readonly Probe[]> => {
    const unserved = form.captures.find((capture) => !parts.pipeline.modalities.includes(capture.modality));
    if (unserved !== undefined)
      throw fail("REQUEST_INVALID", `Cannot use a capture of the ${unserved.modality}: this gateway has no models for it`);
    const { signal } = c.req.raw;
    const queuedMs = performance.now();
    try {
      return await gate.run(async () => {
        signal.throwIfAborted();
        const waited = { stage: "queue", ms: performance.now() - queuedMs } as const;
        // Side by side: the time is that of the slower one.
        const probes = await Promise.all(
          form.captures.map((capture) => parts.pipeline.probe(capture.modality, capture.bytes, { signal })),
        );
        const [first, ...rest] = probes;
        return first === undefined ? [] : [{ ...first, stages: [waited, ...first.stages] }, ...rest];
      });
    } catch (error) {
      // The reason of an aborted request may be no error at all, which hono would not hand on.
      throw signal.aborted ? fail("REQUEST_INVALID", "Cannot answer: the caller has gone", { cause: error }) : error;
    }
  };

  const recognise = async (c: Context<AppEnv>, asked: Asked): Promise<Response> =>
    withForm(c, 1, async (form, startMs) => {
      const caller = c.get("caller");
      if (form.nonce === undefined)
        throw fail("REQUEST_INVALID", 'Cannot decide: the form has no part "nonce"', { hint: "Ask POST /v1/challenge for one" });
      const assertion = assertionOf(parts, form);
      nonces.use(caller.id, form.nonce, form.digest);
      const finish = (decided: Decided["answer"]): Response => {
        const answer: Decision = { ...decided, totalMs: performance.now() - startMs };
        metrics.decision(asked.call, answer.decision, answer.totalMs);
        metrics.stages(answer.stages);
        c.set("outcome", answer.decision);
        if (answer.retryAfterSeconds !== undefined) c.header("Retry-After", String(answer.retryAfterSeconds));
        return c.json(answer);
      };
      const locked = lockedAnswer(parts, lockKey(asked, caller));
      if (locked !== undefined) return finish(locked);
      const probes = await probe(c, form);
      guard.still(c);
      const { answer, subject } = await decide(parts, { asked, caller, probes });
      if (answer.decision === "retry") {
        const waitMs = retries.take(caller.id);
        if (waitMs > 0) throw tooOften(c, waitMs);
      }
      if (answer.decision !== "accept" || subject === undefined) return finish(answer);
      const released = await release(parts, { asked, form, subject, answer, assertion });
      return finish({ ...answer, ...released });
    });

  app.post("/v1/challenge", guard.role("any"), async (c) => {
    const request = await jsonBody<ChallengeRequest>(c.req.raw, { budget, optional: true });
    const { digest } = request ?? {};
    if (digest !== undefined && (typeof digest !== "string" || !/^[\w-]{43}$/.test(digest)))
      throw fail("REQUEST_INVALID", "Cannot bind the nonce: digest must be a SHA-256 in base64url, 43 characters");
    return c.json(nonces.issue(c.get("caller").id, digest));
  });
  app.post("/v1/subjects/:subject/verify", guard.role("capture"), (c) =>
    recognise(c, { call: "verify", subject: subjectOf(c.req.param("subject")) }),
  );
  app.post("/v1/identify", guard.role("capture"), (c) => recognise(c, { call: "identify" }));
  app.post("/v1/subjects/:subject/enrol", guard.role("operator"), (c) => {
    const subject = subjectOf(c.req.param("subject"));
    return withForm(c, limits.enrolCaptures, async (form, startMs) => {
      const probes = await probe(c, form);
      guard.still(c);
      const { status, answer } = await oneByOne(() => enrol(parts, { subject, caller: c.get("caller"), probes }));
      metrics.stages(answer.stages);
      c.set("outcome", status === 201 ? "enrolled" : "refused");
      return c.json({ ...answer, totalMs: performance.now() - startMs } satisfies EnrolAnswer | EnrolRefusal, status);
    });
  });
  return app;
}

function assertionOf(parts: AppParts, form: CaptureForm): AssertionRequest | undefined {
  if (form.webauthn === undefined) return undefined;
  if (parts.authenticator === undefined)
    throw fail("REQUEST_INVALID", "Cannot make an assertion: this gateway is no authenticator");
  let value: unknown;
  try {
    value = JSON.parse(form.webauthn);
  } catch {
    throw fail("REQUEST_INVALID", 'Cannot use the part "webauthn": it is not JSON');
  }
  return parts.authenticator.check(value);
}

/** What an accepted person gets: the verdict, and the assertion if it was asked for and there is a credential. */
async function release(
  { signer, authenticator }: AppParts,
  request: {
    readonly asked: Asked;
    readonly form: CaptureForm;
    readonly subject: string;
    readonly answer: Decided["answer"];
    readonly assertion: AssertionRequest | undefined;
  },
): Promise<Partial<Decision>> {
  const { asked, form, subject, answer, assertion } = request;
  const modalities = answer.modalities.filter((m) => m.outcome === "match").map((m) => m.modality);
  const signed = await signer?.sign({ subject, modalities, nonce: form.nonce ?? "", digest: form.digest, call: asked.call });
  const asserted = assertion === undefined ? undefined : await authenticator?.assert(subject, assertion);
  return { ...signed, ...(asserted !== undefined && { assertion: asserted }) };
}
