import { fail } from "../../base/error.ts";
import type { TfliteModel } from "../../formats/tflite/schema.ts";
import { withGraph } from "../../graph/edit.ts";
import type { Model } from "../../graph/model.ts";
import type { Encoding, NodeChoice, QuantPlan } from "../../graph/plan.ts";
import { verifyModel } from "../../graph/verify.ts";
import { inferTypes } from "../../ops/infer-types.ts";
import { ALLOW_ALL } from "../../passes/pass.ts";
import { removeDead } from "../../passes/remove-dead.ts";
import { graphBuilder } from "./raise/builder.ts";
import { foldDilations } from "./raise/fold-dilation.ts";
import { assignLayout } from "./raise/layout/assign.ts";
import { mergeRewrites, spreadEncodings } from "./raise/merge-rewrites.ts";
import { namedOperators } from "./raise/operators.ts";
import { outputName, type Raising, raiseOperator, startRaising } from "./raise/raising.ts";

/** Options of {@link raiseTflite}. */
export interface RaiseTfliteOptions {
  /**
   * Layout of inputs and outputs of rank 4: "nchw" moves the channels of those that convolutions and their like read or make to axis 1, as the
   * canonical model has them; "keep" leaves the file's order, at the price of a Transpose each.
   */
  readonly inputLayout?: "nchw" | "keep";
}

/** What {@link raiseTflite} does unless told otherwise. */
export const RAISE_TFLITE_DEFAULTS = { inputLayout: "nchw" } as const satisfies RaiseTfliteOptions;

/** A TFLite model in canonical form. */
export interface RaisedTflite {
  /** Float graph, ONNX operators; inputs and outputs have the names of the tensors of subgraph 0. */
  readonly model: Model;
  /** The encodings of the file; `undefined` when nothing in it is quantized. */
  readonly plan: QuantPlan | undefined;
  /** Inputs and outputs of rank 4 that are [N, C, H, W] here and [N, H, W, C] in the file. */
  readonly moved: readonly string[];
  /** What had to be changed or could not be kept, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * The canonical model of a TFLite file, and its quantization as a plan. Sizes are inferred from the inputs: what the file declares for values between is not
 * believed. Activations that operators apply to their output stand by themselves; SAME padding is resolved to numbers; float16 and integer weights
 * become float32. Only subgraph 0 is read.
 *
 * @throws UNSUPPORTED_OP naming the operators that have no form here; GRAPH_INVALID, MALFORMED, DTYPE_MISMATCH, SHAPE_MISMATCH for a file that
 *   contradicts itself; EXTERNAL_DATA; LIMIT_EXCEEDED for sparse constants that would grow beyond all measure
 * @example
 * const { model, plan, notes } = raiseTflite(readTflite(bytes));
 */
export function raiseTflite(records: TfliteModel, options: RaiseTfliteOptions = {}): RaisedTflite {
  const { inputLayout } = { ...RAISE_TFLITE_DEFAULTS, ...options };
  const [graph, ...others] = records.subgraphs ?? [];
  if (graph === undefined) throw fail("GRAPH_INVALID", "Cannot raise the model: it has no subgraph");
  const operators = namedOperators(records, graph);
  const builder = graphBuilder();
  if (others.length > 0) builder.notes.push(`Only the first of ${others.length + 1} subgraphs is read`);
  const raising = startRaising(records, graph, builder);
  const choices = new Map<string, NodeChoice>();
  for (const operator of foldDilations(operators, graph, raising.tensors))
    for (const [value, choice] of raiseOperator(raising, operator)) choices.set(value, choice);
  const outputs = Array.from(graph.outputs ?? [], (index) => outputName(raising, index));
  if (new Set(outputs).size !== outputs.length)
    throw fail("GRAPH_INVALID", "Cannot raise the model: two of its outputs are one tensor");
  noteRepairs(raising, outputs);

  const literal: Model = {
    kind: "model",
    graph: builder.finish(graph.name ?? "", outputs),
    domains: new Map(),
    metadata: new Map(),
    producer: { name: records.description ?? "", version: "" },
    source: { format: "tflite", nodes: operators.length },
  };
  verifyModel(literal);
  const live = removeDead().run(literal, ALLOW_ALL).model;
  const { encodings } = builder;
  const { graph: laidOut, moved } = assignLayout(live.graph, { moveEnds: inputLayout === "nchw", encodings });
  if (moved.length > 0) builder.notes.push(`Channels moved from the last axis to axis 1: ${moved.join(", ")}`);
  const model = inferTypes(removeDead().run(withGraph(live, mergeRewrites(laidOut, { encodings, choices })), ALLOW_ALL).model);
  verifyModel(model);
  spreadEncodings(model.graph, encodings);
  return { model, plan: planOf(model, { encodings, choices }), moved, notes: builder.notes };
}

/** How many names a note lists. */
const NOTED = 8;

function noteRepairs({ builder, misdeclared, widened }: Raising, outputs: readonly string[]): void {
  if (misdeclared.size > 0) {
    // What the caller sees comes first.
    const names = [
      ...outputs.filter((name) => misdeclared.has(name)),
      ...[...misdeclared.keys()].filter((name) => !outputs.includes(name)),
    ];
    const list = names.slice(0, NOTED).map((name) => `${name} ${misdeclared.get(name)}`);
    const more = names.length > NOTED ? ` and ${names.length - NOTED} more` : "";
    builder.notes.push(`Wrong declared shapes are put right: ${list.join(", ")}${more}`);
  }
  if (widened.count > 0) builder.notes.push(`${widened.count} float16 constants became float32`);
}

/** The plan of what is left of the file's tensors; `undefined` when none of them is quantized. */
function planOf(
  model: Model,
  given: { readonly encodings: ReadonlyMap<string, Encoding>; readonly choices: ReadonlyMap<string, NodeChoice> },
): QuantPlan | undefined {
  const { graph } = model;
  const there = new Set([
    ...graph.inputs.map((i) => i.name),
    ...graph.constants.keys(),
    ...graph.nodes.flatMap((n) => n.outputs),
  ]);
  const tensors = new Map([...given.encodings].filter(([name]) => there.has(name)));
  if (tensors.size === 0) return undefined;
  const nodes = new Map<string, NodeChoice>();
  for (const node of graph.nodes) {
    const choice = node.outputs.map((output) => given.choices.get(output)).find((c) => c !== undefined);
    if (choice !== undefined) nodes.set(node.name, choice);
  }
  return { kind: "quant-plan", version: 1, target: "imported", tensors, nodes };
}
