import { fail } from "../../base/error.ts";
import type { DType } from "../../graph/dtype.ts";
import type { Model, Node } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { isFloatNode, unroundedValues } from "../../graph/plan-borders.ts";
import { plannedModel } from "../../graph/planned.ts";
import { inferGraph } from "../../ops/infer.ts";
import { borderRounding } from "./border.ts";
import { type ProfileName, profileOf } from "./profile.ts";
import { floatsOf, type IntegerProgram, type IntegerStep, type IntegerValue } from "./program.ts";
import { ELEMENTWISE_ROWS } from "./rows-elementwise.ts";
import { lstmRow } from "./rows-lstm.ts";
import { moveRow } from "./rows-move.ts";
import { REDUCE_ROWS } from "./rows-reduce.ts";
import { SUM_ROWS } from "./rows-sums.ts";
import { boundsOf, type Compilation, type CompileRow, constantOf, gridOf, type Site } from "./site.ts";

/** Options of {@link compileInteger}. */
export interface CompileIntegerOptions {
  /** Whose rounding; "tflm-double" unless given. */
  readonly profile?: ProfileName;
  /** Sizes of symbolic dimensions; 1 for those that are not named. */
  readonly dims?: ReadonlyMap<string, number>;
}

/** Defaults of {@link CompileIntegerOptions}. */
export const COMPILE_INTEGER_DEFAULTS = { profile: "tflm-double" } as const satisfies CompileIntegerOptions;

const ROWS: Readonly<Record<string, CompileRow>> = { ...SUM_ROWS, ...ELEMENTWISE_ROWS, ...REDUCE_ROWS, LSTM: lstmRow };

/**
 * Turns a float Model and its quantization plan into an integer program with all multipliers, shifts, offsets and tables worked out. Values have the
 * layout of the Model. A Relu or Clip behind a value without encoding becomes the clamp of what makes the value; an operator that the profile
 * computes in float, or that has operands without encodings, becomes a float step.
 *
 * @throws PLAN_INVALID for an unknown profile or scales that make no multiplier; SHAPE_MISMATCH for sizes that are not known
 *
 * @example
 * const program = compileInteger(model, plan, { profile: "tflm-double" });
 * const outputs = runInteger(program, new Map([["input", tensor]]));
 */
export function compileInteger(source: Model, plan: QuantPlan, options: CompileIntegerOptions = {}): IntegerProgram {
  const { profile } = { ...COMPILE_INTEGER_DEFAULTS, ...options };
  const { graph } = plannedModel(source, plan);
  const at: Compilation = {
    graph,
    plan,
    profile: profileOf(profile),
    types: staticTypes({ ...source, graph }, options.dims ?? new Map()),
    consumers: consumersOf(graph.nodes),
    values: new Map(),
    constants: new Map(),
    steps: [],
  };
  const unrounded = unroundedValues({ ...source, graph }, plan);
  const inputs = graph.inputs.filter((input) => !graph.constants.has(input.name)).map((input) => input.name);
  for (const name of inputs) addValue(at, name);
  for (const name of unrounded) addFloats(at, name);
  const fused = new Set<Node>();
  for (const node of graph.nodes) {
    if (fused.has(node)) continue;
    const site = siteOf(at, node, fused);
    for (const name of [site.output, ...node.outputs.slice(1)]) if (name !== "" && name !== undefined) addValue(at, name);
    at.steps.push(...compileNode(site));
  }
  const outputs = graph.outputs.map((output) => output.name);
  for (const name of outputs) {
    const constant = constantOf(at, name);
    if (constant === undefined) continue;
    at.values.set(name, { name, dtype: constant.dtype, shape: constant.shape });
    at.constants.set(name, constant);
  }
  return { kind: "integer-program", profile, inputs, outputs, values: at.values, constants: at.constants, steps: at.steps };
}

/** The steps of a node: integer ones by its row, moves, or the float kernel. */
function compileNode(site: Site): readonly IntegerStep[] {
  const { at, node } = site;
  const inFloat = isFloatNode(node, at.plan);
  if (node.domain === "" && !inFloat) {
    const row = Object.hasOwn(ROWS, node.op) ? ROWS[node.op] : undefined;
    const steps = row?.(site) ?? moveRow(site);
    if (steps !== undefined) return steps;
  }
  return floatSteps(site);
}

/** A node in float, and after it what was fused with it. */
function floatSteps(site: Site): readonly IntegerStep[] {
  const { at, node } = site;
  const rounding = borderRounding(at.profile);
  const chain: Node[] = [node];
  // What was fused runs as nodes of its own again.
  for (let last = node; last.outputs[0] !== site.output; ) {
    const next: Node | undefined = at.consumers.get(last.outputs[0] as string)?.[0];
    if (next === undefined) break;
    addValue(at, last.outputs[0] as string);
    chain.push(next);
    last = next;
  }
  // What it makes and reads as floats goes by a name of its own beside the integers.
  const asFloats = (name: string): string => (at.values.has(floatsOf(name)) ? floatsOf(name) : name);
  return chain.flatMap((operator): IntegerStep[] => {
    for (const name of operator.inputs) keepFloat(at, name);
    const inputs = isFloatNode(operator, at.plan) ? operator.inputs.map(asFloats) : operator.inputs;
    const outputs = operator.outputs.map(asFloats);
    const rounded = operator.outputs.filter((name, i) => outputs[i] !== name);
    return [
      { kind: "float", node: operator.name, inputs, outputs, operator, rounding },
      ...rounded.map(
        (output): IntegerStep => ({ kind: "quantize", node: operator.name, inputs: [floatsOf(output)], output, rounding }),
      ),
    ];
  });
}

/** A value that float nodes take as it is, beside its integers. */
function addFloats(at: Compilation, name: string): void {
  const type = at.types.get(name);
  if (type !== undefined) at.values.set(floatsOf(name), { name: floatsOf(name), dtype: type.dtype, shape: type.shape });
}

/** Constants that a float step reads stay as they are. */
function keepFloat(at: Compilation, name: string): void {
  const constant = constantOf(at, name);
  if (constant !== undefined && !at.constants.has(name)) at.constants.set(name, constant);
}

/** A node with the bias and the activation behind it that have no encodings in between. */
function siteOf(at: Compilation, node: Node, fused: Set<Node>): Site {
  let output = node.outputs[0] ?? "";
  let bias: string | undefined;
  let bounds: Site["bounds"];
  const onlyReader = (): Node | undefined => {
    const readers = at.consumers.get(output) ?? [];
    const free = readers.length === 1 && !at.graph.outputs.some((o) => o.name === output) && gridOf(at, output) === undefined;
    return free ? readers[0] : undefined;
  };
  if (node.domain === "" && node.op === "MatMul") {
    const next = onlyReader();
    const other = next?.op === "Add" ? next.inputs.find((name) => name !== output) : undefined;
    if (next !== undefined && constantOf(at, other)?.shape.length === 1) {
      fused.add(next);
      bias = other;
      output = next.outputs[0] as string;
    }
  }
  const next = onlyReader();
  const found = next === undefined ? undefined : boundsOf(at, next);
  if (next !== undefined && found !== undefined && gridOf(at, next.outputs[0]) !== undefined) {
    fused.add(next);
    bounds = found;
    output = next.outputs[0] as string;
  }
  return { at, node, output, bounds, bias };
}

function addValue(at: Compilation, name: string): void {
  if (at.values.has(name)) return;
  const type = at.types.get(name);
  if (type === undefined)
    throw fail("SHAPE_MISMATCH", `Cannot compile "${name}" to integers: its shape is not known`, { at: { tensor: name } });
  const grid = gridOf(at, name);
  const value: IntegerValue =
    grid === undefined
      ? { name, dtype: type.dtype, shape: type.shape }
      : { name, dtype: grid.dtype, shape: type.shape, scale: grid.scale, zeroPoint: grid.zeroPoint };
  at.values.set(name, value);
}

function consumersOf(nodes: readonly Node[]): ReadonlyMap<string, readonly Node[]> {
  const consumers = new Map<string, Node[]>();
  for (const node of nodes)
    for (const name of new Set(node.inputs)) {
      const list = consumers.get(name);
      if (list === undefined) consumers.set(name, [node]);
      else list.push(node);
    }
  return consumers;
}

/** Types with sizes that are all known. */
function staticTypes(model: Model, dims: ReadonlyMap<string, number>): Compilation["types"] {
  const bindings = new Map(dims);
  for (const input of model.graph.inputs) {
    if (input.type.kind !== "tensor") continue;
    for (const dim of input.type.shape ?? []) if (typeof dim === "string" && !bindings.has(dim)) bindings.set(dim, 1);
  }
  const types = new Map<string, { readonly dtype: DType; readonly shape: readonly number[] }>();
  for (const [name, type] of inferGraph(model.graph, { bindings }).types) {
    if (type.kind !== "tensor" || type.shape === undefined) continue;
    const shape = type.shape.filter((dim) => typeof dim === "number");
    if (shape.length === type.shape.length) types.set(name, { dtype: type.dtype, shape });
  }
  return types;
}
