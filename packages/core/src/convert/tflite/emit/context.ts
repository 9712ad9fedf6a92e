import { fail, type TesseraError } from "../../../base/error.ts";
import { ACTIVATIONS, type ActivationName } from "../../../formats/tflite/enums.ts";
import { isFloat } from "../../../graph/dtype.ts";
import type { Node } from "../../../graph/model.ts";
import { attrString } from "../../../graph/node.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { countOf, fromNumbers, type Tensor } from "../../../graph/tensor.ts";
import { canonicalOrder, type Order } from "../layout/order.ts";
import type { PortOrders, Site } from "../layout/rule.ts";
import type { TensorRef, TfliteBuilder } from "./builder.ts";
import { fileDType } from "./constants.ts";
import type { EmitContext, WeightOptions } from "./row.ts";
import type { FileValues } from "./values.ts";

/** The attribute in which a fused activation is noted: a name of ACTIVATIONS. */
export const FUSED_ACTIVATION = "tflite_activation";

/** What all nodes of a graph share while they are emitted. */
export interface EmitState {
  readonly builder: TfliteBuilder;
  readonly values: FileValues;
  readonly site: (node: Node) => Site;
  readonly encoding: (name: string) => Encoding | undefined;
  readonly note: (kind: "padding" | "decomposed", node: Node, says: string) => void;
}

/** The context in which one node is emitted. */
export function emitContext(
  state: EmitState,
  node: Node,
  way: { readonly orders: PortOrders; readonly integer: boolean },
): EmitContext {
  const { builder, values } = state;
  const { orders, integer } = way;
  const site = state.site(node);
  const domain = integer ? "integer" : "float";
  const orderOf = (list: readonly (Order | undefined)[], names: readonly string[], index: number): Order =>
    list[index] ?? canonicalOrder(site.shape(names[index] as string).length);
  const nameOf = (index: number): string => {
    const name = node.inputs[index];
    if (name) return name;
    throw fail("GRAPH_INVALID", `Cannot emit ${node.op}: it has no input ${index}`, { at: { node: node.name } });
  };
  const constantOf = (index: number): Tensor => {
    const constant = site.constant(nameOf(index));
    if (constant !== undefined) return constant;
    throw refuse(`its input ${index} (${nameOf(index)}) is not a constant`, "fold it into a constant with `tessera simplify`");
  };
  function refuse(why: string, rewrite: string): TesseraError {
    return fail("UNSUPPORTED_OP", `Cannot lower ${node.op} to TFLite: ${why}`, { at: { node: node.name }, hint: rewrite });
  }
  return {
    ...site,
    node,
    orders,
    integer,
    activation: ACTIVATIONS[attrString(node, FUSED_ACTIVATION, "NONE") as ActivationName],
    inputOrder: (index) => orderOf(orders.inputs, node.inputs, index),
    outputOrder: (index) => orderOf(orders.outputs, node.outputs, index),
    input(index, order) {
      const name = nameOf(index);
      return values.get(name, { order: order ?? this.inputOrder(index), domain, reader: node.name });
    },
    output(index) {
      return values.make(node.outputs[index] as string, this.outputOrder(index), domain);
    },
    weight(index, options: WeightOptions = {}) {
      const constant = constantOf(index);
      const name = nameOf(index);
      const order = options.order ?? canonicalOrder(constant.shape.length);
      return values.constants.shared(name, constant, {
        order,
        encoding: state.encoding(name),
        domain,
        shape: options.shape,
        axis: options.axis,
      });
    },
    bias(index, { count, input, weight }) {
      const name = node.inputs[index] ?? "";
      const given = name === "" ? undefined : constantOf(index);
      if (given !== undefined && countOf(given.shape) !== count)
        throw refuse(
          `its bias has ${countOf(given.shape)} values for ${count} outputs`,
          "give it one value for each output channel",
        );
      const planned = name === "" ? undefined : state.encoding(name);
      const encoding = integer ? (planned ?? biasEncoding(input, weight)) : planned;
      if (given !== undefined)
        return values.constants.shared(name, { ...given, shape: [count] }, { order: [0], encoding, domain });
      const zeros = fromNumbers(encoding?.dtype ?? "float32", [count], new Float64Array(count));
      const hint = `${node.name}_bias`;
      return builder.add({ name: hint, shape: [count], dtype: fileDType(zeros.dtype, hint), encoding, data: zeros.bytes });
    },
    encoding: state.encoding,
    temporary(hint, { shape, like, dtype }) {
      const same = dtype === undefined || dtype === like.dtype;
      return builder.add({ name: hint, shape, dtype: dtype ?? like.dtype, encoding: same ? like.encoding : undefined });
    },
    constantTensor(hint, tensor, encoding) {
      return builder.add({ name: hint, shape: tensor.shape, dtype: fileDType(tensor.dtype, hint), encoding, data: tensor.bytes });
    },
    variable: (hint, tensor) => builder.add({ name: hint, ...tensor, isVariable: true }),
    ints: (hint, list) => values.constants.ints(hint, list),
    pairs: (hint, list) => values.constants.pairs(hint, list),
    operator: (op, draft) => builder.operator(op, draft),
    note: (kind, says) => state.note(kind, node, says),
    refuse,
  };
}

/** Scale of the accumulator: input scale times weight scale, rounded to float32, by output channel where the weights have a scale for each. */
function biasEncoding(input: TensorRef, weight: TensorRef): Encoding | undefined {
  const scale = input.encoding?.scale[0];
  if (scale === undefined || weight.encoding === undefined) return undefined;
  const scales = weight.encoding.scale.map((s) => Math.fround(s * scale));
  return {
    dtype: input.dtype === "int16" ? ("int64" as Encoding["dtype"]) : "int32",
    scale: scales,
    zeroPoint: scales.map(() => 0),
    ...(scales.length > 1 && { axis: 0 }),
    reason: "float32(input scale * weight scale)",
  };
}

/** Data inputs of a node that are float, by position: those that an integer kernel would need an encoding for. */
export function floatInputs(site: Site): number[] {
  return site.node.inputs.flatMap((name, i) => (name !== "" && isFloat(site.dtype(name)) ? [i] : []));
}
