import type { DType } from "../../../graph/dtype.ts";
import type { Node } from "../../../graph/model.ts";
import type { Tensor } from "../../../graph/tensor.ts";
import { canonicalOrder, channelsLastOrder, type Order } from "./order.ts";

/** A node as rules see it; all shapes are canonical and static. */
export interface Site {
  readonly node: Node;
  /** Sizes of a value by canonical axis. */
  shape(name: string): readonly number[];
  dtype(name: string): DType;
  /** The constant of that name. */
  constant(name: string): Tensor | undefined;
}

/** An input or output of a node. */
export interface Port {
  readonly side: "input" | "output";
  readonly index: number;
}

/** Orders by port; `undefined` for absent inputs and for those that have no layout, such as a list of axes. */
export interface PortOrders {
  readonly inputs: readonly (Order | undefined)[];
  readonly outputs: readonly (Order | undefined)[];
}

/** How a node may be laid out. */
export interface NodeLayout {
  /** Orders in which it can always run. */
  readonly natural: PortOrders;
  /**
   * All orders, given that of one port; `undefined` where it cannot run so. Must answer the same for every port of one answer. Absent for a node
   * that runs in its natural orders only.
   */
  readonly follow?: (port: Port, order: Order) => PortOrders | undefined;
}

/** The layout rule of an operator. Must not throw: a node that is not supported is refused when it is emitted. */
export type LayoutRule = (site: Site) => NodeLayout;

/** The same for all ports: the inputs in `data` (all that are present unless given) and all outputs. */
function portOrders(site: Site, orderOf: (name: string) => Order, data?: readonly number[]): PortOrders {
  return {
    inputs: site.node.inputs.map((name, i) =>
      name === "" || (data !== undefined && !data.includes(i)) ? undefined : orderOf(name),
    ),
    outputs: site.node.outputs.map((name) => (name === "" ? undefined : orderOf(name))),
  };
}

/** Everything in canonical order. For operators that look at positions of axes and have no form for another order. */
export function canonicalOnly(data?: readonly number[]): LayoutRule {
  return (site) => ({ natural: portOrders(site, (name) => canonicalOrder(site.shape(name).length), data) });
}

/** Input 0 and output 0 with channels last, as the convolutions and pools of TFLite have them; other inputs are weights. */
export function channelsLastOnly(data: readonly number[] = [0]): LayoutRule {
  return (site) => ({ natural: portOrders(site, (name) => channelsLastOrder(site.shape(name).length), data) });
}

/**
 * Any order, the same on all data ports; inputs of lower rank stand for the last axes, as broadcasting has it. For element-wise operators. `valid`
 * says in which orders of the output the operator can run; `natural` must be one of them and is the canonical order unless given.
 */
export function sameOrderOnAll(
  options: {
    readonly data?: readonly number[];
    readonly valid?: (site: Site, order: Order) => boolean;
    readonly natural?: (site: Site) => Order;
  } = {},
): LayoutRule {
  return (site) => {
    const rank = site.shape(site.node.outputs.find((name) => name !== "") as string).length;
    const at = (order: Order): PortOrders => portOrders(site, (name) => trailing(order, site.shape(name).length), options.data);
    return {
      natural: at(options.natural?.(site) ?? canonicalOrder(rank)),
      follow: (port, order) => {
        const name = (port.side === "input" ? site.node.inputs : site.node.outputs)[port.index] as string;
        const whole = site.shape(name).length === rank ? order : undefined;
        if (whole === undefined || (options.valid !== undefined && !options.valid(site, whole))) return undefined;
        return at(whole);
      },
    };
  };
}

/**
 * Any order on input 0 and output 0, whose axes are the same; the other inputs have no layout. For operators that name axes (Concat has its own), which
 * the emission renames.
 */
export function sameOrderOnFirst(
  options: { readonly valid?: (site: Site, order: Order) => boolean; readonly natural?: (site: Site) => Order } = {},
): LayoutRule {
  return sameOrderOnAll({ ...options, data: [0] });
}

/** The order of the last `rank` axes alone. */
export function trailing(order: Order, rank: number): Order {
  const dropped = order.length - rank;
  return dropped <= 0 ? order : order.filter((axis) => axis >= dropped).map((axis) => axis - dropped);
}
