import { basename } from "node:path";
import { GraphDraft } from "@tessera/core/graph/draft";
import { withGraph } from "@tessera/core/graph/edit";
import type { Model, ValueInfo } from "@tessera/core/graph/model";
import type { NodeChoice, QuantPlan } from "@tessera/core/graph/plan";
import { isFloatNode } from "@tessera/core/graph/plan-borders";
import { printType } from "@tessera/core/graph/text-print";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { ALLOW_ALL } from "@tessera/core/passes/pass";
import { rebatch } from "@tessera/core/passes/rebatch";
import { removeDead } from "@tessera/core/passes/remove-dead";
import type { McuModel } from "@tessera/core/protocol/mcu-report";
import { findNormTail } from "@tessera/core/quant/norm-tail";
import { MOVERS, REPEATERS, SPACE_MOVERS } from "@tessera/core/targets/operator-rules";
import type { ModelFile } from "../io/model-file.ts";
import { closedSizes, liftedOf } from "./lifted.ts";
import { operatorCounts } from "./summary.ts";

/** A model made ready for a microcontroller, as far as that goes without judging it. */
export interface McuSource {
  readonly model: Model;
  readonly plan: QuantPlan | undefined;
  readonly notes: readonly string[];
}

/** Options of {@link mcuSource}. */
export interface McuSourceOptions {
  /** Another batch. */
  readonly batch?: number;
  /** Sizes that the model leaves open. */
  readonly dims?: ReadonlyMap<string, number>;
}

/**
 * The float graph and the plan of a file, one sample at a time and of known sizes where that was asked for, without a normalisation of the answer that is
 * taken in float: the integers before it have one scale, so that a cosine needs none.
 *
 * @throws SHAPE_MISMATCH when the batch cannot be changed
 */
export function mcuSource(file: Pick<ModelFile, "model" | "plan" | "notes">, options: McuSourceOptions = {}): McuSource {
  const { batch, dims } = options;
  const lifted = liftedOf(file);
  const notes = grouped(lifted.notes);
  let { model } = lifted;
  const plan = file.plan === undefined ? lifted.plan : withFloats(model, file.plan);
  if (batch !== undefined) {
    model = rebatch(model, { batch });
    notes.push(`brought to ${batch} sample${batch === 1 ? "" : "s"} at a time`);
  }
  if (dims !== undefined && dims.size > 0) {
    const closed = closedSizes(model, dims);
    model = inferTypes(closed.model);
    notes.push(`sizes that were free are fixed: ${[...closed.dims].map(([name, size]) => `${name} = ${size}`).join(", ")}`);
  }
  if (plan === undefined) return { model, plan, notes };
  const cut = withoutFloatNorm(model, plan);
  return { model: cut.model, plan, notes: [...notes, ...cut.notes] };
}

/** What moves numbers: between values of one encoding it is all the same whether these are integers, and raising itself puts some in. */
const MOVING: ReadonlySet<string> = new Set(["Identity", ...Object.keys({ ...MOVERS, ...SPACE_MOVERS, ...REPEATERS })]);

/**
 * The plan of a TFLite file with a choice for every node that computes: raising notes those that the file computes in integers, the others stand between
 * conversions.
 */
function withFloats({ graph }: Model, plan: QuantPlan): QuantPlan {
  const float: NodeChoice = { precision: "float32", reason: "in float, as in the file" };
  const computing = graph.nodes.filter(({ op, domain }) => domain !== "" || !MOVING.has(op));
  return {
    ...plan,
    nodes: new Map([...plan.nodes, ...computing.map(({ name }) => [name, plan.nodes.get(name) ?? float] as const)]),
  };
}

/** Of notes that begin alike and differ in names, the first with the number of the others: networks have dozens of biases. */
function grouped(notes: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const note of notes) {
    const key = /^Bias .* loses digits/.test(note) ? "bias" : note;
    groups.set(key, [...(groups.get(key) ?? []), note]);
  }
  return [...groups.values()].map((alike) => `${alike[0]}${alike.length > 1 ? `; and ${alike.length - 1} more like it` : ""}`);
}

function withoutFloatNorm(model: Model, plan: QuantPlan): { readonly model: Model; readonly notes: readonly string[] } {
  const tail = findNormTail(model);
  const draft = new GraphDraft(model.graph);
  const notes: string[] = [];
  const inFloat = (name: string): boolean => {
    const maker = draft.producer(name);
    return maker !== undefined && tail.has(maker.name) && (isFloatNode(maker, plan) || !plan.tensors.has(name));
  };
  const outputs = model.graph.outputs.map((output): ValueInfo => {
    let name = output.name;
    while (inFloat(name)) name = draft.producer(name)?.inputs[0] ?? name;
    if (name === output.name || !plan.tensors.has(name)) return output;
    notes.push(
      `the normalisation of ${output.name} to unit length is left to the application: compare the integers of ${name} by their cosine, which no scale changes`,
    );
    return { name, type: draft.type(name) ?? output.type };
  });
  if (notes.length === 0) return { model, notes };
  const open = inferTypes(withGraph(model, { ...model.graph, outputs }));
  return { model: removeDead().run(open, ALLOW_ALL).model, notes };
}

/** What came in, for the report. */
export function mcuModelSummary(file: ModelFile): McuModel {
  const described = (value: ValueInfo): string => `${value.name}: ${printType(value.type)}`;
  const { model } = liftedOf(file);
  return {
    // The name alone: a report travels, and folders are nobody's business.
    file: basename(file.path),
    sha256: file.sha256,
    sizeBytes: file.bytes.length,
    inputs: model.graph.inputs.map(described),
    outputs: model.graph.outputs.map(described),
    operators: operatorCounts(model),
  };
}
