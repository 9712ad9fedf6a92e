import { parseFusion } from "@tessera/core/biometrics/fusion";
import type { EmbeddingOutput, ModelCard } from "@tessera/core/modality/card";
import { cardOf } from "@tessera/testkit/cards";
import { describe, expect, test } from "vitest";
import { fusionPolicy } from "./from-config.ts";
import { modalityPolicy } from "./policy.ts";

const evidence = {
  tar: 0.9,
  interval: [0.8, 0.95],
  confidence: 0.95,
  genuine: 100,
  impostor: 10_000,
  dataset: { name: "x", sha256: "0" },
} as const;
const plain = cardOf("mobilefacenet-foamliu-128");
const own = plain.embeddingSpace ?? "";
const card: ModelCard = {
  ...plain,
  thresholds: [
    { far: 0.01, threshold: 0.3, evidence },
    { far: 0.001, threshold: 0.5, evidence },
  ],
};
const liveness = { liveness: false };
const refused = (words: string) => expect.objectContaining({ code: "GATEWAY_CONFIG", message: expect.stringContaining(words) });

describe("modalityPolicy", () => {
  test("takes the threshold of the card for a false accept rate, or the next stricter", () => {
    expect(modalityPolicy(card, { far: 0.01 }, liveness).spaces).toEqual([{ space: own, thresholdCosine: 0.3 }]);
    expect(modalityPolicy(card, { far: 0.005 }, liveness).spaces).toEqual([{ space: own, thresholdCosine: 0.5 }]);
  });

  test("refuses a rate that nobody measured, naming what the card has", () => {
    expect(() => modalityPolicy(card, { far: 0.0001 }, liveness)).toThrow(refused("thresholds for 0.01, 0.001"));
    expect(() => modalityPolicy(plain, { far: 0.01 }, liveness)).toThrow(refused("has no thresholds"));
  });

  test("takes a threshold that somebody answers for", () => {
    expect(modalityPolicy(plain, { threshold: 0.42, note: "a pilot" }, { liveness: true })).toEqual({
      spaces: [{ space: own, thresholdCosine: 0.42 }],
      liveness: true,
    });
  });

  test("turns a distance into the cosine at that distance, and refuses one between vectors of any length", () => {
    const output = card.output as EmbeddingOutput;
    const euclidean = (normalised: boolean): ModelCard => ({
      ...card,
      output: { ...output, metric: "euclidean", normalised },
      thresholds: [{ far: 0.01, threshold: 1, evidence }],
    });
    expect(modalityPolicy(euclidean(true), { far: 0.01 }, liveness).spaces[0]?.thresholdCosine).toBe(0.5);
    expect(() => modalityPolicy(euclidean(false), { far: 0.01 }, liveness)).toThrow(refused("any length"));
  });

  test("adds the spaces of other models whose templates stay, at their thresholds, and no others", () => {
    const row = { far: 0.01, evidence };
    const compatibility: ModelCard["compatibility"] = [
      { ...row, gallerySpace: "stays", verdict: "templates stay", threshold: 0.35 },
      { ...row, gallerySpace: "gone", verdict: "re-enrol" },
      { ...row, gallerySpace: "mapped", verdict: "adapter suffices", threshold: 0.3, adapter: { file: "a", sha256: "0" } },
      { ...row, far: 0.1, gallerySpace: "loose", verdict: "templates stay", threshold: 0.1 },
    ];
    expect(modalityPolicy({ ...card, compatibility }, { far: 0.01 }, liveness).spaces).toEqual([
      { space: own, thresholdCosine: 0.3 },
      { space: "stays", thresholdCosine: 0.35 },
    ]);
  });

  test("refuses a card without an embedding space", () => {
    const { embeddingSpace: _, ...nameless } = card;
    expect(() => modalityPolicy(nameless, { far: 0.01 }, liveness)).toThrow(refused("no embedding space"));
    expect(() => modalityPolicy(cardOf("yunet-n-320"), { far: 0.01 }, liveness)).toThrow(refused("no embedding space"));
  });
});

describe("fusionPolicy", () => {
  const seen = { scores: { low: -1, high: 1 } };
  const model = parseFusion(
    JSON.stringify({
      kind: "fusion",
      version: 1,
      method: "logistic",
      modalities: [
        { name: "face", ...seen },
        { name: "voice", ...seen },
      ],
      rules: [{ modalities: ["face", "voice"], intercept: -8, weights: [20, 5] }],
      trials: { genuine: 500, impostor: 5000 },
    }),
  );

  test("applies the model, and takes a score that is no number for no evidence", () => {
    const policy = fusionPolicy(model, { served: ["face", "voice"], threshold: 3 });
    expect(policy.apply({ face: 0.5, voice: 0.6 })).toBe(5);
    expect(policy.apply({ face: Number.NaN, voice: 1 })).toBeUndefined();
    expect(policy.apply({ face: 1 })).toBeUndefined();
  });

  test("refuses a model that has no rule for what the gateway serves", () => {
    expect(() => fusionPolicy(model, { served: ["face"], threshold: 3 })).toThrow(refused("rules for face+voice"));
  });
});
