import { fail, placed } from "../../base/error.ts";
import { mapSubgraphs } from "../../graph/edit.ts";
import { CANONICAL_OPSET, type Graph, type Node } from "../../graph/model.ts";
import type { Tensor } from "../../graph/tensor.ts";
import { sortNodes, subgraphs, usedNames } from "../../graph/walk.ts";
import type { NameBook } from "./names.ts";
import { makeTypeScope, type TypeScope } from "./type-scope.ts";
import type { UpgradeContext } from "./upgrades/row.ts";
import { upgradeNode } from "./upgrades/table.ts";

/** What raising the graphs of one model shares. */
export interface GraphUpgrade {
  /** Opset of the file. */
  readonly opset: number;
  /** Opset of nodes for which it differs. */
  readonly opsets: ReadonlyMap<Node, number>;
  readonly nodeNames: NameBook;
  readonly valueNames: NameBook;
  /** Filled on the way: operator and opset that it was raised from -> number of nodes. */
  readonly upgraded: Map<string, number>;
  /** Names of graphs whose nodes had to be put in order. */
  readonly sortedGraphs: string[];
}

function inOrder(graph: Graph, upgrade: GraphUpgrade): readonly Node[] {
  const { sorted, cycle } = sortNodes(graph.nodes);
  if (cycle.length > 0) {
    const why = cycle.length > 8 ? `${cycle.slice(0, 8).join(" -> ")} -> ...` : cycle.join(" -> ");
    throw fail("GRAPH_INVALID", `Cannot order the nodes of graph "${graph.name}": ${why} is a cycle`, {
      at: { node: cycle[0] ?? "" },
    });
  }
  if (sorted !== graph.nodes) upgrade.sortedGraphs.push(graph.name);
  return sorted;
}

/**
 * The graph with every node, in subgraphs too, at the canonical opset and in topological order.
 *
 * @throws GRAPH_INVALID for a cycle; UNSUPPORTED_OP and ATTRIBUTE_INVALID with the node's name for nodes that have no successor
 */
export function upgradeGraph(graph: Graph, upgrade: GraphUpgrade, parent?: TypeScope): Graph {
  const sorted = inOrder(graph, upgrade);
  const added = new Map<string, Tensor>();
  const scope = makeTypeScope(graph, parent);
  let used: Set<string> | undefined;
  const context: UpgradeContext = {
    constant(hint, tensor) {
      const name = upgrade.valueNames.fresh(hint);
      added.set(name, tensor);
      scope.addConstant(name, tensor);
      return name;
    },
    value: (hint) => upgrade.valueNames.fresh(hint),
    constantOf: (value) => scope.constantOf(value),
    typeOf: (value) => scope.typeOf(value),
    isUsed(value) {
      used ??= new Set([...graph.outputs.map((o) => o.name), ...sorted.flatMap((n) => [...usedNames(n)])]);
      return used.has(value);
    },
  };
  const nodes: Node[] = [];
  for (const source of sorted) {
    const opset = upgrade.opsets.get(source) ?? upgrade.opset;
    const isFlat = subgraphs(source).length === 0;
    const node = isFlat ? source : mapSubgraphs(source, (inner) => upgradeGraph(inner, upgrade, scope));
    let next: readonly Node[];
    try {
      next = opset >= CANONICAL_OPSET ? [node] : upgradeNode(node, opset, context);
    } catch (error) {
      throw placed(error, { node: node.name });
    }
    if (next.length !== 1 || next[0] !== node) {
      const key = `${node.op}@${opset}`;
      upgrade.upgraded.set(key, (upgrade.upgraded.get(key) ?? 0) + 1);
      const successor = next.findIndex((n) => n.name === node.name);
      next = next.map((n, i) => (i === successor ? n : { ...n, name: upgrade.nodeNames.fresh(n.name) }));
    }
    scope.push(next);
    for (const n of next) nodes.push(n);
  }
  if (added.size === 0 && nodes.length === graph.nodes.length && nodes.every((n, i) => n === graph.nodes[i])) return graph;
  return { ...graph, nodes, constants: added.size === 0 ? graph.constants : new Map([...graph.constants, ...added]) };
}
