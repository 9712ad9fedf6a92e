import { f32, fromNumbers, i64 } from "@tessera/core/graph/tensor";
import { SIGNAL } from "@tessera/core/ops/signal";
import fc from "fast-check";
import { seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

const ALL = { constant: [1, 2] };
// Sums of up to 24 terms of size 10, in single precision.
const sums = { relative: 1e-5, absolute: 2e-3 };

function list(min: number, max: number, length: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
}

function dftCase(): fc.Arbitrary<OpCase> {
  return fc
    .integer({ min: 1, max: 3 })
    .chain((rank) =>
      fc.record({
        shape: list(1, 9, rank),
        axis: fc.integer({ min: 0, max: rank - 1 }),
        complex: fc.boolean(),
        length: fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined }),
        mode: fc.constantFrom("plain", "onesided", "inverse"),
        back: fc.boolean(),
        seed: fc.nat(),
      }),
    )
    .map((c) => {
      const parts = c.mode === "inverse" ? 2 : c.mode === "onesided" ? 1 : c.complex ? 2 : 1;
      const shape = [...c.shape, parts];
      return {
        op: "DFT",
        inputs: [
          seededTensor("float32", shape, { seed: c.seed }),
          c.length === undefined ? undefined : i64([], [c.length]),
          i64([], [c.back ? c.axis - shape.length : c.axis]),
        ],
        ...ALL,
        attributes: { onesided: c.mode === "onesided" ? 1 : 0, inverse: c.mode === "inverse" ? 1 : 0 },
      };
    });
}

function stftCase(): fc.Arbitrary<OpCase> {
  return fc
    .record({
      batch: fc.integer({ min: 1, max: 2 }),
      frame: fc.integer({ min: 1, max: 12 }),
      extra: fc.integer({ min: 0, max: 20 }),
      step: fc.integer({ min: 1, max: 5 }),
      window: fc.boolean(),
      onesided: fc.nat({ max: 1 }),
      seed: fc.nat(),
    })
    .map(({ batch, frame, extra, step, window, onesided, seed }) => ({
      op: "STFT",
      inputs: [
        seededTensor("float32", [batch, frame + extra, 1], { seed }),
        i64([], [step]),
        window ? seededTensor("float32", [frame], { seed: seed + 1, min: 0, max: 1 }) : undefined,
        i64([], [frame]),
      ],
      constant: [1, 3],
      attributes: { onesided },
    }));
}

function windowCase(op: string): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.integer({ min: 2, max: 40 }), fc.nat({ max: 1 }), fc.constantFrom(1, 11))
    .map(([size, periodic, output_datatype]) => ({
      op,
      inputs: [i64([], [size])],
      constant: [0],
      attributes: { periodic, output_datatype },
    }));
}

function melCase(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.constantFrom(64, 128, 256, 400),
      fc.constantFrom(8000, 16000),
      fc.constantFrom(0, 20, 125),
      fc.constantFrom(2000, 3800),
    )
    .map(([bands, length, rate, low, high]) => ({
      op: "MelWeightMatrix",
      inputs: [i64([], [bands]), i64([], [length]), i64([], [rate]), f32([], [low]), fromNumbers("float32", [], [high])],
      constant: [0, 1, 2, 3, 4],
    }));
}

opConformance("signal operators", {
  family: SIGNAL,
  rows: {
    BlackmanWindow: { cases: windowCase("BlackmanWindow"), tolerance: { absolute: 1e-6 } },
    DFT: { cases: dftCase(), tolerance: sums, runs: 120 },
    HammingWindow: { cases: windowCase("HammingWindow"), tolerance: { absolute: 1e-6 } },
    HannWindow: { cases: windowCase("HannWindow"), tolerance: { absolute: 1e-6 } },
    MelWeightMatrix: { cases: melCase(), tolerance: { absolute: 1e-6 } },
    STFT: { cases: stftCase(), tolerance: sums, runs: 80 },
  },
});
