import { seededRandom } from "@tessera/core/base/random";
import { f32, fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import { CONV } from "@tessera/core/ops/conv";
import fc from "fast-check";
import { seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

/**
 * Choices that make a convolution; sizes are derived so that the window always fits. onnxruntime refuses dilated windows with SAME padding, which the
 * specification allows: those are left out.
 */
interface Choice {
  readonly rank: number;
  readonly batch: number;
  readonly groups: number;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly slack: readonly number[];
  readonly pads: readonly number[];
  readonly auto: "NOTSET" | "VALID" | "SAME_UPPER" | "SAME_LOWER";
  readonly bias: boolean;
  readonly seed: number;
}

function list(min: number, max: number, length: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
}

function choice(ranks: readonly number[], autos: readonly Choice["auto"][]): fc.Arbitrary<Choice> {
  return fc
    .constantFrom(...ranks)
    .chain((rank) =>
      fc.record({
        rank: fc.constant(rank),
        batch: fc.integer({ min: 0, max: 2 }),
        groups: fc.integer({ min: 1, max: 4 }),
        inPerGroup: fc.integer({ min: 1, max: 3 }),
        outPerGroup: fc.integer({ min: 1, max: 6 }),
        kernel: list(1, 3, rank),
        strides: list(1, 3, rank),
        dilations: list(1, 2, rank),
        slack: list(0, 6, rank),
        pads: list(0, 2, 2 * rank),
        auto: fc.constantFrom(...autos),
        bias: fc.boolean(),
        seed: fc.nat(),
      }),
    )
    .map((c) => (c.auto.startsWith("SAME") ? { ...c, dilations: c.dilations.map(() => 1) } : c));
}

function extent(c: Choice, axis: number): number {
  return ((c.kernel[axis] ?? 1) - 1) * (c.dilations[axis] ?? 1) + 1;
}

/** [N, C, ...] whose spatial sizes hold the window without padding. */
function inputShape(c: Choice): number[] {
  return [c.batch, c.groups * c.inPerGroup, ...c.kernel.map((_, i) => extent(c, i) + (c.slack[i] ?? 0))];
}

function windowAttributes(c: Choice): NonNullable<OpCase["attributes"]> {
  return {
    group: c.groups,
    strides: c.strides,
    dilations: c.dilations,
    kernel_shape: c.seed % 2 === 0 ? c.kernel : undefined,
    ...(c.auto === "NOTSET" ? { pads: c.pads } : { auto_pad: c.auto }),
  };
}

function convCase(c: Choice): OpCase {
  const x = seededTensor("float32", inputShape(c), { seed: c.seed });
  const w = seededTensor("float32", [c.groups * c.outPerGroup, c.inPerGroup, ...c.kernel], { seed: c.seed + 1 });
  const b = c.bias ? [seededTensor("float32", [c.groups * c.outPerGroup], { seed: c.seed + 2 })] : [];
  return { op: "Conv", inputs: [x, w, ...b], attributes: windowAttributes(c) };
}

function transposeCase(c: Choice, options: { readonly extra: boolean; readonly shape: boolean }): OpCase {
  const shape = [c.batch, c.groups * c.inPerGroup, ...c.slack.map((size) => size + 1)];
  const w = seededTensor("float32", [c.groups * c.inPerGroup, c.outPerGroup, ...c.kernel], { seed: c.seed + 1 });
  const b = c.bias ? [seededTensor("float32", [c.groups * c.outPerGroup], { seed: c.seed + 2 })] : [];
  // Padding never cuts more than the window adds.
  const pads = c.pads.map((pad, i) => Math.min(pad, Math.floor((extent(c, i % c.rank) - 1) / 2)));
  const extra = options.extra ? c.strides.map((stride, i) => Math.min(stride, c.dilations[i] ?? 1) - 1) : undefined;
  const natural = c.kernel.map((_, i) => (c.strides[i] ?? 1) * (c.slack[i] ?? 0) + extent(c, i) + (extra?.[i] ?? 0));
  // The runtime's own inference loses an axis when an output is smaller than its input.
  const wanted = options.shape ? natural.map((size, i) => Math.max((c.slack[i] ?? 0) + 1, size - (c.pads[i] ?? 0))) : undefined;
  const { pads: _pads, ...attributes } = windowAttributes(c) as Record<string, number>;
  return {
    op: "ConvTranspose",
    inputs: [seededTensor("float32", shape, { seed: c.seed }), w, ...b],
    attributes: {
      ...attributes,
      ...(c.auto === "NOTSET" && wanted === undefined ? { pads } : {}),
      output_padding: extra,
      output_shape: wanted,
    },
  };
}

function integerCase(c: Choice, zeros: { readonly x: boolean; readonly w: boolean }): OpCase {
  const random = seededRandom(c.seed);
  const x = seededTensor("uint8", inputShape(c), { seed: c.seed, max: 255 });
  const w = seededTensor("uint8", [c.groups * c.outPerGroup, c.inPerGroup, ...c.kernel], { seed: c.seed + 1, max: 255 });
  const zero = (given: boolean): Tensor | undefined => (given ? fromNumbers("uint8", [], [random.int(256)]) : undefined);
  return { op: "ConvInteger", inputs: [x, w, zero(zeros.x), zero(zeros.w)], constant: [3], attributes: windowAttributes(c) };
}

function qlinearCase(c: Choice, how: { readonly perChannel: boolean; readonly signed: boolean }): OpCase {
  const random = seededRandom(c.seed);
  const outputs = c.groups * c.outPerGroup;
  const weights = [outputs, c.inPerGroup, ...c.kernel];
  const type = how.signed ? "int8" : "uint8";
  const low = how.signed ? -128 : 0;
  // Powers of two scale without rounding, so that a tie is a tie for everybody; the sums are then divided exactly.
  const scales = Array.from({ length: how.perChannel ? outputs : 1 }, () => 2 ** -(4 + random.int(4)));
  const shape = how.perChannel ? [outputs] : [];
  return {
    op: "QLinearConv",
    inputs: [
      seededTensor(type, inputShape(c), { seed: c.seed, min: low, max: low + 255 }),
      f32([], [2 ** -3]),
      fromNumbers(type, [], [low + random.int(256)]),
      seededTensor("int8", weights, { seed: c.seed + 1, min: -127, max: 127 }),
      f32(shape, scales),
      fromNumbers(
        "int8",
        shape,
        scales.map(() => 0),
      ),
      f32([], [2 ** (1 + random.int(4))]),
      fromNumbers(type, [], [low + random.int(256)]),
      ...(c.bias ? [seededTensor("int32", [outputs], { seed: c.seed + 3, min: -2000, max: 2000 })] : []),
    ],
    constant: [1, 2, 3, 4, 5, 6, 7, 8],
    attributes: windowAttributes(c),
  };
}

const AUTO = ["NOTSET", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"] as const;
const SOME = { batch: (c: Choice) => c.batch > 0 };

// The runtime sums in single precision: with up to 81 terms of size 100 it is off by a few 1e-4.
const sums = { relative: 1e-5, absolute: 1e-3 };

opConformance("convolutions", {
  family: CONV,
  rows: {
    Conv: { cases: choice([1, 2, 3], AUTO).map(convCase), tolerance: sums, runs: 150 },
    "Conv with one channel a group": {
      op: "Conv",
      cases: choice([1, 2], AUTO).map((c) =>
        convCase({ ...c, inPerGroup: 1, outPerGroup: 1 + (c.seed % 2), kernel: c.kernel.map(() => 3), slack: c.slack }),
      ),
      tolerance: sums,
      runs: 60,
    },
    "Conv of one cell": {
      op: "Conv",
      cases: choice([1, 2, 3], ["NOTSET"]).map((c) =>
        convCase({ ...c, kernel: c.kernel.map(() => 1), inPerGroup: c.inPerGroup * 3 }),
      ),
      tolerance: sums,
    },
    ConvInteger: {
      cases: fc
        .tuple(choice([1, 2], AUTO), fc.boolean(), fc.boolean())
        .filter(([c]) => SOME.batch(c))
        .map(([c, x, w]) => integerCase(c, { x, w })),
      runs: 60,
    },
    ConvTranspose: {
      // With SAME padding and strides longer than the window onnxruntime makes less than stride * size, which the specification demands: left out.
      cases: fc
        .tuple(choice([1, 2, 3], ["NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]), fc.boolean())
        .filter(([c]) => !c.auto.startsWith("SAME") || c.strides.every((stride, i) => stride <= extent(c, i)))
        .map(([c, extra]) => transposeCase(c, { extra: extra && !c.auto.startsWith("SAME"), shape: false })),
      tolerance: sums,
      runs: 120,
    },
    "ConvTranspose with an output shape": {
      op: "ConvTranspose",
      cases: fc
        .tuple(choice([1, 2], ["NOTSET", "SAME_UPPER", "SAME_LOWER"]), fc.boolean())
        .filter(([c]) => SOME.batch(c))
        .map(([c, extra]) => transposeCase(c, { extra, shape: true })),
      tolerance: sums,
      runs: 60,
    },
    QLinearConv: {
      cases: fc
        .tuple(choice([1, 2], AUTO), fc.boolean(), fc.boolean())
        .filter(([c]) => SOME.batch(c))
        .map(([c, perChannel, signed]) => qlinearCase(c, { perChannel, signed })),
      runs: 100,
    },
  },
  apart: { DeformConv: "there is no kernel" },
});
