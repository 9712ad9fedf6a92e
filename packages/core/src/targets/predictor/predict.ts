import type { Model } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { inferTypes } from "../../ops/infer-types.ts";
import type { Target } from "../target.ts";
import { type CostKey, type CostTable, expectedTime } from "./cost.ts";
import { costTableOf } from "./costs.ts";
import { islandsOf } from "./islands.ts";
import { type Kernel, movingKernel } from "./kernel.ts";
import { kernelsOf } from "./kernels.ts";
import { layoutChanges } from "./layout.ts";
import { peakActivations } from "./memory.ts";
import { verdictOf } from "./verdict.ts";

/** What a runtime is expected to make of one form of a model; plain JSON. */
export interface FormPrediction {
  /** Kernels by the runtime's own names, most frequent first. */
  readonly operators: Readonly<Record<string, number>>;
  /** Constants, by their encodings; the file is a little more. */
  readonly weightBytes: number;
  /** Absent when a size is not known. */
  readonly peakActivationBytes?: number;
  /** One inference on one thread of the machine that the cost table names; absent without a table. */
  readonly latencyMs?: number;
}

/** Operators that stay in float, or compute in integers slowly. */
export interface PredictedOperators {
  readonly op: string;
  readonly nodes: number;
  readonly why: readonly string[];
}

/** What is expected of the model in integers. */
export interface IntegerPrediction extends FormPrediction {
  /** Kernels that compute in integers, by the runtime's own names; what only moves integers is not among them. */
  readonly integerOperators: Readonly<Record<string, number>>;
  /** Parts of the graph that are connected in integers. */
  readonly islands: number;
  readonly quantize: number;
  readonly dequantize: number;
  /** Changes of layout, the model's own Transposes that are left included. */
  readonly transposes: number;
  /** Share of the multiply-accumulates that is computed in integers, 0..1; 1 when there are none at all. */
  readonly macShare: number;
  readonly inFloat: readonly PredictedOperators[];
  readonly slow: readonly PredictedOperators[];
}

/** A figure and where the true one is to be looked for. */
export interface PredictedSpeedup {
  /** Time in float divided by time in integers: above 1, integers are faster. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What is expected of a model on a target before anything was built; plain JSON. */
export interface Prediction {
  readonly kind: "prediction";
  readonly target: string;
  readonly float: FormPrediction;
  /** Absent for targets without integers. */
  readonly integer?: IntegerPrediction;
  readonly speedup?: PredictedSpeedup;
  /** Set where a run is so short that what a runtime does around its kernels decides: there is no speed-up then. */
  readonly tooShort?: true;
  /** Where the prices come from; absent when there is no cost table for the target. */
  readonly pricedOn?: string;
  /** Kinds of kernels without a price, which are left out of the times. */
  readonly unpriced: readonly CostKey[];
  /** One sentence. */
  readonly verdict: string;
  /** What does not fit into the target's budget, in sentences. */
  readonly overBudget: readonly string[];
}

/** What {@link predict} needs besides the target. */
export interface PredictRequest {
  /** As it would run in float: rewritten for the target. */
  readonly float: Model;
  /** Prepared for integers, with its plan; the numbers in the plan do not matter. Absent for targets without integers. */
  readonly integer?: { readonly model: Model; readonly plan: QuantPlan };
  /** In place of the table of the target's runtime. */
  readonly costs?: CostTable;
}

/**
 * Says what a target's runtime will make of a model, from tables alone: which kernels compute in integers and by which names, where values are
 * converted and re-laid, what stays in float and why, and, where kernels of that runtime were measured, how long it takes.
 *
 * Every size must be known. Subgraphs are not looked into: operators that hold some have no price.
 */
export function predict(request: PredictRequest, target: Target): Prediction {
  const { costs = costTableOf(target) } = request;
  const float = formOf(request.float, undefined, { target, costs });
  const integer = request.integer === undefined ? undefined : integerForm(request.integer, { target, costs });
  const unpriced = [...new Set([...float.unpriced, ...(integer?.unpriced ?? [])])];
  const times = [float.form.latencyMs, integer?.form.latencyMs].filter((ms) => ms !== undefined);
  const tooShort = costs !== undefined && Math.min(...times) < costs.shortest;
  const speedup = integer === undefined || tooShort ? undefined : speedupOf(float.form, integer.form, costs);
  const about = { target, float: float.form, integer: integer?.form, speedup, tooShort };
  return {
    kind: "prediction",
    target: target.id,
    float: float.form,
    ...(integer === undefined ? {} : { integer: integer.form }),
    ...(speedup === undefined ? {} : { speedup }),
    ...(tooShort ? { tooShort } : {}),
    ...(costs === undefined ? {} : { pricedOn: `${costs.machine}, ${costs.software}` }),
    unpriced,
    verdict: verdictOf(about),
    overBudget: overBudget(integer?.form ?? float.form, target),
  };
}

interface Pricing {
  readonly target: Target;
  readonly costs: CostTable | undefined;
}

interface Form {
  readonly kernels: readonly Kernel[];
  readonly unpriced: readonly CostKey[];
  readonly form: FormPrediction;
}

const LAYOUT_CHANGE = { node: "", op: "Transpose", name: "Transpose", kind: "transpose", inputs: [], outputs: [] } as const;

/** The kernels that a target's runtime will run, changes of layout around integers among them. @see kernelsOf */
export function expectedKernels(model: Model, plan: QuantPlan | undefined, target: Target): readonly Kernel[] {
  const kernels = kernelsOf(model, plan, target);
  if (plan === undefined) return kernels;
  const { added, kept } = layoutChanges(inferTypes(model), kernels, target);
  return [
    ...kernels.filter((k) => k.op !== "Transpose" || kept.includes(k.outputs[0] ?? "")),
    ...added.map((elements) => movingKernel(LAYOUT_CHANGE, elements)),
  ];
}

function formOf(model: Model, plan: QuantPlan | undefined, { target, costs }: Pricing): Form {
  const kernels = kernelsOf(model, plan, target);
  const run = expectedKernels(model, plan, target);
  const time = costs === undefined ? undefined : expectedTime(run, costs);
  const peak = peakActivations(inferTypes(model), kernels, plan);
  return {
    kernels,
    unpriced: time?.unpriced ?? [],
    form: {
      operators: countBy(kernels.map((k) => k.name)),
      weightBytes: kernels.reduce((sum, k) => sum + k.weightBytes, 0),
      ...(peak === undefined ? {} : { peakActivationBytes: peak }),
      ...(time === undefined ? {} : { latencyMs: time.ms }),
    },
  };
}

function integerForm(
  { model, plan }: NonNullable<PredictRequest["integer"]>,
  pricing: Pricing,
): Form & { form: IntegerPrediction } {
  const kernels = kernelsOf(model, plan, pricing.target);
  const changes = layoutChanges(inferTypes(model), kernels, pricing.target);
  const { form, unpriced } = formOf(model, plan, pricing);
  const products = kernels.reduce((sum, k) => sum + k.macs, 0);
  const inIntegers = kernels.reduce((sum, k) => sum + (k.numbers === "float32" ? 0 : k.macs), 0);
  const count = (op: string): number => kernels.filter((k) => k.op === op && isBorder(k)).length;
  return {
    kernels,
    unpriced,
    form: {
      ...form,
      integerOperators: countBy(kernels.filter((k) => isIntegerOperator(k, pricing.target)).map((k) => k.name)),
      islands: islandsOf(kernels),
      quantize: count("QuantizeLinear"),
      dequantize: count("DequantizeLinear"),
      transposes: changes.added.length + changes.kept.length,
      macShare: products === 0 ? 1 : inIntegers / products,
      inFloat: reasons(kernels.filter((k) => k.numbers === "float32" && k.why !== undefined && k.kind !== "view")),
      slow: reasons(kernels.filter((k) => k.numbers === "slow")),
    },
  };
}

function isBorder({ kind }: Kernel): boolean {
  return kind === "quantize" || kind === "dequantize";
}

/** Whether a kernel computes with integers, and does not only move them. */
function isIntegerOperator(kernel: Kernel, target: Target): boolean {
  if (kernel.numbers === "float32" || isBorder(kernel)) return false;
  const rule = Object.hasOwn(target.operators, kernel.op) ? target.operators[kernel.op] : undefined;
  return rule?.kind === "integer" || (rule?.kind === "equal" && Object.hasOwn(target.integerKernels, kernel.op));
}

function countBy(names: readonly string[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}

function reasons(kernels: readonly Kernel[]): readonly PredictedOperators[] {
  const rows = new Map<string, { nodes: number; why: Set<string> }>();
  for (const { op, why } of kernels) {
    const row = rows.get(op) ?? { nodes: 0, why: new Set<string>() };
    row.nodes++;
    if (why !== undefined) row.why.add(why);
    rows.set(op, row);
  }
  return [...rows]
    .map(([op, { nodes, why }]) => ({ op, nodes, why: [...why].slice(0, 3) }))
    .sort((a, b) => b.nodes - a.nodes || (a.op < b.op ? -1 : 1));
}

function speedupOf(float: FormPrediction, integer: FormPrediction, costs: CostTable | undefined): PredictedSpeedup | undefined {
  if (costs === undefined || float.latencyMs === undefined || integer.latencyMs === undefined) return undefined;
  const value = float.latencyMs / integer.latencyMs;
  return { value, low: value / costs.band, high: value * costs.band };
}

function overBudget(form: FormPrediction, { budget }: Target): readonly string[] {
  if (budget === undefined) return [];
  const { weightBytes, peakActivationBytes: peak, latencyMs } = form;
  const { storageBytes, memoryBytes } = budget;
  const kib = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`;
  // Without storage of their own, weights stand in memory beside the activations.
  const needs = peak === undefined ? undefined : peak + (storageBytes === undefined ? weightBytes : 0);
  const lines: string[] = [];
  if (storageBytes !== undefined && weightBytes > storageBytes)
    lines.push(`weights take ${kib(weightBytes)} and ${budget.says} has ${kib(storageBytes)} for them`);
  if (memoryBytes !== undefined && needs !== undefined && needs > memoryBytes)
    lines.push(`values that live at once take ${kib(needs)} and ${budget.says} has ${kib(memoryBytes)}`);
  if (budget.latencyMs !== undefined && latencyMs !== undefined && latencyMs > budget.latencyMs)
    lines.push(`one inference takes ${latencyMs.toFixed(1)} ms and the budget is ${budget.latencyMs} ms`);
  return lines;
}
