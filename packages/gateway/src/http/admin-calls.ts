import { fail } from "@tessera/core/base/error";
import type {
  CredentialRequest,
  GatewayModality,
  Health,
  Me,
  SubjectEntry,
  UnlockRequest,
} from "@tessera/core/protocol/gateway-api";
import { Hono } from "hono";
import * as v from "valibot";
import { MODALITIES } from "../decision/policy.ts";
import type { TemplateInfo } from "../store/template-store.ts";
import { createByteBudget } from "./body.ts";
import { subjectOf } from "./captures.ts";
import type { Guard } from "./guard.ts";
import { jsonBody } from "./json-body.ts";
import type { AppEnv, AppParts } from "./parts.ts";

/** Entries of the audit log in one answer. */
const AUDIT_PAGE = 1000;

/** JSON bodies in memory at a time, bytes. */
const JSON_HELD_BYTES = 4 << 20;

const UNLOCK = v.union([
  v.strictObject({ subject: v.string() }),
  v.strictObject({ caller: v.pipe(v.string(), v.maxLength(64)) }),
]);
const CREDENTIAL = v.strictObject({ rpId: v.string(), userHandle: v.string(), clientDataJSON: v.string() });

/** Everything but recognition: people, models, health, metrics, the log. */
export function adminCalls(parts: AppParts, guard: Guard): Hono<AppEnv> {
  const { templates, audit, pipeline, authenticator, lockout } = parts;
  const app = new Hono<AppEnv>();
  const budget = createByteBudget(JSON_HELD_BYTES);
  const startedMs = parts.now();
  const isEnrolled = (subject: string): boolean => templates.list().some((t) => t.subject === subject);

  app.get("/v1/me", guard.role("any"), (c) => {
    const { id, role } = c.get("caller");
    return c.json({ token: id, role, modalities: pipeline.modalities, mode: parts.policy.verify.mode } satisfies Me);
  });
  app.get("/v1/models", guard.role("any"), (c) => c.json(pipeline.models));
  app.get("/v1/subjects", guard.role("operator"), (c) => c.json(subjectEntries(templates.list())));

  app.delete("/v1/subjects/:subject", guard.role("operator"), async (c) => {
    const subject = subjectOf(c.req.param("subject"));
    const modality = modalityOption(c.req.query("modality"));
    const mine = templates.list().filter((t) => t.subject === subject);
    const going = mine.filter((t) => modality === undefined || t.modality === modality);
    if (going.length === 0) throw fail("NOT_FOUND", "Cannot delete: nobody of that name has such a template");
    // Written down first, as an enrolment is.
    await audit.append("delete", { subject, detail: { caller: c.get("caller").id, modality: modality ?? "all" } });
    // Somebody of whom nothing is left gets no assertions either. Credentials go first: were the gateway to die in between, the templates would still
    // be there for the call to be made again, while credentials without templates would be those of whoever gets the name next.
    if (going.length === mine.length) await authenticator?.remove(subject);
    await templates.remove(subject, modality);
    if (!isEnrolled(subject)) await authenticator?.remove(subject);
    return c.body(null, 204);
  });
  app.post("/v1/subjects/:subject/renew", guard.role("operator"), async (c) => {
    const subject = subjectOf(c.req.param("subject"));
    if (!isEnrolled(subject)) throw fail("NOT_FOUND", "Cannot renew: nobody of that name is enrolled");
    await audit.append("renew", { subject, detail: { caller: c.get("caller").id } });
    await templates.renew(subject);
    return c.body(null, 204);
  });
  app.post("/v1/unlock", guard.role("operator"), async (c) => {
    const parsed = v.safeParse(UNLOCK, await jsonBody<UnlockRequest>(c.req.raw, { budget }));
    if (!parsed.success) throw fail("REQUEST_INVALID", 'Cannot unlock: say either "subject" or "caller"');
    guard.still(c);
    const about = parsed.output;
    const by = c.get("caller").id;
    if ("subject" in about) {
      const subject = subjectOf(about.subject);
      await audit.append("unlock", { subject, detail: { caller: by } });
      await lockout.unlock(`subject:${subject}`);
    } else {
      await audit.append("unlock", { detail: { caller: by, unlocked: about.caller } });
      await lockout.unlock(`caller:${about.caller}`);
    }
    return c.body(null, 204);
  });
  app.post("/v1/subjects/:subject/webauthn", guard.role("operator"), async (c) => {
    const subject = subjectOf(c.req.param("subject"));
    if (authenticator === undefined) throw fail("REQUEST_INVALID", "Cannot make a credential: this gateway is no authenticator");
    const parsed = v.safeParse(CREDENTIAL, await jsonBody<CredentialRequest>(c.req.raw, { budget }));
    if (!parsed.success)
      throw fail(
        "REQUEST_INVALID",
        `Cannot make a credential: ${v.getDotPath(parsed.issues[0]) ?? "the request"}: ${parsed.issues[0].message}`,
      );
    guard.still(c);
    const nobody = (): Error => fail("NOT_FOUND", "Cannot make a credential: nobody of that name is enrolled");
    if (!isEnrolled(subject)) throw nobody();
    const made = await authenticator.register(subject, parsed.output);
    // Deleted while it was made.
    if (!isEnrolled(subject)) {
      await authenticator.remove(subject);
      throw nobody();
    }
    await audit.append("credential", { subject, detail: { caller: c.get("caller").id, rpId: parsed.output.rpId } });
    return c.json(made, 201);
  });

  app.get("/v1/health", (c) => {
    const trouble = [parts.tokens.problem(), ...parts.problems()].filter((p) => p !== undefined);
    const uptimeSeconds = Math.max(0, Math.floor((parts.now() - startedMs) / 1000));
    const health: Health = {
      status: trouble.length === 0 ? "ok" : "degraded",
      version: parts.version,
      uptimeSeconds,
      problems: trouble,
    };
    return c.json(health);
  });
  app.get("/v1/jwks", (c) => c.json(parts.signer?.jwks ?? { keys: [] }));
  app.get("/metrics", guard.role("auditor"), async (c) => {
    const { type, text } = await parts.metrics.print();
    return c.body(text, 200, { "Content-Type": type });
  });
  app.get("/v1/audit", guard.role("auditor"), async (c) => {
    const text = c.req.query("from") ?? "0";
    if (!/^\d{1,15}$/.test(text)) throw fail("REQUEST_INVALID", "Cannot read the log: from must be a sequence number");
    return c.json(await audit.read(Number(text), AUDIT_PAGE));
  });
  return app;
}

function modalityOption(text: string | undefined): GatewayModality | undefined {
  if (text === undefined) return undefined;
  const found = MODALITIES.find((m) => m === text);
  if (found === undefined) throw fail("REQUEST_INVALID", `Cannot use the modality: it is one of ${MODALITIES.join(", ")}`);
  return found;
}

/** Templates by person, people by name. */
function subjectEntries(templates: readonly TemplateInfo[]): readonly SubjectEntry[] {
  const entries = new Map<string, SubjectEntry["templates"][number][]>();
  for (const { subject, modality, id, space, samples, enrolledAt } of templates) {
    const listed = entries.get(subject) ?? [];
    listed.push({ modality, template: id, embeddingSpace: space, samples, enrolledAt: new Date(enrolledAt).toISOString() });
    entries.set(subject, listed);
  }
  return [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([subject, listed]) => ({ subject, templates: listed }));
}
