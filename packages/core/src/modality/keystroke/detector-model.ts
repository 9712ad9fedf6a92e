import type { Matrix } from "../../base/matrix.ts";
import type { Model } from "../../graph/model.ts";
import type { TrainedDetector } from "./detectors.ts";
import { OUTLIER_Z } from "./distance-detectors.ts";
import { FUZZY_PEAKS_SECONDS } from "./fuzzy-detector.ts";
import { type ScoreGraph, scoreGraph } from "./score-graph.ts";
import { lengthOf, whitened } from "./spread.ts";

/** A linear layer: rows of `weights` f64[outputs, inputs] and one bias each. */
interface Linear {
  readonly weights: Matrix;
  readonly bias: Float64Array;
}

/** Names of the graph's input, f32[1, features] (times in seconds), and output, f32[1, 1]. */
export const DETECTOR_INPUT = "timings";
/** See {@link DETECTOR_INPUT}. */
export const DETECTOR_OUTPUT = "score";

/**
 * A trained detector as a network from one sample, f32[1, features] `timings`, to its anomaly score, f32[1, 1] `score`: what the TypeScript detector
 * computes, in float32. City-block distances are a depthwise and a dense layer with a Relu between, |d| = relu(d) + relu(-d), so that they go down every
 * road that a small perceptron goes, int8 C included.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { matrix } from "@tessera/core/base/matrix";
 * import { detectorModel } from "@tessera/core/modality/keystroke/detector-model";
 * import { trainDetector } from "@tessera/core/modality/keystroke/detectors";
 *
 * const detector = trainDetector("manhattan", matrix(2, 2, Float64Array.of(0.1, 0.2, 0.12, 0.3)));
 * assert.equal(detectorModel(detector).graph.inputs[0]?.name, "timings");
 * ```
 */
export function detectorModel(detector: TrainedDetector): Model {
  const g = scoreGraph({ input: DETECTOR_INPUT, features: detector.features, name: `keystroke-${detector.kind}` });
  return g.finish(build(g, detector), DETECTOR_OUTPUT);
}

function build(g: ScoreGraph, detector: TrainedDetector): string {
  const x = g.input;
  const p = detector.features;
  switch (detector.kind) {
    case "manhattan":
    case "manhattan-filtered": {
      const { mean } = detector.state;
      return blocks(g, mean, new Float64Array(mean.length).fill(1));
    }
    case "manhattan-scaled":
      return blocks(g, detector.state.mean, detector.state.spread);
    case "outlier-count": {
      const { mean, spread } = detector.state;
      // |z| is above the limit where z or -z is.
      const both = g.dense(x, bothSigns(mean, spread));
      return g.sum(g.op("Cast", [g.op("Greater", [both, g.scalar(OUTLIER_Z)])], { to: 1 }), 2 * mean.length);
    }
    case "euclidean":
      return g.squares(g.op("Sub", [x, g.row(detector.state.mean)]), p);
    case "euclidean-normed":
      return normed(g, g.squares(g.op("Sub", [x, g.row(detector.state.mean)]), p), detector.state.mean);
    case "mahalanobis":
      return g.squares(g.dense(x, whitener(detector.state.whitening, detector.state.mean)), detector.state.whitening.cols);
    case "mahalanobis-normed":
      return normed(
        g,
        g.squares(g.dense(x, whitener(detector.state.whitening, detector.state.mean)), detector.state.whitening.cols),
        detector.state.mean,
      );
    case "nearest-neighbour": {
      const { whitening, samples } = detector.state;
      const probe = g.dense(x, whitener(whitening, new Float64Array(detector.features)));
      return g.op("Sqrt", [g.reduce("ReduceMin", g.rowSquares(g.op("Sub", [probe, g.rows(samples)])))]);
    }
    case "k-means": {
      const apart = g.op("Sub", [x, g.rows(detector.state.centres)]);
      return g.op("Sqrt", [g.reduce("ReduceMin", g.rowSquares(apart))]);
    }
    case "svm": {
      const { mean, spread, gamma, support, alpha, rho } = detector.state;
      const scaled = g.dense(x, diagonal(mean, spread));
      const squares = g.rowSquares(g.op("Sub", [scaled, g.rows(support)]));
      const kernel = g.op("Exp", [g.op("Mul", [squares, g.scalar(-gamma)])]);
      const total = g.reduce("ReduceSum", g.op("Mul", [kernel, g.column(alpha)]));
      return g.op("Sub", [g.scalar(rho), total]);
    }
    case "network-standard": {
      const said = g.op("Sigmoid", [g.dense(hidden(g, detector.state), biased(detector.state.output))]);
      return g.op("Sub", [g.scalar(1), said]);
    }
    case "network-auto": {
      const made = g.dense(hidden(g, detector.state), biased(detector.state.output));
      return g.op("Sqrt", [g.squares(g.op("Sub", [made, x]), p)]);
    }
    case "fuzzy-logic": {
      const first = FUZZY_PEAKS_SECONDS[0] as number;
      const last = FUZZY_PEAKS_SECONDS[FUZZY_PEAKS_SECONDS.length - 1] as number;
      const within = g.op("Clip", [x, g.scalar(first), g.scalar(last)]);
      const place = g.op("Mul", [g.op("Log", [g.op("Mul", [within, g.scalar(1 / first)])]), g.scalar(1 / Math.LN2)]);
      const away = g.op("Abs", [g.op("Sub", [place, g.row(detector.state.set)])]);
      // 1 - membership = 1 - max(0, 1 - away) = min(1, away)
      return g.op("Mul", [g.sum(g.op("Clip", [away, "", g.scalar(1)]), p), g.scalar(1 / p)]);
    }
  }
}

/**
 * Sum of |x_i - m_i| / a_i by relu(d) + relu(-d). The first layer is a depthwise convolution over features as channels, which has a weight scale for each
 * channel when it is quantized: a dense layer has one for all, and the spreads of pauses and of held keys are a hundred times apart (int8 on MEU-Mobile
 * lost 2.8 points of EER with the dense layer).
 */
function blocks(g: ScoreGraph, mean: Float64Array, spread: Float64Array): string {
  const p = mean.length;
  const weights = new Float64Array(2 * p);
  const bias = new Float64Array(2 * p);
  for (let k = 0; k < p; k++) {
    const scale = 1 / (spread[k] as number);
    weights.set([scale, -scale], 2 * k);
    bias.set([-(mean[k] as number) * scale, (mean[k] as number) * scale], 2 * k);
  }
  return g.sum(g.depthwiseRelu(g.input, { weights, bias }), 2 * p);
}

/** (x - m) / a and its negative, one after the other. */
function bothSigns(mean: Float64Array, spread: Float64Array): Linear {
  const p = mean.length;
  const data = new Float64Array(2 * p * p);
  const bias = new Float64Array(2 * p);
  for (let k = 0; k < p; k++) {
    const scale = 1 / (spread[k] as number);
    data[k * p + k] = scale;
    data[(p + k) * p + k] = -scale;
    bias[k] = -(mean[k] as number) * scale;
    bias[p + k] = (mean[k] as number) * scale;
  }
  return { weights: { rows: 2 * p, cols: p, data }, bias };
}

/** (x - m) / a. */
function diagonal(mean: Float64Array, spread: Float64Array): Linear {
  const { weights, bias } = bothSigns(mean, spread);
  const p = mean.length;
  return { weights: { rows: p, cols: p, data: weights.data.subarray(0, p * p) }, bias: bias.subarray(0, p) };
}

/** Wᵀ (x - m). */
function whitener(w: Matrix, mean: Float64Array): Linear {
  const data = new Float64Array(w.data.length);
  for (let i = 0; i < w.rows; i++) for (let j = 0; j < w.cols; j++) data[j * w.rows + i] = w.data[i * w.cols + j] as number;
  return { weights: { rows: w.cols, cols: w.rows, data }, bias: whitened(w, mean).map((v) => -v) };
}

/** A layer whose biases are the last column. */
function biased({ rows, cols, data }: Matrix): Linear {
  const weights = new Float64Array(rows * (cols - 1));
  const bias = new Float64Array(rows);
  for (let j = 0; j < rows; j++) {
    weights.set(data.subarray(j * cols, (j + 1) * cols - 1), j * (cols - 1));
    bias[j] = data[(j + 1) * cols - 1] as number;
  }
  return { weights: { rows, cols: cols - 1, data: weights }, bias };
}

function hidden(g: ScoreGraph, network: { readonly hidden: Matrix }): string {
  return g.op("Sigmoid", [g.dense(g.input, biased(network.hidden))]);
}

/** Divided by |x| |m|. */
function normed(g: ScoreGraph, score: string, mean: Float64Array): string {
  const length = g.op("Sqrt", [g.squares(g.input, mean.length)]);
  return g.op("Div", [score, g.op("Mul", [length, g.scalar(lengthOf(mean))])]);
}
