import type { DType } from "@tessera/core/graph/dtype";
import { fromNumbers, i64, type Tensor, tensor } from "@tessera/core/graph/tensor";
import { MOVEMENT } from "@tessera/core/ops/movement";
import fc from "fast-check";
import { arbAxes, arbAxis, arbShape, arbTensor, type ShapeOptions, seededTensor } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

/** Types that only move: one of each width, and strings. */
const MOVED = fc.constantFrom<DType>("float32", "float64", "float16", "int8", "bool", "int32", "int64", "string");

function moved(options: ShapeOptions = {}, dtypes: fc.Arbitrary<DType> = MOVED): fc.Arbitrary<Tensor> {
  return fc.tuple(dtypes, arbShape(options)).chain(([dtype, sizes]) => arbTensor(dtype, sizes));
}

function stored(...indices: number[]): fc.Arbitrary<number[]> {
  return fc.boolean().map((yes) => (yes ? indices : []));
}

function compress(): fc.Arbitrary<OpCase> {
  return moved({ minRank: 1 }).chain((x) =>
    fc
      .tuple(fc.option(arbAxis(x.shape.length), { nil: undefined }), fc.array(fc.boolean(), { maxLength: 6 }))
      .map(([axis, flags]) => {
        const size = axis === undefined ? x.shape.reduce((a, b) => a * b, 1) : (x.shape.at(axis) as number);
        const condition = flags.slice(0, size);
        return {
          op: "Compress",
          inputs: [x, tensor("bool", [condition.length], Uint8Array.from(condition, Number))],
          attributes: axis === undefined ? {} : { axis },
        };
      }),
  );
}

function concat(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(MOVED, arbShape({ minRank: 1 }), fc.nat(), fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }))
    .chain(([dtype, shape, draw, sizes]) => {
      const axis = draw % shape.length;
      const inputs = sizes.map((size) =>
        arbTensor(
          dtype,
          shape.map((d, i) => (i === axis ? size : d)),
        ),
      );
      return fc
        .tuple(...inputs)
        .map((tensors) => ({ op: "Concat", inputs: tensors, attributes: { axis: draw % 2 ? axis : axis - shape.length } }));
    });
}

const BLOCKS = fc.tuple(
  fc.constantFrom<DType>("float32", "float64", "uint8"),
  fc.integer({ min: 1, max: 3 }),
  arbShape({ minRank: 4, maxRank: 4, maxSize: 3, minSize: 1 }),
);

function depthToSpace(): fc.Arbitrary<OpCase> {
  return fc.tuple(BLOCKS, fc.constantFrom("DCR", "CRD")).chain(([[dtype, blocksize, [n, c, h, w]], mode]) =>
    arbTensor(dtype, [n as number, (c as number) * blocksize ** 2, h as number, w as number]).map((x) => ({
      op: "DepthToSpace",
      inputs: [x],
      attributes: { blocksize, mode },
    })),
  );
}

// onnxruntime has float kernels only.
function spaceToDepth(): fc.Arbitrary<OpCase> {
  return BLOCKS.chain(([dtype, blocksize, [n, c, h, w]]) =>
    arbTensor(dtype, [n as number, c as number, (h as number) * blocksize, (w as number) * blocksize]).map((x) => ({
      op: "SpaceToDepth",
      inputs: [x],
      attributes: { blocksize },
    })),
  );
}

// Reflection needs the other side of the axis: pads stay below the size that is left after cutting.
function pad(mode: string): fc.Arbitrary<OpCase> {
  return moved(
    { minRank: 1, minSize: mode === "constant" ? 0 : 1 },
    fc.constantFrom<DType>("float32", "float64", "int32", "int64", "int8", "uint8", "bool"),
  ).chain((x) => {
    const rank = x.shape.length;
    const counts = fc.array(fc.integer({ min: -2, max: 4 }), { minLength: 2 * rank, maxLength: 2 * rank });
    return fc
      .tuple(counts, fc.option(arbAxes(rank, { minLength: 1 }), { nil: undefined }), fc.boolean(), stored(1, 3))
      .map(([drawn, some, value, constants]) => {
        const axes = some ?? x.shape.map((_, i) => i);
        const pads = axes.map((axis, i) => {
          const size = x.shape.at(axis) as number;
          const cut = (v: number, left: number): number => Math.max(v, -Math.max(0, left - 1));
          const before = cut(drawn[i] as number, size);
          const after = cut(drawn[i + rank] as number, size + Math.min(0, before));
          const most =
            mode === "reflect"
              ? size + Math.min(0, before) + Math.min(0, after) - 1
              : mode === "wrap"
                ? size + Math.min(0, before) + Math.min(0, after)
                : 4;
          return [Math.min(before, most), Math.min(after, most)] as const;
        });
        const list = [...pads.map(([before]) => before), ...pads.map(([, after]) => after)];
        const fill = value && mode === "constant" ? fromNumbers(x.dtype, [], [1]) : undefined;
        return {
          op: "Pad",
          inputs: [x, i64([list.length], list), fill, some && i64([some.length], some)],
          attributes: { mode },
          constant: constants.filter((i) => i === 1 || some !== undefined),
        };
      });
  });
}

function reverseSequence(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(
      moved({ minRank: 2, minSize: 1 }, fc.constantFrom<DType>("float32", "float64", "int64", "int8", "string", "bool")),
      fc.integer({ min: 0, max: 1 }),
    )
    .chain(([x, time]) => {
      const [length, batch] = [x.shape[time] as number, x.shape[1 - time] as number];
      return fc.array(fc.integer({ min: 0, max: length }), { minLength: batch, maxLength: batch }).map((lengths) => ({
        op: "ReverseSequence",
        inputs: [x, i64([batch], lengths)],
        attributes: { time_axis: time, batch_axis: 1 - time },
      }));
    });
}

const PLACES = fc.oneof(fc.integer({ min: -7, max: 7 }), fc.constantFrom(2 ** 31 - 1, -(2 ** 31)));

function slice(): fc.Arbitrary<OpCase> {
  return fc.tuple(MOVED, arbShape({ minRank: 1 })).chain(([dtype, shape]) =>
    fc
      .tuple(
        arbTensor(dtype, shape),
        arbAxes(shape.length, { minLength: 1 }),
        fc.array(fc.tuple(PLACES, PLACES, fc.constantFrom(1, 1, 1, 2, 3, -1, -2)), {
          minLength: shape.length,
          maxLength: shape.length,
        }),
        fc.constantFrom("all", "axes", "neither"),
        fc.boolean(),
        fc.constantFrom<DType>("int64", "int32"),
      )
      .map(([x, axes, parts, given, constants, indexType]) => {
        const list = (values: readonly number[]): Tensor => fromNumbers(indexType, [values.length], values);
        // onnxruntime reads the largest integer as the end of a backward slice as "to the first element"; the specification clamps it.
        const backwards = given === "all";
        const used = given === "neither" ? parts : parts.slice(0, axes.length);
        return {
          op: "Slice",
          inputs: [
            x,
            list(used.map(([start]) => start)),
            list(used.map(([, end, step]) => (backwards && step < 0 ? Math.min(end, 7) : end))),
            ...(given === "neither" ? [] : [list(axes)]),
            ...(given === "all" ? [list(used.map(([, , step]) => step))] : []),
          ],
          constant: constants ? [1, 2, 3, 4] : [],
        };
      }),
  );
}

function split(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(
      fc.constantFrom<DType>("float32", "float64", "int32", "int64", "uint8", "string", "bool"),
      arbShape({ minRank: 1 }),
      fc.nat(),
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
      stored(1),
    )
    .chain(([dtype, shape, draw, parts, constants]) => {
      const axis = draw % shape.length;
      const size = parts.reduce((a, b) => a + b, 0);
      return arbTensor(
        dtype,
        shape.map((d, i) => (i === axis ? size : d)),
      ).map((x) => ({
        op: "Split",
        inputs: [x, i64([parts.length], parts)],
        attributes: { axis: draw % 2 ? axis : axis - shape.length },
        constant: constants,
        outputs: parts.map((_, i) => `y${i}`),
      }));
    });
}

function splitEvenly(): fc.Arbitrary<OpCase> {
  return moved({ minRank: 1, minSize: 1, maxSize: 7 }, fc.constantFrom<DType>("float32", "int64", "string")).chain((x) =>
    fc.tuple(arbAxis(x.shape.length), fc.nat()).map(([axis, draw]) => {
      const size = x.shape.at(axis) as number;
      const count = 1 + (draw % size);
      return {
        op: "Split",
        inputs: [x],
        attributes: { axis, num_outputs: count },
        outputs: Array.from({ length: count }, (_, i) => `y${i}`),
      };
    }),
  );
}

function trilu(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(
      moved({ minRank: 2 }, fc.constantFrom<DType>("float32", "float64", "int64", "bool")),
      fc.integer({ min: 0, max: 1 }),
      fc.option(fc.integer({ min: -6, max: 6 }), { nil: undefined }),
    )
    .map(([x, upper, k]) => ({ op: "Trilu", inputs: k === undefined ? [x] : [x, i64([], [k])], attributes: { upper } }));
}

function unique(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(
      fc.constantFrom<DType>("float32", "int64", "int8", "float64", "string"),
      arbShape({ minRank: 1, minSize: 1 }),
      fc.integer({ min: 0, max: 1 }),
    )
    .chain(([dtype, shape, sorted]) =>
      fc
        .tuple(fc.integer({ min: 0, max: 1e6 }), fc.option(arbAxis(shape.length), { nil: undefined }), fc.boolean())
        .map(([seed, axis, more]) => ({
          op: "Unique",
          inputs: [seededTensor(dtype, shape, { min: 0, max: 2, whole: true, seed })],
          attributes: axis === undefined ? { sorted } : { sorted, axis },
          outputs: more ? ["y0", "y1", "y2", "y3"] : ["y0"],
        })),
    );
}

opConformance("operators that cut, join and rearrange", {
  family: MOVEMENT,
  rows: {
    Compress: { cases: compress() },
    Concat: { cases: concat() },
    DepthToSpace: { cases: depthToSpace() },
    Pad: { cases: pad("constant"), runs: 80 },
    "Pad by reflection": { op: "Pad", cases: pad("reflect"), runs: 80 },
    "Pad with the edge": { op: "Pad", cases: pad("edge"), runs: 80 },
    "Pad around": { op: "Pad", cases: pad("wrap"), runs: 80 },
    ReverseSequence: { cases: reverseSequence() },
    Slice: { cases: slice(), runs: 200 },
    SpaceToDepth: { cases: spaceToDepth() },
    Split: { cases: split() },
    "Split into equal parts": { op: "Split", cases: splitEvenly() },
    Trilu: { cases: trilu() },
    Unique: { cases: unique() },
  },
});
