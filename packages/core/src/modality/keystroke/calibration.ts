import { type Matrix, matrix } from "../../base/matrix.ts";
import { columnMeans, meanAbsoluteDeviations } from "./spread.ts";

/** How far the samples are moved from their mean, in multiples of where they are. A decision is taken not far above a person's worst training sample. */
const STRETCHES = [1, 4 / 3, 5 / 3, 2] as const;

/** Mean absolute deviations from the mean at which a feature is held: farther out it has said what it has to say. */
const FARTHEST = 8;

/**
 * Inputs to calibrate a quantized detector on: each training sample, and the same sample up to twice as far from the mean. Training samples alone would fix
 * ranges at which an impostor's score can no longer be told from the person's worst; of impostors nothing may be known. A single pause of seconds is held
 * at eight mean deviations: all times share one grid of 256 steps, and it would leave held keys two or three of them. f64[4 n, features].
 */
export function calibrationSamples(samples: Matrix): Matrix {
  const means = columnMeans(samples);
  const spreads = meanAbsoluteDeviations(samples, means);
  const { rows, cols, data } = samples;
  const result = matrix(rows * STRETCHES.length, cols);
  STRETCHES.forEach((stretch, part) => {
    for (let i = 0; i < rows * cols; i++) {
      const mean = means[i % cols] as number;
      const limit = FARTHEST * (spreads[i % cols] as number);
      const moved = stretch * ((data[i] as number) - mean);
      result.data[part * rows * cols + i] = mean + Math.max(-limit, Math.min(limit, moved));
    }
  });
  return result;
}
