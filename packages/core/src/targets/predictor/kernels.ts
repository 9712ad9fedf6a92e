import { isStatic } from "../../graph/dim.ts";
import { GraphDraft } from "../../graph/draft.ts";
import { isFloat } from "../../graph/dtype.ts";
import type { Model, Node, TensorType } from "../../graph/model.ts";
import { attrInt } from "../../graph/node.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { unroundedValues } from "../../graph/plan-borders.ts";
import { countOf } from "../../graph/tensor.ts";
import { inferTypes } from "../../ops/infer-types.ts";
import { opRow } from "../../ops/table.ts";
import { ruleOf } from "../rules.ts";
import type { OperatorRule, Target } from "../target.ts";
import { fusedInput } from "./float-fusion.ts";
import { type Kernel, type KernelNumbers, kindOf, movingKernel } from "./kernel.ts";
import { isIntegerNode, type Scene } from "./scene.ts";

/**
 * The kernels that a target's runtime will run for a model, in order: of a float model without a plan, of a quantized one with it. Made from the
 * target's tables alone: what fuses in float, what has an integer kernel by which name, where values cross between integers and floats.
 *
 * @param source prepared for the target when there is a plan, with a size for every dimension
 */
export function kernelsOf(source: Model, plan: QuantPlan | undefined, target: Target): readonly Kernel[] {
  const model = inferTypes(source);
  const unrounded = plan === undefined ? new Set<string>() : unroundedValues(model, plan);
  const scene: Scene = { draft: new GraphDraft(model.graph), target, plan, unrounded };
  const kernels: Kernel[] = [];
  for (const { name } of model.graph.inputs) {
    if (!model.graph.constants.has(name) && becomesIntegers(name, scene)) kernels.push(border("QuantizeLinear", name, scene));
  }
  for (const node of model.graph.nodes) {
    const integer = isIntegerNode(node, scene);
    kernels.push(...readBorders(node, integer, scene));
    const into = integer ? vanishedInput(node, scene) : fusedInput(node, scene);
    const host = into === undefined ? -1 : kernels.findLastIndex((k) => k.outputs.includes(into));
    if (host >= 0) kernels[host] = joined(kernels[host] as Kernel, plainKernel(node, scene, "float32"));
    else kernels.push(integer ? integerKernel(node, scene) : floatKernel(node, scene));
    if (!integer)
      for (const name of node.outputs) if (becomesIntegers(name, scene)) kernels.push(border("QuantizeLinear", name, scene));
  }
  for (const { name } of model.graph.outputs)
    if (holdsIntegers(name, scene) && !isReadInFloat(name, scene)) kernels.push(border("DequantizeLinear", name, scene));
  return kernels;
}

/** Whether a value is there in integers alone: it has an encoding, and was not kept as a float for readers in float. */
function holdsIntegers(name: string, { plan, draft, unrounded }: Scene): boolean {
  return plan?.tensors.has(name) === true && draft.constant(name) === undefined && !unrounded.has(name);
}

/** Whether a value made as a float is turned into integers: somebody reads them, or it is rounded for all its readers. */
function becomesIntegers(name: string, scene: Scene): boolean {
  if (!scene.plan?.tensors.has(name)) return false;
  return !scene.unrounded.has(name) || scene.draft.consumers(name).some((node) => isIntegerNode(node, scene));
}

function isReadInFloat(name: string, scene: Scene): boolean {
  return scene.draft.consumers(name).some((node) => !isIntegerNode(node, scene));
}

/** The conversions that a node in float needs of what it reads: one for each value, at its first reader in float. */
function readBorders(node: Node, integer: boolean, scene: Scene): readonly Kernel[] {
  if (integer) return [];
  const { draft } = scene;
  return [...new Set(node.inputs)]
    .filter((name) => name !== "" && holdsIntegers(name, scene))
    .filter((name) => draft.consumers(name).find((user) => !isIntegerNode(user, scene))?.name === node.name)
    .map((name) => border("DequantizeLinear", name, scene));
}

function border(op: "QuantizeLinear" | "DequantizeLinear", name: string, scene: Scene): Kernel {
  const tflite = scene.target.format === "tflite";
  const called = op === "QuantizeLinear" ? "QUANTIZE" : "DEQUANTIZE";
  const kind = op === "QuantizeLinear" ? "quantize" : "dequantize";
  const what = { node: name, op, name: tflite ? called : op, kind, inputs: [name], outputs: [name] } as const;
  return movingKernel(what, elementsOf(typeOf(name, scene)));
}

/** The value that a Relu or Clip in integers vanishes into: it has no encoding of its own, and what is made of it has one. */
function vanishedInput(node: Node, { target, plan }: Scene): string | undefined {
  const [input = "", output = ""] = [node.inputs[0], node.outputs[0]];
  const vanishes = ruleOf(node, target)?.kind === "absorbed" && !plan?.tensors.has(input) && plan?.tensors.has(output);
  return vanishes ? input : undefined;
}

/** A kernel that computes what another one did behind it, too. */
function joined(kernel: Kernel, next: Kernel): Kernel {
  const others = next.inputs.filter((name) => !kernel.outputs.includes(name));
  return {
    ...kernel,
    reads: kernel.reads + (others.length === 0 ? 0 : next.reads - next.writes),
    inputs: [...kernel.inputs, ...others],
    outputs: next.outputs,
  };
}

function integerKernel(node: Node, scene: Scene): Kernel {
  const { target, plan } = scene;
  const rule = ruleOf(node, target);
  const output = node.outputs[0] ?? "";
  const slow = Object.hasOwn(target.slowKernels ?? {}, node.op) ? target.slowKernels?.[node.op] : undefined;
  const wide = plan?.tensors.get(output)?.dtype.endsWith("int16") === true && target.format === "tflite";
  const why = wide ? "16-bit activations have no accelerated kernel" : slow;
  const plain = plainKernel(node, scene, why === undefined ? "int8" : "slow");
  return { ...plain, name: integerName(node, rule, target), ...(why === undefined ? {} : { why }) };
}

/** As the runtime calls the integer kernel of a node. */
function integerName(node: Node, rule: OperatorRule | undefined, target: Target): string {
  const names = Object.hasOwn(target.integerKernels, node.op) ? (target.integerKernels[node.op] ?? []) : [];
  if (node.op === "Conv" && attrInt(node, "group", 1) > 1 && names.includes("DEPTHWISE_CONV_2D")) return "DEPTHWISE_CONV_2D";
  const [first] = names;
  return rule?.kind === "through" || first === undefined ? node.op : first;
}

function floatKernel(node: Node, scene: Scene): Kernel {
  const kernel = plainKernel(node, scene, "float32");
  const why = scene.plan?.nodes.get(node.name)?.reason;
  return why === undefined ? kernel : { ...kernel, why };
}

function plainKernel(node: Node, scene: Scene, numbers: KernelNumbers): Kernel {
  const { draft, plan } = scene;
  const inputs = node.inputs.map((name) => (name === "" ? undefined : typeOf(name, scene)));
  const outputs = node.outputs.map((name) => (name === "" ? undefined : typeOf(name, scene)));
  const values = node.inputs.filter((name) => name !== "" && draft.constant(name) === undefined);
  const known = [...inputs, ...outputs].every((type) => type === undefined || isStatic(type.shape));
  const macs = known ? (opRow(node)?.cost(node, inputs, outputs)?.macs ?? 0) : 0;
  const group = node.op === "Conv" ? attrInt(node, "group", 1) : 1;
  return {
    node: node.name,
    op: node.op,
    name: node.op,
    kind: kindOf(node.op, inputs[1], group),
    numbers,
    macs,
    reads: sum(values.map((name) => elementsOf(typeOf(name, scene)))),
    writes: sum(outputs.map(elementsOf)),
    channels: channelsOf(node, inputs, outputs[0]),
    weightBytes: sum(node.inputs.map((name) => constantBytes(name, draft, plan))),
    inputs: values,
    outputs: node.outputs.filter((name) => name !== ""),
  };
}

/** Input channels of a group and output channels of a product; of other nodes, the channels of what they make. */
function channelsOf(
  node: Node,
  inputs: readonly (TensorType | undefined)[],
  output: TensorType | undefined,
): readonly [number, number] {
  const size = (dim: unknown): number => (typeof dim === "number" ? dim : 0);
  const weight = inputs[1]?.shape;
  if (node.op === "Conv") return [size(weight?.[1]), size(weight?.[0])];
  if (node.op === "ConvTranspose") return [size(weight?.[0]), size(weight?.[1])];
  if (node.op === "Gemm") {
    const [rows, columns] = attrInt(node, "transB", 0) === 0 ? [0, 1] : [1, 0];
    return [size(weight?.[rows]), size(weight?.[columns])];
  }
  if (node.op === "MatMul") return [size(weight?.at(-2)), size(weight?.at(-1))];
  return (output?.shape?.length ?? 0) >= 3 ? [0, size(output?.shape?.[1])] : [0, 0];
}

/** Bytes of a constant in the file: by its encoding where it has one. */
function constantBytes(name: string, draft: GraphDraft, plan: QuantPlan | undefined): number {
  const tensor = name === "" ? undefined : draft.constant(name);
  if (tensor === undefined) return 0;
  const encoding = plan?.tensors.get(name);
  if (encoding === undefined || !isFloat(tensor.dtype)) return tensor.bytes.byteLength;
  const bits = encoding.dtype.includes("32") ? 32 : encoding.dtype.includes("16") ? 16 : encoding.dtype === "int64" ? 64 : 8;
  return (countOf(tensor.shape) * bits) / 8 + encoding.scale.length * 4;
}

function typeOf(name: string, { draft }: Scene): TensorType | undefined {
  const type = draft.type(name);
  if (type?.kind === "tensor") return type;
  const constant = draft.constant(name);
  return constant === undefined ? undefined : { kind: "tensor", dtype: constant.dtype, shape: constant.shape };
}

function elementsOf(type: TensorType | undefined): number {
  return type !== undefined && isStatic(type.shape) ? countOf(type.shape) : 0;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, v) => total + v, 0);
}
