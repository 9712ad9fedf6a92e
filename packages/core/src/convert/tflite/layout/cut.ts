import { FlowNetwork } from "./max-flow.ts";
import { memoryKey } from "./order.ts";
import { eachPort, type LayoutData, type LayoutNode, type LayoutProblem, portDataOrder } from "./problem.ts";
import type { PortOrders } from "./rule.ts";

/** One transpose weighs more than all bytes of a model together, so that bytes decide only between equal counts. */
const TRANSPOSE = 2 ** 40;
/** More than all transposes together. */
const NEVER = 2 ** 52;

/** Orders of a node under label 0 and under label 1; `undefined` where it cannot have the label. */
type Options = (node: LayoutNode) => readonly [PortOrders | undefined, PortOrders | undefined];

/** Who reads or makes a piece of data in one order: always, or with a label. */
interface Parties {
  always: boolean;
  readonly with0: number[];
  readonly with1: number[];
}

/**
 * The labels with the least cost. For each piece of data and each order in which it is read but not made, one transpose is paid, however many read it:
 * an auxiliary vertex stands for "somebody reads it so".
 *
 * A node is on the source's side when it has label 0. `exact` is false when readers ask for an order under one label that its maker gives under the
 * other: such a term cannot be said by a cut, and is left out of the search.
 */
export function cutLabels(
  problem: LayoutProblem,
  options: Options,
): { readonly labels: ReadonlyMap<string, 0 | 1>; readonly exact: boolean } {
  const network = new FlowNetwork();
  const source = network.vertex();
  const sink = network.vertex();
  const vertices = new Map<string, number>();
  for (const node of problem.nodes) {
    const [zero, one] = options(node);
    const vertex = network.vertex();
    vertices.set(node.name, vertex);
    if (zero === undefined) network.edge(vertex, sink, NEVER);
    else if (one === undefined) network.edge(source, vertex, NEVER);
  }
  let exact = true;
  for (const data of problem.data) {
    const { read, made } = partiesOf(data, problem, { options, vertices });
    const weight = TRANSPOSE + data.bytes;
    for (const [key, readers] of read) {
      const makers = made.get(key) ?? { always: false, with0: [], with1: [] };
      if (makers.always) continue;
      const [with0] = makers.with0;
      const [with1] = makers.with1;
      if (with1 !== undefined) {
        // Paid when the maker has label 0.
        if (readers.always) network.edge(with1, sink, weight);
        else network.edge(with1, anyHas1(network, readers.with1), weight);
        if (!readers.always && readers.with0.length > 0) exact = false;
      } else if (with0 !== undefined) {
        if (readers.always) network.edge(source, with0, weight);
        else network.edge(anyHas0(network, readers.with0), with0, weight);
        if (!readers.always && readers.with1.length > 0) exact = false;
      } else if (!readers.always) {
        if (readers.with0.length > 0 && readers.with1.length > 0) exact = false;
        if (readers.with1.length > 0) network.edge(source, anyHas1(network, readers.with1), weight);
        if (readers.with0.length > 0) network.edge(anyHas0(network, readers.with0), sink, weight);
      }
    }
  }
  const cut = network.minimumCut(source, sink);
  return { labels: new Map([...vertices].map(([name, vertex]) => [name, cut[vertex] ? 0 : 1] as const)), exact };
}

/** A vertex that is on the sink's side whenever one of these is. */
function anyHas1(network: FlowNetwork, vertices: readonly number[]): number {
  const any = network.vertex();
  for (const vertex of vertices) network.edge(any, vertex, NEVER);
  return any;
}

/** A vertex that is on the source's side whenever one of these is. */
function anyHas0(network: FlowNetwork, vertices: readonly number[]): number {
  const any = network.vertex();
  for (const vertex of vertices) network.edge(vertex, any, NEVER);
  return any;
}

function partiesOf(
  data: LayoutData,
  problem: LayoutProblem,
  given: { readonly options: Options; readonly vertices: ReadonlyMap<string, number> },
): { readonly read: ReadonlyMap<string, Parties>; readonly made: ReadonlyMap<string, Parties> } {
  const read = new Map<string, Parties>();
  const made = new Map<string, Parties>();
  const of = (map: Map<string, Parties>, key: string): Parties => {
    const known = map.get(key);
    if (known !== undefined) return known;
    const parties: Parties = { always: false, with0: [], with1: [] };
    map.set(key, parties);
    return parties;
  };
  if (data.given !== undefined) of(made, memoryKey(data.given, data.shape)).always = true;
  for (const order of data.wanted ?? []) of(read, memoryKey(order, data.shape)).always = true;
  for (const node of problem.nodes) {
    const [zero, one] = given.options(node);
    const vertex = given.vertices.get(node.name) as number;
    eachPort(node, (port, use) => {
      if (use.data !== data.name) return;
      const keys = [zero, one].map((orders) => {
        const order = orders && portDataOrder(orders, port, use);
        return order && memoryKey(order, data.shape);
      });
      const [key0, key1] = keys;
      const map = port.side === "input" ? read : made;
      if (key0 === key1 || key0 === undefined || key1 === undefined) {
        const key = key0 ?? key1;
        if (key !== undefined) of(map, key).always = true;
        return;
      }
      of(map, key0).with0.push(vertex);
      of(map, key1).with1.push(vertex);
    });
  }
  return { read, made };
}
