import { inOrder, memoryKey, type Order, positionsOf } from "./order.ts";
import type { NodeLayout, Port, PortOrders } from "./rule.ts";

/**
 * A value as one of the nodes names its axes. Transposes of the model are no nodes here: what stands behind one is the same data with other names for
 * its axes, so it costs nothing unless somebody wants it in another order.
 */
export interface DataUse {
  readonly data: string;
  /** Canonical axis i of the value is axis axes[i] of the data. */
  readonly axes: Order;
}

/** A node with what it reads and makes; `undefined` for ports without a layout. */
export interface LayoutNode {
  readonly name: string;
  readonly layout: NodeLayout;
  readonly inputs: readonly (DataUse | undefined)[];
  readonly outputs: readonly (DataUse | undefined)[];
}

/** Data that is made once and read in one or several orders. Constants are not among it: they are stored as they are read. */
export interface LayoutData {
  readonly name: string;
  readonly shape: readonly number[];
  /** Decides between solutions with equally many transposes. */
  readonly bytes: number;
  /** The order in which a graph input comes. */
  readonly given?: Order;
  /** The order in which a graph output is wanted. */
  readonly wanted?: readonly Order[];
}

/** Nodes and data of one graph. */
export interface LayoutProblem {
  readonly nodes: readonly LayoutNode[];
  readonly data: readonly LayoutData[];
}

/** The order of the data when the value is to stand in `order`. */
export function dataOrder(use: DataUse, order: Order): Order {
  return inOrder(use.axes, order);
}

/** The order of the value when its data stands in `order`. */
export function valueOrder(use: DataUse, order: Order): Order {
  return inOrder(positionsOf(use.axes), order);
}

/** Calls `visit` for every port of a node that has a layout. */
export function eachPort(node: LayoutNode, visit: (port: Port, use: DataUse) => void): void {
  node.inputs.forEach((use, index) => {
    if (use !== undefined) visit({ side: "input", index }, use);
  });
  node.outputs.forEach((use, index) => {
    if (use !== undefined) visit({ side: "output", index }, use);
  });
}

/** The order that `orders` has for a port, in axes of the data. */
export function portDataOrder(orders: PortOrders, port: Port, use: DataUse): Order | undefined {
  const order = (port.side === "input" ? orders.inputs : orders.outputs)[port.index];
  return order === undefined ? undefined : dataOrder(use, order);
}

/** Data and the keys (see {@link memoryKey}) in which it is made and read under an assignment. */
export interface Traffic {
  readonly data: LayoutData;
  made: string | undefined;
  readonly read: Set<string>;
}

/** What moves under an assignment of orders to nodes. */
export function trafficOf(problem: LayoutProblem, ordersOf: (node: LayoutNode) => PortOrders): Traffic[] {
  const byName = new Map<string, Traffic>();
  for (const data of problem.data) {
    byName.set(data.name, {
      data,
      made: data.given && memoryKey(data.given, data.shape),
      read: new Set((data.wanted ?? []).map((order) => memoryKey(order, data.shape))),
    });
  }
  for (const node of problem.nodes) {
    const orders = ordersOf(node);
    eachPort(node, (port, use) => {
      const traffic = byName.get(use.data);
      const order = portDataOrder(orders, port, use);
      if (traffic === undefined || order === undefined) return;
      const key = memoryKey(order, traffic.data.shape);
      if (port.side === "input") traffic.read.add(key);
      else traffic.made = key;
    });
  }
  return [...byName.values()];
}

/** Number of transposes of an assignment, and the bytes that they move. A transposed value serves all who want it so. */
export function costOf(
  problem: LayoutProblem,
  ordersOf: (node: LayoutNode) => PortOrders,
): { readonly transposes: number; readonly bytes: number } {
  let transposes = 0;
  let bytes = 0;
  for (const { data, made, read } of trafficOf(problem, ordersOf)) {
    const others = read.size - (made !== undefined && read.has(made) ? 1 : 0);
    transposes += others;
    bytes += others * data.bytes;
  }
  return { transposes, bytes };
}
