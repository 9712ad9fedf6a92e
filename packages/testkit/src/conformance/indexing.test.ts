import type { DType } from "@tessera/core/graph/dtype";
import { fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import { INDEXING } from "@tessera/core/ops/indexing";
import fc from "fast-check";
import { arbAxis, arbShape, arbTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

const MOVED = fc.constantFrom<DType>("float32", "float64", "int8", "bool", "int32", "int64", "string");
const INDEX = fc.constantFrom<DType>("int64", "int32");

/** Indices of an axis of `size`, from the front and from the back. */
function arbIndices(dtype: DType, shape: readonly number[], size: number): fc.Arbitrary<Tensor> {
  return arbTensor(dtype, shape, { min: -size, max: size - 1 });
}

function gather(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(MOVED, arbShape({ minRank: 1, minSize: 1, maxRank: 3 }), arbShape({ maxRank: 2 }), INDEX)
    .chain(([dtype, shape, index, indexType]) =>
      // onnxruntime 1.30 copies only the first string of each slice: strings are gathered one by one.
      (dtype === "string" ? fc.constant(-1) : arbAxis(shape.length)).chain((axis) =>
        fc
          .tuple(arbTensor(dtype, shape), arbIndices(indexType, index, shape.at(axis) as number))
          .map((inputs) => ({ op: "Gather", inputs, attributes: { axis } })),
      ),
    );
}

// Sizes of the indices along other axes may be smaller than the data's.
function elementwise(op: string, reductions: readonly string[]): fc.Arbitrary<OpCase> {
  const dtypes = reductions.length > 1 ? fc.constantFrom<DType>("float32", "float64", "int32", "int64", "int8") : MOVED;
  return fc
    .tuple(
      dtypes,
      arbShape({ minRank: 1, minSize: 1, maxRank: 3 }),
      fc.array(fc.nat(), { minLength: 3, maxLength: 3 }),
      INDEX,
      fc.constantFrom(...reductions),
    )
    .chain(([dtype, shape, draws, indexType, reduction]) =>
      arbAxis(shape.length).chain((axis) => {
        const index = shape.map((size, i) => 1 + ((draws[i] as number) % size));
        const scatter = op === "ScatterElements";
        return fc
          .tuple(
            arbTensor(dtype, shape, { whole: true }),
            arbIndices(indexType, index, shape.at(axis) as number),
            arbTensor(dtype, index, {
              whole: true,
              max: 3,
              ...(dtype.startsWith("u") ? {} : { min: dtype === "bool" ? 0 : -3 }),
            }),
          )
          .map(([data, indices, updates]) => ({
            op,
            inputs: scatter ? [data, indices, updates] : [data, indices],
            attributes: { axis, reduction: scatter && reduction !== "none" ? reduction : undefined },
          }));
      }),
    );
}

function tuples(
  shape: readonly number[],
  options: { readonly lead: readonly number[]; readonly depth: number; readonly batch: number; readonly seed: number },
): Tensor {
  const { lead, depth, batch, seed } = options;
  const count = lead.reduce((a, b) => a * b, 1);
  let state = seed;
  const values: number[] = [];
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < depth; k++) {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      const size = shape[batch + k] as number;
      values.push(((state >> 8) % (2 * size)) - size);
    }
  }
  return i64([...lead, depth], values);
}

function gatherNd(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(
      fc.constantFrom<DType>("float32", "int64", "bool", "string"),
      arbShape({ minRank: 1, minSize: 1, maxRank: 4 }),
      arbShape({ maxRank: 2, minSize: 1, maxSize: 3 }),
      fc.nat(),
      fc.nat(),
      fc.nat(),
    )
    .chain(([dtype, shape, rest, draw, drawDepth, seed]) => {
      const batch = draw % Math.min(3, shape.length);
      const depth = 1 + (drawDepth % (shape.length - batch));
      const lead = [...shape.slice(0, batch), ...rest];
      return arbTensor(dtype, shape).map((data) => ({
        op: "GatherND",
        inputs: [data, tuples(shape, { lead, depth, batch, seed })],
        attributes: { batch_dims: batch },
      }));
    });
}

function scatterNd(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(
      fc.constantFrom<DType>("float32", "float64", "int64", "int32"),
      arbShape({ minRank: 1, minSize: 1, maxRank: 3 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat(),
      fc.nat(),
      fc.constantFrom("none", "add", "mul", "max", "min"),
    )
    .chain(([dtype, shape, count, drawDepth, seed, reduction]) => {
      const depth = 1 + (drawDepth % shape.length);
      const updates = [count, ...shape.slice(depth)];
      return fc
        .tuple(arbTensor(dtype, shape, { whole: true }), arbTensor(dtype, updates, { whole: true, min: -3, max: 3 }))
        .map(([data, values]) => ({
          op: "ScatterND",
          inputs: [data, tuples(shape, { lead: [count], depth, batch: 0, seed }), values],
          attributes: { reduction },
        }));
    });
}

function nonZero(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constantFrom<DType>("float32", "int32", "int64", "uint8", "bool"), arbShape({ minRank: 1 }))
    .chain(([dtype, shape]) => arbTensor(dtype, shape, { min: 0, max: 2, whole: true }))
    .map((x) => ({ op: "NonZero", inputs: [x] }));
}

function oneHot(): fc.Arbitrary<OpCase> {
  const values = fc.constantFrom<DType>("float32", "int64");
  return fc
    .tuple(arbShape({ minRank: 1, maxRank: 3, minSize: 1 }), fc.integer({ min: 1, max: 5 }), values, fc.boolean())
    .chain(([shape, depth, dtype, constants]) =>
      fc.tuple(arbTensor("int64", shape, { min: -depth - 1, max: depth }), arbAxis(shape.length + 1)).map(([indices, axis]) => ({
        op: "OneHot",
        inputs: [indices, i64([], [depth]), fromNumbers(dtype, [2], [2, 5])],
        attributes: { axis },
        constant: constants ? [1] : [],
      })),
    );
}

opConformance("operators that go by index", {
  family: INDEXING,
  rows: {
    Gather: { cases: gather(), runs: 80 },
    GatherElements: { cases: elementwise("GatherElements", ["none"]) },
    GatherND: { cases: gatherNd(), runs: 80 },
    NonZero: { cases: nonZero() },
    OneHot: { cases: oneHot() },
    ScatterElements: { cases: elementwise("ScatterElements", ["none", "add", "mul", "max", "min"]), runs: 80 },
    ScatterND: { cases: scatterNd(), runs: 80 },
  },
});
