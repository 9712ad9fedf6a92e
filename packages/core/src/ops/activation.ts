import { fail } from "../base/error.ts";
import { type TensorType, tensorType } from "../graph/model.ts";
import { broadcastShapes } from "./broadcast.ts";
import type { AttrSpec, InferContext, OpRow } from "./row.ts";
import { mapRow, noCost, opsPerOutput, params, sameAsInput } from "./signature.ts";

function floatAttr(fallback: number): AttrSpec {
  return { kind: "float", fallback };
}

// The slope broadcasts to X and never the other way round.
function inferPrelu({ inputs, node }: InferContext): readonly (TensorType | undefined)[] {
  const [x, slope] = inputs;
  if (x?.shape !== undefined && slope?.shape !== undefined) {
    const together = broadcastShapes([x.shape, slope.shape]);
    if (together !== undefined && together.length !== x.shape.length) {
      throw fail("SHAPE_MISMATCH", `Cannot broadcast the slope [${slope.shape}] of PRelu to [${x.shape}]`, {
        at: { node: node.name },
      });
    }
  }
  return [x];
}

/** Activation functions and the operators that vanish at inference. */
export const ACTIVATION = {
  Celu: mapRow(12, { attributes: { alpha: floatAttr(1) }, ops: 3 }),
  Clip: {
    since: 11,
    inputs: params("input", "min?", "max?"),
    outputs: params("output"),
    attributes: {},
    infer: sameAsInput,
    cost: opsPerOutput(2),
  },
  Dropout: {
    since: 12,
    inputs: params("data", "ratio?", "training_mode?"),
    outputs: params("output", "mask?"),
    attributes: { seed: { kind: "int" } },
    infer: ({ inputs }) => [inputs[0], tensorType("bool", inputs[0]?.shape)],
    cost: noCost,
  },
  Elu: mapRow(6, { attributes: { alpha: floatAttr(1) }, ops: 3 }),
  Gelu: mapRow(20, { attributes: { approximate: { kind: "string", fallback: "none", oneOf: ["none", "tanh"] } }, ops: 5 }),
  HardSigmoid: mapRow(6, { attributes: { alpha: floatAttr(0.2), beta: floatAttr(0.5) }, ops: 4 }),
  HardSwish: mapRow(14, { ops: 5 }),
  LeakyRelu: mapRow(6, { attributes: { alpha: floatAttr(0.01) }, ops: 2 }),
  Mish: mapRow(18, { ops: 4 }),
  PRelu: {
    since: 9,
    inputs: params("X", "slope"),
    outputs: params("Y"),
    attributes: {},
    infer: inferPrelu,
    cost: opsPerOutput(2),
  },
  Relu: mapRow(6),
  Selu: mapRow(6, { attributes: { alpha: floatAttr(1.6732631921768188), gamma: floatAttr(1.0507010221481323) }, ops: 4 }),
  Shrink: mapRow(9, { attributes: { lambd: floatAttr(0.5), bias: floatAttr(0) }, ops: 3 }),
  Sigmoid: mapRow(6),
  Softplus: mapRow(1, { ops: 3 }),
  Softsign: mapRow(1, { ops: 3 }),
  Swish: mapRow(24, { attributes: { alpha: floatAttr(1) }, ops: 3 }),
  ThresholdedRelu: mapRow(10, { attributes: { alpha: floatAttr(1) }, ops: 2 }),
} as const satisfies Record<string, OpRow>;
