import { TENSOR_TYPES } from "../../../../formats/tflite/enums.ts";
import { DTYPES } from "../../../../graph/dtype.ts";
import { attributes } from "../../../../graph/node.ts";
import { f32, i64 } from "../../../../graph/tensor.ts";
import { activated, frontAxis, intsOf, optionsOf, type RaiseRow, shapeOf } from "../site.ts";

/** A reduction over axes that are known. */
function reduction(op: string): RaiseRow {
  return (site) => {
    const rank = shapeOf(site, 0).length;
    const axes = [...new Set(intsOf(site, 1, "the list of axes").map((axis) => frontAxis(site, axis, rank)))].sort(
      (a, b) => a - b,
    );
    // No axes mean that nothing is reduced here, and that everything is in ONNX.
    if (axes.length === 0) return [site.value(0)];
    const keepdims = optionsOf(site, "ReducerOptions").keepDims === true ? 1 : 0;
    return [site.builder.emit(op, [site.value(0), site.builder.list(axes)], { attributes: { keepdims } })];
  };
}

/** Softmax over the last axis of beta * x. */
const softmax: RaiseRow = (site) => {
  const { builder } = site;
  const { beta = 0 } = optionsOf(site, "SoftmaxOptions");
  const scaled = beta === 1 ? site.value(0) : builder.emit("Mul", [site.value(0), builder.constant("beta", f32([], [beta]))]);
  return [builder.emit("Softmax", [scaled], { attributes: { axis: shapeOf(site, 0).length - 1 } })];
};

/** x / max(|x|, 1e-6) along the last axis. LpNormalization has no such floor, which matters only to vectors shorter than that. */
const l2Normalization: RaiseRow = (site) => {
  const { builder } = site;
  const axis = shapeOf(site, 0).length - 1;
  const y = builder.emit("LpNormalization", [site.value(0)], { attributes: { axis, p: 2 } });
  return [activated(site, y, optionsOf(site, "L2NormOptions").fusedActivationFunction)];
};

function indexType(code: number | undefined): number | undefined {
  return code === TENSOR_TYPES.INT64 ? undefined : DTYPES.int32.onnx;
}

/** The position of the largest or smallest element; int64 in ONNX. */
function argument(op: "ArgMax" | "ArgMin", kind: "ArgMaxOptions" | "ArgMinOptions"): RaiseRow {
  return (site) => {
    const { builder } = site;
    const rank = shapeOf(site, 0).length;
    const [axis = 0] = intsOf(site, 1, "the axis");
    const found = builder.emit(op, [site.value(0)], { attributes: { axis: frontAxis(site, axis, rank), keepdims: 0 } });
    const to = indexType(optionsOf(site, kind).outputType);
    return [to === undefined ? found : builder.emit("Cast", [found], { attributes: { to } })];
  };
}

const topK: RaiseRow = (site) => {
  const { builder } = site;
  const [k = 0] = intsOf(site, 1, "the number of elements");
  const [values, indices] = builder.emitMany("TopK", [site.value(0), builder.constant("k", i64([1], [k]))], { outputs: 2 }) as [
    string,
    string,
  ];
  const to = site.target(1).dtype === "int64" ? undefined : DTYPES.int32.onnx;
  return [values, to === undefined ? indices : builder.emit("Cast", [indices], { attributes: { to } })];
};

const cumsum: RaiseRow = (site) => {
  const { exclusive = false, reverse = false } = optionsOf(site, "CumsumOptions");
  const [axis = 0] = intsOf(site, 1, "the axis");
  const front = frontAxis(site, axis, shapeOf(site, 0).length);
  return [
    site.builder.emit("CumSum", [site.value(0), site.builder.constant("axis", i64([], [front]))], {
      attributes: attributes({ exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 }),
    }),
  ];
};

/** Along axes. */
export const REDUCE_ROWS = {
  MEAN: reduction("ReduceMean"),
  SUM: reduction("ReduceSum"),
  REDUCE_PROD: reduction("ReduceProd"),
  REDUCE_MAX: reduction("ReduceMax"),
  REDUCE_MIN: reduction("ReduceMin"),
  REDUCE_ANY: reduction("ReduceMax"),
  REDUCE_ALL: reduction("ReduceMin"),
  SOFTMAX: softmax,
  LOG_SOFTMAX: (site) => [
    site.builder.emit("LogSoftmax", [site.value(0)], { attributes: { axis: shapeOf(site, 0).length - 1 } }),
  ],
  L2_NORMALIZATION: l2Normalization,
  ARG_MAX: argument("ArgMax", "ArgMaxOptions"),
  ARG_MIN: argument("ArgMin", "ArgMinOptions"),
  TOPK_V2: topK,
  CUMSUM: cumsum,
} as const satisfies Record<string, RaiseRow>;
