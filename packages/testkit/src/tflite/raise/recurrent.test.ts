import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { ACTIVATIONS, LSTM_KERNEL_TYPES } from "@tessera/core/formats/tflite/enums";
import { readTflite } from "@tessera/core/formats/tflite/read";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { holds, realRuntimes } from "./check.ts";
import { fileOf, type OneOperator, type OperatorInput } from "./one-operator.ts";
import { fed, held, spec, state } from "./specs.ts";

const runtimes = realRuntimes();
const seed = fc.integer({ min: 1, max: 2 ** 30 });

const cell = fc.record({
  steps: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 3 }),
  features: fc.integer({ min: 1, max: 4 }),
  hidden: fc.integer({ min: 1, max: 4 }),
  timeMajor: fc.boolean(),
  isCoupled: fc.boolean(),
  hasPeepholes: fc.boolean(),
  cellClip: fc.constantFrom<number>(0, 50),
  seed,
});
type Cell = typeof cell extends fc.Arbitrary<infer T> ? T : never;

function lstm(at: Cell, extra: Readonly<Record<number, OperatorInput>> = {}): OneOperator {
  const { batch, features, hidden, isCoupled, hasPeepholes } = at;
  let from = at.seed;
  const gates = (shape: readonly number[]): OperatorInput[] =>
    [0, 1, 2, 3].map((gate) => (gate === 0 && isCoupled ? undefined : held(shape, ++from)));
  const inputs: OperatorInput[] = [
    fed(at.timeMajor ? [at.steps, batch, features] : [batch, at.steps, features], at.seed),
    ...gates([hidden, features]),
    ...gates([hidden, hidden]),
    ...[0, 1, 2].map((k) => (!hasPeepholes || (k === 0 && isCoupled) ? undefined : held([hidden], ++from))),
    ...gates([hidden]),
    undefined,
    undefined,
    state([batch, hidden]),
    state([batch, hidden]),
  ];
  for (const [i, input] of Object.entries(extra)) inputs[Number(i)] = input;
  return spec("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, {
    kind: "UnidirectionalSequenceLSTMOptions",
    fusedActivationFunction: ACTIVATIONS.TANH,
    cellClip: at.cellClip,
    timeMajor: at.timeMajor,
  });
}

const plain: Cell = {
  steps: 3,
  batch: 1,
  features: 2,
  hidden: 3,
  timeMajor: false,
  isCoupled: false,
  hasPeepholes: false,
  cellClip: 0,
  seed: 9,
};

describe("recurrent layers of TFLite, raised", () => {
  // LiteRT refuses files whose states have no data, whoever wrote them.
  it("UNIDIRECTIONAL_SEQUENCE_LSTM with coupled gates, peepholes, either order of time", () =>
    holds(
      runtimes,
      cell.map((at) => lstm(at)),
      { files: 4, without: ["litert"] },
    ));

  it("UNIDIRECTIONAL_SEQUENCE_RNN", () =>
    holds(
      runtimes,
      cell.map(({ steps, batch, features, hidden, timeMajor, seed: from }) =>
        spec(
          "UNIDIRECTIONAL_SEQUENCE_RNN",
          [
            fed(timeMajor ? [steps, batch, features] : [batch, steps, features], from),
            held([hidden, features], from + 1),
            held([hidden, hidden], from + 2),
            held([hidden], from + 3),
            state([batch, hidden]),
          ],
          { kind: "SequenceRNNOptions", timeMajor, fusedActivationFunction: ACTIVATIONS.TANH },
        ),
      ),
      { without: ["litert"] },
    ));

  it("LSTM of the basic kernel, one step", () =>
    holds(
      runtimes,
      cell.map(
        ({ batch, features, hidden, seed: from }): OneOperator => ({
          op: "LSTM",
          version: 2,
          inputs: [
            fed([batch, features], from),
            fed([batch, hidden], from + 1, { min: -1, max: 1 }),
            held([4 * hidden, features + hidden], from + 2),
            held([4 * hidden], from + 3),
            fed([batch, hidden], from + 4, { min: -1, max: 1 }),
          ],
          options: { kind: "LSTMOptions", kernelType: LSTM_KERNEL_TYPES.BASIC, fusedActivationFunction: ACTIVATIONS.TANH },
          outputs: ["float32", "float32", "float32", "float32"],
        }),
      ),
      // LiteRT takes the states for variables of its own: whatever is fed, it starts from zeros.
      { files: 2, without: ["litert"] },
    ));

  it("what ONNX's LSTM cannot do is refused by name, and a clipped cell state is noted and carried", () => {
    const raise = (one: OneOperator) => raiseTflite(readTflite(fileOf([one], [])));
    expect(() => raise(lstm(plain, { 16: held([2, 3], 1) }))).toThrow(/UNIDIRECTIONAL_SEQUENCE_LSTM \(operator 0\): it projects/);
    expect(() => raise(lstm(plain, { 20: held([3], 1), 21: held([3], 1), 22: held([3], 1), 23: held([3], 1) }))).toThrow(
      /normalises/,
    );
    const { model, notes } = raise(lstm({ ...plain, cellClip: 10 }));
    expect(notes.join()).toContain("within 10");
    const node = model.graph.nodes.find((n) => n.op === "LSTM");
    expect(node?.metadata?.get("tflite.cellClip")).toBe("10");
  });
});
