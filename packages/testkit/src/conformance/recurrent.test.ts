import { seededRandom } from "@tessera/core/base/random";
import type { Attribute } from "@tessera/core/graph/model";
import { float, floats } from "@tessera/core/graph/node";
import { fromNumbers } from "@tessera/core/graph/tensor";
import { RECURRENT } from "@tessera/core/ops/recurrent";
import fc from "fast-check";
import { seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

interface Choice {
  readonly seq: number;
  readonly batch: number;
  readonly width: number;
  readonly hidden: number;
  readonly direction: string;
  readonly bias: boolean;
  readonly lengths: boolean;
  readonly initial: boolean;
  readonly peepholes: boolean;
  readonly clip: boolean;
  readonly linear: number;
  readonly names: number;
  readonly seed: number;
}

const choice: fc.Arbitrary<Choice> = fc.record({
  seq: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 3 }),
  width: fc.integer({ min: 1, max: 4 }),
  hidden: fc.integer({ min: 1, max: 5 }),
  direction: fc.constantFrom("forward", "reverse", "bidirectional"),
  bias: fc.boolean(),
  lengths: fc.boolean(),
  initial: fc.boolean(),
  peepholes: fc.boolean(),
  clip: fc.boolean(),
  linear: fc.nat({ max: 1 }),
  names: fc.nat({ max: 5 }),
  seed: fc.nat(),
});

/** Activations with the parameters they take. */
const ACTIVATIONS: Readonly<Record<string, "" | "a" | "ab">> = {
  Affine: "ab",
  Elu: "a",
  HardSigmoid: "ab",
  LeakyRelu: "a",
  Relu: "",
  ScaledTanh: "ab",
  Sigmoid: "",
  Softplus: "",
  Softsign: "",
  Tanh: "",
  ThresholdedRelu: "a",
};

/** Without parameters the specification takes the defaults of the operators of the same name; onnxruntime takes zeros for these, or has no such operator. */
const NO_DEFAULT = new Set(["Affine", "ScaledTanh", "ThresholdedRelu"]);

function activations(count: number, seed: number): OpCase["attributes"] {
  const random = seededRandom(seed);
  const known = Object.keys(ACTIVATIONS);
  const names = Array.from({ length: count }, () => known[random.int(known.length)] as string);
  if (random.int(2) === 0 && !names.some((name) => NO_DEFAULT.has(name))) return { activations: names };
  const draw = (letter: string): Attribute =>
    floats(names.filter((name) => ACTIVATIONS[name]?.includes(letter)).map(() => 0.1 + 0.8 * random.next()));
  return { activations: names, activation_alpha: draw("a"), activation_beta: draw("b") };
}

function recurrentCase(op: "GRU" | "LSTM" | "RNN", c: Choice): OpCase {
  const gates = { GRU: 3, LSTM: 4, RNN: 1 }[op];
  const functions = { GRU: 2, LSTM: 3, RNN: 1 }[op];
  const dirs = c.direction === "bidirectional" ? 2 : 1;
  const random = seededRandom(c.seed);
  const small = { min: -0.7, max: 0.7 };
  let seed = c.seed;
  const values = (shape: readonly number[]) => seededTensor("float32", shape, { seed: ++seed, ...small });
  const lengths = fromNumbers(
    "int32",
    [c.batch],
    Array.from({ length: c.batch }, () => 1 + random.int(c.seq)),
  );
  const state = [dirs, c.batch, c.hidden];
  return {
    op,
    inputs: [
      values([c.seq, c.batch, c.width]),
      values([dirs, gates * c.hidden, c.width]),
      values([dirs, gates * c.hidden, c.hidden]),
      c.bias ? values([dirs, 2 * gates * c.hidden]) : undefined,
      c.lengths ? lengths : undefined,
      c.initial ? values(state) : undefined,
      ...(op === "LSTM" ? [c.initial ? values(state) : undefined, c.peepholes ? values([dirs, 3 * c.hidden]) : undefined] : []),
    ],
    constant: [1, 2, 3, 7],
    outputs: op === "LSTM" ? ["y0", "y1", "y2"] : ["y0", "y1"],
    attributes: {
      hidden_size: c.hidden,
      direction: c.direction,
      ...((c.names > 2 ? {} : activations(functions * dirs, c.seed)) as object),
      clip: c.clip ? float(0.4) : undefined,
      ...(op === "GRU" ? { linear_before_reset: c.linear } : {}),
    },
  };
}

const close = { relative: 1e-5, absolute: 2e-6 };

opConformance("recurrent layers", {
  family: RECURRENT,
  rows: {
    GRU: { cases: choice.map((c) => recurrentCase("GRU", c)), tolerance: close, runs: 120 },
    LSTM: { cases: choice.map((c) => recurrentCase("LSTM", c)), tolerance: close, runs: 120 },
    RNN: { cases: choice.map((c) => recurrentCase("RNN", c)), tolerance: close, runs: 80 },
  },
});
