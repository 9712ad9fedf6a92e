import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import { attrInt } from "../../../graph/node.ts";
import { toInts } from "../../../graph/tensor.ts";
import { canonicalOrder, type Order, positionsOf } from "../layout/order.ts";
import { canonicalOnly, type LayoutRule, type PortOrders, type Site } from "../layout/rule.ts";
import { constantInts, frontAxis } from "./constant-input.ts";
import { appendReshape } from "./reshape-operator.ts";
import type { Emission, IntegerRule } from "./row.ts";

/** The order of what is left when axes go. */
export function orderWithout(order: Order, gone: ReadonlySet<number>): Order {
  const left = canonicalOrder(order.length).filter((axis) => !gone.has(axis));
  return order.filter((axis) => !gone.has(axis)).map((axis) => left.indexOf(axis));
}

/**
 * Any order on input 0; the output has the same without the axes that go (or the same when they stay as ones). Where it is not known which go, the canonical
 * order.
 */
export function losingAxes(goneIn: (site: Site) => ReadonlySet<number> | undefined): LayoutRule {
  return (site) => {
    const gone = goneIn(site);
    if (gone === undefined) return canonicalOnly([0])(site);
    const rest = site.node.inputs.slice(1).map(() => undefined);
    const at = (order: Order): PortOrders => ({
      inputs: [order, ...rest],
      outputs: site.node.outputs.map((name) => (name === "" ? undefined : orderWithout(order, gone))),
    });
    return {
      natural: at(canonicalOrder(site.shape(site.node.inputs[0] as string).length)),
      // From the output, the place of an axis that is gone is not known, unless none goes.
      follow: (port, order) => (port.side === "input" || gone.size === 0 ? at(order) : undefined),
    };
  };
}

function reducedAxes(site: Site): number[] | undefined {
  const { node } = site;
  const rank = site.shape(node.inputs[0] as string).length;
  const name = node.inputs[1] ?? "";
  const constant = name === "" ? undefined : site.constant(name);
  if (name !== "" && constant === undefined) return undefined;
  const given = constant === undefined ? [] : toInts(constant).map((axis) => frontAxis(axis, rank));
  if (given.length > 0) return given;
  return attrInt(node, "noop_with_empty_axes", 0) !== 0 ? [] : canonicalOrder(rank).slice();
}

function reduction(op: BuiltinOperator, integer?: IntegerRule): Emission {
  return {
    layout: losingAxes((site) => {
      const axes = reducedAxes(site);
      if (axes === undefined) return undefined;
      return new Set(attrInt(site.node, "keepdims", 1) !== 0 ? [] : axes);
    }),
    ...(integer !== undefined && { integer }),
    emit: (context) => {
      constantInts(context, 1, "axes");
      const positions = positionsOf(context.inputOrder(0));
      const axes = (reducedAxes(context) ?? []).map((axis) => positions[axis] as number).sort((a, b) => a - b);
      const x = context.input(0);
      const y = context.output(0);
      if (axes.length === 0) {
        appendReshape(context, x, y);
        return;
      }
      context.operator(op, {
        inputs: [x, context.ints(`${y.name}_axes`, axes)],
        outputs: [y],
        options: { kind: "ReducerOptions", keepDims: attrInt(context.node, "keepdims", 1) !== 0 },
      });
    },
  };
}

/** The index of the largest or smallest element; TFLite always drops the axis. */
function argReduction(op: "ARG_MAX" | "ARG_MIN"): Emission {
  const axisOf = (site: Site): number =>
    frontAxis(attrInt(site.node, "axis", 0), site.shape(site.node.inputs[0] as string).length);
  const keeps = (site: Site): boolean => attrInt(site.node, "keepdims", 1) !== 0;
  return {
    layout: losingAxes((site) => new Set(keeps(site) ? [] : [axisOf(site)])),
    emit: (context) => {
      if (attrInt(context.node, "select_last_index", 0) !== 0)
        throw context.refuse("of equal elements it takes the last", "take the first one (select_last_index 0)");
      const axis = positionsOf(context.inputOrder(0))[axisOf(context)] as number;
      const x = context.input(0);
      const y = context.output(0);
      const found = keeps(context)
        ? context.temporary(`${y.name}_index`, { shape: x.shape.filter((_, i) => i !== axis), like: y })
        : y;
      const outputType = TENSOR_TYPES.INT64;
      context.operator(op, {
        inputs: [x, context.ints(`${y.name}_axis`, axis)],
        outputs: [found],
        options: op === "ARG_MAX" ? { kind: "ArgMaxOptions", outputType } : { kind: "ArgMinOptions", outputType },
      });
      if (found !== y) appendReshape(context, found, y);
    },
  };
}

/** Reductions. */
export const REDUCE = {
  ReduceMean: reduction("MEAN", { data: [0] }),
  ReduceSum: reduction("SUM", { data: [0], types: ["int8"] }),
  ReduceMax: reduction("REDUCE_MAX", { data: [0], same: true }),
  ReduceMin: reduction("REDUCE_MIN", { data: [0], same: true }),
  ReduceProd: reduction("REDUCE_PROD"),
  ArgMax: argReduction("ARG_MAX"),
  ArgMin: argReduction("ARG_MIN"),
} as const satisfies Record<string, Emission>;
