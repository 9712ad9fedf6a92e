import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import type { Embeddings } from "./similarity.ts";

/** Figures about a set of embeddings as a whole. Rows that are zero or not finite are counted and left out of the rest. */
export interface EmbeddingHealth {
  readonly kind: "embedding-health";
  /** Rows with NaN or infinity. */
  readonly notFinite: number;
  /** Rows of length zero. */
  readonly zero: number;
  readonly usable: number;
  /** Share of components with the same value in every usable row. */
  readonly constantShare: number;
  /** Share of numbers below 0 in the usable rows: 0 behind a ReLU, where nobody is at a right angle to anybody. */
  readonly negativeShare: number;
  /** Mean cosine over all comparisons of different people. NaN when there is none. */
  readonly strangerSimilarity: number;
  /** Mean cosine over all comparisons of the same person. NaN when there is none. */
  readonly mateSimilarity: number;
  /**
   * How many directions the unit embeddings fill: the participation ratio (sum of eigenvalues)² / sum of squared eigenvalues of their
   * covariance; 1 when all vary along one line, the dimension when equally in all.
   */
  readonly effectiveDimension: number;
}

/** Rows used for the covariance at most, evenly spaced: its cost is rows · dim². */
const COVARIANCE_ROWS = 1024;

/** Examines embeddings, raw or normalised. @throws SCORES_INVALID when the subjects do not fit. */
export function embeddingHealth(set: Embeddings, subjects: Int32Array): EmbeddingHealth {
  if (subjects.length !== set.count)
    throw fail("SCORES_INVALID", `Cannot examine ${set.count} embeddings with ${subjects.length} subjects`);
  const { data, dim } = set;
  const rows: number[] = [];
  const scales: number[] = [];
  let notFinite = 0;
  let zero = 0;
  for (let row = 0; row < set.count; row++) {
    let squares = 0;
    for (let k = row * dim; k < (row + 1) * dim; k++) squares += (data[k] as number) * (data[k] as number);
    // Squares of float32 do not overflow float64, so only true NaN and infinity get here.
    if (!Number.isFinite(squares)) notFinite++;
    else if (squares === 0) zero++;
    else {
      rows.push(row);
      scales.push(1 / Math.sqrt(squares));
    }
  }
  const unit = new Float64Array(rows.length * dim);
  rows.forEach((row, n) => {
    for (let k = 0; k < dim; k++) unit[n * dim + k] = (data[row * dim + k] as number) * at(scales, n);
  });
  const people = rows.map((row) => at(subjects, row));
  return {
    kind: "embedding-health",
    notFinite,
    zero,
    usable: rows.length,
    constantShare: constantComponents(set, rows) / dim,
    negativeShare: unit.reduce((sum, value) => sum + (value < 0 ? 1 : 0), 0) / Math.max(1, unit.length),
    ...meanSimilarities(unit, people, dim),
    effectiveDimension: participationRatio(unit, rows.length, dim),
  };
}

function constantComponents(set: Embeddings, rows: readonly number[]): number {
  const { data, dim } = set;
  if (rows.length === 0) return dim;
  let constant = 0;
  for (let k = 0; k < dim; k++) {
    const first = data[at(rows, 0) * dim + k] as number;
    let same = true;
    for (let n = 1; n < rows.length && same; n++) same = data[(rows[n] as number) * dim + k] === first;
    if (same) constant++;
  }
  return constant;
}

/**
 * The mean cosines without making the comparisons: with S_p the sum of person p's unit vectors, the sum over pairs of different people is
 * (|sum S_p|² - sum |S_p|²) / 2 and over pairs of one person (|S_p|² - n_p) / 2.
 */
function meanSimilarities(
  unit: Float64Array,
  people: readonly number[],
  dim: number,
): { strangerSimilarity: number; mateSimilarity: number } {
  const sums = new Map<number, { readonly sum: Float64Array; count: number }>();
  const total = new Float64Array(dim);
  people.forEach((person, n) => {
    const own = sums.get(person) ?? { sum: new Float64Array(dim), count: 0 };
    own.count++;
    sums.set(person, own);
    for (let k = 0; k < dim; k++) {
      const value = unit[n * dim + k] as number;
      own.sum[k] = (own.sum[k] as number) + value;
      total[k] = (total[k] as number) + value;
    }
  });
  const squares = (vector: Float64Array): number => vector.reduce((sum, value) => sum + value * value, 0);
  let ownSquares = 0;
  let matePairs = 0;
  for (const { sum, count } of sums.values()) {
    ownSquares += squares(sum);
    matePairs += count * (count - 1);
  }
  const items = people.length;
  const strangerPairs = items * (items - 1) - matePairs;
  return {
    strangerSimilarity: (squares(total) - ownSquares) / strangerPairs,
    mateSimilarity: (ownSquares - items) / matePairs,
  };
}

function participationRatio(unit: Float64Array, count: number, dim: number): number {
  const used = Math.min(count, COVARIANCE_ROWS);
  if (used < 2) return 0;
  const centred = new Float64Array(used * dim);
  const mean = new Float64Array(dim);
  for (let n = 0; n < used; n++) {
    const row = Math.floor((n * count) / used);
    for (let k = 0; k < dim; k++) {
      const value = unit[row * dim + k] as number;
      centred[n * dim + k] = value;
      mean[k] = (mean[k] as number) + value / used;
    }
  }
  for (let i = 0; i < centred.length; i++) centred[i] = (centred[i] as number) - (mean[i % dim] as number);
  // trace(C)² / trace(C²), where trace(C²) is the sum of squared entries of C.
  const covariance = new Float64Array(dim * dim);
  for (let n = 0; n < used; n++)
    for (let i = 0; i < dim; i++) {
      const value = centred[n * dim + i] as number;
      const row = i * dim;
      for (let j = i; j < dim; j++)
        covariance[row + j] = (covariance[row + j] as number) + value * (centred[n * dim + j] as number);
    }
  let trace = 0;
  let squares = 0;
  for (let i = 0; i < dim; i++) {
    trace += covariance[i * dim + i] as number;
    squares += (covariance[i * dim + i] as number) ** 2;
    for (let j = i + 1; j < dim; j++) squares += 2 * (covariance[i * dim + j] as number) ** 2;
  }
  // Rounding of a constant set leaves a trace of about 1e-30: no direction at all.
  return trace <= 1e-20 * used ? 0 : (trace * trace) / squares;
}
