import { isFloat } from "@tessera/core/graph/dtype";
import type { Target } from "@tessera/core/targets/target";
import { type FusionGraph, type FusionLinks, type FusionNode, fusionGraph, linksOf } from "./fusion-graph.ts";
import { type IslandReason, islandReason, plainOp } from "./fusion-rules.ts";
import { type OptimizeOptions, optimizedGraph } from "./ort-optimized.ts";

/** A node that computes in float. */
export interface FloatIsland extends IslandReason {
  readonly node: string;
  /** As the runtime calls it, e.g. FusedConv. */
  readonly op: string;
}

/** A node that only moves data into another layout. */
export interface LayoutNode {
  readonly node: string;
  readonly op: string;
  readonly why: string;
}

/** What a runtime made of a quantized model; plain JSON. */
export interface FusionReport {
  readonly kind: "fusion";
  readonly target: string;
  /** Nodes by operator in the portable optimised graph, most frequent first; operators of other domains as "domain.Op". */
  readonly operators: Readonly<Record<string, number>>;
  /**
   * By standard operator: how many compute in integers and how many in float, e.g. `{ Conv: { integer: 51, float: 0 } }`. Float operators
   * that can never be integer are listed too.
   */
  readonly coverage: Readonly<Record<string, { readonly integer: number; readonly float: number }>>;
  readonly islands: readonly FloatIsland[];
  readonly quantizeLeft: number;
  readonly dequantizeLeft: number;
  /** Transposes and layout reorders in the graph of this machine. */
  readonly layout: readonly LayoutNode[];
}

const LAYOUT_OPS: ReadonlySet<string> = new Set(["Transpose", "ReorderInput", "ReorderOutput"]);

/** Operators that compute nothing: what they do to float data is not worth an island. */
const MOVES: ReadonlySet<string> = new Set([
  ...LAYOUT_OPS,
  "QuantizeLinear",
  "DequantizeLinear",
  "DynamicQuantizeLinear",
  "Identity",
  "Cast",
  "Constant",
  "ConstantOfShape",
  "Shape",
  "Size",
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "Expand",
  "Tile",
  "Gather",
  "GatherElements",
  "GatherND",
  "Slice",
  "Split",
  "Concat",
  "If",
  "Loop",
  "Scan",
]);

function label({ domain, op }: FusionNode): string {
  return domain === "" || domain === "ai.onnx" ? op : `${domain}.${op}`;
}

function countBy(nodes: readonly FusionNode[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(label(node), (counts.get(label(node)) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)));
}

/** The standard operator that an integer node stands for; `undefined` for other nodes. */
function integerMeaning(node: FusionNode, target: Target): string | undefined {
  for (const [op, kernels] of Object.entries(target.integerKernels)) if (kernels.includes(node.op)) return op;
  return /^(QLinear|Q(Gemm|Attention)$)/.test(node.op) ? node.op.replace(/^Q(Linear)?/, "") : undefined;
}

function computesInFloat(node: FusionNode, links: FusionLinks): boolean {
  if (MOVES.has(node.op)) return false;
  return node.inputs.some((v) => {
    const dtype = links.dtype(v);
    return dtype !== undefined && isFloat(dtype) && !links.graph.constants.has(v);
  });
}

function isBridge(node: FusionNode | undefined): boolean {
  return node?.op === "QuantizeLinear" || node?.op === "DequantizeLinear";
}

/** Whether the node works with channels last: the contrib forms of the integer kernels of x64 do. */
function isChannelsLast(node: FusionNode | undefined): boolean {
  return node?.domain === "com.microsoft" && /^QLinear/.test(node.op);
}

/** Between which nodes a layout change stands, and why it is needed. Quantizing and dequantizing do not care about layouts. */
function layoutReason(node: FusionNode, links: FusionLinks, own: ReadonlySet<string>): string {
  let before = links.maker(node.inputs[0] ?? "");
  while (before && isBridge(before)) before = links.maker(before.inputs[0] ?? "");
  let after = links.users(node.outputs[0] ?? "");
  while (after.some(isBridge)) after = after.flatMap((n) => (isBridge(n) ? links.users(n.outputs[0] ?? "") : n));
  const first = after[0];
  const from = before ? `${before.op} ${before.name}` : "the model's input";
  const to = first ? `${first.op} ${first.name}` : "the model's output";
  if (node.op === "ReorderInput") return `a float block begins: ${to} wants channels in blocks, ${from} gives them plain`;
  if (node.op === "ReorderOutput") return `a float block ends: ${from} gives channels in blocks, ${to} wants them plain`;
  if (own.has(node.name)) return `the model's own, between ${from} and ${to}`;
  if (after.some(isChannelsLast) && !isChannelsLast(before))
    return `an integer block begins: ${to} wants channels last, ${from} gives them first`;
  if (isChannelsLast(before) && !(first && after.every(isChannelsLast)))
    return `an integer block ends: ${from} gives channels last, ${to} wants them first`;
  return `put by the runtime between ${from} and ${to}`;
}

/** Options of {@link fusionReport}. */
export interface FusionReportOptions {
  readonly target: Target;
  /** The graph with the layouts of the machine (optimisation "all"), to look for transposes; the portable graph unless given. */
  readonly laidOut?: FusionGraph;
}

/**
 * Judges a runtime's own optimised graph: what became integer, what stayed float and why, what moves data. The graph is the portable one
 * (optimisation "extended"): beyond it, kernels for blocked layouts hide what they were. A pure function.
 */
export function fusionReport(graph: FusionGraph, options: FusionReportOptions): FusionReport {
  const { target, laidOut = graph } = options;
  const links = linksOf(graph);
  const coverage = new Map<string, { integer: number; float: number }>();
  const islands: FloatIsland[] = [];
  const rowOf = (op: string) => {
    const row = coverage.get(op) ?? { integer: 0, float: 0 };
    coverage.set(op, row);
    return row;
  };
  for (const node of graph.nodes) {
    const meaning = integerMeaning(node, target);
    if (meaning !== undefined) rowOf(meaning).integer++;
    else if (computesInFloat(node, links)) {
      rowOf(plainOp(node)).float++;
      islands.push({ node: node.name, op: node.op, ...islandReason(node, links, target) });
    }
  }
  const laidOutLinks = linksOf(laidOut);
  const own = new Set(laidOut === graph ? [] : graph.nodes.filter((n) => n.op === "Transpose").map((n) => n.name));
  const count = (op: string): number => graph.nodes.filter((n) => n.op === op).length;
  return {
    kind: "fusion",
    target: target.id,
    operators: countBy(graph.nodes),
    coverage: Object.fromEntries([...coverage].sort(([a], [b]) => (a < b ? -1 : 1))),
    islands,
    quantizeLeft: count("QuantizeLinear"),
    dequantizeLeft: count("DequantizeLinear"),
    layout: laidOut.nodes
      .filter((n) => LAYOUT_OPS.has(n.op))
      .map((n) => ({ node: n.name, op: n.op, why: layoutReason(n, laidOutLinks, own) })),
  };
}

/**
 * Has ONNX Runtime optimise a model twice, portably and for this machine, and judges the graphs. Transposes are counted in the second: the
 * channels-last kernels of x64 appear only there. @throws RUNTIME_FAILED, RUNTIME_MISSING
 *
 * @example
 * const report = await checkFusion(bytes, ORT_X64);
 * report.coverage["Conv"]; // { integer: 51, float: 0 }
 */
export async function checkFusion(
  bytes: Uint8Array,
  target: Target,
  options: Omit<OptimizeOptions, "optimization"> = {},
): Promise<FusionReport> {
  const graph = fusionGraph(await optimizedGraph(bytes, { ...options, optimization: "extended" }));
  const laidOut = fusionGraph(await optimizedGraph(bytes, { ...options, optimization: "all" }));
  return fusionReport(graph, { target, laidOut });
}
