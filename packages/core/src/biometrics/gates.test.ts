import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { at } from "../base/assert.ts";
import { seededRandom } from "../base/random.ts";
import { compareAll } from "./compare.ts";
import { allPairs } from "./design.ts";
import { collapseGate, impostorTailGate, saturationGate } from "./gates.ts";
import { embeddingHealth } from "./health.ts";
import { distributionOf } from "./scores.ts";
import { embeddings, normaliseRows } from "./similarity.ts";

const [count, dim] = [400, 16];
const subjects = Int32Array.from({ length: count }, (_, i) => i % 100);

function healthy(): Float32Array {
  const random = seededRandom(2);
  return Float32Array.from({ length: count * dim }, () => random.normal());
}

function gate(data: Float32Array, options = {}): ReturnType<typeof collapseGate> {
  return collapseGate(embeddings(data, dim), subjects, options);
}

describe("the collapse gate", () => {
  it("lets a healthy model pass and says how it stands", () => {
    const result = gate(healthy());
    expect(result).toMatchObject({ pass: true, gate: "collapse" });
    expect(result.figures["strangerSimilarity"]).toBeCloseTo(0, 1);
    expect(result.figures["effectiveDimension"]).toBeGreaterThan(14);
  });

  it.each<[string, (value: number, k: number) => number, RegExp]>([
    ["NaN", (v, k) => (k === 5 * dim ? Number.NaN : v), /1 of 400 embeddings hold NaN/],
    ["zero rows", (v, k) => (Math.floor(k / dim) === 7 ? 0 : v), /1 of 400 embeddings are zero/],
    ["nothing but zeros", () => 0, /400 of 400 embeddings are zero/],
    ["one vector for all", (_, k) => (k % dim) + 1, /components never change/],
    ["dead components", (v, k) => (k % dim < 8 ? 0 : v), /50 % of the components/],
    ["a common direction", (v, k) => v + (k % dim === 0 ? 8 : 0), /mean cosine of 0\.(79|80)/],
    ["two directions only", (v, k) => v * (k % dim < 2 ? 1 : 1e-3), /fill \S+ directions, at least 4/],
  ])("stops a model with %s", (_, spoil, reason) => {
    const result = gate(healthy().map(spoil));
    expect(result.pass).toBe(false);
    expect(result.reason).toMatch(reason);
  });

  it("measures against the reference when there is one", () => {
    const lean = healthy().map((v, k) => v + (k % dim === 0 ? 2 : 0));
    const reference = embeddingHealth(embeddings(healthy(), dim), subjects);
    expect(gate(lean).pass).toBe(true);
    expect(gate(lean, { reference })).toMatchObject({ pass: false, reason: expect.stringMatching(/different people/) });
    expect(gate(healthy(), { reference }).pass).toBe(true);
  });

  /** Behind a ReLU: people around centres of their own, `noise` apart from them, `shift` away from 0. */
  const behindRelu = (noise: number, shift: number): Float32Array => {
    const [random, centres] = [seededRandom(3), healthy()];
    return Float32Array.from(
      { length: count * dim },
      (_, k) =>
        Math.max(0, centres[at(subjects, Math.floor(k / dim)) * dim + (k % dim)] as number) +
        Math.abs(noise * random.normal()) +
        shift,
    );
  };

  it("lets strangers be alike where no number is below zero and recordings of one person are more alike still", () => {
    const apart = gate(behindRelu(0.3, 0.25));
    expect(apart).toMatchObject({ pass: true });
    expect(apart.figures["strangerSimilarity"]).toBeGreaterThan(0.5);
    expect(gate(behindRelu(0.3, 5)).reason).toMatch(/mean cosine of 0.9\d+, limit 0.9/);
    expect(gate(behindRelu(0.3, 0.25).map((v, k) => (k === 0 ? -1e-3 : v))).reason).toMatch(/limit 0.5/);
  });

  it("stops a network that says the same of everybody but for noise, although nothing is below zero and all directions are filled", () => {
    const collapsed = gate(healthy().map(Math.abs));
    expect(collapsed.figures["effectiveDimension"]).toBeGreaterThan(10);
    expect(collapsed.figures["strangerSimilarity"]).toBeLessThan(0.9);
    expect(collapsed).toMatchObject({ pass: false, reason: expect.stringMatching(/at least 10 % of what is left/) });
  });

  it("does not excuse alike strangers where nobody has two recordings", () => {
    const alone = Int32Array.from({ length: count }, (_, i) => i);
    const result = collapseGate(embeddings(behindRelu(0.3, 0.25), dim), alone);
    expect(result).toMatchObject({ pass: false, reason: expect.stringMatching(/recordings of one person are not there/) });
  });

  it("asks few people to differ in half the ways they may, so that a line does for two but not for three", () => {
    const placed = (people: number, flat: boolean) => {
      const few = Int32Array.from({ length: count }, (_, i) => i % people);
      const data = Float32Array.from({ length: count * dim }, (_, k) => {
        const angle = (2 * Math.PI * at(few, Math.floor(k / dim))) / people;
        return k % dim === 0 ? Math.cos(angle) : k % dim === 1 && !flat ? Math.sin(angle) : 0;
      });
      return collapseGate(embeddings(data, dim), few, { maxConstantShare: 1 });
    };
    expect(placed(3, false)).toMatchObject({ pass: true, figures: { dimensionLimit: 1.5 } });
    expect(placed(3, true)).toMatchObject({ pass: false, reason: expect.stringMatching(/fill 1 directions, at least 1.5/) });
    expect(placed(2, true)).toMatchObject({ pass: true, figures: { dimensionLimit: 1 } });
    expect(placed(9, false).reason).toMatch(/fill 2 directions, at least 4 /);
  });

  it("does not pass what cannot be judged", () => {
    expect(collapseGate(embeddings(healthy(), dim), new Int32Array(count)).reason).toMatch(/no two people/);
    expect(() => embeddingHealth(embeddings(healthy(), dim), new Int32Array(3))).toThrow(/3 subjects/);
  });
});

describe("embedding health", () => {
  it("finds the mean cosines that the comparisons have", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 2, max: 6 }), (seed, people) => {
        const random = seededRandom(seed);
        const set = normaliseRows(
          embeddings(
            Float32Array.from({ length: 20 * 5 }, () => random.normal() + 0.5),
            5,
          ),
        );
        const who = Int32Array.from({ length: 20 }, (_, i) => i % people);
        const { genuine, impostor } = compareAll(set, allPairs(who));
        const mean = (list: Float32Array): number => list.reduce((sum, s) => sum + s, 0) / list.length;
        const health = embeddingHealth(set, who);
        expect(health.strangerSimilarity).toBeCloseTo(mean(impostor), 5);
        expect(health.mateSimilarity).toBeCloseTo(mean(genuine.scores), 5);
      }),
      { numRuns: 30 },
    );
  });

  it("knows the effective dimension of points on two equal axes and on a line", () => {
    const axes = Float32Array.of(1, 0, 0, -1, 0, 0, 0, 1, 0, 0, -1, 0);
    expect(embeddingHealth(embeddings(axes, 3), Int32Array.of(0, 1, 2, 3)).effectiveDimension).toBeCloseTo(2, 12);
    const line = Float32Array.of(1, 0, 0, -1, 0, 0);
    expect(embeddingHealth(embeddings(line, 3), Int32Array.of(0, 1)).effectiveDimension).toBeCloseTo(1, 12);
    const oblique = Float32Array.of(1, 2, 3, -1, -2, -3);
    expect(embeddingHealth(embeddings(oblique, 3), Int32Array.of(0, 1)).effectiveDimension).toBeCloseTo(1, 12);
    const point = Float32Array.of(0.1, 0.2, 0.3, 0.1, 0.2, 0.3);
    expect(embeddingHealth(embeddings(point, 3), Int32Array.of(0, 1)).effectiveDimension).toBe(0);
  });
});

describe("the impostor-tail gate", () => {
  const random = seededRandom(3);
  const scores = Float32Array.from({ length: 40_000 }, () => 0.1 * random.normal());
  const reference = distributionOf(scores);

  it("passes the reference itself and small noise", () => {
    expect(impostorTailGate(reference, reference)).toMatchObject({ pass: true });
    expect(impostorTailGate(distributionOf(scores.map((s) => s + 0.001)), reference)).toMatchObject({ pass: true });
  });

  it("stops a tail that rose although the mean did not", () => {
    const heavy = distributionOf(scores.map((s, k) => (k % 500 === 0 ? 0.6 : s)));
    const result = impostorTailGate(heavy, reference);
    expect(result.pass).toBe(false);
    expect(result.reason).toMatch(/FAR 0.001 the impostor score rose by 0\.2/);
  });

  it("stops a small rise that multiplies the FAR", () => {
    const narrow = distributionOf(scores.map((s) => s / 10));
    const result = impostorTailGate(distributionOf(scores.map((s) => s / 10 + 0.015)), narrow);
    expect(result).toMatchObject({ pass: false, reason: expect.stringMatching(/times as many/) });
  });

  it("looks only at FARs that the data can answer and fails when there is none", () => {
    const result = impostorTailGate(reference, reference);
    expect(Object.keys(result.figures)).toContain("candidate@0.0001");
    expect(Object.keys(result.figures)).not.toContain("candidate@0.00001");
    const few = distributionOf(scores.slice(0, 50));
    expect(impostorTailGate(few, few)).toMatchObject({ pass: false, reason: expect.stringMatching(/too few/) });
  });
});

describe("the saturation gate", () => {
  it("stops scores at the ceiling and scores on a few values", () => {
    const random = seededRandom(4);
    const fine = Float32Array.from({ length: 5000 }, () => random.next() * 0.5);
    expect(saturationGate(distributionOf(fine)).pass).toBe(true);
    expect(saturationGate(distributionOf(fine.map((s, k) => (k % 100 === 0 ? 1 : s)))).reason).toMatch(
      /1 % of the comparisons.*0.999 or more/,
    );
    expect(saturationGate(distributionOf(fine.map((s) => Math.round(s * 10) / 10))).reason).toMatch(/one and the same score/);
  });
});
