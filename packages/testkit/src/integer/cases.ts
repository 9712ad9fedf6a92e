import { type Random, seededRandom } from "@tessera/core/base/random";
import { buildCase, type CaseSpec, type IntegerCase } from "./case-builder.ts";
import { binaryCase, extremumCase, preluCase, unaryCase } from "./cases-elementwise.ts";
import { lstmCase } from "./cases-lstm.ts";
import { l2Case, moveCase, poolCase, reduceCase, resizeCase, softmaxCase } from "./cases-reduce.ts";
import { convCase, fullyConnectedCase } from "./cases-sums.ts";

/** Makes one case of a family. */
type Family = (random: Random, id: string) => CaseSpec;

/** How many cases a family has, and how many inputs each case is run on. */
export const CASES_PER_FAMILY = 40;
export const RUNS_PER_CASE = 8;

/** Families of single-operator cases: the operator, and a width where it is not int8. */
export const FAMILIES = {
  CONV_2D: (r, id) => convCase(r, id, { depthwise: false, width: "int8" }),
  DEPTHWISE_CONV_2D: (r, id) => convCase(r, id, { depthwise: true, width: "int8" }),
  FULLY_CONNECTED: (r, id) => fullyConnectedCase(r, id, { perChannel: false, width: "int8" }),
  FULLY_CONNECTED_per_channel: (r, id) => fullyConnectedCase(r, id, { perChannel: true, width: "int8" }),
  ADD: (r, id) => binaryCase(r, id, { op: "ADD", width: "int8" }),
  SUB: (r, id) => binaryCase(r, id, { op: "SUB", width: "int8" }),
  MUL: (r, id) => binaryCase(r, id, { op: "MUL", width: "int8" }),
  MAXIMUM: (r, id) => extremumCase(r, id, "MAXIMUM"),
  MINIMUM: (r, id) => extremumCase(r, id, "MINIMUM"),
  PRELU: preluCase,
  LEAKY_RELU: (r, id) => unaryCase(r, id, { op: "LEAKY_RELU", width: "int8" }),
  RELU: (r, id) => unaryCase(r, id, { op: "RELU", width: "int8" }),
  RELU6: (r, id) => unaryCase(r, id, { op: "RELU6", width: "int8" }),
  HARD_SWISH: (r, id) => unaryCase(r, id, { op: "HARD_SWISH", width: "int8" }),
  LOGISTIC: (r, id) => unaryCase(r, id, { op: "LOGISTIC", width: "int8" }),
  TANH: (r, id) => unaryCase(r, id, { op: "TANH", width: "int8" }),
  ELU: (r, id) => unaryCase(r, id, { op: "ELU", width: "int8" }),
  QUANTIZE: (r, id) => unaryCase(r, id, { op: "QUANTIZE", width: "int8" }),
  MAX_POOL_2D: (r, id) => poolCase(r, id, false),
  AVERAGE_POOL_2D: (r, id) => poolCase(r, id, true),
  MEAN: (r, id) => reduceCase(r, id, false),
  SUM: (r, id) => reduceCase(r, id, true),
  SOFTMAX: softmaxCase,
  L2_NORMALIZATION: l2Case,
  RESIZE_BILINEAR: (r, id) => resizeCase(r, id, true),
  RESIZE_NEAREST_NEIGHBOR: (r, id) => resizeCase(r, id, false),
  PAD: (r, id) => moveCase(r, id, "PAD"),
  CONCATENATION: (r, id) => moveCase(r, id, "CONCATENATION"),
  TRANSPOSE: (r, id) => moveCase(r, id, "TRANSPOSE"),
  RESHAPE: (r, id) => moveCase(r, id, "RESHAPE"),
  SLICE: (r, id) => moveCase(r, id, "SLICE"),
  UNIDIRECTIONAL_SEQUENCE_LSTM: lstmCase,
  CONV_2D_16x8: (r, id) => convCase(r, id, { depthwise: false, width: "int16" }),
  DEPTHWISE_CONV_2D_16x8: (r, id) => convCase(r, id, { depthwise: true, width: "int16" }),
  FULLY_CONNECTED_16x8: (r, id) => fullyConnectedCase(r, id, { perChannel: false, width: "int16" }),
  ADD_16: (r, id) => binaryCase(r, id, { op: "ADD", width: "int16" }),
  SUB_16: (r, id) => binaryCase(r, id, { op: "SUB", width: "int16" }),
  MUL_16: (r, id) => binaryCase(r, id, { op: "MUL", width: "int16" }),
  LEAKY_RELU_16: (r, id) => unaryCase(r, id, { op: "LEAKY_RELU", width: "int16" }),
  LOGISTIC_16: (r, id) => unaryCase(r, id, { op: "LOGISTIC", width: "int16" }),
  TANH_16: (r, id) => unaryCase(r, id, { op: "TANH", width: "int16" }),
} as const satisfies Record<string, Family>;

/** Name of a family. */
export type FamilyName = keyof typeof FAMILIES;

/** Case `index` of a family; the same on every machine. */
export function integerCase(family: FamilyName, index: number): IntegerCase {
  const id = `${family}-${index}`;
  const seed = [...id].reduce((h, ch) => (Math.imul(h, 31) + ch.charCodeAt(0)) | 0, 7);
  return buildCase(FAMILIES[family](seededRandom(seed), id));
}
