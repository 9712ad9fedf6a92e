import { type Dim, UNKNOWN_DIM } from "../graph/dim.ts";
import { type DType, dtypeFromOnnx } from "../graph/dtype.ts";
import { attrInt, attrInts } from "../graph/node.ts";
import type { AttrSpec, InferContext, OpRow } from "./row.ts";
import { opsPerOutput, params, typeOf } from "./signature.ts";

const SEED: AttrSpec = { kind: "float" };
const NORMAL = {
  mean: { kind: "float", fallback: 0 },
  scale: { kind: "float", fallback: 1 },
  seed: SEED,
} as const satisfies Record<string, AttrSpec>;
const UNIFORM = {
  high: { kind: "float", fallback: 1 },
  low: { kind: "float", fallback: 0 },
  seed: SEED,
} as const satisfies Record<string, AttrSpec>;

function named(context: InferContext, fallback: DType | undefined): DType | undefined {
  return context.node.attributes.has("dtype") ? dtypeFromOnnx(attrInt(context.node, "dtype")) : fallback;
}

function shapedRow(attributes: OpRow["attributes"]): OpRow {
  return {
    since: 1,
    inputs: [],
    outputs: params("output"),
    attributes: { ...attributes, dtype: { kind: "int", fallback: 1 }, shape: { kind: "ints", required: true } },
    infer: (context) => [typeOf(named(context, "float32"), attrInts(context.node, "shape"))],
    cost: opsPerOutput(8),
    deterministic: false,
  };
}

function likeRow(since: number, attributes: OpRow["attributes"]): OpRow {
  return {
    since,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { ...attributes, dtype: { kind: "int" } },
    infer: (context) => [typeOf(named(context, context.inputs[0]?.dtype), context.inputs[0]?.shape)],
    cost: opsPerOutput(8),
    deterministic: false,
  };
}

/** Random generators: no two runs agree, so that nothing folds or merges them. */
export const RANDOM = {
  Bernoulli: likeRow(15, { seed: SEED }),
  Multinomial: {
    since: 7,
    inputs: params("input"),
    outputs: params("output"),
    attributes: { dtype: { kind: "int", fallback: 6 }, sample_size: { kind: "int", fallback: 1 }, seed: SEED },
    infer: (context) => {
      const batch: Dim = context.inputs[0]?.shape?.[0] ?? UNKNOWN_DIM;
      return [typeOf(named(context, "int32"), [batch, attrInt(context.node, "sample_size", 1)])];
    },
    cost: opsPerOutput(8),
    deterministic: false,
  },
  RandomNormal: shapedRow(NORMAL),
  RandomNormalLike: likeRow(1, NORMAL),
  RandomUniform: shapedRow(UNIFORM),
  RandomUniformLike: likeRow(1, UNIFORM),
} as const satisfies Record<string, OpRow>;
