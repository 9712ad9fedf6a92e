import type { Decision, ModalityAnswer } from "@tessera/core/protocol/gateway-api";
import { formOf, type ScriptedForm, scriptedGateway, scriptedParts } from "@tessera/testkit/gateway-app";
import { scriptedPipeline } from "@tessera/testkit/gateway-parts";
import { describe, expect, test } from "vitest";
import type { DecisionPolicy } from "../decision/policy.ts";

const ann = { person: "ann" };
const ben = { person: "ben" };

async function decisionOf(response: Response): Promise<Decision> {
  expect(response.status).toBe(200);
  return (await response.json()) as Decision;
}

/** What is the same every time: all but times. */
function timeless({ stages: _, totalMs: __, ...rest }: Decision): unknown {
  return rest;
}

async function enrolled(changes: Parameters<typeof scriptedGateway>[0] = {}) {
  const gateway = scriptedGateway(changes);
  await gateway.enrol("ann", { image: ann, audio: ann });
  await gateway.enrol("ben", { image: ben, audio: ben });
  return gateway;
}

function outcomes(modalities: readonly ModalityAnswer[]): unknown {
  return modalities.map((m) => [m.modality, m.outcome]);
}

describe("verify", () => {
  test("accepts another capture of the person, rejects somebody else, says how long each stage took", async () => {
    const gateway = await enrolled();
    const accepted = await decisionOf(await gateway.verify("ann", { image: { ...ann, take: 2 } }));
    expect(accepted).toMatchObject({ decision: "accept", reasons: [] });
    expect(accepted.stages.map((s) => s.stage)).toEqual(["queue", "decode", "compare"]);
    expect(accepted.totalMs).toBeGreaterThan(0);
    const rejected = await decisionOf(await gateway.verify("ann", { image: ben }));
    expect(rejected).toMatchObject({ decision: "reject", reasons: ["Not recognised"] });
  });

  test("tells scores and thresholds to developers only", async () => {
    const gateway = await enrolled();
    for (const role of ["capture", "operator", "developer"] as const) {
      const { modalities } = await decisionOf(await gateway.verify("ann", { image: { ...ann, live: 0.9 } }, role));
      const told = Object.keys(modalities[0] ?? {}).filter((key) => ["score", "threshold", "liveness"].includes(key));
      expect(told).toEqual(role === "developer" ? ["score", "threshold", "liveness"] : []);
    }
  });

  test("a poor capture is no try, one that is not live is", async () => {
    const gateway = await enrolled();
    const poor = await decisionOf(await gateway.verify("ann", { image: { ...ann, poor: "blurred" } }));
    expect(poor).toMatchObject({ decision: "retry", reasons: ["Scripted: blurred"] });
    expect(gateway.lockout.failures.size).toBe(0);
    const fake = await decisionOf(await gateway.verify("ann", { image: { ...ann, live: 0.1 } }));
    expect(fake).toMatchObject({ decision: "reject", modalities: [{ outcome: "not-live" }, { outcome: "not-sent" }] });
    expect(gateway.lockout.failures).toEqual(new Map([["subject:ann", 1]]));
  });

  test("a token that is revoked while its captures are looked at gets no decision, and enrols nobody", async () => {
    const made = scriptedParts();
    let known = true;
    const tokens = {
      find: (token: string) => (known ? made.parts.tokens.find(token) : undefined),
      problem: () => undefined,
    };
    const gateway = scriptedGateway({
      tokens,
      pipeline: scriptedPipeline({
        until: async () => {
          known = false;
        },
      }),
    });
    const as = (role: "capture" | "operator") => ({ headers: { authorization: `Bearer ${made.tokens[role]}` } });
    const challenge = await gateway.app.request("/v1/challenge", { method: "POST", ...as("capture") });
    const { nonce } = (await challenge.json()) as { nonce: string };
    const verify = { method: "POST", body: formOf({ image: { person: "ann" }, nonce }), ...as("capture") };
    expect((await gateway.app.request("/v1/subjects/ann/verify", verify)).status).toBe(401);
    known = true;
    const enrol = { method: "POST", body: formOf({ image: { person: "ann" } }), ...as("operator") };
    expect((await gateway.app.request("/v1/subjects/ann/enrol", enrol)).status).toBe(401);
    expect(gateway.parts.templates.list()).toEqual([]);
  });

  test("a right try takes the wrong ones back", async () => {
    const gateway = await enrolled();
    for (let i = 0; i < 4; i++) await gateway.verify("ann", { image: ben });
    await gateway.verify("ann", { image: ann });
    for (let i = 0; i < 4; i++) expect((await decisionOf(await gateway.verify("ann", { image: ben }))).decision).toBe("reject");
    expect((await decisionOf(await gateway.verify("ann", { image: ann }))).decision).toBe("accept");
  });

  test("five wrong tries lock the subject, also for the right person and for every caller, until time or an operator lifts it", async () => {
    const gateway = await enrolled();
    for (let i = 0; i < 5; i++) expect((await decisionOf(await gateway.verify("ann", { image: ben }))).decision).toBe("reject");
    const before = (gateway.parts.pipeline as unknown as { seen: number }).seen;
    const response = await gateway.verify("ann", { image: ann });
    expect(response.headers.get("retry-after")).toBe("30");
    expect(await decisionOf(response)).toMatchObject({ decision: "locked", retryAfterSeconds: 30, modalities: [] });
    expect((await decisionOf(await gateway.verify("ann", { image: ann }, "developer"))).decision).toBe("locked");
    // Nothing was even looked at.
    expect((gateway.parts.pipeline as unknown as { seen: number }).seen).toBe(before);
    expect((await decisionOf(await gateway.verify("ben", { image: ben }))).decision).toBe("accept");
    expect((await gateway.ask("operator", "POST /v1/unlock", { body: '{"subject":"ann"}' })).status).toBe(204);
    expect((await decisionOf(await gateway.verify("ann", { image: ann }))).decision).toBe("accept");
    for (let i = 0; i < 5; i++) await gateway.verify("ann", { image: ben });
    gateway.clock.ms += 30_000;
    expect((await decisionOf(await gateway.verify("ann", { image: ann }))).decision).toBe("accept");
  });

  test("forty tries at once are no more than five", async () => {
    const gateway = await enrolled();
    const answers = await Promise.all(
      Array.from({ length: 40 }, async () => decisionOf(await gateway.verify("ann", { image: ben }))),
    );
    expect(answers.filter((a) => a.decision === "reject")).toHaveLength(5);
    expect(answers.filter((a) => a.decision === "locked")).toHaveLength(35);
  });

  test("the log has every decision, without scores", async () => {
    const gateway = await enrolled();
    await gateway.verify("ann", { image: ann });
    for (let i = 0; i < 5; i++) await gateway.verify("ann", { image: ben });
    const log = (await gateway.parts.audit.read(2, 100)).map(({ event, subject, detail }) => ({ event, subject, detail }));
    const detail = { caller: "capture", decision: "reject", face: "no-match", voice: "not-sent" };
    expect(log[0]).toEqual({ event: "verify", subject: "ann", detail: { ...detail, decision: "accept", face: "match" } });
    expect(log.slice(1, 6)).toEqual(Array(5).fill({ event: "verify", subject: "ann", detail }));
    expect(log[6]).toEqual({ event: "lockout", subject: "ann", detail: { caller: "capture", needsPrimary: false } });
    expect(log).toHaveLength(7);
  });
});

describe("somebody who is not enrolled", () => {
  test("looks to a capture token like somebody who does not match, up to and with the lock-out", async () => {
    const gateway = await enrolled();
    for (const form of [
      { image: ben },
      { image: ben, audio: ben },
      { image: { ...ben, live: 0.1 } },
      { image: { ...ben, poor: "dark" } },
    ] satisfies ScriptedForm[]) {
      for (let i = 0; i < 6; i++) {
        const known = await gateway.verify("ann", form);
        const unknown = await gateway.verify("nobody", form);
        expect(timeless(await decisionOf(unknown))).toEqual(timeless(await decisionOf(known)));
        const headersOf = (r: Response) =>
          [...r.headers].filter(([name]) => name !== "x-request-id" && name !== "content-length");
        expect(headersOf(unknown)).toEqual(headersOf(known));
      }
      gateway.clock.ms += 3_600_000;
    }
  });

  test("is told from one who does not match to operators", async () => {
    const gateway = await enrolled();
    const { modalities } = await decisionOf(await gateway.verify("nobody", { image: ben }, "operator"));
    expect(outcomes(modalities)).toEqual([
      ["face", "not-enrolled"],
      ["voice", "not-sent"],
    ]);
  });

  test("can be told by nothing in the answer about one of two modalities either", async () => {
    const gateway = scriptedGateway();
    await gateway.enrol("face-only", { image: ann });
    const { modalities } = await decisionOf(await gateway.verify("face-only", { image: ann, audio: ann }));
    expect(outcomes(modalities)).toEqual([
      ["face", "match"],
      ["voice", "no-match"],
    ]);
  });
});

describe("two modalities", () => {
  const mode = (name: DecisionPolicy["mode"], more: Partial<DecisionPolicy> = {}) => {
    const policy = { ...scriptedParts().parts.policy.verify, mode: name, ...more };
    return { policy: { verify: policy, identify: policy, enrol: { duplicates: "refuse" as const } } };
  };

  test("all: both must match, and nothing is compared until both are there and good", async () => {
    const gateway = await enrolled(mode("all"));
    const ask = async (form: ScriptedForm) => {
      const { decision, modalities, reasons } = await decisionOf(await gateway.verify("ann", form));
      return [decision, outcomes(modalities), reasons];
    };
    expect(await ask({ image: ann, audio: ann })).toEqual([
      "accept",
      [
        ["face", "match"],
        ["voice", "match"],
      ],
      [],
    ]);
    expect(await ask({ image: ann, audio: ben })).toEqual([
      "reject",
      [
        ["face", "match"],
        ["voice", "no-match"],
      ],
      ["Not recognised"],
    ]);
    expect(await ask({ image: ann })).toEqual([
      "retry",
      [
        ["face", "not-compared"],
        ["voice", "not-sent"],
      ],
      ["A recording of the voice is needed too"],
    ]);
    // The face is somebody else's: with a spoilt voice nobody learns that.
    expect(await ask({ image: ben, audio: { ...ann, poor: "silent" } })).toEqual([
      "retry",
      [
        ["face", "not-compared"],
        ["voice", "poor-quality"],
      ],
      ["Scripted: silent"],
    ]);
    expect(gateway.lockout.failures).toEqual(new Map([["subject:ann", 1]]));
  });

  test("all: a face that is not live is a wrong try however poor the voice", async () => {
    const gateway = await enrolled(mode("all"));
    const decided = await decisionOf(
      await gateway.verify("ann", { image: { ...ann, live: 0.1 }, audio: { ...ann, poor: "silent" } }),
    );
    expect(decided.decision).toBe("reject");
    expect(gateway.lockout.failures).toEqual(new Map([["subject:ann", 1]]));
  });

  test("any: one is enough, but never beside one that is not live", async () => {
    const gateway = await enrolled(mode("any"));
    const ask = async (form: ScriptedForm) => (await decisionOf(await gateway.verify("ann", form))).decision;
    expect(await ask({ image: ann, audio: ben })).toBe("accept");
    expect(await ask({ audio: ann })).toBe("accept");
    expect(await ask({ image: { ...ann, poor: "dark" }, audio: ann })).toBe("accept");
    expect(await ask({ image: { ...ann, live: 0.2 }, audio: ann })).toBe("reject");
    expect(await ask({ image: ben, audio: ben })).toBe("reject");
    expect(await ask({ image: { ...ann, poor: "dark" } })).toBe("retry");
  });

  test("fused: the fused score decides, and only developers see it", async () => {
    const fusion = { threshold: 1, apply: ({ face = 0, voice = 0 }) => face + voice };
    const gateway = await enrolled(mode("fused", { fusion }));
    const accepted = await decisionOf(await gateway.verify("ann", { image: ann, audio: ann }, "developer"));
    expect(accepted).toMatchObject({ decision: "accept", modalities: [{ outcome: "match" }, { outcome: "match" }] });
    expect(accepted.fusedScore).toBeCloseTo((accepted.modalities[0]?.score ?? 0) + (accepted.modalities[1]?.score ?? 0), 6);
    expect(await decisionOf(await gateway.verify("ann", { image: ann, audio: ann }))).not.toHaveProperty("fusedScore");
    expect((await decisionOf(await gateway.verify("ann", { image: ben, audio: ben }))).decision).toBe("reject");
    expect((await decisionOf(await gateway.verify("ann", { image: ann }))).decision).toBe("retry");
    expect((await decisionOf(await gateway.verify("nobody", { image: ann, audio: ann }))).decision).toBe("reject");
  });
});

describe("identify", () => {
  test("lets nobody in who is locked out by name, and counts it neither way", async () => {
    const gateway = await enrolled();
    for (let i = 0; i < 5; i++) await gateway.verify("ann", { image: ben });
    const locked = await decisionOf(await gateway.identify({ image: ann }));
    expect(locked).toMatchObject({ decision: "locked", retryAfterSeconds: 30, modalities: [] });
    expect(locked).not.toHaveProperty("subject");
    expect(gateway.lockout.failures).toEqual(new Map([["subject:ann", 5]]));
    expect((await decisionOf(await gateway.identify({ image: ben }))).subject).toBe("ben");
    gateway.clock.ms += 30_000;
    expect((await decisionOf(await gateway.identify({ image: ann }))).subject).toBe("ann");
  });

  test("finds the person, and says nothing of whom the captures came near", async () => {
    const gateway = await enrolled();
    expect(await decisionOf(await gateway.identify({ image: { ...ben, take: 3 } }))).toMatchObject({
      decision: "accept",
      subject: "ben",
    });
    const stranger = await decisionOf(await gateway.identify({ image: { person: "zoe" } }, "developer"));
    expect(stranger).toMatchObject({ decision: "reject", modalities: [{ outcome: "no-match" }, { outcome: "not-sent" }] });
    expect(JSON.stringify(stranger)).not.toMatch(/subject|score|ann|ben/);
  });

  test("all: face and voice must be one person's", async () => {
    const policy = { ...scriptedParts().parts.policy.verify, mode: "all" as const };
    const gateway = await enrolled({ policy: { verify: policy, identify: policy, enrol: { duplicates: "refuse" } } });
    expect((await decisionOf(await gateway.identify({ image: ann, audio: ann }))).subject).toBe("ann");
    expect((await decisionOf(await gateway.identify({ image: ann, audio: ben }))).decision).toBe("reject");
  });

  test("counts wrong tries of the caller", async () => {
    const gateway = await enrolled();
    for (let i = 0; i < 5; i++) await gateway.identify({ image: { person: `stranger ${i}` } });
    expect((await decisionOf(await gateway.identify({ image: ann }))).decision).toBe("locked");
    expect((await decisionOf(await gateway.identify({ image: ann }, "operator"))).decision).toBe("accept");
    expect((await gateway.ask("operator", "POST /v1/unlock", { body: '{"caller":"capture"}' })).status).toBe(204);
    expect((await decisionOf(await gateway.identify({ image: ann }))).decision).toBe("accept");
  });

  test("names no stranger in the log", async () => {
    const gateway = await enrolled();
    await gateway.identify({ image: { person: "zoe" } });
    await gateway.identify({ image: ann });
    const log = (await gateway.parts.audit.read(2, 10)).map(({ event, subject }) => [event, subject]);
    expect(log).toEqual([
      ["identify", undefined],
      ["identify", "ann"],
    ]);
  });
});
