import { float } from "@tessera/core/graph/node";
import { f32, fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Tolerance } from "../../compare-tensors.ts";
import { arbShape, seededTensor } from "../../op-arbitraries.ts";
import { expectCase, type OnRuntimes, openRuntimes, type Runtimes } from "./on-runtimes.ts";
import type { LowerCase } from "./prove.ts";

interface Row extends OnRuntimes {
  readonly cases: fc.Arbitrary<LowerCase>;
  /** TFLite operators that must come up in some case. */
  readonly emits: readonly string[];
  readonly runs?: number;
}

const CLOSE: Tolerance = { absolute: 2e-5, relative: 2e-5 };
const seed = fc.nat();

function x(shape: readonly number[], s: number, range: object = {}): Tensor {
  return seededTensor("float32", shape, { seed: s, ...range });
}

function ints(values: readonly number[]): Tensor {
  return i64([values.length], values);
}

const shapes = arbShape({ minRank: 1, minSize: 1, maxSize: 4 });

function reduction(op: string, range: object = {}): fc.Arbitrary<LowerCase> {
  return fc.tuple(shapes, seed, fc.nat({ max: 1 }), fc.nat()).map(([shape, s, keepdims, pick]) => {
    const axes = shape.map((_, i) => i).filter((i) => pick & (1 << i));
    return {
      op,
      attributes: { keepdims },
      inputs: [
        x(shape, s, range),
        axes.length === 0 ? undefined : ints(axes.map((a, i) => (pick & (256 << i) ? a - shape.length : a))),
      ],
      constant: [1],
    };
  });
}

function arg(op: string): fc.Arbitrary<LowerCase> {
  return fc.tuple(shapes, seed, fc.nat({ max: 1 }), fc.nat()).map(([shape, s, keepdims, a]) => ({
    op,
    attributes: { keepdims, axis: a % shape.length },
    inputs: [x(shape, s)],
  }));
}

/** Two operands that broadcast; `fed` says which come from outside. */
function pair(op: string, dtype: "float32" | "int32", range: object = {}): fc.Arbitrary<LowerCase> {
  return fc
    .tuple(arbShape({ minRank: 1, maxRank: 4, minSize: 1, maxSize: 4 }), seed, fc.nat(), fc.nat({ max: 2 }))
    .map(([shape, s, ones, which]) => {
      const other = shape.map((size, i) => (ones & (1 << i) ? 1 : size)).slice((ones >> 8) % shape.length);
      const [a, b] = [seededTensor(dtype, shape, { seed: s, ...range }), seededTensor(dtype, other, { seed: s + 1, ...range })];
      return { op, inputs: ones & 64 ? [a, b] : [b, a], constant: which === 2 ? [] : [which] };
    });
}

function logic(op: string, count: number): fc.Arbitrary<LowerCase> {
  return fc.tuple(shapes, seed).map(([shape, s]) => ({
    op,
    inputs: Array.from({ length: count }, (_, i) => seededTensor("bool", shape, { seed: s + i })),
  }));
}

const slice = fc
  .tuple(shapes, seed, fc.nat(), fc.nat(), fc.array(fc.constantFrom(1, 1, 2, -1, -2, 3), { minLength: 4, maxLength: 4 }))
  .map(([shape, s, a, b, steps]): LowerCase => {
    const axes = shape.map((_, i) => i).filter((i) => (a >> 10) & (1 << i) || i === 0);
    const step = axes.map((_, i) => (shape.length > 4 ? 1 : (steps[i] as number)));
    const starts = axes.map((axis, i) =>
      (step[i] as number) > 0 ? (a >> i) % (shape[axis] as number) : (shape[axis] as number) - 1,
    );
    const ends = axes.map((axis, i) =>
      (step[i] as number) > 0
        ? Math.min(2 ** 40, (starts[i] as number) + 1 + ((b >> i) % (shape[axis] as number)))
        : -(shape[axis] as number) - 1 + ((b >> i) % (shape[axis] as number)),
    );
    return { op: "Slice", inputs: [x(shape, s), ints(starts), ints(ends), ints(axes), ints(step)], constant: [1, 2, 3, 4] };
  });

const gather = fc.tuple(shapes, seed, fc.nat(), fc.nat({ max: 2 })).map(([shape, s, a, rank]): LowerCase => {
  const axis = a % shape.length;
  const size = shape[axis] as number;
  const index = seededTensor("int64", [[], [3], [2, 2]][rank] as number[], { seed: s + 1, min: -size, max: size - 1 });
  return { op: "Gather", attributes: { axis: a & 64 ? axis - shape.length : axis }, inputs: [x(shape, s), index], constant: [1] };
});

const fedGather = gather.map((c): LowerCase => {
  const index = c.inputs[1] as Tensor;
  const axis = Number((c.attributes as { axis: number }).axis);
  const shape = (c.inputs[0] as Tensor).shape;
  const size = shape.at(axis) as number;
  return { ...c, inputs: [c.inputs[0], seededTensor("int64", index.shape, { seed: 3, min: 0, max: size - 1 })], constant: [] };
});

const split = fc.tuple(shapes, seed, fc.nat(), fc.boolean()).map(([shape, s, a, sized]): LowerCase => {
  const axis = a % shape.length;
  const size = shape[axis] as number;
  const first = 1 + ((a >> 3) % size);
  const sizes = first === size ? [size] : [first, size - first];
  const count = sized ? sizes.length : size;
  return {
    op: "Split",
    attributes: sized ? { axis } : { axis, num_outputs: count },
    inputs: [x(shape, s), ...(sized ? [ints(sizes)] : [])],
    constant: [1],
    outputs: Array.from({ length: count }, (_, i) => (i === 1 && a & 1024 ? "" : `y${i}`)),
  };
});

const expand = fc
  .tuple(arbShape({ minRank: 1, maxRank: 3, minSize: 1, maxSize: 3 }), seed, fc.nat())
  .map(([shape, s, ones]): LowerCase => {
    const own = shape.map((size, i) => (ones & (1 << i) ? 1 : size)).slice((ones >> 8) % shape.length);
    return { op: "Expand", inputs: [x(own, s), ints(shape)], constant: [1] };
  });

const resize = fc
  .record({
    h: fc.integer({ min: 1, max: 6 }),
    w: fc.integer({ min: 1, max: 6 }),
    toH: fc.integer({ min: 1, max: 12 }),
    toW: fc.integer({ min: 1, max: 12 }),
    mode: fc.constantFrom("nearest", "linear", "cubic"),
    coordinates: fc.constantFrom("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"),
    nearest: fc.constantFrom("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
    antialias: fc.nat({ max: 1 }),
    seed,
  })
  .map(
    (c): LowerCase => ({
      op: "Resize",
      attributes: {
        mode: c.mode,
        coordinate_transformation_mode: c.coordinates,
        nearest_mode: c.nearest,
        ...(c.mode !== "nearest" && { antialias: c.antialias }),
      },
      inputs: [x([1, 2, c.h, c.w], c.seed), undefined, undefined, ints([1, 2, c.toH, c.toW])],
      constant: [3],
    }),
  );

const block = fc.record({
  block: fc.integer({ min: 2, max: 3 }),
  depth: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 1, max: 3 }),
  w: fc.integer({ min: 1, max: 3 }),
  mode: fc.constantFrom("DCR", "CRD"),
  seed,
});

const condition = fc.tuple(shapes, seed, fc.nat(), fc.nat({ max: 7 })).map(([shape, s, ones, which]): LowerCase => {
  const smaller = (k: number): number[] => shape.map((size, i) => ((ones >> (4 * k)) & (1 << i) ? 1 : size));
  const full = ones % 3;
  const at = (k: number): number[] => (k === full ? shape : smaller(k));
  return {
    op: "Where",
    inputs: [seededTensor("bool", at(0), { seed: s }), x(at(1), s + 1), x(at(2), s + 2)],
    constant: [0, 1, 2].filter((i) => which & (1 << i) && !(which === 7 && i === 1)),
  };
});

const ROWS: Readonly<Record<string, Row>> = {
  ReduceMean: { cases: reduction("ReduceMean"), emits: ["MEAN"], tolerance: CLOSE },
  ReduceSum: { cases: reduction("ReduceSum"), emits: ["SUM"], tolerance: CLOSE },
  ReduceMax: { cases: reduction("ReduceMax"), emits: ["REDUCE_MAX"] },
  ReduceMin: { cases: reduction("ReduceMin"), emits: ["REDUCE_MIN"] },
  ReduceProd: { cases: reduction("ReduceProd", { min: 0.5, max: 1.5 }), emits: ["REDUCE_PROD"], tolerance: CLOSE },
  ReduceL2: { cases: reduction("ReduceL2"), emits: ["SUM", "SQRT"], tolerance: CLOSE },
  ReduceLogSumExp: { cases: reduction("ReduceLogSumExp"), emits: ["EXP", "LOG"], tolerance: CLOSE },
  ArgMax: { cases: arg("ArgMax"), emits: ["ARG_MAX"] },
  ArgMin: { cases: arg("ArgMin"), emits: ["ARG_MIN"] },
  Max: { cases: pair("Max", "float32"), emits: ["MAXIMUM"] },
  Min: { cases: pair("Min", "float32"), emits: ["MINIMUM"] },
  Pow: { cases: pair("Pow", "float32", { min: 0.1, max: 3 }), emits: ["POW"], tolerance: CLOSE },
  Mod: { cases: pair("Mod", "int32", { min: 1, max: 20 }), emits: ["FLOOR_MOD"] },
  Equal: { cases: pair("Equal", "float32", { whole: true, min: 0, max: 2 }), emits: ["EQUAL"] },
  Greater: { cases: pair("Greater", "float32", { whole: true, min: 0, max: 2 }), emits: ["GREATER"] },
  GreaterOrEqual: { cases: pair("GreaterOrEqual", "int32", { min: 0, max: 2 }), emits: ["GREATER_EQUAL"] },
  Less: { cases: pair("Less", "int32", { min: 0, max: 2 }), emits: ["LESS"] },
  LessOrEqual: { cases: pair("LessOrEqual", "float32", { whole: true, min: 0, max: 2 }), emits: ["LESS_EQUAL"] },
  And: { cases: logic("And", 2), emits: ["LOGICAL_AND"] },
  Or: { cases: logic("Or", 2), emits: ["LOGICAL_OR"] },
  Not: { cases: logic("Not", 1), emits: ["LOGICAL_NOT"] },
  "Cast of bool": {
    cases: fc.tuple(shapes, seed, fc.constantFrom(1, 6)).map(([shape, s, to]) => ({
      op: "Cast",
      attributes: { to },
      inputs: [seededTensor("bool", shape, { seed: s })],
    })),
    emits: ["CAST"],
  },
  Where: { cases: condition, emits: ["SELECT_V2"] },
  Slice: { cases: slice, emits: ["SLICE", "STRIDED_SLICE"], runs: 60 },
  Gather: { cases: gather, emits: ["GATHER"] },
  "Gather by fed indices": { cases: fedGather, emits: ["GATHER"] },
  Split: { cases: split, emits: ["SPLIT", "SPLIT_V"], runs: 40 },
  "a scalar out of one element": {
    cases: fc.tuple(fc.integer({ min: 1, max: 3 }), seed).map(([rank, s]) => ({
      op: "Squeeze",
      inputs: [x(new Array<number>(rank).fill(1), s)],
    })),
    emits: ["SQUEEZE"],
    runs: 3,
  },
  Expand: { cases: expand, emits: ["BROADCAST_TO"] },
  Tile: {
    cases: fc.tuple(shapes, seed, fc.nat()).map(([shape, s, r]) => ({
      op: "Tile",
      inputs: [x(shape, s), ints(shape.map((_, i) => 1 + ((r >> (2 * i)) & 1)))],
      constant: [1],
    })),
    emits: ["TILE"],
  },
  CumSum: {
    cases: fc.tuple(shapes, seed, fc.nat()).map(([shape, s, a]) => ({
      op: "CumSum",
      attributes: { exclusive: a & 1, reverse: (a >> 1) & 1 },
      inputs: [x(shape, s), i64([], [(a >> 2) % shape.length])],
      constant: [1],
    })),
    emits: ["CUMSUM"],
    tolerance: CLOSE,
  },
  TopK: {
    cases: fc.tuple(shapes, seed, fc.nat()).map(([shape, s, a]) => {
      const axis = a % shape.length;
      return {
        op: "TopK",
        attributes: { axis, largest: (a >> 4) & 1 },
        inputs: [x(shape, s), ints([1 + ((a >> 5) % (shape[axis] as number))])],
        constant: [1],
        outputs: [a & 1024 ? "" : "v", "i"],
      };
    }),
    emits: ["TOPK_V2"],
  },
  OneHot: {
    cases: fc
      .tuple(arbShape({ minRank: 1, maxRank: 2, minSize: 1, maxSize: 4 }), seed, fc.nat({ max: 2 }))
      .map(([shape, s, a]) => ({
        op: "OneHot",
        attributes: { axis: a === 0 ? -1 : a - 1 },
        inputs: [seededTensor("int32", shape, { seed: s, min: 0, max: 4 }), i64([], [5]), f32([2], [-1, 2])],
        constant: [1, 2],
      })),
    emits: ["ONE_HOT"],
  },
  ReverseSequence: {
    cases: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), seed).map(([time, batch, s]) => ({
      op: "ReverseSequence",
      attributes: { time_axis: s & 1, batch_axis: 1 - (s & 1) },
      inputs: [
        x(s & 1 ? [batch, time, 3] : [time, batch, 3], s),
        seededTensor("int64", [batch], { seed: s + 1, min: 1, max: time }),
      ],
      constant: s & 2 ? [1] : [],
    })),
    emits: ["REVERSE_SEQUENCE"],
  },
  GatherND: {
    cases: fc.tuple(arbShape({ minRank: 2, maxRank: 3, minSize: 1, maxSize: 4 }), seed).map(([shape, s]) => ({
      op: "GatherND",
      inputs: [
        x(shape, s),
        fromNumbers(
          "int64",
          [3, 2],
          [0, -1, shape[0] as number, 0, 0, 0].map((v, i) => (i === 2 ? v - 1 : v)),
        ),
      ],
      constant: [1],
    })),
    emits: ["GATHER_ND"],
  },
  Cast: {
    cases: fc.tuple(shapes, seed, fc.constantFrom(6, 7, 1)).map(([shape, s, to]) => ({
      op: "Cast",
      attributes: { to },
      inputs: [to === 1 ? seededTensor("int32", shape, { seed: s }) : x(shape, s)],
    })),
    emits: ["CAST"],
  },
  DepthToSpace: {
    cases: block.map((c) => ({
      op: "DepthToSpace",
      attributes: { blocksize: c.block, mode: c.mode },
      inputs: [x([1, c.depth * c.block ** 2, c.h, c.w], c.seed)],
    })),
    emits: ["DEPTH_TO_SPACE"],
  },
  SpaceToDepth: {
    cases: block.map((c) => ({
      op: "SpaceToDepth",
      attributes: { blocksize: c.block },
      inputs: [x([1, c.depth, c.h * c.block, c.w * c.block], c.seed)],
    })),
    emits: ["SPACE_TO_DEPTH"],
  },
  LRN: {
    cases: fc.tuple(arbShape({ minRank: 4, maxRank: 4, minSize: 1 }), seed, fc.constantFrom(1, 3, 5)).map(([shape, s, size]) => ({
      op: "LRN",
      attributes: { size, alpha: float(0.5), beta: float(0.7) },
      inputs: [x(shape, s)],
    })),
    emits: ["LOCAL_RESPONSE_NORMALIZATION"],
    tolerance: CLOSE,
  },
  Resize: {
    cases: resize,
    emits: ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "GATHER", "FULLY_CONNECTED"],
    tolerance: { absolute: 1e-4 },
    runs: 60,
  },
};

let runtimes: Runtimes;
beforeAll(async () => {
  runtimes = await openRuntimes();
});

describe("operators on LiteRT and tfjs-tflite", () => {
  for (const [name, row] of Object.entries(ROWS))
    it(`${name} computes what the reference interpreter says`, async () => {
      const seen = new Set<string>();
      await fc.assert(
        fc.asyncProperty(row.cases, async (c) => {
          for (const op of await expectCase(runtimes, c, row)) seen.add(op);
        }),
        { numRuns: row.runs ?? 12 },
      );
      expect([...seen]).toEqual(expect.arrayContaining([...row.emits]));
    }, 120_000);
});
