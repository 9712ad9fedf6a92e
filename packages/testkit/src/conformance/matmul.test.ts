import { seededRandom } from "@tessera/core/base/random";
import type { DType } from "@tessera/core/graph/dtype";
import { float } from "@tessera/core/graph/node";
import { f32, fromNumbers } from "@tessera/core/graph/tensor";
import { MATMUL } from "@tessera/core/ops/matmul";
import fc from "fast-check";
import { arbBroadcastable, arbShape, arbTensor, seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

const sums = { relative: 1e-5, absolute: 1e-3 };

interface Shapes {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** Shapes that multiply: matrices with broadcast axes in front, now and then a vector on one side or both. */
function shapes(options: { readonly min: number; readonly vectors: boolean }): fc.Arbitrary<Shapes> {
  const size = fc.integer({ min: options.min, max: 7 });
  return fc
    .tuple(
      arbShape({ maxRank: 3, minSize: 1, maxSize: 3 }),
      size,
      fc.integer({ min: Math.max(1, options.min), max: 9 }),
      size,
      fc.nat({ max: 7 }),
    )
    .chain(([front, m, k, n, vector]) =>
      fc.tuple(arbBroadcastable(front), arbBroadcastable(front)).map(([p, q]) => ({
        a: options.vectors && vector === 0 ? [k] : [...p, m, k],
        b: options.vectors && vector <= 1 && vector % 2 === 0 ? [k] : [...q, k, n],
      })),
    );
}

function matmulCase(dtype: DType, s: Shapes, seed: number): OpCase {
  const small = dtype.startsWith("float") ? {} : { min: 0, max: 9 };
  return {
    op: "MatMul",
    inputs: [seededTensor(dtype, s.a, { seed, ...small }), seededTensor(dtype, s.b, { seed: seed + 1, ...small })],
  };
}

/** As {@link Shapes}, with a plain matrix on the right: onnxruntime wants one zero point or scale a column to have the rank of b. */
function flat(s: Shapes): Shapes {
  return { a: s.a, b: s.b.slice(-2) };
}

function integerCase(
  s: Shapes,
  how: { readonly signedB: boolean; readonly zeroA: boolean; readonly zeroB: "none" | "one" | "columns"; readonly seed: number },
): OpCase {
  const { seed } = how;
  const type = how.signedB ? "int8" : "uint8";
  const low = how.signedB ? -128 : 0;
  const columns = s.b.at(-1) as number;
  const zeroB =
    how.zeroB === "none"
      ? undefined
      : how.zeroB === "one"
        ? fromNumbers(type, [], [low + (seed % 256)])
        : seededTensor(type, [columns], { seed: seed + 2, min: low, max: low + 255 });
  return {
    op: "MatMulInteger",
    inputs: [
      seededTensor("uint8", s.a, { seed, max: 255 }),
      seededTensor(type, s.b, { seed: seed + 1, min: low, max: low + 255 }),
      how.zeroA ? fromNumbers("uint8", [], [seed % 251]) : zeroB === undefined ? undefined : fromNumbers("uint8", [], [0]),
      zeroB,
    ],
  };
}

function qlinearCase(s: Shapes, how: { readonly columns: boolean; readonly seed: number }): OpCase {
  const random = seededRandom(how.seed);
  const columns = s.b.at(-1) as number;
  const count = how.columns ? columns : 1;
  const shape = how.columns ? [columns] : [];
  return {
    op: "QLinearMatMul",
    inputs: [
      seededTensor("uint8", s.a, { seed: how.seed, max: 255 }),
      f32([], [2 ** -3]),
      fromNumbers("uint8", [], [random.int(256)]),
      seededTensor("int8", s.b, { seed: how.seed + 1, min: -127, max: 127 }),
      f32(
        shape,
        Array.from({ length: count }, () => 2 ** -(3 + random.int(4))),
      ),
      fromNumbers("int8", shape, new Array<number>(count).fill(0)),
      f32([], [2 ** (1 + random.int(4))]),
      fromNumbers("uint8", [], [random.int(256)]),
    ],
    constant: [1, 2, 4, 5, 6, 7],
  };
}

function gemmCase(): fc.Arbitrary<OpCase> {
  const size = fc.integer({ min: 1, max: 9 });
  return fc
    .record({
      m: size,
      k: size,
      n: size,
      transA: fc.nat({ max: 1 }),
      transB: fc.nat({ max: 1 }),
      c: fc.constantFrom("none", "n", "1", "m1", "mn", "1n", "scalar"),
      seed: fc.nat(),
    })
    .map(({ m, k, n, transA, transB, c, seed }) => {
      const shape = { none: undefined, n: [n], "1": [1], m1: [m, 1], mn: [m, n], "1n": [1, n], scalar: [] }[c];
      const a = seededTensor("float32", transA ? [k, m] : [m, k], { seed });
      const b = seededTensor("float32", transB ? [n, k] : [k, n], { seed: seed + 1 });
      const added = shape === undefined ? [] : [seededTensor("float32", shape, { seed: seed + 2 })];
      const random = seededRandom(seed);
      return {
        op: "Gemm",
        inputs: [a, b, ...added],
        attributes: { transA, transB, alpha: float(random.next() + 0.5), beta: float(random.next() * 2 - 1) },
      };
    });
}

const EQUATIONS: readonly (readonly [equation: string, ...shapes: readonly string[]])[] = [
  ["ij,jk->ik", "ij", "jk"],
  ["ij,kj", "ij", "kj"],
  ["bij,bjk->bik", "bij", "bjk"],
  ["bhid,bhjd->bhij", "bhid", "bhjd"],
  ["ij->ji", "ij"],
  ["ij->", "ij"],
  ["ij->j", "ij"],
  ["ii->i", "ii"],
  ["ii", "ii"],
  ["i,j->ij", "i", "j"],
  ["i,i->", "i", "i"],
  ["...ij,...jk->...ik", "abij", "abjk"],
  ["...ij,jk->...ik", "abij", "jk"],
  ["i,ij,j->", "i", "ij", "j"],
  [" b i j , b k j -> b i k", "bij", "bkj"],
];

function einsumCase(): fc.Arbitrary<OpCase> {
  return fc.tuple(fc.constantFrom(...EQUATIONS), fc.nat()).map(([[equation, ...terms], seed]) => {
    const random = seededRandom(seed);
    const sizes = new Map<string, number>();
    const shapeOf = (term: string): number[] =>
      [...term].map((letter) => {
        const size = sizes.get(letter) ?? 1 + random.int(4);
        sizes.set(letter, size);
        return size;
      });
    return {
      op: "Einsum",
      inputs: terms.map((term, i) => seededTensor("float32", shapeOf(term), { seed: seed + i, min: -3, max: 3 })),
      attributes: { equation },
    };
  });
}

opConformance("matrix products", {
  family: MATMUL,
  rows: {
    Einsum: { cases: einsumCase(), tolerance: sums, runs: 80 },
    Gemm: { cases: gemmCase(), tolerance: sums, runs: 100 },
    MatMul: {
      cases: fc
        .tuple(
          fc.constantFrom<DType>("float32", "float32", "float64", "int32", "int64"),
          shapes({ min: 0, vectors: true }),
          fc.nat(),
        )
        .map(([dtype, s, seed]) => matmulCase(dtype, s, seed)),
      tolerance: sums,
      runs: 120,
    },
    "MatMul of one tall matrix": {
      op: "MatMul",
      cases: fc
        .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }))
        .chain(([m, k, n]) =>
          fc
            .tuple(arbTensor("float32", [m, k]), arbTensor("float32", [k, n]))
            .map(([a, b]) => ({ op: "MatMul", inputs: [a, b] })),
        ),
      tolerance: sums,
    },
    MatMulInteger: {
      cases: fc
        .tuple(
          shapes({ min: 1, vectors: false }),
          fc.record({
            signedB: fc.boolean(),
            zeroA: fc.boolean(),
            zeroB: fc.constantFrom("none", "one", "columns"),
            seed: fc.nat(),
          }),
        )
        .map(([s, how]) => integerCase(how.zeroB === "columns" ? flat(s) : s, how)),
      runs: 80,
    },
    QLinearMatMul: {
      cases: fc
        .tuple(shapes({ min: 1, vectors: false }), fc.record({ columns: fc.boolean(), seed: fc.nat() }))
        .map(([s, how]) => qlinearCase(how.columns ? flat(s) : s, how)),
      runs: 80,
    },
  },
});
