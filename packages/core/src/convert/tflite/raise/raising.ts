import { fail, placed } from "../../../base/error.ts";
import type { SubGraph, TfliteModel } from "../../../formats/tflite/schema.ts";
import type { DType } from "../../../graph/dtype.ts";
import { tensorType } from "../../../graph/model.ts";
import type { NodeChoice } from "../../../graph/plan.ts";
import type { Tensor } from "../../../graph/tensor.ts";
import type { GraphBuilder } from "./builder.ts";
import { dequantized, widened } from "./dequantize.ts";
import type { NamedOperator } from "./operators.ts";
import type { Site } from "./site.ts";
import { type SourceTensor, type SourceTensors, sourceTensors } from "./source-tensor.ts";
import { RAISE_ROWS } from "./table.ts";

/** A subgraph on its way into a graph. */
export interface Raising {
  readonly builder: GraphBuilder;
  readonly tensors: SourceTensors;
  /** Names that the values of tensors will have. */
  readonly names: ReadonlyMap<number, string>;
  /** Values of tensors so far: names in the graph. */
  readonly values: Map<number, string>;
  /** Values whose declared shape is not the real one, and what is right. */
  readonly misdeclared: Map<string, string>;
  /** float16 constants that became float32. */
  readonly widened: { count: number };
}

/** The element type that a tensor has in the float graph. */
export function floatType({ dtype, isQuantized }: SourceTensor): DType {
  return isQuantized || dtype === "float16" ? "float32" : dtype;
}

/** Takes in the inputs of a subgraph. @throws GRAPH_INVALID, MALFORMED, DTYPE_MISMATCH */
export function startRaising(model: TfliteModel, graph: SubGraph, builder: GraphBuilder): Raising {
  const inputs = Array.from(graph.inputs ?? []);
  const made = [...inputs, ...(graph.operators ?? []).flatMap((operator) => Array.from(operator.outputs ?? []))].filter(
    (i) => i >= 0,
  );
  const isMade = new Set(made);
  const tensors = sourceTensors(model, graph, isMade);
  const names = new Map<number, string>();
  const nameFor = (index: number): void => {
    if (names.has(index) || index < 0 || index >= tensors.count) return;
    const name = graph.tensors?.[index]?.name ?? "";
    names.set(index, builder.names.fresh(name === "" ? `tensor_${index}` : name));
  };
  // Inputs and outputs come first, so that theirs are the names that stay as they are.
  for (const index of [...inputs, ...Array.from(graph.outputs ?? []), ...made]) nameFor(index);
  const raising: Raising = { builder, tensors, names, values: new Map(), misdeclared: new Map(), widened: { count: 0 } };
  for (const index of inputs) {
    const source = tensors.get(index);
    if (raising.values.has(index)) throw fail("GRAPH_INVALID", `Cannot raise the model: tensor ${index} is an input twice`);
    const name = names.get(index) as string;
    builder.addInput(name, tensorType(floatType(source), source.shape));
    if (source.openAxes.length > 0)
      builder.notes.push(
        `Input ${name} may have other sizes along axis ${source.openAxes.join(", ")} in the file; it is raised for [${source.shape}]`,
      );
    raising.values.set(index, name);
    if (source.isQuantized && source.encoding !== undefined) builder.encodings.set(name, source.encoding);
  }
  return raising;
}

/** The float form of constant data. */
function floatConstant(raising: Raising, source: SourceTensor): Tensor | undefined {
  const { data, dtype, encoding, isQuantized } = source;
  if (data === undefined) return undefined;
  if (isQuantized && encoding !== undefined) return dequantized(data, encoding);
  if (dtype !== "float16") return data;
  raising.widened.count++;
  return widened(data);
}

/** The name of a tensor's value; constants come into the graph with their first use. @throws GRAPH_INVALID for one that nothing has made */
export function nameOfValue(raising: Raising, index: number): string {
  const known = raising.values.get(index);
  if (known !== undefined) return known;
  const source = raising.tensors.get(index);
  const tensor = floatConstant(raising, source);
  if (tensor === undefined)
    throw fail("GRAPH_INVALID", `Cannot read tensor ${index} (${source.name}): nothing before it makes it, and it has no data`);
  const name = raising.builder.constant(source.name === "" ? `tensor_${index}` : source.name, tensor);
  if (source.isQuantized && source.encoding !== undefined) raising.builder.encodings.set(name, source.encoding);
  raising.values.set(index, name);
  return name;
}

function siteOf(raising: Raising, operator: NamedOperator): Site {
  const { builder, tensors, values } = raising;
  const { index, name, record } = operator;
  const inputs = Array.from(record.inputs ?? []);
  while (inputs.at(-1) === -1) inputs.pop();
  const at = (i: number): number => {
    const tensor = inputs[i] ?? -1;
    if (tensor < 0) throw fail("GRAPH_INVALID", `Cannot raise ${name} (operator ${index}): it has no input ${i}`);
    return tensor;
  };
  return {
    builder,
    operator: name,
    index,
    record,
    window: operator.window,
    inputs: inputs.length,
    outputs: record.outputs?.length ?? 0,
    has: (i) => (inputs[i] ?? -1) >= 0,
    source: (i) => tensors.get(at(i)),
    target: (i) => tensors.get(record.outputs?.[i] ?? -1),
    value: (i) => nameOfValue(raising, at(i)),
    constant(i) {
      const known = values.get(at(i));
      if (known !== undefined) {
        const tensor = builder.isConstant(known) ? builder.known(known) : undefined;
        return tensor === undefined ? undefined : { tensor, encoding: builder.encodings.get(known) };
      }
      const source = tensors.get(at(i));
      const tensor = floatConstant(raising, source);
      return tensor === undefined ? undefined : { tensor, encoding: source.isQuantized ? source.encoding : undefined };
    },
    constantShape: (i) => (values.has(at(i)) ? undefined : tensors.get(at(i)).data?.shape),
    isMade: (i) => values.has(at(i)) && !builder.isConstant(values.get(at(i)) as string),
    encoding: (i) => builder.encodings.get(values.get(at(i)) ?? ""),
    refuse: (why, hint) =>
      fail("UNSUPPORTED_OP", `Cannot raise ${name} (operator ${index}): ${why}`, hint === undefined ? {} : { hint }),
  };
}

/**
 * Adds the nodes of one operator.
 *
 * @returns what the operator computes in, by the names of the values that its nodes make; empty when nothing of it is quantized
 */
export function raiseOperator(raising: Raising, operator: NamedOperator): ReadonlyMap<string, NodeChoice> {
  const { builder, values, names } = raising;
  const start = builder.size;
  const site = siteOf(raising, operator);
  builder.owner = names.get(operator.record.outputs?.[0] ?? -1) ?? operator.name.toLowerCase();
  const row = RAISE_ROWS[operator.name];
  const results = row === undefined ? [] : placedRow(operator, () => row(site));
  const outputs = Array.from(operator.record.outputs ?? []);
  if (results.length !== outputs.length)
    throw fail(
      "GRAPH_INVALID",
      `Cannot raise ${operator.name} (operator ${operator.index}): it makes ${outputs.length} outputs instead of ${results.length}`,
    );
  for (const [k, index] of outputs.entries()) {
    if (index < 0) continue;
    if (values.has(index))
      throw fail(
        "GRAPH_INVALID",
        `Cannot raise ${operator.name} (operator ${operator.index}): tensor ${index} has a value already`,
      );
    const source = raising.tensors.get(index);
    const name = names.get(index) as string;
    const result = results[k] as string;
    if (builder.isConstant(result)) {
      // What a constant is written in changes nothing in it: it stays one, for weights are looked for among constants.
      values.set(index, result);
      continue;
    }
    if (!builder.rename(result, name, start)) builder.rename(builder.emit("Identity", [result]), name, start);
    values.set(index, name);
    if (source.isQuantized && source.encoding !== undefined) builder.encodings.set(name, source.encoding);
    noteShape(raising, source, name);
  }
  return choicesOf(raising, operator, builder.madeSince(start));
}

function placedRow<T>(operator: NamedOperator, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw placed(error, { node: `${operator.name} #${operator.index}` });
  }
}

function noteShape(raising: Raising, source: SourceTensor, name: string): void {
  const type = raising.builder.type(name);
  if (type.shape === undefined || type.shape.join() === source.shape.join()) return;
  raising.misdeclared.set(name, `[${source.shape}] is [${type.shape}]`);
}

/** What an operator computes in, from the types of what it reads and makes. */
function choicesOf(raising: Raising, operator: NamedOperator, made: readonly string[]): ReadonlyMap<string, NodeChoice> {
  const { tensors } = raising;
  const isIndex = (index: number): boolean => index >= 0;
  const reads = Array.from(operator.record.inputs ?? [])
    .filter(isIndex)
    .map((i) => tensors.get(i));
  const makes = Array.from(operator.record.outputs ?? [])
    .filter(isIndex)
    .map((i) => tensors.get(i));
  const quantized = [...reads.filter((t) => t.data === undefined), ...makes].filter((t) => t.isQuantized);
  const { name } = operator;
  const choice = ((): NodeChoice | undefined => {
    if (name === "QUANTIZE" || name === "DEQUANTIZE") return undefined;
    if (quantized.length > 0) {
      const isWide = quantized.some((t) => t.dtype === "int16");
      return { precision: isWide ? "int16x8" : "int8", reason: `${name} in ${quantized[0]?.dtype}, as in the file` };
    }
    if (reads.some((t) => t.isQuantized))
      return {
        precision: "float32",
        reason: `dynamic range: ${name} with integer weights and float activations, as in the file`,
      };
    return undefined;
  })();
  return choice === undefined ? new Map() : new Map(made.map((output) => [output, choice]));
}

/** The name of a graph output. */
export function outputName(raising: Raising, index: number): string {
  const { builder, names, values } = raising;
  const value = nameOfValue(raising, index);
  if (!builder.isConstant(value)) return value;
  // A constant handed out gets a node, so that it can have the name of the output.
  const name = names.get(index) ?? builder.names.fresh(value);
  const start = builder.size;
  builder.rename(builder.emit("Identity", [value]), name, start);
  values.set(index, name);
  return name;
}
