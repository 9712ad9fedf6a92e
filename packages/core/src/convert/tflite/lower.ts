import { fail, isTesseraError, type TesseraError } from "../../base/error.ts";
import type { TfliteDraft } from "../../formats/tflite/schema.ts";
import { isFloat } from "../../graph/dtype.ts";
import type { Graph, Model } from "../../graph/model.ts";
import type { Encoding, QuantPlan } from "../../graph/plan.ts";
import { isFloatNode, unroundedValues } from "../../graph/plan-borders.ts";
import { plannedModel } from "../../graph/planned.ts";
import { inferTypes } from "../../ops/infer-types.ts";
import { foldPadPass } from "../../passes/fold-pad.ts";
import { ALLOW_ALL } from "../../passes/pass.ts";
import { TfliteBuilder } from "./emit/builder.ts";
import { type EmitState, emitContext } from "./emit/context.ts";
import { integerDecision } from "./emit/integer.ts";
import { emissionOf } from "./emit/table.ts";
import { FileValues } from "./emit/values.ts";
import { assignLayouts } from "./layout/assign.ts";
import { layoutGraph } from "./layout/graph.ts";
import { legaliseModel } from "./legalise/legalise.ts";
import { type FloatIsland, LOWER_TFLITE_DEFAULTS, type LowerReport, type LowerTfliteOptions } from "./options.ts";
import { bindDims } from "./prepare/bind-dims.ts";
import { denseForms } from "./prepare/dense-forms.ts";
import { fuseActivations } from "./prepare/fuse-activations.ts";
import { countMeetings } from "./storage/meetings.ts";
import { countOperators } from "./storage/records.ts";
import { storeTflite } from "./storage/store.ts";

/** A node that cannot be lowered. */
interface Problem {
  readonly node: string;
  readonly op: string;
  readonly why: string;
  readonly rewrite: string;
  readonly code: TesseraError["code"];
}

/**
 * The records of a `.tflite` file with the model: operators that TFLite lacks are decomposed, layouts are chosen so that the fewest TRANSPOSEs are
 * needed, and values with an encoding in the plan become integers. The same model gives the same records. Tensor names of inputs and outputs, and the
 * names in the signature "serving_default", are those of the graph.
 *
 * @throws UNSUPPORTED_OP listing every node that TFLite cannot say, why, and what would make it possible; TARGET_RULE when the plan contradicts a rule of
 *   TFLite; PLAN_INVALID, DATA_MISSING (sizes that are not known), DTYPE_MISMATCH
 */
export function lowerTflite(
  model: Model,
  options: LowerTfliteOptions = {},
): { readonly records: TfliteDraft; readonly report: LowerReport } {
  const settings = { ...LOWER_TFLITE_DEFAULTS, ...options };
  const bound = bindDims(model, settings.dims);
  const scaled = settings.plan === undefined ? bound : plannedModel(bound, settings.plan);
  const legal = legaliseModel(scaled, { plan: settings.plan, recurrent: settings.recurrent });
  const padded = foldPadPass().run(legal.model, ALLOW_ALL).model;
  const dense = denseForms({ model: inferTypes(padded), plan: legal.plan });
  const ready = inferTypes(fuseActivations(dense.model, dense.plan));
  const problems: Problem[] = legal.refused.map((r) => ({ ...r, code: "UNSUPPORTED_OP" as const }));
  const decomposed = legal.changes.map((c) => `${c.node} (${c.op}): ${c.says}`);
  const unrounded = settings.plan === undefined ? new Set<string>() : unroundedValues(scaled, settings.plan);
  return emitModel(ready, { ...settings, plan: dense.plan }, { problems, decomposed, unrounded });
}

function emitModel(
  model: Model,
  settings: Required<Pick<LowerTfliteOptions, "io" | "layout" | "weights" | "slim">> & { readonly plan: QuantPlan | undefined },
  found: { readonly problems: Problem[]; readonly decomposed: string[]; readonly unrounded: ReadonlySet<string> },
): { readonly records: TfliteDraft; readonly report: LowerReport } {
  const { graph } = model;
  const { problems } = found;
  const encodings: ReadonlyMap<string, Encoding> = settings.plan?.tensors ?? new Map();
  for (const node of graph.nodes) {
    if (emissionOf(node) !== undefined || problems.some((p) => p.node === node.name)) continue;
    const op = node.domain === "" ? node.op : `${node.domain}:${node.op}`;
    problems.push({
      node: node.name,
      op,
      why: "TFLite has no form of it that Tessera knows",
      rewrite: "express it with other operators before conversion",
      code: "UNSUPPORTED_OP",
    });
  }
  if (problems.length > 0) throw refusal(problems, graph);

  const layout = layoutGraph(graph, { encodings, layout: settings.layout });
  const { orders, exact } = assignLayouts(layout.problem);
  const builder = new TfliteBuilder([...graph.inputs, ...graph.outputs].map((v) => v.name));
  const domain = settings.io === "integer" ? "integer" : "float";
  const facts = {
    ...layout.facts,
    encoding: (name: string) => encodings.get(name),
    isUnrounded: (name: string) => found.unrounded.has(name),
  };
  const values = new FileValues(
    builder,
    facts,
    layout.outputs.map(({ name, order }) => ({ name, order, domain }) as const),
  );
  const padding: string[] = [];
  const decomposed = [...found.decomposed];
  const state: EmitState = {
    builder,
    values,
    site: (node) => ({ node, ...layout.facts }),
    encoding: (name) => encodings.get(name),
    note: (kind, node, says) => {
      (kind === "padding" ? padding : decomposed).push(`${node.name}: ${says}`);
    },
  };
  const inputs = layout.inputs.map(({ name, order }) => ({ name, tensor: values.input(name, order, domain) }));
  const islands: FloatIsland[] = [];
  // A plan of weights alone makes no integers to stand between.
  const hasIntegers = [...encodings.keys()].some((name) => !graph.constants.has(name));
  for (const node of layout.nodes) {
    const emission = emissionOf(node);
    if (emission === undefined) continue;
    const site = state.site(node);
    try {
      const kept = settings.plan !== undefined && isFloatNode(node, settings.plan);
      const { integer, why } = kept
        ? { integer: false, why: settings.plan?.nodes.get(node.name)?.reason ?? "" }
        : integerDecision(site, emission, (name) => encodings.get(name));
      const makesFloats = node.outputs.some((name) => name !== "" && isFloat(site.dtype(name)));
      if (!integer && hasIntegers && makesFloats) islands.push({ node: node.name, op: node.op, why });
      const portOrders = orders.get(node.name) ?? emission.layout(site).natural;
      emission.emit(emitContext(state, node, { orders: portOrders, integer }));
      values.settle();
      values.giveOut(node.outputs);
    } catch (error) {
      if (!isTesseraError(error) || (error.code !== "UNSUPPORTED_OP" && error.code !== "TARGET_RULE")) throw error;
      // The list says by itself what cannot be done, so what counts of the message is why.
      const why = error.message.slice(error.message.indexOf(": ") + 2);
      problems.push({ node: node.name, op: node.op, why, rewrite: error.hint, code: error.code });
      values.standIn(node, orders.get(node.name) ?? emission.layout(site).natural);
    }
  }
  if (problems.length > 0) throw refusal(problems, graph);
  const outputs = layout.outputs.map(({ name, order }) => ({ name, tensor: values.output({ name, order, domain }) }));
  const whole = builder.finish({ inputs, outputs, description: `${graph.name}, converted by Tessera` });
  const { records, report: storage } = storeTflite(whole, settings);
  return {
    records,
    report: {
      inputs: layout.inputs,
      outputs: layout.outputs,
      operators: countOperators(records),
      transposes: values.transposes,
      padding,
      floatIslands: islands,
      borders: values.borders,
      conversions: values.conversions,
      meetings: countMeetings(records),
      decomposed,
      layoutExact: exact,
      ...(storage !== undefined && { storage }),
    },
  };
}

/** One error for all nodes that cannot be lowered, in the order of the graph. */
function refusal(problems: readonly Problem[], graph: Graph): TesseraError {
  const place = new Map(graph.nodes.map((node, i) => [node.name, i] as const));
  const sorted = [...problems].sort((a, b) => (place.get(a.node) ?? 0) - (place.get(b.node) ?? 0));
  const [first] = sorted as [Problem];
  const code = problems.some((p) => p.code === "UNSUPPORTED_OP") ? "UNSUPPORTED_OP" : first.code;
  const lines = sorted.map((p) => `${p.node} (${p.op}): ${p.why}; possible when you ${decapitalised(p.rewrite)}`);
  const count = problems.length === 1 ? "1 node" : `${problems.length} nodes`;
  return fail(code, `Cannot lower the model to TFLite: ${count} cannot be expressed\n  ${lines.join("\n  ")}`, {
    at: { node: first.node },
    hint: first.rewrite,
  });
}

function decapitalised(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
