import type { Grid } from "./compare-pairs.ts";
import { addDifference, createDifference, type DifferenceSums, differenceOf, type TensorDifference } from "./compare-tensors.ts";

/** How the values of a layer lie on their grid. */
export interface GridUse {
  /** Integer levels that occur, of all that there are, 0..1. */
  readonly rangeUse: number;
  /** Share of the reference's values below the lowest and above the highest number that the grid can hold, by more than half a step. */
  readonly clippedLow: number;
  readonly clippedHigh: number;
}

/** What comparing a layer tells, over everything that was fed. */
export interface LayerFigures extends TensorDifference, Partial<GridUse> {
  /** Share of the error's energy that is a constant shift of each channel: what correcting biases would take away. */
  readonly shiftShare: number;
  /** Largest magnitude of the reference over the median of the channels' own (axis 1): large where one channel sets the range for all. */
  readonly channelSpread: number;
  /** Of the reference's values. */
  readonly min: number;
  readonly max: number;
  /** Largest magnitude of the reference, and mean error, of each channel. */
  readonly channelLargest: Float64Array;
  readonly channelError: Float64Array;
}

/** Sums that {@link LayerFigures} is made of; streams. */
export interface LayerSums {
  readonly difference: DifferenceSums;
  readonly grid: Grid | undefined;
  /** Set for each level of the grid that occurred. */
  readonly levels: Uint8Array;
  below: number;
  above: number;
  min: number;
  max: number;
  /** By channel: sum of the errors, number of values, largest magnitude of the reference. */
  errors: Float64Array;
  counts: Float64Array;
  largest: Float64Array;
}

/** Grids with more levels than this (int16 and more) are not looked at level by level. */
const MOST_LEVELS = 256;

/** Empty sums for a value with a grid, or without one. */
export function createLayer(grid?: Grid): LayerSums {
  const levels = grid === undefined ? 0 : grid.high - grid.low + 1;
  return {
    difference: createDifference(),
    grid,
    levels: new Uint8Array(levels <= MOST_LEVELS ? levels : 0),
    below: 0,
    above: 0,
    min: Number.POSITIVE_INFINITY,
    max: Number.NEGATIVE_INFINITY,
    errors: new Float64Array(0),
    counts: new Float64Array(0),
    largest: new Float64Array(0),
  };
}

/** Adds a pair of tensors of one shape, whose second axis is that of the channels. */
export function addLayer(sums: LayerSums, reference: Float32Array, changed: Float32Array, shape: readonly number[]): void {
  addDifference(sums.difference, reference, changed);
  if (sums.grid !== undefined) addGrid(sums, sums.grid, reference, changed);
  let { min, max } = sums;
  for (let i = 0; i < reference.length; i++) {
    const v = reference[i] as number;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  sums.min = min;
  sums.max = max;
  const channels = shape.length < 2 ? 1 : (shape[1] as number);
  if (sums.errors.length === 0) {
    sums.errors = new Float64Array(channels);
    sums.counts = new Float64Array(channels);
    sums.largest = new Float64Array(channels);
  }
  // A size that changes from sample to sample has no channels to speak of.
  if (sums.errors.length !== channels || channels === 0) return;
  const inner = shape.length < 2 ? reference.length : shape.slice(2).reduce((a, b) => a * b, 1);
  const { errors, counts, largest } = sums;
  for (let i = 0, row = 0; i < reference.length; row++) {
    const c = row % channels;
    let sum = 0;
    let most = largest[c] as number;
    for (const end = i + inner; i < end; i++) {
      const a = reference[i] as number;
      sum += (changed[i] as number) - a;
      if (a > most) most = a;
      else if (-a > most) most = -a;
    }
    errors[c] = (errors[c] as number) + sum;
    counts[c] = (counts[c] as number) + inner;
    largest[c] = most;
  }
}

function addGrid(sums: LayerSums, grid: Grid, reference: Float32Array, changed: Float32Array): void {
  const { scale, zeroPoint, low, high } = grid;
  const least = (low - zeroPoint - 0.5) * scale;
  const most = (high - zeroPoint + 0.5) * scale;
  const { levels } = sums;
  let below = 0;
  let above = 0;
  for (let i = 0; i < reference.length; i++) {
    const v = reference[i] as number;
    if (v < least) below++;
    else if (v > most) above++;
  }
  if (levels.length > 0) {
    const perStep = 1 / scale;
    const shift = zeroPoint - low + 0.5;
    for (let i = 0; i < changed.length; i++) {
      const q = Math.floor((changed[i] as number) * perStep + shift);
      if (q >= 0 && q < levels.length) levels[q] = 1;
    }
  }
  sums.below += below;
  sums.above += above;
}

/** The figures of a layer. */
export function layerFigures(sums: LayerSums): LayerFigures {
  const { difference, grid, levels, errors, counts, largest } = sums;
  let shift = 0;
  for (let c = 0; c < errors.length; c++)
    if ((counts[c] as number) > 0) shift += (errors[c] as number) ** 2 / (counts[c] as number);
  const sorted = Float64Array.from(largest).sort();
  const median = sorted.length === 0 ? 0 : (sorted[sorted.length >> 1] as number);
  const count = Math.max(1, difference.count);
  return {
    ...differenceOf(difference),
    shiftShare: difference.noise === 0 ? 0 : Math.min(1, shift / difference.noise),
    min: sums.min,
    max: sums.max,
    channelLargest: largest,
    channelError: errors.map((e, c) => e / Math.max(1, counts[c] as number)),
    channelSpread: median > 0 ? (sorted[sorted.length - 1] as number) / median : 1,
    ...(grid === undefined
      ? {}
      : {
          ...(levels.length === 0 ? {} : { rangeUse: levels.reduce((a, b) => a + b, 0) / levels.length }),
          clippedLow: sums.below / count,
          clippedHigh: sums.above / count,
        }),
  };
}
