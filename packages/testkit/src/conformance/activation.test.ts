import type { DType } from "@tessera/core/graph/dtype";
import { float } from "@tessera/core/graph/node";
import { fromNumbers } from "@tessera/core/graph/tensor";
import { ACTIVATION } from "@tessera/core/ops/activation";
import fc from "fast-check";
import { arbBroadcastable, arbShape, arbTensor, type ValueOptions } from "../op-arbitraries.ts";
import { type OpCase, opConformance } from "../op-conformance.ts";

const SPECIAL = [0, -0, 1000, -1000, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const all: ValueOptions = { special: SPECIAL };
const finite: ValueOptions = { special: [0, -0] };
// onnxruntime computes exp and tanh with polynomials of single precision, and some compositions lose a little more near 0.
const few = { ulps: 8, absolute: 2e-7 };
// x * (1 + tanh(...)) loses as many digits as cancel, in single precision.
const cancelling = { ulps: 8, absolute: 2e-6 };

/** The lists hold the types for which onnxruntime's CPU build has a kernel. */
function activation(
  op: string,
  dtypes: readonly DType[],
  options: { readonly alpha?: readonly string[]; readonly values?: ValueOptions } = {},
): fc.Arbitrary<OpCase> {
  const { alpha = [], values = all } = options;
  const attribute = fc.option(fc.double({ min: 0.1, max: 2, noNaN: true }), { nil: undefined });
  return fc
    .tuple(fc.constantFrom(...dtypes), arbShape(), fc.array(attribute, { minLength: alpha.length, maxLength: alpha.length }))
    .chain(([dtype, shape, numbers]) =>
      arbTensor(dtype, shape, values).map((x) => {
        const given = numbers.flatMap((v, i) => (v === undefined ? [] : [[alpha[i] as string, float(v)] as const]));
        return { op, inputs: [x], attributes: Object.fromEntries(given) };
      }),
    );
}

function prelu(): fc.Arbitrary<OpCase> {
  return fc
    .tuple(fc.constant<DType>("float32"), arbShape())
    .chain(([dtype, shape]) => fc.tuple(fc.constant(dtype), fc.constant(shape), arbBroadcastable(shape)))
    .chain(([dtype, shape, slope]) => fc.tuple(arbTensor(dtype, shape, all), arbTensor(dtype, slope)))
    .map(([x, slope]) => ({ op: "PRelu", inputs: [x, slope] }));
}

function clip(): fc.Arbitrary<OpCase> {
  const bound = fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined });
  const dtypes = fc.constantFrom<DType>("float32", "float64", "float16", "int8", "uint8", "int32", "uint32", "int64", "uint64");
  return fc.tuple(dtypes, arbShape(), bound, bound).chain(([dtype, shape, low, high]) =>
    arbTensor(dtype, shape, dtype.startsWith("float") ? all : {}).map((x) => {
      const scalar = (v: number | undefined) =>
        v === undefined ? undefined : fromNumbers(dtype, [], [dtype.startsWith("u") ? Math.abs(v) : v]);
      return { op: "Clip", inputs: [x, scalar(low), scalar(high)] };
    }),
  );
}

function dropout(): fc.Arbitrary<OpCase> {
  return fc.tuple(arbShape(), fc.boolean(), fc.boolean()).chain(([shape, ratio, mask]) =>
    arbTensor("float32", shape, all).map((x) => ({
      op: "Dropout",
      inputs: ratio ? [x, fromNumbers("float32", [], [0.5])] : [x],
      outputs: mask ? ["y0", "y1"] : ["y0"],
    })),
  );
}

opConformance("activation functions", {
  family: ACTIVATION,
  rows: {
    Celu: { cases: activation("Celu", ["float32"], { alpha: ["alpha"] }), tolerance: few },
    Clip: { cases: clip() },
    Dropout: { cases: dropout() },
    Elu: { cases: activation("Elu", ["float32"], { alpha: ["alpha"] }), tolerance: few },
    Gelu: { cases: activation("Gelu", ["float32"], { values: finite }), tolerance: few },
    "Gelu by tanh": {
      op: "Gelu",
      cases: activation("Gelu", ["float32"], { values: finite }).map((c) => ({ ...c, attributes: { approximate: "tanh" } })),
      tolerance: cancelling,
    },
    HardSigmoid: {
      cases: activation("HardSigmoid", ["float32"], { alpha: ["alpha", "beta"] }),
      tolerance: { ulps: 2, absolute: 1e-7 },
    },
    HardSwish: { cases: activation("HardSwish", ["float32"]), tolerance: few },
    LeakyRelu: { cases: activation("LeakyRelu", ["float32"], { alpha: ["alpha"] }), tolerance: { ulps: 1 } },
    Mish: { cases: activation("Mish", ["float32"], { values: finite }), tolerance: few },
    PRelu: { cases: prelu(), tolerance: { ulps: 1 } },
    Relu: { cases: activation("Relu", ["float32", "float64", "int8", "int32"]) },
    Selu: { cases: activation("Selu", ["float32"], { alpha: ["alpha", "gamma"] }), tolerance: few },
    Shrink: {
      cases: activation("Shrink", ["float32", "int8", "uint8", "int32", "int64"], { alpha: ["lambd", "bias"] }),
      tolerance: { ulps: 1 },
    },
    Sigmoid: { cases: activation("Sigmoid", ["float32", "float64"]), tolerance: few },
    Softplus: { cases: activation("Softplus", ["float32"]), tolerance: few },
    Softsign: { cases: activation("Softsign", ["float32"]), tolerance: { ulps: 2 } },
    Swish: { cases: activation("Swish", ["float32"], { alpha: ["alpha"], values: finite }), tolerance: cancelling },
    ThresholdedRelu: { cases: activation("ThresholdedRelu", ["float32"], { alpha: ["alpha"] }) },
  },
});
