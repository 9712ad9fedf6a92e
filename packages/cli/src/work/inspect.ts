import type { Model } from "@tessera/core/graph/model";
import { inferGraph } from "@tessera/core/ops/infer";
import { inferTypes } from "@tessera/core/ops/infer-types";
import type { ModelSummary } from "@tessera/core/protocol/report";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import type { Prediction } from "@tessera/core/targets/predictor/predict";
import type { Target } from "@tessera/core/targets/target";
import type { ModelFile } from "../io/model-file.ts";
import { expectOnTarget } from "./inspect-prediction.ts";
import { inspectTflite, type TfliteInspection } from "./inspect-tflite.ts";
import { simplifiedToLookAt } from "./simplified.ts";
import { costOfOne, operatorCounts, summarize } from "./summary.ts";

/** Cost of a node or of all nodes of an operator; figures are absent where a size is not known. */
export interface CostRow {
  readonly op: string;
  readonly nodes: number;
  readonly macs?: number;
  readonly ops?: number;
  readonly weightBytes: number;
  readonly activationBytes?: number;
}

/** How much of a model a target computes in integers, as far as its tables tell without any data. */
export interface TargetSupport {
  readonly id: string;
  readonly says: string;
  readonly integer: number;
  readonly float: number;
  /** Operators that stay in float, most frequent first, each with the reasons its nodes have. */
  readonly staysFloat: readonly { readonly op: string; readonly nodes: number; readonly why: readonly string[] }[];
  /** Operators that compute in integers, but in a slow kernel. */
  readonly slow?: readonly { readonly op: string; readonly nodes: number; readonly why: string }[];
  /** What its runtime will make of the model, and how fast, without anything having been run. */
  readonly prediction?: Prediction;
  /** Why there is none. */
  readonly predictionUnknown?: string;
}

/** What `tessera inspect` finds; plain JSON. */
export interface InspectReport {
  readonly kind: "tessera-inspect-report";
  readonly version: 1;
  readonly model: ModelSummary;
  readonly irVersion?: number;
  readonly producer: string;
  readonly domains: Readonly<Record<string, number>>;
  readonly operators: Readonly<Record<string, number>>;
  /** By operator, most multiply-accumulates first. */
  readonly costByOperator: readonly CostRow[];
  /** The dearest nodes. */
  readonly dearest: readonly (CostRow & { readonly node: string })[];
  readonly peakAt?: string;
  /** Nodes whose cost is not known. */
  readonly costUnknown: readonly string[];
  /** Where declared and inferred types contradict each other, or a node does not fit. */
  readonly problems: readonly { readonly node: string; readonly says: string }[];
  /** Of a TFLite file: what stands in the file itself, before a model is made of it. */
  readonly tflite?: TfliteInspection;
  /** What the reader repaired, in sentences. */
  readonly notes?: readonly string[];
  /** After simplification, because that is what would be quantized. */
  readonly targets: readonly TargetSupport[];
}

/** Looks at a model without running it. Nodes that cannot be reasoned about are named, never a reason to fail. */
export async function inspectModel(
  file: ModelFile,
  options: {
    readonly targets: readonly Target[];
    readonly top: number;
    /** Sizes for those that the model leaves open, by name; 1 for the rest. */
    readonly dims?: ReadonlyMap<string, number>;
  },
): Promise<InspectReport> {
  const { model } = file;
  const cost = costOfOne(model);
  const { source } = model;
  const { problems } = inferGraph(model.graph);
  const byOperator = new Map<string, (typeof cost.nodes)[number][]>();
  for (const node of cost.nodes) byOperator.set(node.op, [...(byOperator.get(node.op) ?? []), node]);
  const total = (values: readonly (number | undefined)[]): number | undefined =>
    values.includes(undefined) ? undefined : values.reduce<number>((sum, v) => sum + (v ?? 0), 0);
  const row = (op: string, nodes: typeof cost.nodes): CostRow => {
    const macs = total(nodes.map((n) => n.macs));
    const ops = total(nodes.map((n) => n.ops));
    const activationBytes = total(nodes.map((n) => n.activationBytes));
    return {
      op,
      nodes: nodes.length,
      ...(macs === undefined ? {} : { macs }),
      ...(ops === undefined ? {} : { ops }),
      weightBytes: nodes.reduce((sum, n) => sum + n.weightBytes, 0),
      ...(activationBytes === undefined ? {} : { activationBytes }),
    };
  };
  const dearerFirst = (a: CostRow, b: CostRow): number => (b.macs ?? -1) - (a.macs ?? -1) || (b.ops ?? -1) - (a.ops ?? -1);
  const targets: TargetSupport[] = [];
  for (const target of options.targets)
    targets.push({ ...(await supportOf(model, target)), ...(await expectOnTarget(model, target, options)) });
  return {
    kind: "tessera-inspect-report",
    version: 1,
    model: summarize(file, { cost }),
    ...(source?.irVersion === undefined ? {} : { irVersion: source.irVersion }),
    producer: `${model.producer.name} ${model.producer.version}`.trim(),
    domains: Object.fromEntries(model.domains),
    operators: operatorCounts(model),
    costByOperator: [...byOperator].map(([op, nodes]) => row(op, nodes)).sort(dearerFirst),
    dearest: cost.nodes
      .map((node) => ({ node: node.node, ...row(node.op, [node]) }))
      .sort(dearerFirst)
      .slice(0, options.top),
    ...(cost.peakAt === undefined ? {} : { peakAt: cost.peakAt }),
    costUnknown: cost.unknown,
    problems: problems.map(({ node, error }) => ({ node, says: error.message })),
    ...(file.format === "tflite" ? { tflite: await inspectTflite(file.bytes) } : {}),
    ...(file.notes.length === 0 ? {} : { notes: file.notes }),
    targets,
  };
}

async function supportOf(model: Model, target: Target): Promise<TargetSupport> {
  const { choices, operators } = await placementOf(model, target);
  const floats = new Map<string, { nodes: number; why: Set<string> }>();
  const slow = new Map<string, { op: string; nodes: number; why: string }>();
  const slowKernels = target.slowKernels ?? {};
  let integer = 0;
  for (const [node, choice] of choices) {
    if (choice.precision !== "float32") {
      integer++;
      const kernel = operators.get(node) ?? "?";
      const why = Object.hasOwn(slowKernels, kernel) && !vanishes(kernel, target) ? slowKernels[kernel] : undefined;
      if (why !== undefined) slow.set(kernel, { op: kernel, nodes: (slow.get(kernel)?.nodes ?? 0) + 1, why });
      continue;
    }
    const op = operators.get(node) ?? "?";
    const entry = floats.get(op) ?? { nodes: 0, why: new Set<string>() };
    entry.nodes++;
    entry.why.add(choice.reason);
    floats.set(op, entry);
  }
  return {
    id: target.id,
    says: target.says,
    integer,
    float: choices.size - integer,
    staysFloat: [...floats]
      .map(([op, { nodes, why }]) => ({ op, nodes, why: [...why].slice(0, 3) }))
      .sort((a, b) => b.nodes - a.nodes || (a.op < b.op ? -1 : 1)),
    ...(slow.size === 0 ? {} : { slow: [...slow.values()].sort((a, b) => b.nodes - a.nodes) }),
  };
}

/** Whether an operator mostly disappears into the one before it: of such no kernel is left to be slow. */
function vanishes(op: string, target: Target): boolean {
  return Object.hasOwn(target.operators, op) && target.operators[op]?.kind === "absorbed";
}

async function placementOf(model: Model, target: Target) {
  const ready = await simplifiedToLookAt(model);
  const placed = prepareForIntegers(inferTypes(ready), target);
  const operators = new Map(placed.graph.nodes.map((node) => [node.name, node.op] as const));
  return { choices: placeIntegers(placed, target).choices, operators };
}
