import { describe, expect, test } from "vitest";
import type { CardCompatibility, CardEvidence, ModelCard } from "./card.ts";
import { templateThreshold } from "./template-threshold.ts";

const evidence: CardEvidence = {
  tar: 0.9,
  interval: [0.8, 0.95],
  confidence: 0.95,
  genuine: 10,
  impostor: 1000,
  dataset: { name: "d", sha256: "a".repeat(64) },
};
const sha = (letter: string) => letter.repeat(64);

function row(change: Partial<CardCompatibility>): CardCompatibility {
  return { gallerySpace: "fp32", far: 1e-3, verdict: "templates stay", threshold: 0.4, evidence, ...change };
}

const card: ModelCard = {
  kind: "card",
  version: 1,
  name: "int8",
  modality: "face",
  task: "embedding",
  input: { kind: "features", tensor: "x", shape: [4], features: "samples" },
  output: { kind: "embedding", tensor: "y", dimension: 4, metric: "cosine", normalised: true },
  embeddingSpace: "int8",
  modelSha256: sha("a"),
  licence: "none",
  provenance: "test",
  thresholds: [
    { far: 1e-3, threshold: 0.3, evidence },
    { far: 1e-4, threshold: 0.5, evidence },
  ],
  compatibility: [
    row({ gallerySha256: sha("b") }),
    row({ gallerySha256: sha("c"), threshold: 0.42 }),
    row({ gallerySpace: "int8", gallerySha256: sha("d"), threshold: 0.35, verdict: "re-fit threshold" }),
    row({ gallerySpace: "mapped", verdict: "adapter suffices", adapter: { file: "m", sha256: sha("e") } }),
    { gallerySpace: "gone", far: 1e-3, verdict: "re-enrol" },
  ],
};

describe("the threshold for a template", () => {
  test("of the model's own is the card's, at the asked FAR or the next stricter one", () => {
    expect(templateThreshold(card, { space: "int8", modelSha256: sha("a") }, 1e-3)).toEqual({ kind: "compare", threshold: 0.3 });
    expect(templateThreshold(card, { space: "int8" }, 5e-4)).toEqual({ kind: "compare", threshold: 0.5 });
    expect(templateThreshold(card, { space: "int8" }, 1e-5)).toMatchObject({ kind: "refuse" });
  });

  test("of another model is that of the cell measured with it, and the strictest of its space when only that is known", () => {
    expect(templateThreshold(card, { space: "fp32", modelSha256: sha("b") }, 1e-3)).toEqual({ kind: "compare", threshold: 0.4 });
    expect(templateThreshold(card, { space: "fp32" }, 1e-3)).toEqual({ kind: "compare", threshold: 0.42 });
    expect(templateThreshold(card, { space: "fp32", modelSha256: sha("f") }, 1e-3)).toEqual({ kind: "compare", threshold: 0.42 });
    expect(templateThreshold(card, { space: "int8", modelSha256: sha("d") }, 1e-3)).toEqual({ kind: "compare", threshold: 0.35 });
  });

  test("of distances is the smallest of a space", () => {
    const far = { ...card, output: { ...card.output, metric: "euclidean" } as ModelCard["output"] };
    expect(templateThreshold(far, { space: "fp32" }, 1e-3)).toEqual({ kind: "compare", threshold: 0.4 });
  });

  test("comes with the adapter that it holds for", () => {
    expect(templateThreshold(card, { space: "mapped" }, 1e-3)).toEqual({
      kind: "compare",
      threshold: 0.4,
      adapter: { file: "m", sha256: sha("e") },
    });
  });

  test("is refused where people must enrol again and where nothing was measured", () => {
    expect(templateThreshold(card, { space: "gone" }, 1e-3)).toMatchObject({
      kind: "refuse",
      says: expect.stringContaining("enrol again"),
    });
    expect(templateThreshold(card, { space: "unheard of" }, 1e-3)).toMatchObject({ kind: "refuse" });
    const { compatibility: _, ...old } = card;
    expect(templateThreshold(old, { space: "fp32" }, 1e-3)).toMatchObject({ kind: "refuse" });
  });
});
