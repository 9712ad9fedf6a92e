import { ACTIVATIONS } from "@tessera/core/formats/tflite/enums";
import type { DType } from "@tessera/core/graph/dtype";
import fc from "fast-check";
import { describe, it } from "vitest";
import { arbAxes, arbAxis, arbShape } from "../../op-arbitraries.ts";
import { holds, realRuntimes } from "./check.ts";
import type { OneOperator } from "./one-operator.ts";
import { fed, held, list, one, spec } from "./specs.ts";

const runtimes = realRuntimes();
const seed = fc.integer({ min: 1, max: 2 ** 30 });
const shapes = arbShape({ minRank: 1, maxRank: 4, minSize: 1, maxSize: 5 });

/** A shape with an axis of it. */
const alongAxis = shapes.chain((shape) => fc.record({ shape: fc.constant(shape), axis: arbAxis(shape.length), seed }));

describe("reductions of TFLite, raised", () => {
  it.each([
    ["MEAN", undefined],
    ["SUM", undefined],
    ["REDUCE_PROD", undefined],
    ["REDUCE_MAX", undefined],
    ["REDUCE_MIN", undefined],
    ["REDUCE_ANY", "bool"],
    ["REDUCE_ALL", "bool"],
  ] as const)("%s over some axes", (op, given) => {
    const dtype: DType = given ?? "float32";
    return holds(
      runtimes,
      shapes.chain((shape) =>
        fc.tuple(arbAxes(shape.length, { minLength: 1 }), fc.boolean(), seed).map(
          ([axes, keepDims, from]): OneOperator => ({
            op,
            inputs: [fed(shape, from, { dtype }), list(axes)],
            options: { kind: "ReducerOptions", keepDims },
            outputs: [dtype],
          }),
        ),
      ),
      { files: 2 },
    );
  });

  it("SOFTMAX with any beta", () =>
    holds(
      runtimes,
      fc
        .tuple(shapes, seed, fc.constantFrom(1, 0.5, 2))
        .map(([shape, from, beta]) => spec("SOFTMAX", [fed(shape, from)], { kind: "SoftmaxOptions", beta })),
    ));

  it.each(["LOG_SOFTMAX", "L2_NORMALIZATION"] as const)("%s", (op) =>
    holds(
      runtimes,
      fc
        .tuple(shapes, seed)
        .map(([shape, from]) =>
          spec(
            op,
            [fed(shape, from)],
            op === "LOG_SOFTMAX"
              ? { kind: "LogSoftmaxOptions" }
              : { kind: "L2NormOptions", fusedActivationFunction: ACTIVATIONS.NONE },
          ),
        ),
      { files: 2 },
    ),
  );

  it.each(["ARG_MAX", "ARG_MIN"] as const)("%s", (op) =>
    holds(
      runtimes,
      alongAxis.map(
        (at): OneOperator => ({
          op,
          inputs: [fed(at.shape, at.seed), one(at.axis)],
          options: { kind: op === "ARG_MAX" ? "ArgMaxOptions" : "ArgMinOptions", outputType: 2 },
          outputs: ["int32"],
        }),
      ),
      { files: 2 },
    ),
  );

  it("TOPK_V2", () =>
    holds(
      runtimes,
      shapes.chain((shape) =>
        fc.tuple(fc.integer({ min: 1, max: shape.at(-1) ?? 1 }), seed).map(
          ([k, from]): OneOperator => ({
            op: "TOPK_V2",
            inputs: [fed(shape, from), one(k)],
            options: { kind: "TopKV2Options" },
            outputs: ["float32", "int32"],
          }),
        ),
      ),
    ));

  it("CUMSUM", () =>
    holds(
      runtimes,
      fc
        .tuple(alongAxis, fc.boolean(), fc.boolean())
        .map(([at, exclusive, reverse]) =>
          spec("CUMSUM", [fed(at.shape, at.seed), one(at.axis)], { kind: "CumsumOptions", exclusive, reverse }),
        ),
    ));

  it("FULLY_CONNECTED with and without bias, kept dimensions and constant weights", () =>
    holds(
      runtimes,
      fc
        .record({
          lead: arbShape({ minRank: 1, maxRank: 3, minSize: 1, maxSize: 4 }),
          inputs: fc.integer({ min: 1, max: 6 }),
          outputs: fc.integer({ min: 1, max: 5 }),
          hasBias: fc.boolean(),
          isConstant: fc.boolean(),
          keepNumDims: fc.boolean(),
          activation: fc.constantFrom(ACTIVATIONS.NONE, ACTIVATIONS.RELU, ACTIVATIONS.RELU6),
          seed,
        })
        .map((at) =>
          spec(
            "FULLY_CONNECTED",
            [
              fed([...at.lead, at.inputs], at.seed),
              // XNNPACK wants constant weights, and the older runtime gives them up to it.
              (at.isConstant ? held : fed)([at.outputs, at.inputs], at.seed + 1),
              at.hasBias ? held([at.outputs], at.seed + 2) : undefined,
            ],
            { kind: "FullyConnectedOptions", keepNumDims: at.keepNumDims, fusedActivationFunction: at.activation },
          ),
        ),
      { files: 4 },
    ));

  it("BATCH_MATMUL with either side turned", () =>
    holds(
      runtimes,
      fc
        .record({
          batch: arbShape({ minRank: 0, maxRank: 2, minSize: 1, maxSize: 3 }),
          sizes: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
          adjX: fc.boolean(),
          adjY: fc.boolean(),
          seed,
        })
        .map(({ batch, sizes: [m, k, n], adjX, adjY, seed: from }) =>
          spec(
            "BATCH_MATMUL",
            [fed([...batch, ...(adjX ? [k, m] : [m, k])], from), fed([...batch, ...(adjY ? [n, k] : [k, n])], from + 1)],
            {
              kind: "BatchMatMulOptions",
              adjX,
              adjY,
            },
          ),
        ),
    ));
});
