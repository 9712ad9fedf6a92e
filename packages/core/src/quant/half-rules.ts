import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { toNumbers } from "../graph/tensor.ts";
import { subgraphs } from "../graph/walk.ts";
import type { Histogram } from "./histogram.ts";

/** Largest float16. */
export const HALF_MAX = 65504;

/** Smallest normal float16: below it precision is lost, and below 2^-24 everything. */
const HALF_NORMAL = 2 ** -14;

/** Operators whose float operands cannot be float16 at the canonical opset, or whose attributes name a float32 type. */
const NO_HALF: ReadonlySet<string> = new Set([
  "Cast",
  "CastLike",
  "Constant",
  "ConstantOfShape",
  "EyeLike",
  "RandomNormal",
  "RandomNormalLike",
  "RandomUniform",
  "RandomUniformLike",
  "Bernoulli",
  "Multinomial",
  "Range",
  "NonMaxSuppression",
  "QuantizeLinear",
  "DequantizeLinear",
  "DynamicQuantizeLinear",
  "MelWeightMatrix",
  "BlackmanWindow",
  "HannWindow",
  "HammingWindow",
]);

/** Operators that square what they read and add it up inside. */
const SUMS_SQUARES: ReadonlySet<string> = new Set([
  "ReduceL2",
  "ReduceSumSquare",
  "LpNormalization",
  "InstanceNormalization",
  "LayerNormalization",
  "GroupNormalization",
]);

/** Operators that add up what they read. */
const SUMS: ReadonlySet<string> = new Set([
  "ReduceSum",
  "ReduceMean",
  "ReduceL1",
  "ReduceLogSumExp",
  "GlobalAveragePool",
  "CumSum",
]);

/** Input positions that are float32 whatever the data is (scales and regions of Resize). */
export function floatOnlyInputs(node: Node): ReadonlySet<number> {
  return new Set(node.op === "Resize" && node.domain === "" ? [1, 2] : []);
}

/** What {@link halfReason} looks at. */
export interface HalfContext {
  readonly draft: GraphDraft;
  readonly histograms: ReadonlyMap<string, Histogram>;
  readonly isFloat32: (name: string) => boolean;
}

/** Why a node must stay in float32; `undefined` when float16 will do, "no float data" when it has none. */
export function halfReason(node: Node, context: HalfContext): string | undefined {
  const { draft, isFloat32 } = context;
  const names = [...node.inputs, ...node.outputs].filter((name) => name !== "");
  const unknown = names.find((name) => draft.constant(name) === undefined && draft.type(name) === undefined);
  if (unknown === undefined && !names.some(isFloat32)) return "no float data";
  if (node.domain !== "") return `${node.domain}.${node.op} is not a standard operator`;
  if (subgraphs(node).length > 0) return "it has subgraphs";
  if (NO_HALF.has(node.op)) return `${node.op} has no float16 form`;
  if (unknown !== undefined) return `the type of ${unknown} is not known`;
  const only = floatOnlyInputs(node);
  for (const [i, name] of node.inputs.entries()) {
    const constant = only.has(i) ? undefined : draft.constant(name);
    if (constant?.dtype === "float32" && toNumbers(constant).some((v) => !(Math.abs(v) <= HALF_MAX)))
      return `its constant ${name} exceeds ${HALF_MAX}`;
  }
  for (const name of names) {
    const why = valueReason(name, context);
    if (why !== undefined) return why;
  }
  return sumReason(node, context);
}

function valueReason(name: string, { histograms }: HalfContext): string | undefined {
  const h = histograms.get(name);
  if (h === undefined || h.count === 0) return undefined;
  const largest = Math.max(-h.min, h.max);
  if (largest > HALF_MAX) return `${name} reaches ${short(largest)}, beyond ${HALF_MAX}`;
  const size = Math.sqrt(h.sumOfSquares / Math.max(1, h.count - h.zeros));
  if (largest > 0 && size < HALF_NORMAL) return `${name} is about ${short(size)} in size, where float16 loses precision`;
  return undefined;
}

function sumReason(node: Node, { draft, histograms }: HalfContext): string | undefined {
  const squares = SUMS_SQUARES.has(node.op) || (node.op === "Pow" && node.inputs[0] !== undefined);
  if (!squares && !SUMS.has(node.op)) return undefined;
  const name = node.inputs[0] as string;
  const h = histograms.get(name);
  if (h === undefined || h.count === 0) return undefined;
  const largest = Math.max(-h.min, h.max);
  const n = node.op === "Pow" ? 1 : terms(name, node.outputs[0] as string, draft);
  const meanSquare = h.sumOfSquares / h.count;
  // The largest value cannot fill the whole sum, but several times the mean square may well do.
  const sum = squares
    ? Math.max(largest ** 2, 4 * n * meanSquare)
    : Math.max(largest, (n * Math.abs(h.sum)) / h.count + 4 * Math.sqrt(n * meanSquare));
  if (sum > HALF_MAX) return `${squares ? "squares of " : "sums over "}${name} may reach ${short(sum)}, beyond ${HALF_MAX}`;
  if (squares && largest > 0 && meanSquare < HALF_NORMAL)
    return `squares of ${name} average ${short(meanSquare)}, where float16 loses precision`;
  return undefined;
}

/** How many elements go into one result: those of the input for one of the output, or of a whole plane for the normalizations. */
function terms(input: string, output: string, draft: GraphDraft): number {
  const sizes = [input, output].map((name) => {
    const type = draft.type(name);
    const shape = type?.kind === "tensor" ? type.shape : undefined;
    return shape?.reduce<number>((n, d) => n * (typeof d === "number" ? d : 1), 1) ?? 1;
  });
  const [all, left] = sizes as [number, number];
  return left > 0 && all > left ? all / left : all;
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)));
}
