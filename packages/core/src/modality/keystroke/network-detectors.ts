import { type Matrix, matrix } from "../../base/matrix.ts";
import { seededRandom } from "../../base/random.ts";
import type { DetectorRow } from "./detector.ts";
import { rowOf } from "./samples.ts";
import { squaredDistance } from "./spread.ts";

/** A network with one hidden layer of logistic units. Each matrix is f64[outputs, inputs + 1], the last column the bias. */
export interface SmallNetwork {
  readonly hidden: Matrix;
  readonly output: Matrix;
  /** What the last units compute of their sum. */
  readonly last: "logistic" | "linear";
}

interface Teaching {
  readonly epochs: number;
  readonly rate: number;
  readonly momentum: number;
}

/** Rounds over the training samples, as the paper trains both networks. */
const EPOCHS = 500;

/** Initial weights are uniform in plus or minus this. */
const INITIAL = 0.3;

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Sums of one layer, squashed or as they are, into `result`. */
function layer(weights: Matrix, x: ArrayLike<number>, to: { readonly result: Float64Array; readonly squash: boolean }): void {
  const { rows, cols, data } = weights;
  for (let j = 0; j < rows; j++) {
    let sum = data[(j + 1) * cols - 1] as number;
    for (let i = 0, k = j * cols; i < cols - 1; i++, k++) sum += (data[k] as number) * (x[i] as number);
    to.result[j] = to.squash ? logistic(sum) : sum;
  }
}

/** What the network gives: f64[outputs]. */
export function runNetwork({ hidden, output, last }: SmallNetwork, x: ArrayLike<number>): Float64Array {
  const inner = new Float64Array(hidden.rows);
  const result = new Float64Array(output.rows);
  layer(hidden, x, { result: inner, squash: true });
  layer(output, inner, { result, squash: last === "logistic" });
  return result;
}

interface Step {
  /** Derivative of the error by the sum of each unit. */
  readonly delta: Float64Array;
  readonly input: ArrayLike<number>;
  readonly teaching: Teaching;
}

/** One gradient step on a layer with momentum: change = momentum * last change - rate * delta input. */
function step(weights: Matrix, change: Float64Array, { delta, input, teaching }: Step): void {
  const { cols, data } = weights;
  const { rate, momentum } = teaching;
  for (let j = 0; j < weights.rows; j++) {
    const slope = -rate * (delta[j] as number);
    let k = j * cols;
    for (let i = 0; i < cols - 1; i++, k++) {
      const moved = momentum * (change[k] as number) + slope * (input[i] as number);
      change[k] = moved;
      data[k] = (data[k] as number) + moved;
    }
    const moved = momentum * (change[k] as number) + slope;
    change[k] = moved;
    data[k] = (data[k] as number) + moved;
  }
}

/** Back-propagation of half the squared error, one sample at a time in their order (Rumelhart, Hinton & Williams 1986). */
function teach(
  network: SmallNetwork,
  samples: Matrix,
  targetOf: (x: Float64Array) => ArrayLike<number>,
  teaching: Teaching,
): void {
  const { hidden, output } = network;
  const squash = network.last === "logistic";
  const hiddenChange = new Float64Array(hidden.data.length);
  const outputChange = new Float64Array(output.data.length);
  const inner = new Float64Array(hidden.rows);
  const innerDelta = new Float64Array(hidden.rows);
  const outer = new Float64Array(output.rows);
  const delta = new Float64Array(output.rows);
  for (let epoch = 0; epoch < teaching.epochs; epoch++)
    for (let n = 0; n < samples.rows; n++) {
      const x = rowOf(samples, n);
      const target = targetOf(x);
      layer(hidden, x, { result: inner, squash: true });
      layer(output, inner, { result: outer, squash });
      innerDelta.fill(0);
      for (let j = 0; j < outer.length; j++) {
        const made = outer[j] as number;
        const slope = (made - (target[j] as number)) * (squash ? made * (1 - made) : 1);
        delta[j] = slope;
        for (let i = 0, k = j * output.cols; i < inner.length; i++, k++)
          innerDelta[i] = (innerDelta[i] as number) + slope * (output.data[k] as number);
      }
      for (let i = 0; i < inner.length; i++) {
        const made = inner[i] as number;
        innerDelta[i] = (innerDelta[i] as number) * made * (1 - made);
      }
      step(output, outputChange, { delta, input: inner, teaching });
      step(hidden, hiddenChange, { delta: innerDelta, input: x, teaching });
    }
}

function fresh(
  sizes: { readonly inputs: number; readonly hidden: number; readonly outputs: number },
  last: SmallNetwork["last"],
  seed: number,
): SmallNetwork {
  const random = seededRandom(seed);
  const drawn = (rows: number, cols: number): Matrix =>
    matrix(
      rows,
      cols,
      Float64Array.from({ length: rows * cols }, () => (2 * random.next() - 1) * INITIAL),
    );
  return { hidden: drawn(sizes.hidden, sizes.inputs + 1), output: drawn(sizes.outputs, sizes.hidden + 1), last };
}

const OURS = "initial weights (uniform in ±0.3, seeded) and the order of the samples are ours";

/** A network taught to say 1 to every training sample. */
export const networkStandard: DetectorRow<SmallNetwork> = {
  title: "Neural Network (standard)",
  published: { eer: [0.828, 0.148], zeroMissFalseAlarm: [1, 0] },
  source:
    `Haider, Abbas & Zaidi 2000: p inputs, floor(2p/3) hidden logistic units, one logistic output taught to be 1 (500 epochs, rate 0.001); 1 - output; ${OURS}. ` +
    "Nothing teaches it what is not the person: expect it to be of no use",
  orderFree: false,
  invariance: "none",
  train: (samples, { seed }) => {
    const network = fresh(
      { inputs: samples.cols, hidden: Math.max(1, Math.floor((2 * samples.cols) / 3)), outputs: 1 },
      "logistic",
      seed,
    );
    teach(network, samples, () => [1], { epochs: EPOCHS, rate: 0.001, momentum: 0 });
    return network;
  },
  score: (network, x) => 1 - (runNetwork(network, x)[0] as number),
};

/** A network taught to give back what it is shown. */
export const networkAutoAssociative: DetectorRow<SmallNetwork> = {
  title: "Neural Network (auto-assoc)",
  published: { eer: [0.161, 0.08], zeroMissFalseAlarm: [0.859, 0.22] },
  source:
    `Cho et al. 2000: p inputs, p hidden logistic units, p linear outputs taught to equal the inputs (500 epochs, rate 0.0001, momentum 0.0003); Euclidean distance ` +
    `between input and output; ${OURS}`,
  orderFree: false,
  invariance: "none",
  train: (samples, { seed }) => {
    const p = samples.cols;
    const network = fresh({ inputs: p, hidden: p, outputs: p }, "linear", seed);
    teach(network, samples, (x) => x, { epochs: EPOCHS, rate: 1e-4, momentum: 3e-4 });
    return network;
  },
  score: (network, x) => Math.sqrt(squaredDistance(runNetwork(network, x), x)),
};
