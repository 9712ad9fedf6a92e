import type { DType } from "@tessera/core/graph/dtype";
import { countOf, fromNumbers } from "@tessera/core/graph/tensor";
import fc from "fast-check";
import { describe, it } from "vitest";
import { arbAxes, arbAxis, arbShape } from "../../op-arbitraries.ts";
import { holds, realRuntimes } from "./check.ts";
import type { OneOperator, OperatorInput } from "./one-operator.ts";
import { fed, grid, list, one, spec } from "./specs.ts";

const runtimes = realRuntimes();
const seed = fc.integer({ min: 1, max: 2 ** 30 });
const shapes = arbShape({ minRank: 1, maxRank: 4, minSize: 1, maxSize: 5 });
const alongAxis = shapes.chain((shape) => fc.record({ shape: fc.constant(shape), axis: arbAxis(shape.length), seed }));
const scalar = (value: number): OperatorInput => ({ tensor: fromNumbers("float32", [], [value]), isConstant: true });

describe("movements of TFLite, raised", () => {
  it("RESHAPE with one open size or none", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc
          .tuple(fc.shuffledSubarray(shape, { minLength: shape.length }), fc.integer({ min: -1, max: shape.length - 1 }), seed)
          .map(([target, open, from]) =>
            spec("RESHAPE", [fed(shape, from), list(target.map((size, i) => (i === open ? -1 : size)))], {
              kind: "ReshapeOptions",
            }),
          ),
      ),
    ));

  it("SQUEEZE of named axes and of all", () =>
    holds(
      runtimes,
      fc
        .tuple(
          arbShape({ minRank: 1, maxRank: 3, minSize: 2 }),
          fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }),
          fc.boolean(),
          seed,
        )
        .map(([shape, at, isNamed, from]) => {
          const wide = [...shape];
          for (const axis of at) wide.splice(Math.min(axis, wide.length), 0, 1);
          const axes = wide.flatMap((size, axis) => (size === 1 ? [axis] : []));
          return spec("SQUEEZE", [fed(wide, from)], {
            kind: "SqueezeOptions",
            ...(isNamed && axes.length > 0 ? { squeezeDims: Int32Array.of(axes[0] as number) } : {}),
          });
        }),
    ));

  it("EXPAND_DIMS", () =>
    holds(
      runtimes,
      arbShape({ minRank: 1, maxRank: 3, minSize: 1 }).chain((shape) =>
        fc
          .tuple(arbAxis(shape.length + 1), seed)
          .map(([axis, from]) => spec("EXPAND_DIMS", [fed(shape, from), one(axis)], { kind: "ExpandDimsOptions" })),
      ),
      { files: 2 },
    ));

  it("TRANSPOSE", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc
          .tuple(
            fc.shuffledSubarray(
              shape.map((_, i) => i),
              { minLength: shape.length },
            ),
            seed,
          )
          .map(([perm, from]) => spec("TRANSPOSE", [fed(shape, from), list(perm)], { kind: "TransposeOptions" })),
      ),
    ));

  it("CONCATENATION and PACK", () =>
    holds(
      runtimes,
      fc
        .tuple(alongAxis, fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 4 }), fc.boolean())
        .map(([at, sizes, isPack]) => {
          const front = at.axis < 0 ? at.axis + at.shape.length : at.axis;
          if (isPack && at.shape.length < 4)
            return spec(
              "PACK",
              sizes.map((_, i) => fed(at.shape, at.seed + i)),
              { kind: "PackOptions", valuesCount: sizes.length, axis: front },
            );
          return spec(
            "CONCATENATION",
            sizes.map((size, i) =>
              fed(
                at.shape.map((own, axis) => (axis === front ? size : own)),
                at.seed + i,
              ),
            ),
            { kind: "ConcatenationOptions", axis: at.axis },
          );
        }),
    ));

  it("SPLIT, SPLIT_V and UNPACK", () =>
    holds(
      runtimes,
      fc
        .tuple(
          alongAxis,
          fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 4 }),
          fc.constantFrom("SPLIT", "SPLIT_V", "UNPACK"),
          fc.boolean(),
        )
        .map(([at, sizes, op, isOpen]): OneOperator => {
          const front = at.axis < 0 ? at.axis + at.shape.length : at.axis;
          const whole = (size: number): number[] => at.shape.map((own, axis) => (axis === front ? size : own));
          const outputs = sizes.map((): DType => "float32");
          if (op === "SPLIT")
            return {
              op,
              inputs: [one(at.axis), fed(whole(2 * sizes.length), at.seed)],
              options: { kind: "SplitOptions", numSplits: sizes.length },
              outputs,
            };
          if (op === "UNPACK")
            return {
              op,
              inputs: [fed(whole(sizes.length), at.seed)],
              options: { kind: "UnpackOptions", num: sizes.length, axis: front },
              outputs,
            };
          const total = sizes.reduce((sum, size) => sum + size, 0);
          const given = sizes.map((size, i) => (isOpen && i === 0 ? -1 : size));
          return {
            op: "SPLIT_V",
            inputs: [fed(whole(total), at.seed), list(given), one(at.axis)],
            options: { kind: "SplitVOptions", numSplits: sizes.length },
            outputs,
          };
        }),
    ));

  it("SLICE", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc
          .tuple(
            fc.tuple(
              ...shape.map((size) =>
                fc.tuple(fc.integer({ min: 0, max: size - 1 }), fc.boolean(), fc.integer({ min: 1, max: size })),
              ),
            ),
            seed,
          )
          .map(([parts, from]) => {
            const begins = parts.map(([begin]) => begin);
            const sizes = parts.map(([begin, isOpen, size], i) => (isOpen ? -1 : Math.min(size, (shape[i] as number) - begin)));
            return spec("SLICE", [fed(shape, from), list(begins), list(sizes)], { kind: "SliceOptions" });
          }),
      ),
    ));

  it("STRIDED_SLICE with masks, negative bounds and steps", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc
          .record({
            count: fc.integer({ min: 1, max: shape.length }),
            bounds: fc.array(
              fc.tuple(fc.integer({ min: -7, max: 7 }), fc.integer({ min: -7, max: 7 }), fc.constantFrom(1, 2, -1, -2)),
              { minLength: 4, maxLength: 4 },
            ),
            beginMask: fc.integer({ min: 0, max: 15 }),
            endMask: fc.integer({ min: 0, max: 15 }),
            shrinkAxisMask: fc.constantFrom(0, 0, 1, 2, 4),
            seed,
          })
          .map((at) => {
            const parts = at.bounds.slice(0, at.count);
            const takes = (i: number): boolean => ((at.shrinkAxisMask >> i) & 1) === 1;
            // What takes an element must name one that is there, going forwards.
            const begins = parts.map(([begin], i) => (takes(i) ? begin % (shape[i] as number) : begin));
            const strides = parts.map(([, , step], i) => (takes(i) ? 1 : step));
            return spec("STRIDED_SLICE", [fed(shape, at.seed), list(begins), list(parts.map(([, end]) => end)), list(strides)], {
              kind: "StridedSliceOptions",
              beginMask: at.beginMask & ~at.shrinkAxisMask,
              endMask: at.endMask,
              shrinkAxisMask: at.shrinkAxisMask & ((1 << at.count) - 1),
            });
          })
          // Nothing at all is not worth a runtime's time, and some refuse it.
          .filter((file) => hasElements(shape, file)),
      ),
      { files: 5 },
    ));

  it("STRIDED_SLICE with an ellipsis and new axes", () =>
    holds(
      runtimes,
      fc
        .tuple(arbShape({ minRank: 2, maxRank: 3, minSize: 2, maxSize: 4 }), fc.constantFrom("ellipsis", "new", "both"), seed)
        .map(([shape, kind, from]) => {
          const ellipsisMask = kind === "new" ? 0 : 1;
          const newAxisMask = kind === "ellipsis" ? 0 : 2;
          const entries = kind === "both" ? 3 : 2;
          const ends = [0, 1, 2].slice(0, entries);
          return spec(
            "STRIDED_SLICE",
            [
              fed(shape, from),
              list(ends.map(() => 0)),
              list(ends.map((_, i) => (i === 1 && kind === "both" ? 0 : 2))),
              list(ends.map(() => 1)),
            ],
            {
              kind: "StridedSliceOptions",
              ellipsisMask,
              newAxisMask,
            },
          );
        }),
      { files: 2 },
    ));

  it("REVERSE_V2", () =>
    holds(
      runtimes,
      alongAxis.map((at) => spec("REVERSE_V2", [fed(at.shape, at.seed), list([at.axis])], { kind: "ReverseV2Options" })),
      { files: 2 },
    ));

  it("REVERSE_SEQUENCE", () =>
    holds(
      runtimes,
      fc.tuple(arbShape({ minRank: 2, maxRank: 4, minSize: 1 }), fc.constantFrom(0, 1), seed).map(([shape, seqDim, from]) => {
        const lengths = Array.from(
          { length: shape[1 - seqDim] as number },
          (_, i) => 1 + ((from + i) % (shape[seqDim] as number)),
        );
        return spec("REVERSE_SEQUENCE", [fed(shape, from), list(lengths)], {
          kind: "ReverseSequenceOptions",
          seqDim,
          batchDim: 1 - seqDim,
        });
      }),
      { files: 2 },
    ));

  it("GATHER with batch axes", () =>
    holds(
      runtimes,
      fc
        .tuple(
          arbShape({ minRank: 2, maxRank: 4, minSize: 1 }),
          fc.boolean(),
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 0, max: 3 }),
          seed,
        )
        .map(([shape, isBatched, count, axis, from]) => {
          const front = isBatched ? 1 : axis % shape.length;
          const size = shape[front] as number;
          const indices = isBatched ? [shape[0] as number, count] : [count];
          const values = Array.from({ length: countOf(indices) }, (_, i) => (from + 3 * i) % size);
          return spec("GATHER", [fed(shape, from), grid(indices, values)], {
            kind: "GatherOptions",
            axis: front,
            batchDims: isBatched ? 1 : 0,
          });
        }),
    ));

  it("GATHER_ND and EMBEDDING_LOOKUP", () =>
    holds(
      runtimes,
      fc.tuple(arbShape({ minRank: 2, maxRank: 3, minSize: 1 }), fc.boolean(), seed).map(([shape, isPoint, from]) => {
        const depth = isPoint ? 2 : 1;
        const points = Array.from({ length: 3 * depth }, (_, i) => (from + 5 * i) % (shape[i % depth] as number));
        if (!isPoint) return spec("EMBEDDING_LOOKUP", [list(points), fed(shape, from)]);
        return spec("GATHER_ND", [fed(shape, from), grid([3, depth], points)], { kind: "GatherNdOptions" });
      }),
      { files: 2 },
    ));

  it("SCATTER_ND adds what falls on one place", () =>
    holds(
      runtimes,
      fc.tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 4 }), seed).map(([rows, columns, from]) => {
        const places = Array.from({ length: 4 }, (_, i) => (from + i) % rows);
        return spec("SCATTER_ND", [grid([4, 1], places), fed([4, columns], from), list([rows, columns])], {
          kind: "ScatterNdOptions",
        });
      }),
      { files: 2 },
    ));

  it("ONE_HOT, also of indices below zero", () =>
    holds(
      runtimes,
      fc
        .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 2, max: 4 }), fc.boolean(), seed)
        .map(([count, depth, isLast, from]) => {
          const indices = Array.from({ length: count }, (_, i) => ((from + i) % (depth + 2)) - 1);
          const input: OperatorInput = { tensor: fromNumbers("int32", [count], indices) };
          return spec("ONE_HOT", [input, one(depth), scalar(2.5), scalar(-1)], { kind: "OneHotOptions", axis: isLast ? -1 : 0 });
        }),
      { files: 2 },
    ));

  it("TILE, BROADCAST_TO and FILL", () =>
    holds(
      runtimes,
      fc
        .tuple(shapes, fc.integer({ min: 1, max: 3 }), fc.constantFrom("TILE", "BROADCAST_TO", "FILL"), seed)
        .map(([shape, count, op, from]) => {
          if (op === "TILE")
            return spec("TILE", [fed(shape, from), list(shape.map((_, i) => (i === 0 ? count : 1)))], { kind: "TileOptions" });
          if (op === "FILL") return spec("FILL", [list(shape), fed([], from)], { kind: "FillOptions" });
          return spec(
            "BROADCAST_TO",
            [
              fed(
                shape.map((size, i) => (i === 0 ? 1 : size)),
                from,
              ),
              list(shape),
            ],
            { kind: "BroadcastToOptions" },
            2,
          );
        }),
    ));

  it("SHAPE, RANK and RANGE", () =>
    holds(
      runtimes,
      fc
        .tuple(shapes, fc.constantFrom("SHAPE", "RANK", "RANGE"), fc.integer({ min: 1, max: 9 }), seed)
        .map(([shape, op, limit, from]): OneOperator => {
          if (op === "RANGE")
            return { op, inputs: [one(0), one(limit), one(2)], options: { kind: "RangeOptions" }, outputs: ["int32"] };
          return {
            op: op as "SHAPE",
            inputs: [fed(shape, from)],
            options: { kind: op === "SHAPE" ? "ShapeOptions" : "RankOptions", outType: 2 },
            outputs: ["int32"],
          };
        }),
      // LiteRT computes these before it runs, and hands out a buffer that it never wrote to.
      { files: 2, without: ["litert"] },
    ));

  it("WHERE", () =>
    holds(
      runtimes,
      fc.tuple(shapes, seed).map(
        ([shape, from]): OneOperator => ({
          op: "WHERE",
          inputs: [fed(shape, from, { dtype: "bool" })],
          options: { kind: "WhereOptions" },
          outputs: ["int64"],
        }),
      ),
      // Neither shows int64 or sizes that depend on values.
      { files: 1, without: ["tfjs", "litert"] },
    ));

  it("axes are counted from either end", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc
          .tuple(arbAxes(shape.length, { minLength: 1 }), seed)
          .map(([axes, from]) => spec("SUM", [fed(shape, from), list(axes)], { kind: "ReducerOptions" })),
      ),
      { files: 1 },
    ));
});

/** Whether a slice of the file takes anything, worked out for itself. */
function hasElements(shape: readonly number[], { inputs, options }: OneOperator): boolean {
  const { beginMask = 0, endMask = 0, shrinkAxisMask = 0 } = options as unknown as Readonly<Record<string, number | undefined>>;
  const [begins, ends, strides] = [1, 2, 3].map(
    (i) => new Int32Array((inputs[i]?.tensor.bytes ?? new Uint8Array(0)).slice().buffer),
  ) as [Int32Array, Int32Array, Int32Array];
  return begins.every((begin, i) => {
    if ((shrinkAxisMask >> i) & 1) return true;
    const size = shape[i] as number;
    const step = strides[i] as number;
    const clamp = (v: number): number => (step > 0 ? Math.min(Math.max(v, 0), size) : Math.min(Math.max(v, -1), size - 1));
    const from = (beginMask >> i) & 1 ? (step > 0 ? 0 : size - 1) : clamp(begin < 0 ? begin + size : begin);
    const end = ends[i] as number;
    const to = (endMask >> i) & 1 ? (step > 0 ? size : -1) : clamp(end < 0 ? end + size : end);
    return step > 0 ? to > from : to < from;
  });
}
