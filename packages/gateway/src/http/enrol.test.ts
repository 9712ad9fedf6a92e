import type { EnrolAnswer, EnrolRefusal } from "@tessera/core/protocol/gateway-api";
import { type ScriptedForm, scriptedGateway, scriptedParts } from "@tessera/testkit/gateway-app";
import { scriptedPipeline, scriptedVector } from "@tessera/testkit/gateway-parts";
import { describe, expect, test } from "vitest";

const ann = { person: "ann" };

async function refused(gateway: ReturnType<typeof scriptedGateway>, form: ScriptedForm, subject = "ann"): Promise<EnrolRefusal> {
  const before = gateway.parts.templates.list();
  const response = await gateway.enrol(subject, form);
  expect(response.status).toBe(422);
  expect(gateway.parts.templates.list()).toEqual(before);
  return (await response.json()) as EnrolRefusal;
}

describe("enrol", () => {
  test("stores the mean direction of several captures of each modality", async () => {
    const gateway = scriptedGateway();
    const takes = [1, 2, 3].map((take) => ({ ...ann, take }));
    const response = await gateway.enrol("ann", { image: takes, audio: ann });
    expect(response.status).toBe(201);
    const answer = (await response.json()) as EnrolAnswer;
    expect(answer.enrolled).toEqual([
      { modality: "face", template: "t1", samples: 3 },
      { modality: "voice", template: "t2", samples: 1 },
    ]);
    expect(answer.modalities.map((m) => m.outcome)).toEqual(Array(4).fill("not-compared"));
    expect(answer.stages.map((s) => s.stage)).toEqual(["queue", "decode", "decode", "decode", "decode", "search", "store"]);
    const sum = takes.map((take) => scriptedVector("face", take)).reduce((a, b) => a.map((value, i) => value + (b[i] ?? 0)));
    const mean = sum.map((value) => value / Math.hypot(...sum));
    const score = gateway.parts.templates.score("ann", { modality: "face", space: "scripted-face", vector: mean });
    expect(score).toBeCloseTo(1, 6);
  });

  test("stores nothing when any capture is poor, not live, or of another person", async () => {
    const gateway = scriptedGateway();
    const poor = await refused(gateway, { image: ann, audio: { ...ann, poor: "silent" } });
    expect(poor).toMatchObject({
      error: { code: "ENROL_REFUSED" },
      enrolled: [],
      modalities: [{ outcome: "not-compared" }, { outcome: "poor-quality", notes: [{ code: "silent" }] }],
    });
    const fake = await refused(gateway, { image: [ann, { ...ann, live: 0.1 }] });
    expect(fake.modalities.map((m) => m.outcome)).toEqual(["not-compared", "not-live"]);
    const mixed = await refused(gateway, { image: [ann, { person: "ben" }], audio: ann });
    expect(mixed.error.says).toContain("not of one person");
    expect(mixed.modalities.map((m) => m.outcome)).toEqual(["no-match", "no-match", "not-compared"]);
    expect((await gateway.parts.audit.read(0, 10)).map((e) => e.event)).toEqual([
      "enrol-refused",
      "enrol-refused",
      "enrol-refused",
    ]);
  });

  test("stores nothing when how much captures agree is no number", async () => {
    const scripted = scriptedPipeline();
    const pipeline: typeof scripted = {
      ...scripted,
      probe: async (...args) => ({ ...(await scripted.probe(...args)), embedding: new Float32Array(64).fill(Number.NaN) }),
    };
    const answer = await refused(scriptedGateway({ pipeline }), { image: [ann, { ...ann, take: 1 }] });
    expect(answer.error.says).toContain("not of one person");
  });

  test("a capture that no liveness network looked at does not pass where one must", async () => {
    const { policy } = scriptedParts().parts;
    const { spaces } = policy.verify.modalities.face ?? { spaces: [] };
    const strict = { ...policy.verify, modalities: { face: { spaces, liveness: true } } };
    const gateway = scriptedGateway({ policy: { ...policy, verify: strict } });
    expect((await refused(gateway, { image: ann })).modalities).toMatchObject([{ outcome: "not-live" }]);
    expect((await gateway.enrol("ann", { image: { ...ann, live: 0.9 } })).status).toBe(201);
    expect(await (await gateway.verify("ann", { image: ann })).json()).toMatchObject({
      decision: "reject",
      modalities: [{ outcome: "not-live" }],
    });
  });

  test("somebody who is enrolled under another name is refused, under the same name renewed", async () => {
    const gateway = scriptedGateway();
    await gateway.enrol("ann", { image: ann });
    expect((await refused(gateway, { image: { ...ann, take: 2 } }, "ben")).error.says).toContain("another name");
    expect((await gateway.enrol("ann", { image: { ...ann, take: 2 } })).status).toBe(201);
    expect(gateway.parts.templates.list()).toHaveLength(1);
  });

  test("twins may be allowed", async () => {
    const { policy } = scriptedParts().parts;
    const gateway = scriptedGateway({ policy: { ...policy, enrol: { duplicates: "allow" } } });
    await gateway.enrol("ann", { image: ann });
    expect((await gateway.enrol("bea", { image: ann })).status).toBe(201);
  });

  test("two at once of one person do not slip past the search for duplicates", async () => {
    const gateway = scriptedGateway();
    const responses = await Promise.all(["a", "b", "c"].map((name) => gateway.enrol(name, { image: ann })));
    expect(responses.map((r) => r.status).sort()).toEqual([201, 422, 422]);
  });

  test("takes as many captures as the limit says and no more", async () => {
    const gateway = scriptedGateway({ limits: { enrolCaptures: 2 } });
    expect((await gateway.enrol("ann", { image: [ann, ann, ann] })).status).toBe(400);
    expect((await gateway.enrol("ann", { image: [ann, ann], audio: [ann, ann] })).status).toBe(201);
  });
});
