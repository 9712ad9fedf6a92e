import { fail } from "../../../base/error.ts";
import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { ACTIVATIONS, enumName } from "../../../formats/tflite/enums.ts";
import type { BuiltinOptions, OptionsOf } from "../../../formats/tflite/options.ts";
import type { Operator } from "../../../formats/tflite/schema.ts";
import { isInteger } from "../../../graph/dtype.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { f32, reshaped, type Tensor, toInts } from "../../../graph/tensor.ts";
import type { GraphBuilder } from "./builder.ts";
import type { GivenWindow } from "./fold-dilation.ts";
import { channelsFirst, channelsLast, permuted } from "./permute.ts";
import type { SourceTensor } from "./source-tensor.ts";

/** One operator of the file, as the rows of the table see it. Values are names in the graph being built, in the file's layout. */
export interface Site {
  readonly builder: GraphBuilder;
  readonly operator: BuiltinOperator;
  readonly index: number;
  readonly record: Operator;
  /** Dilations and pads that stand for those of the options. */
  readonly window: GivenWindow | undefined;
  /** Number of inputs, absent ones at the end not counted. */
  readonly inputs: number;
  readonly outputs: number;
  /** Whether input `i` is there. */
  has(i: number): boolean;
  /** The tensor of the file behind an input. @throws GRAPH_INVALID when it is absent */
  source(i: number): SourceTensor;
  target(i: number): SourceTensor;
  /** The value of an input. */
  value(i: number): string;
  /** The float form of a constant input, and its encoding in the file's order. */
  constant(i: number): { readonly tensor: Tensor; readonly encoding: Encoding | undefined } | undefined;
  /** Sizes of a constant input. */
  constantShape(i: number): readonly number[] | undefined;
  /** Whether the caller or an operator before gives the tensor of an input its value. */
  isMade(i: number): boolean;
  /** The encoding of the value that an input reads. */
  encoding(i: number): Encoding | undefined;
  refuse(why: string, hint?: string): Error;
}

/** How an operator of the file becomes nodes; the names are those of the values of its outputs. */
export type RaiseRow = (site: Site) => readonly string[];

/** Sizes of an input as they really are. */
export function shapeOf(site: Site, i: number): readonly number[] {
  // A parameter need not come into the graph in the file's order only to be measured.
  return site.constantShape(i) ?? site.builder.shape(site.value(i));
}

/** The options of an operator; where the file has none, what the schema says they are then. @throws through {@link Site.refuse} for options of another operator */
export function optionsOf<K extends BuiltinOptions["kind"]>(site: Site, kind: K): Partial<OptionsOf<K>> {
  const options = site.record.builtinOptions;
  if (options === undefined) return {};
  if (options.kind !== kind) throw site.refuse(`its options are ${options.kind} instead of ${kind}`);
  return options as OptionsOf<K>;
}

/** The integers behind a value; `undefined` when they are computed while the model runs. @throws through {@link Site.refuse} for other elements */
export function knownInts(site: Site, value: string): number[] | undefined {
  const tensor = site.builder.known(value);
  if (tensor === undefined) return undefined;
  if (!isInteger(tensor.dtype)) throw site.refuse(`it takes positions or sizes from ${value}, which is ${tensor.dtype}`);
  return toInts(tensor);
}

/** The integers of an input that must be known. */
export function intsOf(site: Site, i: number, what: string): number[] {
  const ints = knownInts(site, site.value(i));
  if (ints === undefined)
    throw site.refuse(`${what} is computed while it runs`, "Convert the model again with fixed input sizes");
  return ints;
}

/** An axis counted from the front. */
export function frontAxis(site: Site, axis: number, rank: number): number {
  const front = axis < 0 ? axis + rank : axis;
  if (front < 0 || front >= rank) throw site.refuse(`axis ${axis} does not exist in rank ${rank}`);
  return front;
}

/** The value with an activation that the operator applies to its own output. */
export function activated(site: Site, value: string, code: number | undefined): string {
  const name = enumName(ACTIVATIONS, code ?? 0);
  switch (name) {
    case "NONE":
      return value;
    case "RELU":
      return site.builder.emit("Relu", [value]);
    case "RELU6":
      return clipped(site, value, [0, 6]);
    case "RELU_N1_TO_1":
      return clipped(site, value, [-1, 1]);
    case "TANH":
      return site.builder.emit("Tanh", [value]);
    default:
      throw site.refuse(`its fused activation is ${name ?? code}`);
  }
}

/** The value kept between two bounds. */
export function clipped(site: Site, value: string, [low, high]: readonly [number, number]): string {
  const { builder } = site;
  return builder.emit("Clip", [value, builder.constant("low", f32([], [low])), builder.constant("high", f32([], [high]))]);
}

/** The value with its channels moved from the last axis to axis 1. */
export function toChannelsFirst(site: Site, value: string): string {
  const perm = channelsFirst(site.builder.shape(value).length);
  return site.builder.emit("Transpose", [value], { attributes: { perm }, hint: `${value}_nchw` });
}

/** The value with its channels moved from axis 1 to the last axis. */
export function toChannelsLast(site: Site, value: string): string {
  const perm = channelsLast(site.builder.shape(value).length);
  return site.builder.emit("Transpose", [value], { attributes: { perm }, hint: `${site.builder.owner}/linear` });
}

/** What becomes of the axes of a parameter: transposed, then seen under another shape. */
export interface ParameterForm {
  readonly perm: readonly number[];
  readonly shape?: readonly number[];
  /** Axis of the new shape that a per-channel encoding goes along. */
  readonly axis: number;
}

/** An input such as a filter in the form that its ONNX operator wants. A constant is transformed, anything else transposed while it runs. */
export function parameter(site: Site, i: number, form: ParameterForm): string {
  const { builder } = site;
  const constant = site.constant(i);
  if (constant === undefined) {
    const turned = isIdentity(form.perm)
      ? site.value(i)
      : builder.emit("Transpose", [site.value(i)], { attributes: { perm: form.perm } });
    return form.shape === undefined ? turned : builder.emit("Reshape", [turned, builder.list(form.shape)]);
  }
  const key = `${site.source(i).index}:${form.perm}:${form.shape}:${form.axis}`;
  const there = builder.parameters.get(key);
  if (there !== undefined) return there;
  const turned = permuted(constant.tensor, form.perm);
  const tensor = form.shape === undefined ? turned : reshaped(turned, form.shape);
  const name = builder.constant(nameOf(site, i), tensor);
  builder.parameters.set(key, name);
  const { encoding } = constant;
  if (encoding !== undefined) {
    const { axis: _, ...rest } = encoding;
    builder.encodings.set(name, encoding.axis === undefined ? rest : { ...rest, axis: form.axis });
  }
  return name;
}

/** A name for what is made of an input. */
export function nameOf(site: Site, i: number): string {
  const { name, index } = site.source(i);
  return name === "" ? `tensor_${index}` : name;
}

function isIdentity(perm: readonly number[]): boolean {
  return perm.every((axis, i) => axis === i);
}

/** `value` with axes of size 1 put in front until it has `rank` axes. */
export function widenedTo(site: Site, value: string, rank: number): string {
  const { builder } = site;
  const own = builder.type(value).shape?.length ?? rank;
  if (own >= rank || builder.isConstant(value)) return value;
  return builder.emit("Unsqueeze", [value, builder.list(Array.from({ length: rank - own }, (_, i) => i))]);
}

/** Fails unless an input has `rank` axes. */
export function requireRank(site: Site, i: number, rank: number): readonly number[] {
  const shape = shapeOf(site, i);
  if (shape.length !== rank)
    throw fail(
      "SHAPE_MISMATCH",
      `Cannot raise ${site.operator} (operator ${site.index}): input ${i} is [${shape}], not of rank ${rank}`,
    );
  return shape;
}
