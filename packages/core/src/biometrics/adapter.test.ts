import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTesseraError } from "../base/error.ts";
import { singularValues } from "../base/jacobi.ts";
import { matrix } from "../base/matrix.ts";
import { seededRandom } from "../base/random.ts";
import { applyAdapter, fitAdapter, type SpaceAdapter } from "./adapter.ts";
import { type AdapterFile, readAdapter, writeAdapter } from "./adapter-file.ts";
import { type Embeddings, embeddings, normaliseRows } from "./similarity.ts";

function drawn(count: number, dim: number, seed: number): Embeddings {
  const random = seededRandom(seed);
  return normaliseRows(
    embeddings(
      Float32Array.from({ length: count * dim }, () => random.normal()),
      dim,
    ),
  );
}

/** A random map with orthonormal rows or columns. */
function turn(from: number, to: number, seed: number): SpaceAdapter {
  const random = seededRandom(seed);
  const { u, v } = singularValues(
    matrix(
      to,
      from,
      Float64Array.from({ length: to * from }, () => random.normal()),
    ),
  );
  const weights = new Float32Array(to * from);
  for (let i = 0; i < to; i++)
    for (let j = 0; j < from; j++)
      for (let k = 0; k < u.cols; k++)
        weights[i * from + j] = (weights[i * from + j] ?? 0) + (u.data[i * u.cols + k] ?? 0) * (v.data[j * v.cols + k] ?? 0);
  return { kind: "orthogonal", from, to, weights };
}

function meanCosine(a: Embeddings, b: Embeddings): number {
  return a.data.reduce((sum, value, k) => sum + value * (b.data[k] ?? Number.NaN), 0) / a.count;
}

function gram(adapter: SpaceAdapter): readonly number[] {
  const { from, to, weights } = adapter;
  const side = Math.min(from, to);
  // Rows where there are fewer of them, else columns.
  const entry = (line: number, k: number) => weights[from >= to ? line * from + k : k * from + line] ?? Number.NaN;
  return Array.from({ length: side * side }, (_, n) => {
    let sum = 0;
    for (let k = 0; k < Math.max(from, to); k++) sum += entry(Math.floor(n / side), k) * entry(n % side, k);
    return sum;
  });
}

const dim = fc.integer({ min: 1, max: 10 });

describe("an orthogonal adapter", () => {
  test("finds the turn between two spaces, of one dimension or of a smaller into a larger", () => {
    fc.assert(
      fc.property(dim, dim, fc.integer(), (a, b, seed) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const samples = drawn(to + 5, from, seed);
        const truth = turn(from, to, seed + 1);
        const fitted = fitAdapter("orthogonal", { from: samples, to: applyAdapter(truth, samples) });
        const others = drawn(20, from, seed + 2);
        expect(meanCosine(applyAdapter(fitted, others), applyAdapter(truth, others))).toBeGreaterThan(1 - 1e-5);
      }),
    );
  });

  test("keeps angles whatever it is fitted to", () => {
    fc.assert(
      fc.property(dim, dim, fc.integer(), (from, to, seed) => {
        const count = Math.max(from, to) + 3;
        const fitted = fitAdapter("orthogonal", { from: drawn(count, from, seed), to: drawn(count, to, seed + 1) });
        const side = Math.min(from, to);
        gram(fitted).forEach((value, k) => {
          expect(value).toBeCloseTo(k % (side + 1) === 0 ? 1 : 0, 5);
        });
      }),
    );
  });

  test("fits at least as well as any other turn that is tried", () => {
    const from = drawn(40, 6, 1);
    const to = drawn(40, 6, 2);
    const own = meanCosine(applyAdapter(fitAdapter("orthogonal", { from, to }), from), to);
    for (let seed = 10; seed < 60; seed++) expect(meanCosine(applyAdapter(turn(6, 6, seed), from), to)).toBeLessThan(own);
  });
});

describe("an affine adapter", () => {
  test("undoes a stretch and an offset that no turn undoes", () => {
    const random = seededRandom(8);
    const stretch = Float32Array.from({ length: 8 }, () => 0.3 + 2 * random.next());
    const bend = (set: Embeddings) =>
      normaliseRows(
        embeddings(
          set.data.map((value, k) => value * (stretch[k % 8] ?? 1) + (k % 8 === 0 ? 0.4 : 0)),
          8,
        ),
      );
    const samples = drawn(300, 8, 9);
    const others = drawn(300, 8, 10);
    const after = (kind: SpaceAdapter["kind"]) =>
      meanCosine(applyAdapter(fitAdapter(kind, { from: samples, to: bend(samples) }), others), bend(others));
    expect(after("affine")).toBeGreaterThan(0.99);
    expect(after("orthogonal")).toBeLessThan(0.96);
  });

  test("leaves templates alone where nothing but noise changed, with few samples", () => {
    const noise = seededRandom(3);
    const noisy = (set: Embeddings) =>
      normaliseRows(
        embeddings(
          set.data.map((value) => value + 0.02 * noise.normal()),
          16,
        ),
      );
    const samples = drawn(24, 16, 4);
    const others = drawn(200, 16, 5);
    const fitted = fitAdapter("affine", { from: samples, to: noisy(samples) });
    expect(meanCosine(applyAdapter(fitted, others), others)).toBeGreaterThan(0.998);
  });

  test("leads between dimensions", () => {
    const samples = drawn(200, 12, 6);
    const truth = turn(12, 5, 7);
    const fitted = fitAdapter("affine", { from: samples, to: applyAdapter(truth, samples) });
    const others = drawn(50, 12, 8);
    expect(applyAdapter(fitted, others).dim).toBe(5);
    expect(meanCosine(applyAdapter(fitted, others), applyAdapter(truth, others))).toBeGreaterThan(0.98);
  });
});

describe("an adapter", () => {
  test("is not fitted to too few samples or to lists of different length, nor applied in another dimension", () => {
    expect(() => fitAdapter("orthogonal", { from: drawn(5, 6, 1), to: drawn(5, 6, 2) })).toThrow(/5 samples/);
    expect(() => fitAdapter("affine", { from: drawn(9, 3, 1), to: drawn(8, 3, 2) })).toThrow(/9 embeddings/);
    expect(() => applyAdapter(turn(3, 3, 1), drawn(2, 4, 1))).toThrow(/dimension 4/);
  });
});

describe("an adapter file", () => {
  const affine: AdapterFile = {
    adapter: { kind: "affine", from: 3, to: 2, weights: Float32Array.of(1, 2, 3, 4, 5, 6), bias: Float32Array.of(0.5, -0.5) },
    fromSpace: "old – space",
    toSpace: "new",
    samples: 300,
    dataSha256: "ab".repeat(32),
  };

  test("comes back as it was written", () => {
    expect(readAdapter(writeAdapter(affine))).toEqual(affine);
    const orthogonal = { ...affine, adapter: turn(5, 4, 2) };
    expect(readAdapter(writeAdapter(orthogonal))).toEqual(orthogonal);
  });

  test("is refused after any change of a byte, cut or extension, with a code", () => {
    const bytes = writeAdapter(affine);
    const codes = new Set<string>();
    const refusal = (mutated: Uint8Array): void => {
      try {
        readAdapter(mutated);
        expect.unreachable("a changed file was believed");
      } catch (error) {
        if (!isTesseraError(error)) throw error;
        codes.add(error.code);
      }
    };
    for (let place = 0; place < bytes.length; place++) {
      const mutated = bytes.slice();
      mutated[place] = (mutated[place] ?? 0) ^ (1 << (place % 8));
      refusal(mutated);
      refusal(bytes.slice(0, place));
    }
    refusal(Uint8Array.of(...bytes, 0));
    expect([...codes].sort()).toEqual(["INTEGRITY", "LIMIT_EXCEEDED", "MALFORMED", "TRUNCATED"]);
  });

  test("never gets further than a coded error, nor asks for memory that it does not have, whatever its header claims", () => {
    const bytes = writeAdapter(affine);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 24 }),
        fc.nat(24),
        fc.uint8Array({ maxLength: 80 }),
        (patch, place, tail) => {
          const mutated = Uint8Array.of(...bytes.subarray(0, HEADED), ...tail);
          mutated.set(patch.subarray(0, Math.max(0, mutated.length - place)), place);
          try {
            readAdapter(mutated);
          } catch (error) {
            expect(isTesseraError(error)).toBe(true);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("with a valid digest is still refused for numbers that are none", () => {
    const { adapter } = affine;
    const bad = { ...affine, adapter: { ...adapter, weights: adapter.weights.map((w, k) => (k === 4 ? Number.NaN : w)) } };
    expect(() => readAdapter(writeAdapter(bad))).toThrow(/number 4/);
  });

  test("is not written with what would be refused on reading", () => {
    expect(() => writeAdapter({ ...affine, toSpace: "" })).toThrow(/id of 0 bytes/);
    expect(() => writeAdapter({ ...affine, toSpace: "x".repeat(600) })).toThrow(/600/);
  });
});

const HEADED = 40;
