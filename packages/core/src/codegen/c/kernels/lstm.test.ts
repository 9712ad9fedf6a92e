import { boardMissing, runOnBoard } from "@tessera/testkit/board-driver";
import { type CheckedCase, int8, joined, useKernels } from "@tessera/testkit/kernel-cases";
import { type CasePart, sanitizingCompiler } from "@tessera/testkit/kernel-driver";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runLstm } from "../../../interp/integer/lstm.ts";
import type { Rounding } from "../../../interp/integer/multiplier.ts";
import type { LstmGate, LstmStep } from "../../../interp/integer/program.ts";
import { wideLogistic, wideTanh } from "../../../interp/integer/wide-sigmoid.ts";
import type { DeviceIsa } from "../isa.ts";
import { scratchBytes } from "../scratch.ts";
import { FLAG_SUM_30BIT } from "../sums.ts";

const compiler = sanitizingCompiler();
const BOARDS = [
  ["m4", "dsp", await boardMissing("m4")],
  ["m55", "mve", await boardMissing("m55")],
] as const;

const CASES = {
  lstm: {
    kernels: ["ts_lstm"],
    code: `
      const int time = number(), inputs = number(), input_pitch = number(), hidden = number(), hidden_pitch = number(), hidden_zero = number();
      const int32_t cell_mult = number();
      const int cell_shift = number(), cell_clip = number(), work = number(), wants = number(), flags = number();
      ts_gate gates[4];
      int32_t mult[3];
      int shift[3];
      const int8_t *x = odd();
      int8_t *scratch = room((size_t)work), *y = room((size_t)(time * hidden)), *last = wants ? room((size_t)hidden) : NULL;
      int16_t *cell = wants ? room((size_t)hidden * 2) : NULL;
      for (int i = 0; i < 3; i++) {
        mult[i] = number();
        shift[i] = number();
      }
      for (int i = 0; i < 4; i++) {
        gates[i].weights = array();
        gates[i].bias = array();
        gates[i].mult = number();
        gates[i].shift = number();
        gates[i].recurrent = array();
        gates[i].recurrent_bias = array();
        gates[i].recurrent_mult = number();
        gates[i].recurrent_shift = number();
      }
      ts_lstm(x, time, inputs, input_pitch, hidden, hidden_pitch, hidden_zero, gates, cell_mult, cell_shift, cell_clip, mult[0], shift[0], mult[1], shift[1], mult[2], shift[2], scratch, y, last, cell, flags);
      give(y, (size_t)(time * hidden));
      if (wants) {
        give(last, (size_t)hidden);
        give(cell, (size_t)hidden * 2);
      }`,
  },
  sigmoid: {
    kernels: ["ts_sigmoid"],
    code: `
      for (int32_t a = -32768; a < 32768; a++) {
        const int16_t both[2] = { (int16_t)ts_logistic16(3 * a), (int16_t)ts_tanh16(3 * a) };
        give(both, sizeof both);
      }`,
  },
} as const;

const multiplier = fc.record({
  value: fc.oneof(fc.constantFrom(2 ** 30, 2 ** 31 - 1), fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 })),
  shift: fc.oneof(fc.integer({ min: -9, max: -1 }), fc.integer({ min: -31, max: 12 })),
});

const layer = fc.record({
  time: fc.integer({ min: 1, max: 5 }),
  inputSize: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 40 })),
  hiddenSize: fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 8, max: 21 })),
  inputZero: int8,
  hiddenZero: int8,
  cellExponent: fc.integer({ min: -15, max: -6 }),
  cellClip: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 32767 })),
  gate: fc.tuple(multiplier, multiplier),
  forgetCell: fc.oneof(fc.constant({ value: 2 ** 30, shift: -14 }), multiplier),
  inputCell: multiplier,
  hidden: multiplier,
  wants: fc.boolean(),
  isSmall: fc.boolean(),
  seed: fc.integer(),
});

type Layer = typeof layer extends fc.Arbitrary<infer T> ? T : never;

/** A layer as the driver takes it, and the bytes that the interpreter makes of it. */
function lstmCase(of: Layer, { rounding, isa }: { readonly rounding: Rounding; readonly isa: DeviceIsa }): CheckedCase {
  const { time, inputSize, hiddenSize, inputZero, hiddenZero } = of;
  let state = of.seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >> 8;
  };
  const bytes = (count: number): Int8Array => Int8Array.from({ length: count }, next);
  const gateOf = (turn: number): LstmGate => ({
    weights: bytes(hiddenSize * inputSize),
    bias: Int32Array.from({ length: hiddenSize }, () => (of.isSmall ? next() >> 6 : next() << 7)),
    multiplier: of.gate[turn % 2] as LstmGate["multiplier"],
    recurrent: bytes(hiddenSize * hiddenSize),
    recurrentMultiplier: of.gate[(turn + 1) % 2] as LstmGate["multiplier"],
  });
  const gates = { forget: gateOf(0), input: gateOf(1), cell: gateOf(2), output: gateOf(3) };
  const step: LstmStep = {
    ...{ kind: "lstm", node: "n", inputs: ["x"], output: "y", batchFirst: true, batch: 1, states: ["", ""] },
    ...{ ...of, gates, rounding },
  };
  const x = bytes(time * inputSize);
  const { output, hidden, cell } = runLstm(step, x);
  const left = 15 + of.cellExponent - 3;
  const inputPitch = (inputSize + 3) & ~3;
  const hiddenPitch = (hiddenSize + 3) & ~3;
  const parts = [gates.forget, gates.input, gates.cell, gates.output].flatMap((gate): CasePart[] => [
    pitched(gate.weights, hiddenSize, inputPitch),
    gate.bias.map((b, h) => b - inputZero * rowSum(gate.weights, h, inputSize)),
    gate.multiplier.value,
    -gate.multiplier.shift,
    pitched(gate.recurrent, hiddenSize, hiddenPitch),
    gate.bias.map((_, h) => -hiddenZero * rowSum(gate.recurrent, h, hiddenSize)),
    gate.recurrentMultiplier.value,
    -gate.recurrentMultiplier.shift,
  ]);
  const scratch = scratchBytes({ kind: "lstm", lstm: step, node: "n", inputs: ["x"], output: "y", states: ["", ""] }, isa);
  const sent: readonly ["lstm", ...CasePart[]] = [
    "lstm",
    ...[time, inputSize, inputPitch, hiddenSize, hiddenPitch, hiddenZero, left < 0 ? 3 : 3 * 2 ** left, Math.max(0, -left)],
    ...[of.cellClip, scratch, of.wants ? 1 : 0, of.isSmall ? FLAG_SUM_30BIT : 0, x],
    ...[of.forgetCell, of.inputCell, of.hidden].flatMap((by) => [by.value, -by.shift]),
    ...parts,
  ];
  return [sent, of.wants ? joined(output, hidden, cell) : joined(output)];
}

/** Rows `pitch` apart. */
function pitched(rows: Int8Array, count: number, pitch: number): Int8Array {
  const size = rows.length / count;
  return Int8Array.from({ length: count * pitch }, (_, i) =>
    i % pitch < size ? (rows[Math.floor(i / pitch) * size + (i % pitch)] as number) : 0,
  );
}

function rowSum(rows: Int8Array, row: number, size: number): number {
  return rows.subarray(row * size, (row + 1) * size).reduce((a, b) => a + b, 0);
}

describe.skipIf(compiler === undefined).each(["double", "single"] as const)("the LSTM kernel, %s rounding", (rule) => {
  const holds = useKernels(compiler, CASES, rule);

  test("equals the integer interpreter for any sizes, scales and clips", () =>
    holds(
      layer.map((of) => lstmCase(of, { rounding: rule, isa: "portable" })),
      8,
    ));

  test("logistic and tanh of 16 bits equal the interpreter's for every argument", () => {
    const wanted = Int16Array.from({ length: 131072 }, (_, i) => {
      const a = (i >> 1) - 32768;
      return i % 2 === 0 ? wideLogistic(a, 3, 0) : wideTanh(a, 3, 0);
    });
    holds(fc.constant([["sigmoid"], joined(wanted)]), 1);
  });
});

describe.each(BOARDS)("the LSTM kernel on %s", (board, isa, missing) => {
  test.skipIf(missing !== undefined).each(["double", "single"] as const)(
    "equals the integer interpreter for any sizes, scales and clips, %s rounding",
    async (rounding) => {
      const layers = fc.sample(layer, { numRuns: 120, seed: 20261123 });
      const made = layers.map((of) => lstmCase(of, { rounding, isa }));
      const sent = made.map(([[name, ...parts], wanted], i) => ({ name, parts, gives: wanted.length, edge: i % 12 }));
      const got = await runOnBoard(board, CASES, sent, rounding);
      expect(layers.filter((_, i) => Buffer.compare(got[i] as Uint8Array, (made[i] as CheckedCase)[1]) !== 0)).toEqual([]);
    },
    120_000,
  );
});
