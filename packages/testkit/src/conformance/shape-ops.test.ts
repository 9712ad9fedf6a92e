import { DTYPES, type DType } from "@tessera/core/graph/dtype";
import { float, floats, tensorAttribute } from "@tessera/core/graph/node";
import { fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import { SHAPE_OPS } from "@tessera/core/ops/shape-ops";
import fc from "fast-check";
import { arbAxes, arbBroadcastable, arbShape, arbTensor, seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

/** Types that only move: one of each width, and strings. */
const MOVED = fc.constantFrom<DType>("float32", "float64", "float16", "int8", "bool", "int32", "int64", "string");

function moved(shape: fc.Arbitrary<number[]> = arbShape()): fc.Arbitrary<Tensor> {
  return fc.tuple(MOVED, shape).chain(([dtype, sizes]) => arbTensor(dtype, sizes));
}

function stored(index: number): fc.Arbitrary<number[]> {
  return fc.boolean().map((yes) => (yes ? [index] : []));
}

/** Values that every pair of types can say: a Cast of others is undefined. */
function castInput(from: DType): fc.Arbitrary<Tensor> {
  return arbShape().chain((shape) => arbTensor(from, shape, { min: 0, max: 100 }));
}

const NUMERIC = [
  "float32",
  "float64",
  "float16",
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "bool",
] as const satisfies DType[];

function cast(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom<DType>(...NUMERIC), fc.constantFrom<DType>(...NUMERIC))
    .chain(([from, to]) => castInput(from).map((x) => ({ op: "Cast", inputs: [x], attributes: { to: DTYPES[to].onnx } })));
}

// Negative and large integers wrap; floats keep NaN and the infinities.
function castWide(): fc.Arbitrary<OpCase> {
  const integers = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const satisfies DType[];
  const wholes = fc
    .tuple(fc.constantFrom<DType>("int32", "int64"), fc.constantFrom<DType>(...integers), arbShape())
    .chain(([from, to, shape]) =>
      arbTensor(from, shape, { min: -(2 ** 31), max: 2 ** 31 - 1 }).map((x) => ({
        op: "Cast",
        inputs: [x],
        attributes: { to: DTYPES[to].onnx },
      })),
    );
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 70000, 1e-8, -0];
  const broken = fc
    .tuple(
      fc.constantFrom<DType>("float32", "float64"),
      fc.constantFrom<DType>("float32", "float64", "float16", "bool"),
      arbShape(),
    )
    .chain(([from, to, shape]) =>
      arbTensor(from, shape, { min: -1, max: 1, special }).map((x) => ({
        op: "Cast",
        inputs: [x],
        attributes: { to: DTYPES[to].onnx },
      })),
    );
  return fc.oneof(wholes, broken);
}

function castText(): fc.Arbitrary<OpCase> {
  const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 1e-7, 123456789, 1e20, -0.5];
  return fc
    .tuple(fc.constantFrom<DType>("float32", "float64", "int8", "int32", "int64", "uint64"), arbShape())
    .chain(([from, shape]) => arbTensor(from, shape, { max: 100, special: from.startsWith("float") ? special : [] }))
    .map((x) => ({ op: "Cast", inputs: [x], attributes: { to: DTYPES.string.onnx } }));
}

function castLike(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom<DType>(...NUMERIC), fc.constantFrom<DType>(...NUMERIC))
    .chain(([from, to]) => castInput(from).map((x) => ({ op: "CastLike", inputs: [x, fromNumbers(to, [1], [0])] })));
}

function constant(): fc.Arbitrary<OpCase> {
  const numbers = fc.array(fc.integer({ min: -5, max: 5 }), { minLength: 1, maxLength: 4 });
  return fc
    .oneof(
      moved().map((t) => ({ value: tensorAttribute(t) })),
      fc.integer({ min: -5, max: 5 }).map((v) => ({ value_int: v })),
      numbers.map((v) => ({ value_ints: v })),
      fc.constant({ value_float: float(0.1) }),
      numbers.map((v) => ({ value_floats: floats(v) })),
      fc.constant({ value_string: "tessera" }),
      fc.constant({ value_strings: ["a", "b"] }),
    )
    .map((attributes) => ({ op: "Constant", inputs: [], attributes: attributes as NonNullable<OpCase["attributes"]> }));
}

function constantOfShape(): fc.Arbitrary<OpCase> {
  const value = fc.option(fc.constantFrom<DType>("float32", "float64", "int32", "int64", "uint8", "bool"), { nil: undefined });
  return fc.tuple(arbShape(), value, stored(0)).map(([shape, dtype, constants]) => ({
    op: "ConstantOfShape",
    inputs: [i64([shape.length], shape)],
    constant: constants,
    ...(dtype === undefined ? {} : { attributes: { value: tensorAttribute(seededTensor(dtype, [1], { seed: 3 })) } }),
  }));
}

function expand(): fc.Arbitrary<OpCase> {
  return arbShape()
    .chain((shape) => fc.tuple(arbBroadcastable(shape), arbBroadcastable(shape), MOVED, stored(1)))
    .chain(([from, to, dtype, constants]) =>
      arbTensor(dtype, from).map((x) => ({ op: "Expand", inputs: [x, i64([to.length], to)], constant: constants })),
    );
}

function eyeLike(): fc.Arbitrary<OpCase> {
  const dtypes = fc.constantFrom<DType>("float32", "float64", "int32", "int64", "uint64");
  return fc
    .tuple(
      arbShape({ minRank: 2, maxRank: 2, minSize: 1 }),
      dtypes,
      fc.option(dtypes, { nil: undefined }),
      fc.integer({ min: -3, max: 3 }),
    )
    .map(([shape, from, to, k]) => ({
      op: "EyeLike",
      inputs: [seededTensor(from, shape, { seed: 1 })],
      attributes: to === undefined ? { k } : { k, dtype: DTYPES[to].onnx },
    }));
}

function flatten(): fc.Arbitrary<OpCase> {
  // At the canonical opset the axis may equal the rank, and a scalar becomes [1, 1].
  return moved().chain((x) =>
    fc
      .integer({ min: -x.shape.length, max: x.shape.length })
      .map((axis) => ({ op: "Flatten", inputs: [x], attributes: { axis } })),
  );
}

function range(): fc.Arbitrary<OpCase> {
  const step = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: -4, max: -1 }));
  return fc
    .tuple(
      fc.constantFrom<DType>("float32", "float64", "int16", "int32", "int64"),
      fc.integer({ min: -9, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
      step,
      fc.boolean(),
    )
    .map(([dtype, start, limit, delta, constants]) => ({
      op: "Range",
      inputs: [start, limit, delta].map((v) => fromNumbers(dtype, [], [dtype.startsWith("float") ? v * 0.5 : v])),
      constant: constants ? [0, 1, 2] : [],
    }));
}

// A target that fits: sizes regrouped, some replaced by 0 (copy) or -1 (the rest).
function reshape(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(moved(arbShape({ minSize: 1 })), fc.nat(), fc.nat(), fc.boolean(), stored(1))
    .map(([x, draw, cut, free, constants]) => {
      const at = x.shape.length === 0 ? 0 : cut % (x.shape.length + 1);
      const tail = x.shape.slice(at).reduce((a, b) => a * b, 1);
      const target = x.shape.slice(0, at).map((size, i) => ((draw >> i) & 1 ? 0 : size));
      target.push(free ? -1 : tail);
      return { op: "Reshape", inputs: [x, i64([target.length], target)], constant: constants };
    });
}

function reshapeEmpty(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom([0, 3], [2, 0], [0], [3, 0, 2]), fc.constantFrom([0], [0, 5], [7, 0], [1, 0, 1]), stored(1))
    .map(([from, to, constants]) => ({
      op: "Reshape",
      inputs: [seededTensor("float32", from, { seed: 1 }), i64([to.length], to)],
      attributes: { allowzero: 1 },
      constant: constants,
    }));
}

function shape(): fc.Arbitrary<OpCase> {
  const place = fc.option(fc.integer({ min: -6, max: 6 }), { nil: undefined });
  return fc.tuple(moved(), place, place).map(([x, start, end]) => ({
    op: "Shape",
    inputs: [x],
    attributes: { start, end },
  }));
}

function squeeze(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(arbShape({ maxRank: 5, maxSize: 2, minSize: 1 }), fc.boolean(), MOVED, fc.nat(), stored(1))
    .chain(([sizes, absent, dtype, draw, constants]) =>
      arbTensor(dtype, sizes).map((x) => {
        if (absent) return { op: "Squeeze", inputs: [x] };
        const ones = sizes.flatMap((size, i) =>
          size === 1 && (draw >> i) & 1 ? [(draw >> (i + 5)) & 1 ? i - sizes.length : i] : [],
        );
        // On an empty list onnxruntime's kernel (all axes) and its own shape inference (none) disagree: none is what the specification says.
        if (ones.length === 0) return { op: "Squeeze", inputs: [x] };
        return { op: "Squeeze", inputs: [x, i64([ones.length], ones)], constant: constants };
      }),
    );
}

function tile(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom<DType>("float32", "float64", "int8", "bool", "int32", "int64", "string"), arbShape({ maxSize: 3 }))
    .chain(([dtype, sizes]) =>
      fc
        .tuple(
          arbTensor(dtype, sizes),
          fc.array(fc.integer({ min: 0, max: 3 }), { minLength: sizes.length, maxLength: sizes.length }),
          stored(1),
        )
        .map(([x, repeats, constants]) => ({ op: "Tile", inputs: [x, i64([repeats.length], repeats)], constant: constants })),
    );
}

function transpose(): fc.Arbitrary<OpCase> {
  return moved().chain((x) => {
    const rank = x.shape.length;
    const perm = fc.shuffledSubarray(
      x.shape.map((_, i) => i),
      { minLength: rank },
    );
    return fc
      .option(perm, { nil: undefined })
      .map((p) => ({ op: "Transpose", inputs: [x], attributes: p === undefined || p.length === 0 ? {} : { perm: p } }));
  });
}

function unsqueeze(): fc.Arbitrary<OpCase> {
  return fc.tuple(moved(arbShape({ maxRank: 3 })), fc.integer({ min: 0, max: 3 })).chain(([x, extra]) =>
    fc.tuple(arbAxes(x.shape.length + extra, { minLength: extra }), stored(1)).map(([axes, constants]) => {
      const chosen = axes.slice(0, extra);
      return { op: "Unsqueeze", inputs: [x, i64([chosen.length], chosen)], constant: constants };
    }),
  );
}

opConformance("operators on types and shapes", {
  family: SHAPE_OPS,
  rows: {
    Cast: { cases: cast(), runs: 150 },
    "Cast of large and special values": { op: "Cast", cases: castWide(), runs: 100 },
    "Cast to text": { op: "Cast", cases: castText() },
    CastLike: { cases: castLike(), runs: 80 },
    Constant: { cases: constant() },
    ConstantOfShape: { cases: constantOfShape() },
    Expand: { cases: expand() },
    EyeLike: { cases: eyeLike() },
    Flatten: { cases: flatten() },
    Range: { cases: range() },
    Reshape: { cases: reshape(), runs: 80 },
    "Reshape of empty tensors": { op: "Reshape", cases: reshapeEmpty() },
    Shape: { cases: shape() },
    Size: { cases: moved().map((x) => ({ op: "Size", inputs: [x] })) },
    Squeeze: { cases: squeeze() },
    Tile: { cases: tile() },
    Transpose: { cases: transpose() },
    Unsqueeze: { cases: unsqueeze() },
  },
});
