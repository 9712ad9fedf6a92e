import { isStatic } from "../../graph/dim.ts";
import { GraphDraft } from "../../graph/draft.ts";
import { withGraph } from "../../graph/edit.ts";
import { type Model, type Node, tensorType } from "../../graph/model.ts";
import { attrInt, isOp } from "../../graph/node.ts";
import type { Encoding, QuantDType, QuantPlan } from "../../graph/plan.ts";
import { LEVELS } from "../../graph/quantize.ts";
import { countOf, f32, sameTensor, type Tensor, toNumbers } from "../../graph/tensor.ts";

/** A quantized model taken apart. */
export interface LiftedModel {
  /** The float graph: no QuantizeLinear or DequantizeLinear but those in `left`. */
  readonly model: Model;
  readonly plan: QuantPlan;
  /** Nodes that could not be taken out: computed or blocked scales, integers that are used as such. Names. */
  readonly left: readonly string[];
}

interface Parameters {
  readonly scale: Tensor;
  readonly zeroPoint: Tensor | undefined;
  readonly axis: number;
}

/** Scale and zero point of a node when they are constants that a plan can hold. */
function parametersOf(draft: GraphDraft, node: Node): Parameters | undefined {
  const scale = draft.constant(node.inputs[1] ?? "");
  const zeroName = node.inputs[2] ?? "";
  const zeroPoint = draft.constant(zeroName);
  const isPlain = scale?.dtype === "float32" && scale.shape.length <= 1 && attrInt(node, "block_size", 0) === 0;
  if (!isPlain || (zeroName !== "" && zeroPoint === undefined)) return undefined;
  if (zeroPoint !== undefined && countOf(zeroPoint.shape) !== countOf(scale.shape)) return undefined;
  return { scale, zeroPoint, axis: attrInt(node, "axis", 1) };
}

/** Whether both say one scale and one zero point, alone or repeated for each channel: that is how holdFloat writes it. */
function sameSingle(a: Parameters, b: Parameters): boolean {
  const all = (of: (p: Parameters) => Tensor | undefined): boolean =>
    new Set([a, b].flatMap((p) => Array.from(toNumbers(of(p) ?? f32([], [0]))))).size === 1;
  return all((p) => p.scale) && all((p) => p.zeroPoint) && a.zeroPoint?.dtype === b.zeroPoint?.dtype;
}

function sameParameters(a: Parameters, b: Parameters): boolean {
  if (sameSingle(a, b)) return true;
  const zerosAgree =
    a.zeroPoint === undefined || b.zeroPoint === undefined ? a.zeroPoint === b.zeroPoint : sameTensor(a.zeroPoint, b.zeroPoint);
  return sameTensor(a.scale, b.scale) && zerosAgree && (countOf(a.scale.shape) === 1 || a.axis === b.axis);
}

function isQuantDType(dtype: string): dtype is QuantDType {
  return Object.hasOwn(LEVELS, dtype) && dtype !== "int64";
}

/** The parameters as an encoding for a tensor of `rank` axes; `undefined` when the type or the axis does not fit a plan. */
function encodingOf(
  parameters: Parameters,
  dtype: string,
  about: { readonly rank: number | undefined; readonly reason: string },
): Encoding | undefined {
  const scale = Array.from(toNumbers(parameters.scale));
  if (!isQuantDType(dtype) || scale.some((s) => !(s > 0) || !Number.isFinite(s))) return undefined;
  const zeroPoint = parameters.zeroPoint === undefined ? scale.map(() => 0) : Array.from(toNumbers(parameters.zeroPoint));
  const encoding = { dtype, scale, zeroPoint, reason: about.reason };
  // One scale in a list of one is one scale, whatever the axis.
  if (scale.length === 1) return encoding;
  const axis = parameters.axis < 0 ? (about.rank === undefined ? -1 : parameters.axis + about.rank) : parameters.axis;
  return axis < 0 || (about.rank !== undefined && axis >= about.rank) ? undefined : { ...encoding, axis };
}

/** (q - zeroPoint) * scale in float32, as DequantizeLinear computes it. */
function dequantized(tensor: Tensor, { scale, zeroPoint, axis }: Encoding): Tensor | undefined {
  const channels = axis === undefined ? 1 : (tensor.shape[axis] ?? 0);
  if (channels !== scale.length) return undefined;
  const values = toNumbers(tensor);
  const out = new Float32Array(values.length);
  const inner = axis === undefined ? values.length : countOf(tensor.shape.slice(axis + 1));
  for (let i = 0; i < out.length; i++) {
    const c = axis === undefined ? 0 : Math.floor(i / inner) % channels;
    out[i] = Math.fround((values[i] as number) - (zeroPoint[c] as number)) * (scale[c] as number);
  }
  return f32(tensor.shape, out);
}

/** An integer constant behind DequantizeLinear becomes a float constant. Answers its name and encoding. */
function liftConstant(draft: GraphDraft, node: Node): readonly [string, Encoding] | undefined {
  const integers = draft.constant(node.inputs[0] ?? "");
  const parameters = parametersOf(draft, node);
  const output = node.outputs[0] ?? "";
  if (integers === undefined || parameters === undefined || draft.isOutput(output)) return undefined;
  const encoding = encodingOf(parameters, integers.dtype, { rank: integers.shape.length, reason: `${node.name} of the file` });
  const floats = encoding === undefined ? undefined : dequantized(integers, encoding);
  if (encoding === undefined || floats === undefined) return undefined;
  const name = draft.addConstant((node.inputs[0] ?? "").replace(/_quantized$/, ""), floats);
  draft.remove(node);
  draft.renameUses(output, name);
  return [name, encoding];
}

/** A QuantizeLinear all of whose readers are DequantizeLinear with the same parameters goes, with them. */
function liftPair(draft: GraphDraft, quantize: Node): readonly [string, Encoding] | undefined {
  const source = quantize.inputs[0] ?? "";
  const integers = quantize.outputs[0] ?? "";
  const parameters = parametersOf(draft, quantize);
  const readers = draft.consumers(integers);
  if (parameters === undefined || readers.length === 0 || draft.isOutput(integers) || draft.constant(source) !== undefined)
    return undefined;
  for (const reader of readers) {
    const theirs = isOp(reader, "DequantizeLinear") && reader.inputs[0] === integers ? parametersOf(draft, reader) : undefined;
    if (theirs === undefined || !sameParameters(parameters, theirs)) return undefined;
  }
  const type = draft.type(source);
  const rank = type?.kind === "tensor" && isStatic(type.shape) ? type.shape.length : undefined;
  const dtype = parameters.zeroPoint?.dtype ?? "uint8";
  const encoding = encodingOf(parameters, dtype, { rank, reason: `${quantize.name} of the file` });
  if (encoding === undefined) return undefined;
  // At most one reader may make a graph output, and then the source must be able to take over its name.
  const outputs = readers.filter((reader) => draft.isOutput(reader.outputs[0] ?? ""));
  if (outputs.length > 1 || (outputs.length === 1 && (draft.isOutput(source) || draft.producer(source) === undefined)))
    return undefined;
  let name = source;
  for (const reader of [...readers].sort((a, b) => Number(outputs.includes(a)) - Number(outputs.includes(b)))) {
    const output = reader.outputs[0] ?? "";
    if (draft.isOutput(output)) name = output;
    draft.bypass(draft.current(reader) ?? reader, output, source);
  }
  const current = draft.current(quantize);
  if (current !== undefined) draft.remove(current);
  if (type?.kind === "tensor") draft.setType(name, tensorType(type.dtype, type.shape));
  return [name, encoding];
}

/**
 * The float graph and the plan of a model in QDQ form, its outermost graph. `applyPlan` of the two computes what the model computed, up to int32
 * values beyond 2^24 (biases so large do not survive as float32) and up to float readers of a quantized value, which the file lets see the
 * unquantized one.
 *
 * @example
 * const { model, plan } = liftQuantized(modelFromOnnx(bytes));
 */
export function liftQuantized(model: Model): LiftedModel {
  const draft = new GraphDraft(model.graph);
  const tensors = new Map<string, Encoding>();
  const left: string[] = [];
  for (const node of draft.nodes()) {
    const current = draft.current(node);
    if (current === undefined || !isOp(current, "QuantizeLinear")) continue;
    const lifted = liftPair(draft, current);
    if (lifted === undefined) left.push(current.name);
    else tensors.set(...lifted);
  }
  for (const node of draft.nodes()) {
    const current = draft.current(node);
    if (current === undefined || !isOp(current, "DequantizeLinear")) continue;
    const lifted = liftConstant(draft, current);
    if (lifted === undefined) left.push(current.name);
    else tensors.set(...lifted);
  }
  const plan: QuantPlan = { kind: "quant-plan", version: 1, target: "imported", tensors, nodes: new Map() };
  return { model: withGraph(model, draft.finish()), plan, left };
}
