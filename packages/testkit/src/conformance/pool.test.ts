import { fromNumbers, type Tensor } from "@tessera/core/graph/tensor";
import { POOL } from "@tessera/core/ops/pool";
import fc from "fast-check";
import { arbShape, arbTensor, seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

interface Choice {
  readonly rank: number;
  readonly planes: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly slack: readonly number[];
  readonly pads: readonly number[];
  readonly auto: "NOTSET" | "VALID" | "SAME_UPPER" | "SAME_LOWER";
  readonly ceil: boolean;
  readonly seed: number;
}

function list(min: number, max: number, length: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min, max }), { minLength: length, maxLength: length });
}

function choice(options: { readonly ranks: readonly number[]; readonly dilated: boolean }): fc.Arbitrary<Choice> {
  return fc
    .constantFrom(...options.ranks)
    .chain((rank) =>
      fc.record({
        rank: fc.constant(rank),
        planes: list(1, 3, 2),
        kernel: list(1, 4, rank),
        strides: list(1, 3, rank),
        dilations: options.dilated ? list(1, 2, rank) : fc.constant(new Array<number>(rank).fill(1)),
        slack: list(0, 6, rank),
        pads: list(0, 3, 2 * rank),
        auto: fc.constantFrom("NOTSET", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"),
        ceil: fc.boolean(),
        seed: fc.nat(),
      }),
    )
    .map((raw): Choice => {
      const c = { ...raw, pads: raw.pads.map((pad, i) => Math.min(pad, (raw.kernel[i % raw.rank] as number) - 1)) };
      const same = c.auto.startsWith("SAME");
      return {
        ...c,
        // onnxruntime refuses padding as wide as the window, and dilated windows with SAME padding.
        dilations: same ? c.dilations.map(() => 1) : c.dilations,
        // With SAME padding and strides longer than the window it crops the input, or refuses; TensorFlow, its convolutions and we pad with nothing.
        strides: same ? c.strides.map((stride, i) => Math.min(stride, c.kernel[i] ?? 1)) : c.strides,
        // It also rounds up with VALID padding, where the formula of the specification has no use for ceil_mode. And where a window would begin in the
        // end padding its kernel drops that window, as the specification says, but its shape inference does not, and the run fails.
        ceil: c.ceil && c.auto === "NOTSET" && !c.kernel.some((_, i) => endsInPadding(c, i)),
      };
    });
}

/** Whether rounding up would make a last window that begins behind the input. */
function endsInPadding(c: Choice, axis: number): boolean {
  const [begin, end, stride] = [c.pads[axis] ?? 0, c.pads[axis + c.rank] ?? 0, c.strides[axis] ?? 1];
  const size = extent(c, axis) + (c.slack[axis] ?? 0);
  return Math.ceil((size + begin + end - extent(c, axis)) / stride) * stride >= size + begin;
}

function extent(c: Pick<Choice, "kernel" | "dilations">, axis: number): number {
  return ((c.kernel[axis] ?? 1) - 1) * (c.dilations[axis] ?? 1) + 1;
}

function poolCase(op: string, c: Choice, extra: OpCase["attributes"] = {}): OpCase {
  const shape = [...c.planes, ...c.kernel.map((_, i) => extent(c, i) + (c.slack[i] ?? 0))];
  return {
    op,
    inputs: [seededTensor("float32", shape, { seed: c.seed })],
    attributes: {
      kernel_shape: c.kernel,
      strides: c.strides,
      dilations: c.dilations,
      ceil_mode: c.ceil ? 1 : 0,
      ...(c.auto === "NOTSET" ? { pads: c.pads } : { auto_pad: c.auto }),
      ...extra,
    },
  };
}

/** MaxPool of small integers, so that equal values meet in a window and the first one counts. */
function maxPoolCase(
  c: Choice,
  how: { readonly indices: boolean; readonly column: boolean; readonly dtype: "float32" | "uint8" | "int8" },
): OpCase {
  const made = poolCase("MaxPool", c, { storage_order: how.column ? 1 : 0 });
  const shape = (made.inputs[0] as Tensor).shape;
  const input = seededTensor(how.dtype, shape, { seed: c.seed, min: 0, max: 9, whole: true });
  return { ...made, inputs: [input], outputs: how.indices ? ["y0", "y1"] : ["y0"] };
}

function unpoolCase(c: {
  readonly planes: readonly number[];
  readonly size: readonly number[];
  readonly kernel: readonly number[];
  readonly given: boolean;
  readonly seed: number;
}): OpCase {
  const shape = [...c.planes, ...c.size];
  const full = [...c.planes, ...c.size.map((size, i) => size * (c.kernel[i] as number))];
  const count = shape.reduce((a, b) => a * b, 1);
  const cells = full.reduce((a, b) => a * b, 1);
  // Different targets, as MaxPool with windows side by side makes them.
  const indices = fromNumbers(
    "int64",
    shape,
    Array.from({ length: count }, (_, i) => Math.floor((i * cells) / count)),
  );
  const x = seededTensor("float32", shape, { seed: c.seed });
  const size = fromNumbers("int64", [full.length], full);
  return {
    op: "MaxUnpool",
    inputs: c.given ? [x, indices, size] : [x, indices],
    constant: [2],
    attributes: { kernel_shape: c.kernel, strides: c.kernel },
  };
}

function globalCase(op: string, attributes: OpCase["attributes"] = {}): fc.Arbitrary<OpCase> {
  return arbShape({ minRank: 3, maxRank: 5, minSize: 1 }).chain((shape) =>
    arbTensor("float32", shape).map((x) => ({ op, inputs: [x], attributes })),
  );
}

const sums = { relative: 1e-5, absolute: 1e-5 };
const ALL = { ranks: [1, 2, 3], dilated: true };

opConformance("pooling", {
  family: POOL,
  rows: {
    AveragePool: {
      cases: fc
        .tuple(choice(ALL), fc.integer({ min: 0, max: 1 }))
        .map(([c, include]) => poolCase("AveragePool", c, { count_include_pad: include })),
      tolerance: sums,
      runs: 150,
    },
    GlobalAveragePool: { cases: globalCase("GlobalAveragePool"), tolerance: sums },
    GlobalLpPool: { cases: fc.constantFrom(1, 2, 3).chain((p) => globalCase("GlobalLpPool", { p })), tolerance: sums },
    GlobalMaxPool: { cases: globalCase("GlobalMaxPool") },
    LpPool: {
      cases: fc.tuple(choice(ALL), fc.integer({ min: 1, max: 3 })).map(([c, p]) => poolCase("LpPool", c, { p })),
      tolerance: sums,
      runs: 100,
    },
    MaxPool: {
      cases: fc
        .tuple(
          choice(ALL),
          fc.record({ indices: fc.boolean(), column: fc.boolean(), dtype: fc.constantFrom("float32", "uint8", "int8") }),
        )
        .map(([c, how]) => maxPoolCase(c, how)),
      runs: 150,
    },
    MaxUnpool: {
      cases: fc
        .integer({ min: 1, max: 3 })
        .chain((rank) =>
          fc.record({
            planes: list(1, 2, 2),
            size: list(1, 4, rank),
            kernel: list(1, 3, rank),
            given: fc.boolean(),
            seed: fc.nat(),
          }),
        )
        .map(unpoolCase),
    },
  },
});
