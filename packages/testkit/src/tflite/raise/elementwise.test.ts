import { ACTIVATIONS } from "@tessera/core/formats/tflite/enums";
import type { DType } from "@tessera/core/graph/dtype";
import fc from "fast-check";
import { describe, it } from "vitest";
import { arbBroadcastable, arbShape } from "../../op-arbitraries.ts";
import { holds, realRuntimes } from "./check.ts";
import type { OneOperator, OperatorInput } from "./one-operator.ts";
import { fed, held } from "./specs.ts";

const runtimes = realRuntimes();
const seed = fc.integer({ min: 1, max: 2 ** 30 });
const shapes = arbShape({ minRank: 1, maxRank: 4, minSize: 1, maxSize: 4 });
const activation = fc.constantFrom(ACTIVATIONS.NONE, ACTIVATIONS.RELU, ACTIVATIONS.RELU6, ACTIVATIONS.RELU_N1_TO_1);

interface Values {
  readonly min?: number;
  readonly max?: number;
  readonly dtype?: DType;
}

/** Two inputs that broadcast, one of them now and then a constant. */
function pairs(values: readonly [Values, Values]): fc.Arbitrary<readonly [OperatorInput, OperatorInput]> {
  return fc.tuple(shapes, fc.boolean(), fc.boolean(), seed).chain(([shape, isConstant, isSwapped, from]) =>
    arbBroadcastable(shape)
      .filter((other) => other.length > 0)
      .map((other) => {
        const wide = fed(isSwapped ? other : shape, from, values[0]);
        const small = (isConstant ? held : fed)(isSwapped ? shape : other, from + 1, values[1]);
        return [wide, small] as const;
      }),
  );
}

describe("element-wise operators of TFLite, raised", () => {
  const any: Values = { min: -5, max: 5 };
  const away: Values = { min: 0.5, max: 4 };
  const ints: Values = { dtype: "int32", min: -9, max: 9 };
  it.each([
    ["ADD", "AddOptions", [any, any]],
    ["SUB", "SubOptions", [any, any]],
    ["MUL", "MulOptions", [any, any]],
    ["DIV", "DivOptions", [any, away]],
  ] as const)("%s with an activation", (op, kind, values) =>
    holds(
      runtimes,
      fc.tuple(pairs(values), activation).map(([inputs, fusedActivationFunction]) => ({
        op,
        inputs,
        options: { kind, fusedActivationFunction },
        outputs: ["float32"],
      })),
    ),
  );

  it.each([
    ["MAXIMUM", "MaximumMinimumOptions", [any, any], "float32"],
    ["MINIMUM", "MaximumMinimumOptions", [any, any], "float32"],
    ["SQUARED_DIFFERENCE", "SquaredDifferenceOptions", [any, any], "float32"],
    ["POW", "PowOptions", [away, any], "float32"],
    ["FLOOR_DIV", "FloorDivOptions", [any, away], "float32"],
    ["FLOOR_DIV", "FloorDivOptions", [ints, { dtype: "int32", min: 1, max: 4 }], "int32"],
    ["FLOOR_DIV", "FloorDivOptions", [ints, { dtype: "int32", min: -4, max: -1 }], "int32"],
    ["FLOOR_MOD", "FloorModOptions", [any, away], "float32"],
    ["FLOOR_MOD", "FloorModOptions", [any, { min: -4, max: -0.5 }], "float32"],
    ["FLOOR_MOD", "FloorModOptions", [ints, { dtype: "int32", min: -4, max: -1 }], "int32"],
    ["ADD", "AddOptions", [ints, ints], "int32"],
    ["MUL", "MulOptions", [ints, ints], "int32"],
    ["EQUAL", "EqualOptions", [ints, ints], "bool"],
    ["NOT_EQUAL", "NotEqualOptions", [ints, ints], "bool"],
    ["LESS", "LessOptions", [any, any], "bool"],
    ["LESS_EQUAL", "LessEqualOptions", [ints, ints], "bool"],
    ["GREATER", "GreaterOptions", [any, any], "bool"],
    ["GREATER_EQUAL", "GreaterEqualOptions", [ints, ints], "bool"],
    ["LOGICAL_AND", "LogicalAndOptions", [{ dtype: "bool" }, { dtype: "bool" }], "bool"],
    ["LOGICAL_OR", "LogicalOrOptions", [{ dtype: "bool" }, { dtype: "bool" }], "bool"],
  ] as const)("%s (%s)", (op, kind, values, dtype) => {
    // Rounding at a whole quotient falls to either side.
    const tolerance = op === "POW" ? { relative: 3e-5 } : undefined;
    return holds(
      runtimes,
      pairs(values as [Values, Values]).map((inputs) => ({ op, inputs, options: { kind }, outputs: [dtype] })),
      tolerance === undefined ? { files: 2 } : { files: 2, tolerance },
    );
  });

  it.each([
    ["ABS", "AbsOptions", any],
    ["NEG", "NegOptions", any],
    ["EXP", "ExpOptions", any],
    ["LOG", undefined, away],
    ["SQRT", undefined, away],
    ["RSQRT", undefined, away],
    ["SQUARE", "SquareOptions", any],
    ["SIN", undefined, any],
    ["COS", "CosOptions", any],
    ["FLOOR", undefined, any],
    ["CEIL", undefined, any],
    ["ROUND", undefined, any],
    ["RELU", undefined, any],
    ["RELU6", undefined, { min: -3, max: 9 }],
    ["RELU_N1_TO_1", undefined, any],
    ["ELU", undefined, any],
    ["HARD_SWISH", "HardSwishOptions", any],
    ["LOGISTIC", undefined, any],
    ["TANH", undefined, any],
    ["ZEROS_LIKE", "ZerosLikeOptions", any],
  ] as const)("%s", (op, kind, values) =>
    holds(
      runtimes,
      fc.tuple(shapes, seed).map(
        ([shape, from]): OneOperator => ({
          op,
          inputs: [fed(shape, from, values)],
          options: kind && { kind },
          outputs: ["float32"],
        }),
      ),
      { files: 1 },
    ),
  );

  it("ROUND goes to even numbers from half way", () =>
    holds(runtimes, fc.constant<OneOperator>({ op: "ROUND", inputs: [{ tensor: halves() }], outputs: ["float32"] }), {
      files: 1,
    }));

  // Operators that came after the older runtime was built.
  it.each(["SIGN", "RELU_0_TO_1"] as const)("%s", (op) =>
    holds(
      runtimes,
      fc.tuple(shapes, seed).map(([shape, from]): OneOperator => ({ op, inputs: [fed(shape, from)], outputs: ["float32"] })),
      { files: 1, without: op === "SIGN" ? ["tfjs"] : [] },
    ),
  );

  it("GELU, exact and approximate", () =>
    holds(
      runtimes,
      fc.tuple(shapes, seed, fc.boolean()).map(
        ([shape, from, approximate]): OneOperator => ({
          op: "GELU",
          inputs: [fed(shape, from)],
          options: { kind: "GeluOptions", approximate },
          outputs: ["float32"],
        }),
      ),
      { files: 2, tolerance: { relative: 1e-4, absolute: 2e-6 } },
    ));

  it("LEAKY_RELU", () =>
    holds(
      runtimes,
      fc.tuple(shapes, seed, fc.double({ min: -2, max: 2, noNaN: true })).map(
        ([shape, from, alpha]): OneOperator => ({
          op: "LEAKY_RELU",
          inputs: [fed(shape, from)],
          options: { kind: "LeakyReluOptions", alpha: Math.fround(alpha) },
          outputs: ["float32"],
        }),
      ),
      { files: 2 },
    ));

  it("PRELU with slopes of lower rank", () =>
    holds(
      runtimes,
      fc
        .tuple(arbShape({ minRank: 2, maxRank: 4, minSize: 1, maxSize: 4 }), seed, fc.boolean())
        .map(([shape, from, isWide]): OneOperator => {
          const slope = isWide ? shape.slice(1).map((size, i) => (i === shape.length - 2 ? size : 1)) : shape.slice(1);
          return { op: "PRELU", inputs: [fed(shape, from), held(slope, from + 1)], outputs: ["float32"] };
        }),
    ));

  it("SELECT of whole rows and SELECT_V2 that broadcasts", () =>
    holds(
      runtimes,
      fc.tuple(shapes, seed, fc.constantFrom("rows", "same", "wide")).map(([shape, from, kind]): OneOperator => {
        const condition = kind === "rows" ? [shape[0] as number] : kind === "same" ? shape : [...shape.slice(0, -1), 1];
        return {
          op: kind === "wide" ? "SELECT_V2" : "SELECT",
          inputs: [fed(condition, from, { dtype: "bool" }), fed(shape, from + 1), fed(shape, from + 2)],
          options: { kind: kind === "wide" ? "SelectV2Options" : "SelectOptions" },
          outputs: ["float32"],
        };
      }),
    ));

  it("ADD_N", () =>
    holds(
      runtimes,
      fc.tuple(shapes, seed, fc.integer({ min: 2, max: 4 })).map(
        ([shape, from, count]): OneOperator => ({
          op: "ADD_N",
          inputs: Array.from({ length: count }, (_, i) => fed(shape, from + i)),
          options: { kind: "AddNOptions" },
          outputs: ["float32"],
        }),
      ),
      { files: 1 },
    ));

  it("CAST", () =>
    holds(
      runtimes,
      fc
        .tuple(shapes, seed, fc.constantFrom<[DType, DType]>(["float32", "int32"], ["int32", "float32"], ["bool", "float32"]))
        .map(
          ([shape, from, [a, b]]): OneOperator => ({
            op: "CAST",
            inputs: [fed(shape, from, { dtype: a })],
            options: { kind: "CastOptions", inDataType: TYPE[a] ?? 0, outDataType: TYPE[b] ?? 0 },
            outputs: [b],
          }),
        ),
      { files: 2 },
    ));
});

const TYPE: Readonly<Partial<Record<DType, number>>> = { float32: 0, int32: 2, int64: 4, bool: 6 };

function halves() {
  return {
    dtype: "float32" as const,
    shape: [9],
    bytes: new Uint8Array(Float32Array.of(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, 0.49999997, -7.5).buffer),
  };
}
