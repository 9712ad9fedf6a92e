import { cutLabels } from "./cut.ts";
import { memoryKey, type Order } from "./order.ts";
import {
  costOf,
  type DataUse,
  eachPort,
  type LayoutData,
  type LayoutNode,
  type LayoutProblem,
  portDataOrder,
  valueOrder,
} from "./problem.ts";
import type { Port, PortOrders } from "./rule.ts";

/** An assignment of orders to the ports of every node. */
export interface LayoutAssignment {
  readonly orders: ReadonlyMap<string, PortOrders>;
  /**
   * Whether it is certain that no assignment has fewer transposes. It is not where a group of nodes could run in three orders or more, or where
   * Transposes of the model turn a cycle in itself or move axes of size 1, unless no transposes are needed at all.
   */
  readonly exact: boolean;
}

/** Most orders that are tried for one group of connected flexible nodes. */
const MAX_CANDIDATES = 6;

/** A port of a node that touches some data. */
interface Touch {
  readonly node: LayoutNode;
  readonly port: Port;
  readonly use: DataUse;
}

/** One order spread over a group: what each node and each data then is in. */
interface Candidate {
  readonly nodes: Map<string, PortOrders>;
  readonly data: Map<string, Order>;
  /** A node met data in one order that another way round has in another: Transposes turn a cycle of the group in itself. */
  twisted: boolean;
}

/**
 * Chooses the orders in which nodes run so that as few transposes as possible are needed, and among those solutions so that they move the fewest bytes.
 *
 * Nodes that can run in any order form groups, connected by the data between them. The orders that the fixed nodes around a group ask for are spread
 * over it; between two such orders the best choice for each node is a minimum cut.
 */
export function assignLayouts(problem: LayoutProblem): LayoutAssignment {
  const touches = new Map<string, Touch[]>(problem.data.map((d) => [d.name, []]));
  for (const node of problem.nodes) eachPort(node, (port, use) => touches.get(use.data)?.push({ node, port, use }));
  const orders = new Map<string, PortOrders>();
  const flexible = new Set<string>();
  for (const node of problem.nodes) {
    if (node.layout.follow === undefined) orders.set(node.name, node.layout.natural);
    else flexible.add(node.name);
  }
  let exact = true;
  // A node that no candidate reaches runs in its natural orders, which is news to its neighbours.
  for (;;) {
    const groups = groupsOf(problem, touches, flexible);
    const stranded: LayoutNode[] = [];
    const found = groups.map((group) => {
      const { candidates, complete } = candidatesOf(problem, group, touches, { orders, flexible });
      for (const node of group) if (!candidates.some((c) => c.nodes.has(node.name))) stranded.push(node);
      return { group, candidates, complete };
    });
    if (stranded.length > 0) {
      for (const node of stranded) {
        flexible.delete(node.name);
        orders.set(node.name, node.layout.natural);
      }
      continue;
    }
    for (const { group, candidates, complete } of found) {
      const isExact = choose(problem, group, candidates, orders);
      exact &&= complete && isExact;
    }
    return { orders, exact };
  }
}

/** Flexible nodes that touch common data, directly or over others. */
function groupsOf(
  problem: LayoutProblem,
  touches: ReadonlyMap<string, readonly Touch[]>,
  flexible: ReadonlySet<string>,
): readonly (readonly LayoutNode[])[] {
  const seen = new Set<string>();
  const groups: LayoutNode[][] = [];
  for (const root of problem.nodes) {
    if (!flexible.has(root.name) || seen.has(root.name)) continue;
    const group = [root];
    seen.add(root.name);
    for (const node of group) {
      eachPort(node, (_port, use) => {
        for (const touch of touches.get(use.data) ?? []) {
          if (seen.has(touch.node.name) || !flexible.has(touch.node.name)) continue;
          seen.add(touch.node.name);
          group.push(touch.node);
        }
      });
    }
    groups.push(group);
  }
  return groups;
}

/** The orders that the surroundings of a group ask for, each spread over the group; the natural order of its first node when nobody asks. */
function candidatesOf(
  problem: LayoutProblem,
  group: readonly LayoutNode[],
  touches: ReadonlyMap<string, readonly Touch[]>,
  now: { readonly orders: ReadonlyMap<string, PortOrders>; readonly flexible: ReadonlySet<string> },
): { readonly candidates: readonly Candidate[]; readonly complete: boolean } {
  const shapes = new Map(problem.data.map((d) => [d.name, d]));
  const candidates: Candidate[] = [];
  let complete = true;
  const ask = (data: string, order: Order): void => {
    const info = shapes.get(data);
    if (info === undefined) return;
    const key = memoryKey(order, info.shape);
    let open: Candidate | undefined;
    for (const candidate of candidates) {
      const had = candidate.data.get(data);
      if (had === undefined) open ??= candidate;
      else if (memoryKey(had, info.shape) === key) return;
    }
    if (open === undefined) {
      if (candidates.length >= MAX_CANDIDATES) {
        complete = false;
        return;
      }
      open = { nodes: new Map(), data: new Map(), twisted: false };
      candidates.push(open);
    }
    spread(open, { data, order }, { touches, flexible: now.flexible, shapes });
  };
  const around = new Set<string>();
  for (const node of group) eachPort(node, (_port, use) => around.add(use.data));
  for (const data of around) {
    const info = shapes.get(data);
    if (info?.given !== undefined) ask(data, info.given);
    for (const touch of touches.get(data) ?? []) {
      const orders = now.orders.get(touch.node.name);
      const order = orders && portDataOrder(orders, touch.port, touch.use);
      if (order !== undefined) ask(data, order);
    }
    for (const order of info?.wanted ?? []) ask(data, order);
  }
  if (candidates.length === 0) {
    const [first] = group;
    if (first !== undefined)
      eachPort(first, (port, use) => {
        const order = portDataOrder(first.layout.natural, port, use);
        if (order !== undefined) ask(use.data, order);
      });
  }
  return { candidates, complete };
}

/** Spreads an order from one piece of data over all flexible nodes that it reaches. */
function spread(
  candidate: Candidate,
  start: { readonly data: string; readonly order: Order },
  over: {
    readonly touches: ReadonlyMap<string, readonly Touch[]>;
    readonly flexible: ReadonlySet<string>;
    readonly shapes: ReadonlyMap<string, LayoutData>;
  },
): void {
  candidate.data.set(start.data, start.order);
  const queue = [start];
  for (const { data, order } of queue) {
    for (const { node, port, use } of over.touches.get(data) ?? []) {
      if (!over.flexible.has(node.name) || candidate.nodes.has(node.name)) continue;
      const orders = node.layout.follow?.(port, valueOrder(use, order));
      if (orders === undefined) continue;
      candidate.nodes.set(node.name, orders);
      eachPort(node, (other, otherUse) => {
        const next = portDataOrder(orders, other, otherUse);
        const shape = over.shapes.get(otherUse.data)?.shape;
        if (next === undefined || shape === undefined) return;
        const had = candidate.data.get(otherUse.data);
        if (had !== undefined) {
          candidate.twisted ||= memoryKey(had, shape) !== memoryKey(next, shape);
          return;
        }
        candidate.data.set(otherUse.data, next);
        queue.push({ data: otherUse.data, order: next });
      });
    }
  }
}

/** Puts the best orders of a group into `orders`; answers whether they are certainly the best. */
function choose(
  problem: LayoutProblem,
  group: readonly LayoutNode[],
  candidates: readonly Candidate[],
  orders: Map<string, PortOrders>,
): boolean {
  const names = new Set(group.map((n) => n.name));
  const around = new Set<string>();
  for (const node of group) eachPort(node, (_port, use) => around.add(use.data));
  const near: LayoutProblem = {
    data: problem.data.filter((d) => around.has(d.name)),
    nodes: problem.nodes.filter((node) => {
      let touchesAround = false;
      eachPort(node, (_port, use) => {
        touchesAround ||= around.has(use.data);
      });
      return touchesAround;
    }),
  };
  const fallback = (node: LayoutNode): PortOrders =>
    candidates.find((c) => c.nodes.has(node.name))?.nodes.get(node.name) ?? node.layout.natural;
  let best: { readonly orders: Map<string, PortOrders>; readonly transposes: number; readonly bytes: number } | undefined;
  let exact = candidates.length <= 2 && candidates.every((c) => !c.twisted) && !isAmbiguous(near, names);
  for (const [zero, one] of pairsOf(candidates)) {
    const options = (node: LayoutNode): readonly [PortOrders | undefined, PortOrders | undefined] => {
      if (!names.has(node.name)) {
        const fixed = orders.get(node.name) ?? node.layout.natural;
        return [fixed, fixed];
      }
      const pair = [zero.nodes.get(node.name), one.nodes.get(node.name)] as const;
      return pair[0] === undefined && pair[1] === undefined ? [fallback(node), fallback(node)] : pair;
    };
    const cut = cutLabels(near, options);
    if (candidates.length <= 2) exact &&= cut.exact;
    const chosen = new Map(
      near.nodes.map((node) => [node.name, options(node)[cut.labels.get(node.name) ?? 0] ?? fallback(node)] as const),
    );
    const cost = costOf(near, (node) => chosen.get(node.name) as PortOrders);
    if (
      best === undefined ||
      cost.transposes < best.transposes ||
      (cost.transposes === best.transposes && cost.bytes < best.bytes)
    )
      best = { orders: chosen, ...cost };
  }
  for (const node of group) orders.set(node.name, best?.orders.get(node.name) ?? node.layout.natural);
  // With more candidates, no transposes at all cannot be bettered either.
  return exact || best?.transposes === 0;
}

/** Whether a Transpose stands before a value with axes of size 1: several orders of it are then one in memory, and only one of them is followed up. */
function isAmbiguous(near: LayoutProblem, group: ReadonlySet<string>): boolean {
  const shapes = new Map(near.data.map((d) => [d.name, d.shape]));
  let found = false;
  for (const node of near.nodes) {
    if (!group.has(node.name)) continue;
    eachPort(node, (_port, use) => {
      found ||= use.axes.some((axis, i) => axis !== i) && (shapes.get(use.data)?.includes(1) ?? false);
    });
  }
  return found;
}

function pairsOf(candidates: readonly Candidate[]): readonly (readonly [Candidate, Candidate])[] {
  const [first] = candidates;
  if (first === undefined) return [];
  if (candidates.length === 1) return [[first, first]];
  return candidates.flatMap((a, i) => candidates.slice(i + 1).map((b) => [a, b] as const));
}
