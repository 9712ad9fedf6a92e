import { describe, expect, test } from "vitest";
import type { FeatureInput, ImageInput, ModelCard } from "./card.ts";
import { embeddingSpaceId, isContentId, roundedSpaceId } from "./embedding-space.ts";

const input: ImageInput = {
  kind: "image",
  tensor: "x",
  width: 112,
  height: 112,
  layout: "NCHW",
  colour: "RGB",
  scale: 1,
  mean: [127.5, 127.5, 127.5],
  std: [127.5, 127.5, 127.5],
  placement: { kind: "align", template: "arcface-112" },
};
const card: Pick<ModelCard, "input" | "output"> = {
  input,
  output: { kind: "embedding", tensor: "y", dimension: 128, metric: "cosine", normalised: false },
};
const network = "ab".repeat(32);
const id = embeddingSpaceId(network, card);

function withInput(change: Partial<ImageInput>): string {
  return embeddingSpaceId(network, { ...card, input: { ...input, ...change } });
}

describe("the id of an embedding space", () => {
  test("is the same for the same content: names, layouts and spellings of one normalisation do not count", () => {
    expect(isContentId(id)).toBe(true);
    expect(withInput({ tensor: "other", layout: "NHWC" })).toBe(id);
    expect(withInput({ scale: 255, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] })).toBe(id);
    expect(withInput({ scale: 127.5, mean: [1, 1, 1], std: [1, 1, 1] })).toBe(id);
    const points = [
      { x: 38.2946, y: 51.6963 },
      { x: 73.5318, y: 51.5014 },
      { x: 56.0252, y: 71.7366 },
      { x: 41.5493, y: 92.3655 },
      { x: 70.7299, y: 92.2041 },
    ];
    expect(withInput({ placement: { kind: "align", points } })).toBe(id);
  });

  test("is another one for other weights, another preparation or another comparison", () => {
    const others = [
      embeddingSpaceId("cd".repeat(32), card),
      withInput({ std: [128, 128, 128] }),
      withInput({ mean: [127.5, 127.5, 127] }),
      withInput({ colour: "BGR" }),
      withInput({ placement: { kind: "stretch" } }),
      withInput({ width: 96 }),
      embeddingSpaceId(network, { ...card, output: { ...card.output, metric: "euclidean" } as ModelCard["output"] }),
      roundedSpaceId(id, "plan"),
      roundedSpaceId(id, "another plan"),
    ];
    expect(new Set([id, ...others]).size).toBe(others.length + 1);
    expect(others.every(isContentId)).toBe(true);
  });

  test("does not depend on where the axes of one element stand, but on the sizes of the others and their order", () => {
    const ofShape = (...shape: number[]): string => {
      const features: FeatureInput = { kind: "features", tensor: "x", shape, features: "fbank", sampleRateHz: 16_000 };
      return embeddingSpaceId(network, { ...card, input: features });
    };
    expect(ofShape(49, 40, 1)).toBe(ofShape(1, 49, 40));
    expect(ofShape(49, 40)).toBe(ofShape(1, 49, 40));
    expect(ofShape(40, 49, 1)).not.toBe(ofShape(49, 40, 1));
    expect(ofShape(49, 39, 1)).not.toBe(ofShape(49, 40, 1));
  });

  test("is told from a name that somebody gave", () => {
    expect(isContentId("my-face-net, first training")).toBe(false);
    expect(isContentId(network)).toBe(false);
  });
});
