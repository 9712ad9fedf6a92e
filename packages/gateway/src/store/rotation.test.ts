import { createHash } from "node:crypto";
import { unitVector } from "@tessera/testkit/store/store-state";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyedRotation, rotate, rotateBack } from "./rotation.ts";

function key(seed: number): Uint8Array {
  return createHash("sha256").update(`key ${seed}`).digest();
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

describe("a keyed rotation", () => {
  it("keeps cosines and lengths to the last bits of a float, and can be undone, in any dimension", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 1e6 }), (dimension, seed) => {
        const rotation = keyedRotation(key(seed), dimension);
        const [a, b] = [unitVector(seed, dimension), unitVector(seed + 1, dimension)];
        const [x, y] = [rotate(rotation, a), rotate(rotation, b)];
        expect(Math.abs(dot(x, y) - dot(a, b))).toBeLessThan(1e-6);
        expect(Math.abs(dot(x, x) - 1)).toBeLessThan(1e-6);
        const back = rotateBack(rotation, x);
        for (let i = 0; i < dimension; i++) expect(Math.abs((back[i] ?? 0) - (a[i] ?? 0))).toBeLessThan(1e-6);
      }),
      { numRuns: 100 },
    );
  });

  it("is the same for the same key, and another one for another key", () => {
    const vector = unitVector(3, 192);
    expect(rotate(keyedRotation(key(1), 192), vector)).toEqual(rotate(keyedRotation(key(1), 192), vector));
    const images = Array.from({ length: 200 }, (_, i) => rotate(keyedRotation(key(i), 192), vector));
    const scores = images.slice(1).map((image, i) => dot(image, images[i] ?? image));
    const spread = Math.sqrt(scores.reduce((sum, score) => sum + score * score, 0) / scores.length);
    // Independent directions of 192 elements: a spread of 1 / sqrt(192) = 0.072.
    expect(spread).toBeGreaterThan(0.055);
    expect(spread).toBeLessThan(0.09);
  });

  it("spreads each element over all of the image", () => {
    for (const dimension of [128, 192, 320, 513, 1000]) {
      for (let element = 0; element < 20; element++) {
        const image = rotate(keyedRotation(key(element), dimension), new Float32Array(dimension).fill(1, element, element + 1));
        const largest = image.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
        expect(largest, `element ${element} of ${dimension}`).toBeLessThan(6 / Math.sqrt(dimension));
      }
    }
  });
});
