import { describe, expect, test } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { compareAll, rankScores } from "../../biometrics/compare.ts";
import { allPairs, locateImpostors } from "../../biometrics/design.ts";
import { eachResample, percentileInterval } from "../../biometrics/resample.ts";
import { separation } from "../../biometrics/separation.ts";
import { embeddings, normaliseRows } from "../../biometrics/similarity.ts";
import { tensorType } from "../../graph/model.ts";
import { f32, view } from "../../graph/tensor.ts";
import { imageOf } from "../../signal/image.ts";
import type { PixelContract } from "../../signal/pixels.ts";
import type { FaceEmbeddingCard } from "../card.ts";
import { testContract } from "./contract-test.ts";
import { contractVariants, samePixels } from "./contract-variants.ts";
import { cropsOf, type FaceCrops } from "./crops.ts";
import { separationDifference } from "./d-prime.ts";
import type { FaceEmbedder } from "./embed.ts";

const three = (v: number): number[] => [v, v, v];
const centred: PixelContract = { layout: "NCHW", colour: "RGB", scale: 1, mean: three(127.5), std: three(128) };
const imagenet: PixelContract = {
  layout: "NCHW",
  colour: "RGB",
  scale: 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/**
 * A network for pictures of 8 x 8 that looks at its first channel only and saturates beyond a quarter: people are told apart when red comes
 * first and is centred on zero.
 */
function redEmbedder(pixels: PixelContract): FaceEmbedder {
  const card: FaceEmbeddingCard = {
    kind: "card",
    version: 1,
    name: "red",
    modality: "face",
    task: "embedding",
    input: { kind: "image", tensor: "x", width: 8, height: 8, placement: { kind: "align", template: "arcface-112" }, ...pixels },
    output: { kind: "embedding", tensor: "y", dimension: 64, metric: "cosine", normalised: false },
    thresholds: [],
    licence: "none",
    provenance: "this test",
  };
  return {
    card,
    session: {
      inputs: [{ name: "x", type: tensorType("float32", ["N", 3, 8, 8]) }],
      outputs: [],
      run: (feeds) => {
        const tensor = feeds.get("x");
        if (!tensor) throw new Error("no input");
        const rows = tensor.shape[0] as number;
        const data = view(tensor, "float32");
        const out = new Float32Array(rows * 64);
        for (let i = 0; i < rows; i++)
          for (let k = 0; k < 64; k++) out[i * 64 + k] = Math.max(-1, Math.min(1, 4 * (data[i * 192 + k] as number)));
        return Promise.resolve(new Map([["y", f32([rows, 64], out)]]));
      },
      time: () => Promise.reject(new Error("not timed here")),
      close: () => Promise.resolve(),
    },
  };
}

/** People are patterns in red, the other channels are noise. */
function labelled(people: number, each: number, noise: number): { readonly crops: FaceCrops; readonly subjects: string[] } {
  const random = seededRandom(5);
  const subjects: string[] = [];
  const images = Array.from({ length: people }, (_, person) => {
    const pattern = Array.from({ length: 64 }, () => random.int(256));
    return Array.from({ length: each }, () => {
      subjects.push(`p${person}`);
      const data = Uint8Array.from({ length: 192 }, (_, i) => {
        if (i % 3 !== 0) return random.int(256);
        return Math.max(0, Math.min(255, Math.round((pattern[i / 3] as number) + noise * random.normal())));
      });
      return imageOf(8, 8, 3, data);
    });
  }).flat();
  return { crops: cropsOf(images, subjects), subjects };
}

const quick = { replicates: 100 };

describe("the variants tried", () => {
  test("hold every usual mistake but the declared contract itself", () => {
    const names = contractVariants(centred).map((v) => v.name);
    expect(names).toContain("declared scaling, BGR");
    expect(names).toContain("x / 255, RGB");
    expect(names).toContain("0..255, BGR");
    expect(names).not.toContain("(x - 127.5) / 128, RGB");
    expect(names).not.toContain("(x - 127.5) / 128, BGR"); // the same as the declared scaling in BGR
    expect(names).toHaveLength(9);
    expect(contractVariants(imagenet)).toHaveLength(9);
  });

  test("the same numbers written another way are the same contract", () => {
    const other: PixelContract = { ...centred, scale: 255, mean: three(0.5), std: three(128 / 255) };
    expect(samePixels(centred, other)).toBe(true);
    expect(contractVariants(other).map((v) => v.name)).not.toContain("(x - 127.5) / 128, RGB");
    expect(samePixels(centred, { ...centred, std: three(127.5) })).toBe(false);
    expect(samePixels(centred, { ...centred, colour: "BGR" })).toBe(false);
  });

  test("a grey contract has no colour to mistake", () => {
    const grey: PixelContract = { layout: "NCHW", colour: "GREY", scale: 1, mean: [127.5], std: [128] };
    for (const { pixels } of contractVariants(grey))
      expect([pixels.colour, pixels.mean.length, pixels.std.length]).toEqual(["GREY", 1, 1]);
    expect(contractVariants(grey)).toHaveLength(4);
  });
});

describe("testing a contract", () => {
  test("the right card is confirmed: mistakes are worse, a near twin does the same", async () => {
    const result = await testContract(redEmbedder(centred), labelled(40, 3, 90), quick);
    const verdicts = new Map(result.variants.map((v) => [v.name, v.verdict]));
    expect(verdicts.get("declared scaling, BGR")).toBe("worse");
    expect(verdicts.get("x / 255, RGB")).toBe("worse");
    expect(verdicts.get("0..255, RGB")).toBe("worse");
    expect(verdicts.get("(x - 127.5) / 127.5, RGB")).toBe("same");
    expect(result.verdict).toBe("confirmed");
    expect([result.people, result.crops, result.genuine]).toEqual([40, 120, 120]);
  });

  test.each([
    ["colour order", { ...centred, colour: "BGR" as const }, "declared scaling, RGB"],
    ["scaling", { ...centred, scale: 255, mean: three(0), std: three(1) }, "(x - 127.5) / 128, RGB"],
  ])("a card with the wrong %s is questioned, and the right one is named", async (_, wrong, right) => {
    const result = await testContract(redEmbedder(wrong), labelled(40, 3, 90), quick);
    expect(result.verdict).toBe("questioned");
    expect(result.says).toContain(right);
    expect(result.variants[0]?.dPrime).toBeGreaterThan(result.declared.dPrime);
    expect(result.variants.find((v) => v.name === right)?.verdict).toBe("better");
  });

  test("a network to which colour and scale mean nothing leaves the card unquestioned", async () => {
    // Luck must not look like a gain: only noise everywhere.
    const random = seededRandom(9);
    const images = Array.from({ length: 120 }, () =>
      imageOf(
        8,
        8,
        3,
        Uint8Array.from({ length: 192 }, () => random.int(256)),
      ),
    );
    const subjects = images.map((_, i) => `p${i >> 1}`);
    const result = await testContract(redEmbedder(centred), { crops: cropsOf(images, subjects), subjects }, quick);
    expect(result.verdict).not.toBe("questioned");
  });

  test("too few people give no verdict but an error", async () => {
    await expect(testContract(redEmbedder(centred), labelled(2, 2, 10), quick)).rejects.toThrow(
      expect.objectContaining({ code: "INSUFFICIENT_DATA" }),
    );
    await expect(testContract(redEmbedder(centred), labelled(60, 1, 10), quick)).rejects.toThrow();
    const { crops } = labelled(3, 2, 10);
    await expect(testContract(redEmbedder(centred), { crops, subjects: ["a"] }, quick)).rejects.toThrow(
      expect.objectContaining({ code: "SCORES_INVALID" }),
    );
  });

  test("crops are limited, people with several pictures first", async () => {
    const { crops, subjects } = labelled(50, 6, 90);
    const result = await testContract(redEmbedder(centred), { crops, subjects }, { ...quick, maxCrops: 100, fars: [0.1] });
    expect([result.crops, result.people, result.genuine]).toEqual([100, 25, 25 * 6]);
  });
});

describe("the difference of d'", () => {
  const subjects = Int32Array.from({ length: 40 }, (_, i) => i >> 2);
  const design = allPairs(subjects);
  const noisy = (noise: number, seed: number): ReturnType<typeof compareAll> => {
    const random = seededRandom(3);
    const centres = Array.from({ length: 10 }, () => Array.from({ length: 16 }, () => random.normal()));
    const jitter = seededRandom(seed);
    const data = Float32Array.from(
      { length: 40 * 16 },
      (_, k) => (centres[subjects[k >> 4] as number]?.[k & 15] as number) + noise * jitter.normal(),
    );
    return compareAll(normaliseRows(embeddings(data, 16)), design);
  };

  test("equals the difference of the two figures, and of equal scores it is nothing", () => {
    const [a, b] = [noisy(0.5, 1), noisy(1, 2)];
    const { value, interval, reference } = separationDifference(a, b);
    expect(reference).toBeCloseTo(separation(rankScores(a)).dPrime, 6);
    expect(value).toBeCloseTo(separation(rankScores(b)).dPrime - separation(rankScores(a)).dPrime, 6);
    expect(interval.high).toBeLessThan(0);
    expect(interval.low).toBeLessThan(value);
    const same = separationDifference(a, a);
    expect([same.value, same.interval.low, same.interval.high]).toEqual([0, 0, 0]);
  });

  test("its interval is that of d' worked out comparison by comparison in every resample", () => {
    const [a, b] = [noisy(0.5, 1), noisy(0.7, 2)];
    const places = locateImpostors(
      design,
      Uint32Array.from(a.impostor, (_, k) => k),
    );
    const person = (item: number | undefined): number => subjects[item ?? -1] ?? -1;
    const differences: number[] = [];
    eachResample(design, { replicates: 40, seed: 8 }, ({ weights }) => {
      const dPrime = (scores: typeof a): number => {
        const expanded = (values: Float32Array, weight: (k: number) => number): number[] =>
          [...values].flatMap((value, k) => Array<number>(weight(k)).fill(value));
        const genuine = expanded(scores.genuine.scores, (k) => weights[person(a.genuine.a[k])] ?? 0);
        const impostor = expanded(
          scores.impostor,
          (k) => (weights[person(places.a[k])] ?? 0) * (weights[person(places.b[k])] ?? 0),
        );
        const mean = (values: number[]): number => values.reduce((x, y) => x + y, 0) / values.length;
        const variance = (values: number[], centre = mean(values)): number => mean(values.map((v) => (v - centre) ** 2));
        return Math.abs(mean(genuine) - mean(impostor)) / Math.sqrt((variance(genuine) + variance(impostor)) / 2);
      };
      differences.push(dPrime(b) - dPrime(a));
    });
    const expected = percentileInterval(Float64Array.from(differences), 0.9);
    const { interval } = separationDifference(a, b, { replicates: 40, seed: 8, confidence: 0.9 });
    expect(interval.low).toBeCloseTo(expected.low, 8);
    expect(interval.high).toBeCloseTo(expected.high, 8);
  });

  test("a model whose scores are all equal separates nobody", () => {
    const a = noisy(0.5, 1);
    const flat = {
      ...a,
      genuine: { ...a.genuine, scores: a.genuine.scores.map(() => 0.99999994) },
      impostor: a.impostor.map(() => 0.99999994),
    };
    const { value, interval, reference } = separationDifference(a, flat);
    expect(value).toBe(-reference);
    expect(interval.high).toBeLessThan(0);
  });

  test("turning it round turns the sign", () => {
    const [a, b] = [noisy(0.5, 1), noisy(1, 2)];
    expect(separationDifference(b, a).value).toBeCloseTo(-separationDifference(a, b).value, 12);
  });
});
