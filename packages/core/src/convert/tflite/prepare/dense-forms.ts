import { isStatic } from "../../../graph/dim.ts";
import { GraphDraft } from "../../../graph/draft.ts";
import { withGraph } from "../../../graph/edit.ts";
import type { Model, Node } from "../../../graph/model.ts";
import { attrFloat, attrInt, isOp, makeNode } from "../../../graph/node.ts";
import type { Encoding, QuantPlan } from "../../../graph/plan.ts";
import { countOf, reshaped, type Tensor } from "../../../graph/tensor.ts";
import { sameEncoding } from "../emit/integer.ts";
import { transposeTensor } from "../emit/transpose-tensor.ts";

/** A model with the plan for it. */
export interface Planned {
  readonly model: Model;
  readonly plan: QuantPlan | undefined;
}

/**
 * Brings products with a constant matrix into the two forms that FULLY_CONNECTED has: a bias that is added behind a MatMul becomes part of it, and a flattening
 * before a product becomes part of it as "tflite:FlatDense" (x, weights [N, ...features], bias), whose weights can follow any order of the features.
 */
export function denseForms({ model, plan }: Planned): Planned {
  const draft = new GraphDraft(model.graph);
  const encodings = new Map<string, Encoding>(plan?.tensors);
  for (const listed of draft.nodes()) {
    const node = draft.current(listed);
    if (node !== undefined && isOp(node, "MatMul")) takeBias(draft, node, encodings);
  }
  for (const listed of draft.nodes()) {
    const node = draft.current(listed);
    if (node !== undefined && (isOp(node, "MatMul") || isOp(node, "Gemm"))) takeFlatten(draft, node, encodings);
  }
  return { model: withGraph(model, draft.finish()), plan: plan && { ...plan, tensors: encodings } };
}

/** MatMul(x, W) + b, where b has one value for each column: b becomes input 2 of the MatMul. */
function takeBias(draft: GraphDraft, node: Node, encodings: ReadonlyMap<string, Encoding>): void {
  const between = node.outputs[0] as string;
  const weight = draft.constant(node.inputs[1] as string);
  const add = draft.onlyConsumer(between);
  if (weight?.shape.length !== 2 || node.inputs.length > 2 || add === undefined || !isOp(add, "Add") || encodings.has(between))
    return;
  const name = add.inputs.find((input) => input !== between) ?? "";
  const bias = draft.constant(name);
  const columns = weight.shape[1] as number;
  if (bias?.dtype !== "float32" || bias.shape.at(-1) !== columns || countOf(bias.shape) !== columns) return;
  const rank = shapeOf(draft, node.inputs[0] as string)?.length ?? 0;
  // An activation's encoding is no bias encoding, and a bias of more axes would add some to the result.
  const planned = encodings.get(name);
  if (bias.shape.length > rank || (planned !== undefined && planned.dtype !== "int32" && (planned.dtype as string) !== "int64"))
    return;
  draft.remove(add);
  draft.replace(node, { ...node, inputs: [...node.inputs, name], outputs: add.outputs });
}

/** Element-wise functions that a flattening may come after as well as before. */
const ELEMENTWISE = [
  "Add",
  "Sub",
  "Mul",
  "Div",
  "Relu",
  "LeakyRelu",
  "Sigmoid",
  "Tanh",
  "HardSwish",
  "Abs",
  "Neg",
  "Clip",
  "Sqrt",
  "Exp",
];

/** The nodes between a flattening and a product, last first: element-wise, with constants, each read by the next alone. */
function between(draft: GraphDraft, flat: string): readonly Node[] {
  const chain: Node[] = [];
  for (let value = flat; ; ) {
    const maker = draft.producer(value);
    if (maker === undefined || maker.domain !== "" || !ELEMENTWISE.includes(maker.op)) return chain;
    const computed = maker.inputs.filter((name) => name !== "" && draft.constant(name) === undefined);
    if (computed.length !== 1 || draft.onlyConsumer(computed[0] as string) === undefined) return chain;
    chain.push(maker);
    value = computed[0] as string;
  }
}

/** Moves a flattening of [N, ...features] behind the element-wise nodes after it; false where a constant does not follow. */
function sinkFlatten(
  draft: GraphDraft,
  chain: readonly Node[],
  given: {
    readonly source: readonly number[];
    readonly flat: readonly number[];
    readonly encodings: Map<string, Encoding>;
  },
): boolean {
  const { source, flat, encodings } = given;
  const [, columns] = flat;
  const wide = new Map<string, Tensor>();
  for (const node of chain) {
    for (const name of node.op === "Clip" ? [] : node.inputs) {
      const constant = draft.constant(name);
      if (constant === undefined || countOf(constant.shape) === 1) continue;
      if (countOf(constant.shape) !== columns || constant.shape.at(-1) !== columns) return false;
      if (encodings.get(name)?.axis !== undefined) return false;
      wide.set(name, reshaped(constant, [1, ...source.slice(1)]));
    }
  }
  const names = new Map([...wide].map(([name, tensor]) => [name, draft.addConstant(`${name}_wide`, tensor)] as const));
  for (const [name, made] of names) {
    const encoding = encodings.get(name);
    if (encoding !== undefined) encodings.set(made, encoding);
  }
  for (const node of chain) {
    draft.replace(node, { ...node, inputs: node.inputs.map((name) => names.get(name) ?? name) });
    const output = node.outputs[0] as string;
    const type = draft.type(output);
    if (type?.kind === "tensor") draft.setType(output, { ...type, shape: source });
  }
  return true;
}

/** Gemm or MatMul behind a Reshape or Flatten that keeps the first axis. */
function takeFlatten(draft: GraphDraft, node: Node, encodings: Map<string, Encoding>): void {
  const last = node.inputs[0] as string;
  const chain = between(draft, last);
  const first = chain.at(-1);
  const flat = first?.inputs.find((name) => name !== "" && draft.constant(name) === undefined) ?? last;
  const shaper = draft.producer(flat);
  if (shaper === undefined || !["Reshape", "Flatten"].includes(shaper.op) || shaper.domain !== "") return;
  const source = shaper.inputs[0] as string;
  const shape = shapeOf(draft, source);
  const flatShape = shapeOf(draft, flat);
  const name = node.inputs[1] as string;
  const weight = draft.constant(name);
  if (shape === undefined || shape.length < 3 || flatShape?.length !== 2 || flatShape[0] !== shape[0]) return;
  if (weight === undefined || weight.shape.length !== 2 || draft.constant(source) !== undefined) return;
  if (
    draft.onlyConsumer(flat) === undefined ||
    draft.onlyConsumer(last)?.name !== node.name ||
    draft.onlyConsumer(name)?.name !== node.name
  )
    return;
  if (!sameEncoding(encodings.get(source), encodings.get(flat))) return;
  if (isOp(node, "Gemm") && (attrInt(node, "transA", 0) !== 0 || attrFloat(node, "alpha", 1) !== 1)) return;
  if (isOp(node, "Gemm") && node.inputs[2] && attrFloat(node, "beta", 1) !== 1) return;
  if (!sinkFlatten(draft, chain, { source: shape, flat: flatShape, encodings })) return;
  const byRow = isOp(node, "Gemm") && attrInt(node, "transB", 0) !== 0;
  const rows: Tensor = byRow ? weight : transposeTensor(weight, [1, 0]);
  draft.setConstant(name, reshaped(rows, [rows.shape[0] as number, ...shape.slice(1)]));
  const encoding = encodings.get(name);
  if (encoding?.axis !== undefined && !byRow) encodings.set(name, { ...encoding, axis: 0 });
  const made = makeNode(
    "FlatDense",
    { inputs: [first === undefined ? source : last, ...node.inputs.slice(1)], outputs: node.outputs },
    { name: node.name, domain: "tflite" },
  );
  draft.replace(node, made);
  if (first !== undefined) draft.renameUses(flat, source);
  draft.remove(shaper);
}

function shapeOf(draft: GraphDraft, name: string): readonly number[] | undefined {
  const type = draft.type(name);
  return type?.kind === "tensor" && isStatic(type.shape) ? type.shape : undefined;
}
