import type { GatewayModality } from "@tessera/core/protocol/gateway-api";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Probe } from "../pipeline/pipeline.ts";
import { type Examination, examine, judge } from "./judge.ts";
import type { DecisionPolicy } from "./policy.ts";

const rules = (modality: GatewayModality, liveness = false) => ({
  spaces: [{ space: `own-${modality}`, thresholdCosine: 0.5 }],
  liveness,
});
const policyOf = (mode: DecisionPolicy["mode"], more: Partial<DecisionPolicy> = {}): DecisionPolicy => ({
  mode,
  modalities: { face: rules("face"), voice: rules("voice") },
  ...more,
});
const probe = (modality: GatewayModality, more: Partial<Probe> = {}): Probe => ({
  modality,
  space: `own-${modality}`,
  notes: [],
  quality: {},
  stages: [],
  embedding: Float32Array.of(1, 0),
  ...more,
});
function usable(examined: Examination): Extract<Examination, { kind: "usable" }> {
  if (examined.kind !== "usable") throw new Error("judged already");
  return examined;
}

describe("examine and judge", () => {
  test("a probe of another embedding space is never compared", () => {
    const examined = examine(policyOf("any"), [probe("face", { space: "another" })]);
    expect(examined).toMatchObject({
      kind: "judged",
      judgement: { decision: "retry", modalities: [{ outcome: "poor-quality" }, {}] },
    });
  });

  test("templates of the probe's own space come first, those that the card lets stay after them at their own threshold", () => {
    const spaces = [
      { space: "own-face", thresholdCosine: 0.5 },
      { space: "old", thresholdCosine: 0.8 },
    ];
    const policy = policyOf("any", { modalities: { face: { spaces, liveness: false } } });
    const examined = usable(examine(policy, [probe("face")]));
    const scored = (scores: Record<string, number>) => judge(policy, examined, (_, space) => scores[space]).modalities[0];
    expect(scored({ "own-face": 0.6, old: 0.1 })).toMatchObject({ outcome: "match", threshold: 0.5 });
    expect(scored({ old: 0.7 })).toMatchObject({ outcome: "no-match", threshold: 0.8 });
    expect(scored({ "own-face": 0.4, old: 0.9 })).toMatchObject({ outcome: "no-match", threshold: 0.5 });
    expect(scored({})).toMatchObject({ outcome: "not-enrolled" });
  });

  test("a score that is no number matches nothing, in any mode", () => {
    const fusion = { threshold: 0, apply: () => Number.NaN };
    for (const mode of ["all", "any", "fused"] as const) {
      const policy = policyOf(mode, mode === "fused" ? { fusion } : {});
      const examined = usable(examine(policy, [probe("face"), probe("voice")]));
      expect(judge(policy, examined, () => Number.NaN).decision).toBe("reject");
    }
  });

  test("fused without a fusion, or with a person who lacks one modality, rejects", () => {
    const policy = policyOf("fused");
    const examined = usable(examine(policy, [probe("face"), probe("voice")]));
    expect(judge(policy, examined, () => 1).decision).toBe("reject");
    const fusion = { threshold: 0, apply: () => 100 };
    const half = judge(policyOf("fused", { fusion }), examined, ({ modality }) => (modality === "face" ? 1 : undefined));
    expect(half.decision).toBe("reject");
  });

  test("where liveness is asked for, only a pass passes", () => {
    const policy = policyOf("any", { modalities: { face: rules("face", true) } });
    expect(examine(policy, [probe("face")])).toMatchObject({ judgement: { decision: "reject" } });
    expect(examine(policy, [probe("face", { liveness: { real: 0.4, passed: false } })])).toMatchObject({
      judgement: { decision: "reject" },
    });
    expect(examine(policy, [probe("face", { liveness: { real: 0.9, passed: true } })]).kind).toBe("usable");
  });

  test("nothing but scores at or above every threshold accepts, whatever was sent", () => {
    const state = fc.constantFrom("sent", "poor", "fake", "absent");
    const score = fc.option(fc.double({ min: -1, max: 1, noNaN: true }), { nil: undefined });
    const one = fc.record({ state, score });
    fc.assert(
      fc.property(fc.constantFrom("all", "any"), one, one, (mode, face, voice) => {
        const sent = { face, voice };
        const probes = (["face", "voice"] as const).flatMap((modality) => {
          const { state: what } = sent[modality];
          if (what === "absent") return [];
          const { embedding: _, ...bare } = probe(modality);
          if (what === "poor") return [bare];
          if (what === "fake") return [{ ...probe(modality), liveness: { real: 0, passed: false } }];
          return [probe(modality)];
        });
        const policy = policyOf(mode);
        const examined = examine(policy, probes);
        const { decision } =
          examined.kind === "judged" ? examined.judgement : judge(policy, examined, (p) => sent[p.modality].score);
        const good = (["face", "voice"] as const).filter((m) => sent[m].state === "sent" && (sent[m].score ?? -2) >= 0.5).length;
        const fake = face.state === "fake" || voice.state === "fake";
        expect(decision === "accept").toBe(!fake && (mode === "all" ? good === 2 : good > 0));
        if (fake) expect(decision).toBe("reject");
      }),
      { numRuns: 1000 },
    );
  });
});
