import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { liftQuantized } from "@tessera/core/convert/onnx/raise-quantized";
import { isStatic } from "@tessera/core/graph/dim";
import { withGraph } from "@tessera/core/graph/edit";
import type { Model } from "@tessera/core/graph/model";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { inferTypes } from "@tessera/core/ops/infer-types";
import type { ModelFile } from "../io/model-file.ts";

/** A model with its integers beside it rather than in its graph. */
export interface Lifted {
  readonly model: Model;
  readonly plan: QuantPlan | undefined;
  readonly notes: readonly string[];
}

/** Whether the graph has the pairs of the QDQ form. */
export function isQuantizedGraph({ graph }: Model): boolean {
  return graph.nodes.some((node) => node.domain === "" && node.op === "QuantizeLinear");
}

/** The float graph of a file and the plan by which it computes in integers, from whichever place the file has it in. */
export function liftedOf({ model, plan, notes }: Pick<ModelFile, "model" | "plan" | "notes">): Lifted {
  if (plan !== undefined || !isQuantizedGraph(model)) return { model, plan, notes };
  const lifted = liftQuantized(inferTypes(model));
  const left =
    lifted.left.length === 0
      ? []
      : [`${lifted.left.length} quantization nodes could not be taken out of the graph: ${lifted.left.slice(0, 3).join(", ")}`];
  return { model: lifted.model, plan: lifted.plan, notes: [...notes, ...left] };
}

/** The graph that computes what the file computes, integers included, for a runtime of ONNX. */
export function computedModel({ model, plan }: Pick<ModelFile, "model" | "plan">): Model {
  return plan === undefined ? model : applyPlan(model, plan);
}

/** Grids of the inputs that a quantized file rounds at once, by name. */
export function gridsOf(file: Pick<ModelFile, "model" | "plan">): ReadonlyMap<string, Encoding> {
  return planGrids(
    file.plan,
    file.model.graph.inputs.map((i) => i.name),
  );
}

/** Encodings that a plan has for some values. */
export function planGrids(plan: QuantPlan | undefined, names: readonly string[]): ReadonlyMap<string, Encoding> {
  return new Map(
    names.flatMap((name) => {
      const encoding = plan?.tensors.get(name);
      return encoding === undefined ? [] : [[name, encoding] as const];
    }),
  );
}

/** The model with the number given, or 1, for every size of its inputs that it leaves open, and the numbers that were put in. */
export function closedSizes(
  model: Model,
  given: ReadonlyMap<string, number> = new Map(),
): { readonly model: Model; readonly dims: ReadonlyMap<string, number> } {
  const dims = new Map<string, number>();
  const inputs = model.graph.inputs.map((input) => {
    const { type } = input;
    if (type.kind !== "tensor" || type.shape === undefined || isStatic(type.shape)) return input;
    for (const dim of type.shape) if (typeof dim === "string" && dim !== "?") dims.set(dim, given.get(dim) ?? 1);
    return { ...input, type: { ...type, shape: type.shape.map((d) => (typeof d === "number" ? d : (given.get(d) ?? 1))) } };
  });
  // The very same model where nothing is open: what is known of it is remembered by it.
  const same = inputs.every((input, i) => input === model.graph.inputs[i]);
  return { model: same ? model : withGraph(model, { ...model.graph, inputs }), dims };
}

/** The float network in a file, to be quantized. A quantized TFLite file gives the numbers that its integers stand for; an ONNX file stays as it is. */
export function floatOf(file: Pick<ModelFile, "model" | "plan" | "notes">): {
  readonly model: Model;
  readonly notes: readonly string[];
} {
  const { model, plan, notes } = file;
  if (plan === undefined) return { model, notes };
  return {
    model,
    notes: [...notes, "the file that came in is quantized already: its weights are taken as they are, rounded once"],
  };
}
