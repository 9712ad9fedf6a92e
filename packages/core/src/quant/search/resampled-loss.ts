import { at } from "../../base/assert.ts";
import { fail } from "../../base/error.ts";
import { type ComparisonScores, impostorsAtLeast, rankScores } from "../../biometrics/compare.ts";
import { type OperatingPoint, operatingPoint } from "../../biometrics/rates.ts";
import { eachResample } from "../../biometrics/resample.ts";
import { KERNEL_REACH, kernelDensity, shareAbove } from "../../biometrics/smoothed-curve.ts";

/** Options of {@link createLossMeter}. */
export interface LossMeterOptions {
  readonly far: number;
  readonly replicates?: number;
  readonly seed?: number;
  /** Standard deviation of the kernel that blurs scores, in units of the score. */
  readonly bandwidth?: number;
}

/** Defaults of {@link LossMeterOptions}. The bandwidth is of the size of what INT8 does to a score (0.005 to 0.02), so that no single pair decides. */
export const LOSS_METER_DEFAULTS = { replicates: 200, seed: 1, bandwidth: 0.015 } as const;

/** A smoothed loss of TAR, and the same in each resample of people. */
export interface ResampledLoss {
  readonly loss: number;
  readonly lossOf: readonly number[];
}

/** Measures models against one reference. */
export type LossMeter = (candidate: ComparisonScores) => ResampledLoss;

interface Side {
  readonly genuine: Float32Array;
  readonly genuinePerson: Int32Array;
  readonly tail: Float32Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
}

/**
 * A meter of TAR lost at a FAR against a reference, each model at a threshold of its own, fitted to the FAR. Scores are blurred by a Gaussian, so that
 * the loss moves with every pair near the threshold and not by whole pairs; the same people are drawn for every model, so that two losses can be paired.
 *
 * @throws SCORES_INVALID when there are too few impostor comparisons for the FAR
 */
export function createLossMeter(reference: ComparisonScores, options: LossMeterOptions): LossMeter {
  const { far, replicates, seed, bandwidth } = { ...LOSS_METER_DEFAULTS, ...options };
  const point = operatingPoint(rankScores(reference), far);
  if (point.kind === "insufficient-data") throw fail("SCORES_INVALID", `Cannot search at FAR ${far}: ${point.says}`);
  const { threshold } = point satisfies OperatingPoint;
  const measure = (scores: ComparisonScores): { readonly whole: number; readonly drawn: Float64Array } => {
    const side = sideOf(scores, threshold - (KERNEL_REACH + 2) * bandwidth);
    const people = scores.design.people;
    const tar = (weights: Float64Array, impostorWeight: number): number =>
      smoothedTar(side, { weights, impostorWeight, far, bandwidth, threshold });
    const drawn = new Float64Array(replicates);
    let next = 0;
    eachResample(scores.design, { replicates, seed }, ({ weights, impostorWeight }) => {
      drawn[next++] = tar(weights, impostorWeight);
    });
    return { whole: tar(new Float64Array(people).fill(1), scores.impostor.length), drawn };
  };
  const own = measure(reference);
  return (candidate) => {
    const other = measure(candidate);
    return { loss: own.whole - other.whole, lossOf: Array.from(own.drawn, (tar, i) => tar - at(other.drawn, i)) };
  };
}

function sideOf(scores: ComparisonScores, from: number): Side {
  const tail = impostorsAtLeast(scores, from);
  const { gallery, probe } = scores.design;
  return {
    genuine: scores.genuine.scores,
    genuinePerson: Int32Array.from(scores.genuine.a, (item) => at(gallery, item)),
    tail: tail.scores,
    left: Int32Array.from(tail.a, (item) => at(gallery, item)),
    right: Int32Array.from(tail.b, (item) => at(probe, item)),
  };
}

interface Draw {
  readonly weights: Float64Array;
  readonly impostorWeight: number;
  readonly far: number;
  readonly bandwidth: number;
  /** Where the fit starts. */
  readonly threshold: number;
}

function smoothedTar(side: Side, draw: Draw): number {
  const { weights, bandwidth } = draw;
  const threshold = fitThreshold(side, draw);
  let accepted = 0;
  let total = 0;
  for (let k = 0; k < side.genuine.length; k++) {
    const weight = weights[side.genuinePerson[k] as number] as number;
    if (weight === 0) continue;
    total += weight;
    accepted += weight * shareAbove(((side.genuine[k] as number) - threshold) / bandwidth);
  }
  return total === 0 ? 0 : accepted / total;
}

/** The threshold at which the blurred, weighted share of impostors is the FAR: Newton's method, held in a bracket. */
function fitThreshold(side: Side, draw: Draw): number {
  const { weights, impostorWeight, far, bandwidth } = draw;
  const scores = new Float64Array(side.tail.length);
  const shares = new Float64Array(side.tail.length);
  let count = 0;
  for (let k = 0; k < side.tail.length; k++) {
    const weight = (weights[side.left[k] as number] as number) * (weights[side.right[k] as number] as number);
    if (weight === 0) continue;
    scores[count] = side.tail[k] as number;
    shares[count++] = weight;
  }
  const wanted = far * impostorWeight;
  let low = -1 - KERNEL_REACH * bandwidth;
  let high = 1 + KERNEL_REACH * bandwidth;
  let threshold = draw.threshold;
  for (let round = 0; round < 50; round++) {
    let above = 0;
    let density = 0;
    for (let k = 0; k < count; k++) {
      const x = ((scores[k] as number) - threshold) / bandwidth;
      if (x <= -KERNEL_REACH) continue;
      above += (shares[k] as number) * shareAbove(x);
      density += (shares[k] as number) * kernelDensity(x);
    }
    if (above > wanted) low = threshold;
    else high = threshold;
    // On the logarithm, which is nearly straight in a tail.
    const step = above > 0 && density > 0 ? (Math.log(above / wanted) * above * bandwidth) / density : Number.NaN;
    const next = threshold + step;
    const bracketed = next > low && next < high ? next : (low + high) / 2;
    if (Math.abs(bracketed - threshold) < 1e-9) return bracketed;
    threshold = bracketed;
  }
  return threshold;
}
