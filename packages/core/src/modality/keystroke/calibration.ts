import { type Matrix, matrix } from "../../base/matrix.ts";
import { columnMeans } from "./spread.ts";

/** How far the samples are moved from their mean, in multiples of where they are. */
const STRETCHES = [1, 2, 3, 4] as const;

/**
 * Inputs to calibrate a quantized detector on: each training sample, and the same sample two, three and four times as far from the mean. Training
 * samples alone would fix ranges at which an impostor's score can no longer be told from the person's worst; of impostors nothing may be known.
 * f64[4 n, features].
 */
export function calibrationSamples(samples: Matrix): Matrix {
  const means = columnMeans(samples);
  const { rows, cols, data } = samples;
  const result = matrix(rows * STRETCHES.length, cols);
  STRETCHES.forEach((stretch, part) => {
    for (let i = 0; i < rows * cols; i++) {
      const mean = means[i % cols] as number;
      result.data[part * rows * cols + i] = mean + stretch * ((data[i] as number) - mean);
    }
  });
  return result;
}
