import { GraphDraft } from "../../graph/draft.ts";
import type { Model, Node } from "../../graph/model.ts";
import type { NodePrecision, QuantPlan } from "../../graph/plan.ts";
import { ruleOf } from "../../targets/rules.ts";
import type { Target } from "../../targets/target.ts";
import { layerName, SDKS, type Sdk, type SdkId } from "./sdk-names.ts";

/** What becomes of one node in an SDK. */
export interface NodeSupport {
  readonly node: string;
  readonly op: string;
  /** The SDK's own name for it; absent where its lists have none. */
  readonly layer?: string;
  /**
   * integer: computed in integers; fused: no layer of its own; moved: integers pass through; fallback: computed in float; unknown: nothing in the
   * lists of this SDK that we have
   */
  readonly support: "integer" | "fused" | "moved" | "fallback" | "unknown";
  /** In the SDK's words, one line. */
  readonly says: string;
}

/** What an SDK will make of a network and its plan, as far as its documents tell; plain JSON. */
export interface SupportReport {
  readonly kind: "tessera-support-report";
  readonly version: 1;
  readonly sdk: string;
  readonly target: string;
  readonly counts: Readonly<Record<NodeSupport["support"], number>>;
  /** Conversions between integers and float inside the graph, not counting its inputs and outputs. */
  readonly borders: number;
  readonly nodes: readonly NodeSupport[];
  /** What the rules rest on: "read" in documents, "unverified", or "measured here". */
  readonly facts: readonly { readonly says: string; readonly verified: string; readonly source: string }[];
  readonly notes: readonly string[];
}

/**
 * Goes through a network with its plan and says, node by node and in the words of an SDK, what is supported, fused, moved past or left in float. It is made
 * of the target's row and the plan alone: no SDK was asked, and each fact carries how it is known.
 */
export function supportReport(
  model: Model,
  plan: QuantPlan,
  { sdk: id, target }: { readonly sdk: SdkId; readonly target: Target },
): SupportReport {
  const sdk = SDKS[id];
  const about: About = { sdk, target, plan, model, draft: new GraphDraft(model.graph) };
  const nodes = model.graph.nodes.map((node) => nodeSupport(node, about));
  const counts = { integer: 0, fused: 0, moved: 0, fallback: 0, unknown: 0 };
  for (const { support } of nodes) counts[support]++;
  return {
    kind: "tessera-support-report",
    version: 1,
    sdk: sdk.name,
    target: target.id,
    counts,
    borders: bordersOf(model, plan),
    nodes,
    facts: target.facts ?? [],
    notes: target.notes,
  };
}

interface About {
  readonly sdk: Sdk;
  readonly target: Target;
  readonly plan: QuantPlan;
  readonly model: Model;
  readonly draft: GraphDraft;
}

function nodeSupport(node: Node, about: About): NodeSupport {
  const { sdk, target, plan, model } = about;
  const layer = layerName(node, { sdk, model });
  const choice = plan.nodes.get(node.name);
  const given = { node: node.name, op: node.op, ...(layer === undefined ? {} : { layer }) };
  const rule = ruleOf(node, target);
  if (isIntegers(choice?.precision) && rule !== undefined && rule.kind !== "float") {
    if (rule.kind === "absorbed" && vanishes(node, about)) {
      const maker = about.draft.producer(node.inputs[0] as string) as Node;
      return { ...given, support: "fused", says: fusedWords(node, maker, about) };
    }
    if (rule.kind === "through") return { ...given, support: "moved", says: sdk.words.moved };
    const word = choice?.precision === "int16x8" ? sdk.words.int16x8 : sdk.words.int8;
    const slow = target.slowKernels;
    const why = slow !== undefined && Object.hasOwn(slow, node.op) ? `, but slow: ${slow[node.op]}` : "";
    return { ...given, support: "integer", says: `${word}${sumWords(node, about)}${why}` };
  }
  const why = choice?.reason ?? (rule?.kind === "float" ? rule.why : undefined);
  if (layer === undefined)
    return {
      ...given,
      support: "unknown",
      says: `no ${sdk.layer} of this kind in our list of ${sdk.name}: check before building`,
    };
  return { ...given, support: "fallback", says: `${sdk.words.float}${why === undefined ? "" : `: ${why}`}` };
}

function isIntegers(precision: NodePrecision | undefined): boolean {
  return precision === "int8" || precision === "int16x8";
}

/** Whether a bound vanishes into the node before it: what it reads has no encoding. */
function vanishes(node: Node, { plan, draft }: About): boolean {
  const input = node.inputs[0] as string;
  return !plan.tensors.has(input) && draft.producer(input) !== undefined;
}

function fusedWords(node: Node, maker: Node, { target, sdk, model }: About): string {
  const known = target.fusions?.find(({ from }) => from.length === 2 && from[0] === maker.op && from[1] === node.op);
  const name = layerName(maker, { sdk, model }) ?? maker.op;
  return `fused into the ${name} before it${known === undefined ? "" : `: ${known.says}`}`;
}

/** Whether a sum becomes part of the convolution before it, where the row knows of that. */
function sumWords(node: Node, { target, draft }: About): string {
  if (node.op !== "Add") return "";
  const fusion = target.fusions?.find(({ from }) => from.join() === "Conv,Add");
  const joins = node.inputs.some((name) => draft.producer(name)?.op === "Conv" && draft.onlyConsumer(name) !== undefined);
  return fusion !== undefined && joins ? `, with the convolution before it: ${fusion.says}` : "";
}

/** Values between a node in integers and one in float. */
function bordersOf(model: Model, plan: QuantPlan): number {
  const draft = new GraphDraft(model.graph);
  let count = 0;
  for (const node of model.graph.nodes) {
    const mine = isIntegers(plan.nodes.get(node.name)?.precision);
    for (const name of node.outputs) {
      const others = name === "" ? [] : draft.consumers(name);
      if (others.some((other) => isIntegers(plan.nodes.get(other.name)?.precision) !== mine)) count++;
    }
  }
  return count;
}

/** The report as lines of text, for reading beside the files. */
export function supportLines(report: SupportReport): string {
  const { counts } = report;
  const lines = [
    `${report.sdk}, by the rules of ${report.target}; made from its documents, nothing of it ran`,
    `${counts.integer} in integers, ${counts.fused} fused, ${counts.moved} moved past, ${counts.fallback} in float, ${counts.unknown} unknown; ${report.borders} conversions inside`,
    "",
  ];
  const wide = Math.max(0, ...report.nodes.map((n) => n.op.length + n.node.length));
  for (const n of report.nodes)
    lines.push(`${n.support.padEnd(8)} ${`${n.op} ${n.node}`.padEnd(Math.min(wide + 1, 60))} ${n.layer ?? "-"}: ${n.says}`);
  lines.push("", ...report.facts.map((f) => `${f.verified}: ${f.says} (${f.source})`), "", ...report.notes);
  return `${lines.join("\n")}\n`;
}
