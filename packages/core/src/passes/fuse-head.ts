import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import type { Node } from "../graph/model.ts";
import { float, makeNode } from "../graph/node.ts";
import { f32, type Tensor } from "../graph/tensor.ts";

/** Functions between the layers of a fused head. */
export const MLP_ACTIVATIONS = ["none", "relu", "tanh"] as const;

/** One fully connected layer: y = activation(x weightᵀ + bias). */
export interface MlpLayer {
  /** f32[out, in]. */
  readonly weight: Tensor;
  /** f32[out]. */
  readonly bias?: Tensor;
  readonly activation: (typeof MLP_ACTIVATIONS)[number];
}

/**
 * What makes one embedding of those of the parts.
 * - `none`: nothing; the outputs of all parts are the outputs.
 * - `concat`: each embedding e brought to length 1 and multiplied by the root of its weight, put one behind the other. Weights sum to 1, so the result has length
 *   1 too, and the cosine of two of them is the weighted sum of the parts' cosines: sum(w cos(e, e')).
 * - `mlp`: fully connected layers over that concatenation, brought to length 1 at the end: an embedding space of its own.
 */
export type FuseHead =
  | { readonly kind: "none" }
  | { readonly kind: "concat" }
  | { readonly kind: "mlp"; readonly layers: readonly MlpLayer[] };

/** An embedding that goes into a head. */
export interface HeadInput {
  /** Value f32[N, dimension]. */
  readonly value: string;
  readonly dimension: number;
  /** Share of its cosine in that of the concatenation. */
  readonly weight: number;
}

/** Nodes and constants of a head that gives `output`. */
export interface HeadParts {
  readonly nodes: readonly Node[];
  readonly constants: ReadonlyMap<string, Tensor>;
  readonly dimension: number;
}

/** Builds a head. @param fresh a name that is not taken, near the given one @throws SHAPE_MISMATCH when a layer does not fit what is before it */
export function buildHead(
  head: Exclude<FuseHead, { readonly kind: "none" }>,
  inputs: readonly HeadInput[],
  names: { readonly output: string; readonly fresh: (wish: string) => string },
): HeadParts {
  const { output, fresh } = names;
  const nodes: Node[] = [];
  const constants = new Map<string, Tensor>();
  const add = (op: string, from: readonly string[], to: string, attributes = {}): string => {
    nodes.push(makeNode(op, { inputs: from, outputs: [to] }, { name: to, attributes }));
    return to;
  };
  const constant = (wish: string, value: Tensor): string => {
    const name = fresh(wish);
    constants.set(name, value);
    return name;
  };
  const total = inputs.reduce((sum, input) => sum + input.weight, 0);
  const sides = inputs.map(({ value, weight }) => {
    const unit = add("LpNormalization", [value], fresh(`${value}/unit`), { axis: -1, p: 2 });
    const root = constant(`${value}/root_weight`, f32([1], [Math.sqrt(weight / total)]));
    return add("Mul", [unit, root], fresh(`${value}/share`));
  });
  const width = inputs.reduce((sum, input) => sum + input.dimension, 0);
  if (head.kind === "concat") {
    add("Concat", sides, output, { axis: -1 });
    return { nodes, constants, dimension: width };
  }
  let value = add("Concat", sides, fresh(`${output}/concat`), { axis: -1 });
  let size = width;
  head.layers.forEach(({ weight, bias, activation }, i) => {
    const [out, takes] = weight.shape;
    const fits = weight.dtype === "float32" && weight.shape.length === 2 && takes === size && (out ?? 0) > 0;
    if (!fits || (bias !== undefined && (bias.dtype !== "float32" || bias.shape.join() !== `${out}`)))
      throw fail(
        "SHAPE_MISMATCH",
        `Cannot build layer ${i} of the head: it is ${weight.dtype}[${weight.shape}]${bias === undefined ? "" : ` with a bias ${bias.dtype}[${bias.shape}]`}, and ${size} numbers come in`,
      );
    const from = [value, constant(`${output}/weight_${i}`, weight)];
    if (bias !== undefined) from.push(constant(`${output}/bias_${i}`, bias));
    value = add("Gemm", from, fresh(`${output}/layer_${i}`), { transB: 1, alpha: float(1), beta: float(1) });
    if (activation !== "none")
      value = add(activation === "relu" ? "Relu" : "Tanh", [value], fresh(`${output}/${activation}_${i}`));
    size = at(weight.shape, 0);
  });
  add("LpNormalization", [value], output, { axis: -1, p: 2 });
  return { nodes, constants, dimension: size };
}
