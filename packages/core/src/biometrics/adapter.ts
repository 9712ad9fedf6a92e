import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { singularValues, symmetricEigen } from "../base/jacobi.ts";
import { crossProduct, type Matrix, matrix, multiplied, transposed } from "../base/matrix.ts";
import { type Embeddings, normaliseRows } from "./similarity.ts";

/**
 * A map from one embedding space into another: y = W x + b, then divided by its length. `orthogonal`: W keeps lengths and angles (as far as the
 * smaller of the two dimensions lets it), b is zero. `affine`: anything linear with an offset.
 */
export interface SpaceAdapter {
  readonly kind: "orthogonal" | "affine";
  readonly from: number;
  readonly to: number;
  /** f32[to, from], row-major. */
  readonly weights: Float32Array;
  /** f32[to]; absent for `orthogonal`. */
  readonly bias?: Float32Array;
}

/** The kinds of {@link SpaceAdapter}, the simpler first. */
export const ADAPTER_KINDS = ["orthogonal", "affine"] as const satisfies readonly SpaceAdapter["kind"][];

/**
 * Fits an adapter in closed form to unit embeddings of the same samples by two models; nobody needs to know who is in them.
 *
 * @throws SCORES_INVALID when the two lists differ in length, INSUFFICIENT_DATA with fewer samples than {@link samplesNeeded}.
 * @example
 * const toNew = fitAdapter("orthogonal", { from: oldModel, to: newModel });
 * const gallery = applyAdapter(toNew, oldTemplates);
 */
export function fitAdapter(
  kind: SpaceAdapter["kind"],
  samples: { readonly from: Embeddings; readonly to: Embeddings },
): SpaceAdapter {
  const { from, to } = samples;
  if (from.count !== to.count)
    throw fail("SCORES_INVALID", `Cannot fit an adapter: ${from.count} embeddings by one model, ${to.count} by the other`);
  const needed = samplesNeeded(from.dim, to.dim);
  if (from.count < needed)
    throw fail(
      "INSUFFICIENT_DATA",
      `Cannot fit an adapter: ${from.count} samples, ${from.dim} by ${to.dim} numbers need ${needed}`,
    );
  return kind === "orthogonal" ? fitOrthogonal(from, to) : fitAffine(from, to);
}

/** Samples below which an adapter is not fitted: as many as the larger space has dimensions, or a part of it would be made up. */
export function samplesNeeded(from: number, to: number): number {
  return Math.max(from, to);
}

/**
 * Orthogonal Procrustes (Schönemann 1966): W = U Vᵀ from the singular vectors of Σ y xᵀ maximises Σ y · W x over all W with orthonormal rows
 * or columns. Spaces of different dimensions are those of one padded with zeros: the same formula with the thin vectors.
 */
function fitOrthogonal(from: Embeddings, to: Embeddings): SpaceAdapter {
  const { u, v } = singularValues(crossProduct(rows(to), rows(from)));
  const weights = Float32Array.from(multiplied(u, transposed(v)).data);
  return { kind: "orthogonal", from: from.dim, to: to.dim, weights };
}

/** Shares of the mean variance of a dimension that are tried as ridge. */
const RIDGES = Array.from({ length: 15 }, (_, k) => 10 ** (-5 + k / 2));

/**
 * Ridge regression from x to y with a free offset, drawn towards "nothing changes" or towards a constant; both that and how strongly are
 * chosen by the leave-one-out error, which ridge has in closed form (PRESS, Allen 1974): residual / (1 - leverage).
 */
function fitAffine(from: Embeddings, to: Embeddings): SpaceAdapter {
  const x = rows(from);
  const meanX = columnMeans(x);
  const centred = shifted(x, meanX);
  const { values, vectors } = symmetricEigen(crossProduct(centred, centred));
  const z = multiplied(centred, vectors);
  const priors = from.dim === to.dim ? [1, 0] : [0];
  let best: { readonly error: number; readonly prior: number; readonly meanR: Float64Array; readonly step: Matrix } | undefined;
  const scale = values.reduce((sum, value) => sum + Math.max(0, value), 0) / from.dim;
  for (const prior of priors) {
    const targets = rows(to);
    if (prior === 1) for (let k = 0; k < targets.data.length; k++) targets.data[k] = at(targets.data, k) - at(x.data, k);
    const meanR = columnMeans(targets);
    const residual = shifted(targets, meanR);
    const projected = crossProduct(z, residual);
    for (const ridge of RIDGES) {
      const inverse = values.map((value) => 1 / (Math.max(0, value) + ridge * scale));
      const step = { ...projected, data: projected.data.map((value, k) => value * at(inverse, Math.floor(k / to.dim))) };
      const error = leaveOneOut(z, residual, { inverse, step });
      if (best === undefined || error < best.error) best = { error, prior, meanR, step };
    }
  }
  if (best === undefined) throw fail("SCORES_INVALID", "Cannot fit an adapter: the embeddings do not vary");
  const change = multiplied(vectors, best.step);
  const weights = new Float32Array(to.dim * from.dim);
  const bias = Float64Array.from(best.meanR);
  for (let i = 0; i < from.dim; i++)
    for (let j = 0; j < to.dim; j++) {
      const value = at(change.data, i * to.dim + j);
      weights[j * from.dim + i] = value + (i === j ? best.prior : 0);
      bias[j] = at(bias, j) - at(meanX, i) * value;
    }
  return { kind: "affine", from: from.dim, to: to.dim, weights, bias: Float32Array.from(bias) };
}

/** Sum of squared residuals, each made by a fit without its own sample. */
function leaveOneOut(z: Matrix, residual: Matrix, fit: { readonly inverse: Float64Array; readonly step: Matrix }): number {
  const fitted = multiplied(z, fit.step);
  const width = residual.cols;
  let error = 0;
  for (let n = 0; n < z.rows; n++) {
    let leverage = 1 / z.rows;
    for (let j = 0; j < z.cols; j++) leverage += at(z.data, n * z.cols + j) ** 2 * at(fit.inverse, j);
    let squares = 0;
    for (let k = n * width; k < (n + 1) * width; k++) squares += (at(residual.data, k) - at(fitted.data, k)) ** 2;
    // A sample that alone decides its own fit says nothing about others.
    error += leverage < 1 ? squares / (1 - leverage) ** 2 : Number.POSITIVE_INFINITY;
  }
  return error;
}

/**
 * Templates in the other space, of unit length.
 *
 * @throws SCORES_INVALID when the dimension is not the adapter's `from`, or a template is mapped to nothing.
 */
export function applyAdapter(adapter: SpaceAdapter, set: Embeddings): Embeddings {
  const { from, to, weights, bias } = adapter;
  if (set.dim !== from)
    throw fail("SCORES_INVALID", `Cannot map embeddings of dimension ${set.dim}: the adapter takes ${from} numbers`);
  const wide = Float64Array.from(weights);
  const x = new Float64Array(from);
  const data = new Float32Array(set.count * to);
  for (let n = 0; n < set.count; n++) {
    x.set(set.data.subarray(n * from, (n + 1) * from));
    for (let j = 0; j < to; j++) {
      let sum = bias === undefined ? 0 : (bias[j] as number);
      for (let i = 0, k = j * from; i < from; i++, k++) sum += (wide[k] as number) * (x[i] as number);
      data[n * to + j] = sum;
    }
  }
  return normaliseRows({ kind: "embeddings", data, count: set.count, dim: to });
}

function rows(set: Embeddings): Matrix {
  return matrix(set.count, set.dim, Float64Array.from(set.data));
}

function columnMeans({ rows: count, cols, data }: Matrix): Float64Array {
  const means = new Float64Array(cols);
  for (let k = 0; k < data.length; k++) means[k % cols] = at(means, k % cols) + at(data, k) / count;
  return means;
}

function shifted(a: Matrix, by: Float64Array): Matrix {
  return { ...a, data: a.data.map((value, k) => value - at(by, k % a.cols)) };
}
