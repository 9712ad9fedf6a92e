import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { attrFloat, attrInt, isOp } from "../graph/node.ts";
import { f32, type Tensor, toNumbers, view } from "../graph/tensor.ts";
import { graphPass, type Pass, type PassLog } from "./pass.ts";

/** y = scale[c] * x + shift[c] along one axis; lists of one element apply to every channel. */
export interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  /** Axis of x that the channels lie on; `undefined` when there is one value for all. */
  readonly axis: number | undefined;
  /** The value that it is applied to. */
  readonly input: string;
}

/**
 * Folds BatchNormalization, and Mul, Add, Sub and Div by constants per channel, into the weights of the Conv, ConvTranspose, Gemm or MatMul before
 * them. Products are taken in double and rounded once. Enters subgraphs.
 */
export function foldAffine(): Pass {
  return graphPass(
    "fold-affine",
    "Folds BatchNormalization and per-channel scales and shifts into the layer before",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current !== undefined) foldInto(draft, current, log);
      }
    },
    { types: true },
  );
}

/** A float32 constant; `undefined` for anything else. */
export function constantF32(draft: GraphDraft, name: string | undefined): Tensor | undefined {
  const constant = name ? draft.constant(name) : undefined;
  return constant?.dtype === "float32" ? constant : undefined;
}

function rankOf(draft: GraphDraft, name: string): number | undefined {
  const type = draft.type(name);
  return type?.kind === "tensor" ? type.shape?.length : undefined;
}

/** What a node does when it is a scale and a shift by constants along at most one axis. */
export function readAffine(draft: GraphDraft, node: Node): Affine | undefined {
  if (isOp(node, "BatchNormalization")) return readBatchNorm(draft, node);
  if (!["Mul", "Add", "Sub", "Div"].some((op) => isOp(node, op))) return undefined;
  const left = constantF32(draft, node.inputs[0]);
  const right = constantF32(draft, node.inputs[1]);
  if ((left === undefined) === (right === undefined)) return undefined;
  const constant = (left ?? right) as Tensor;
  const input = node.inputs[left === undefined ? 0 : 1] as string;
  const rank = rankOf(draft, input);
  if (rank === undefined || constant.shape.length > rank) return undefined;
  const wide = constant.shape.map((size, i) => ({ size, axis: rank - constant.shape.length + i })).filter((d) => d.size !== 1);
  if (wide.length > 1) return undefined;
  const values = toNumbers(constant);
  const axis = wide[0]?.axis;
  const ones = new Float64Array(values.length).fill(1);
  const zeros = new Float64Array(values.length);
  switch (node.op) {
    case "Mul":
      return { scale: values, shift: zeros, axis, input };
    case "Add":
      return { scale: ones, shift: values, axis, input };
    case "Sub":
      return left === undefined
        ? { scale: ones, shift: values.map((v) => -v), axis, input }
        : { scale: ones.map((v) => -v), shift: values, axis, input };
    default:
      return left === undefined ? { scale: values.map((v) => 1 / v), shift: zeros, axis, input } : undefined;
  }
}

function readBatchNorm(draft: GraphDraft, node: Node): Affine | undefined {
  if (node.outputs.slice(1).some((name) => name !== "") || attrInt(node, "training_mode", 0) !== 0) return undefined;
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => constantF32(draft, node.inputs[i]));
  if (!gamma || !beta || !mean || !variance) return undefined;
  const [g, b, m, v] = [gamma, beta, mean, variance].map(toNumbers) as [Float64Array, Float64Array, Float64Array, Float64Array];
  const epsilon = attrFloat(node, "epsilon", 1e-5);
  const scale = g.map((value, i) => value / Math.sqrt((v[i] as number) + epsilon));
  return {
    scale,
    shift: b.map((value, i) => value - (m[i] as number) * (scale[i] as number)),
    axis: 1,
    input: node.inputs[0] as string,
  };
}

/** Where a layer keeps its output channels. */
interface Layer {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  readonly channels: number;
  /** Axis of the layer's output with the channels. */
  readonly outputAxis: number;
  /** Order of the weight elements, outermost first: the output channel of one is group * perGroup + its place among `perGroup`. */
  readonly order: { readonly groups: number; readonly rows: number; readonly perGroup: number; readonly inner: number };
  /** What one unit of bias adds to the output (Gemm's beta). */
  readonly canBias: boolean;
}

function readLayer(draft: GraphDraft, node: Node): Layer | string {
  const weight = constantF32(draft, node.inputs[1]);
  const biasName = node.inputs[2] || undefined;
  const bias = constantF32(draft, biasName);
  if (weight === undefined) return "its weight is not a float32 constant";
  if (biasName !== undefined && bias === undefined) return "its bias is not a float32 constant";
  const { shape } = weight;
  if (node.op === "Conv" || node.op === "ConvTranspose") {
    const group = attrInt(node, "group", 1);
    const inner = shape.slice(2).reduce((a, b) => a * b, 1);
    if (node.op === "Conv") {
      const perOut = (shape[1] as number) * inner;
      return {
        weight,
        bias,
        channels: shape[0] as number,
        outputAxis: 1,
        order: { groups: 1, rows: 1, perGroup: shape[0] as number, inner: perOut },
        canBias: true,
      };
    }
    const outPerGroup = shape[1] as number;
    const inPerGroup = (shape[0] as number) / group;
    const order = { groups: group, rows: inPerGroup, perGroup: outPerGroup, inner };
    return { weight, bias, channels: outPerGroup * group, outputAxis: 1, order, canBias: true };
  }
  if (shape.length !== 2) return "its weight is not a matrix";
  const transposed = node.op === "Gemm" && attrInt(node, "transB", 0) !== 0;
  const columns = shape[1] as number;
  const channels = transposed ? (shape[0] as number) : columns;
  const rank = rankOf(draft, node.outputs[0] as string);
  if (rank === undefined) return "the rank of its output is not known";
  if (node.op === "Gemm" && bias !== undefined) {
    if (attrFloat(node, "beta", 1) !== 1) return "its bias is scaled by beta";
    if (bias.shape.length > 2 || (bias.shape.length === 2 && bias.shape[0] !== 1))
      return "its bias has one row for each row of the input";
    if ((bias.shape.at(-1) ?? 1) !== channels) return "its bias does not have one value per column";
  }
  const order = transposed
    ? { groups: 1, rows: 1, perGroup: channels, inner: columns }
    : { groups: 1, rows: shape[0] as number, perGroup: columns, inner: 1 };
  return { weight, bias, channels, outputAxis: rank - 1, order, canBias: node.op === "Gemm" };
}

function foldInto(draft: GraphDraft, node: Node, log: PassLog): void {
  const affine = readAffine(draft, node);
  if (affine === undefined) return;
  const before = draft.producer(affine.input);
  if (before === undefined || before.domain !== "" || !["Conv", "ConvTranspose", "Gemm", "MatMul"].includes(before.op)) return;
  if (draft.onlyConsumer(affine.input)?.name !== node.name) return;
  const rule = `affine-into-${before.op.toLowerCase()}`;
  const layer = readLayer(draft, before);
  const why = typeof layer === "string" ? layer : misfit(layer, affine);
  if (why !== undefined || typeof layer === "string") {
    log.declined(rule, node, why ?? "");
    return;
  }
  if (!log.may(rule, node)) return;
  const pick = (list: Float64Array, c: number): number => list[list.length === 1 ? 0 : c] as number;
  const folded = scaledWeights(layer, affine.scale);
  const oldBias = layer.bias === undefined ? new Float64Array(layer.channels) : toNumbers(layer.bias);
  const bias = new Float32Array(layer.channels);
  for (let c = 0; c < bias.length; c++) bias[c] = pick(oldBias, c) * pick(affine.scale, c) + pick(affine.shift, c);
  if (!allFinite(folded) || !allFinite(bias)) {
    log.declined(rule, node, "the folded weights are not finite in float32");
    return;
  }
  const needsBias = layer.bias !== undefined || bias.some((b) => b !== 0);
  const inputs = [before.inputs[0] as string, draft.addConstant(`${before.inputs[1]}_affine`, f32(layer.weight.shape, folded))];
  if (needsBias)
    inputs.push(
      draft.addConstant(before.inputs[2] ? `${before.inputs[2]}_affine` : `${before.name}_bias`, f32([layer.channels], bias)),
    );
  draft.remove(node);
  // MatMul has no bias of its own; on a matrix, Gemm is the same with one.
  const asGemm = before.op === "MatMul" && needsBias;
  draft.replace(before, { ...before, ...(asGemm ? { op: "Gemm" } : {}), inputs, outputs: [node.outputs[0] as string] });
  log.changed(rule, node, `${node.op} into ${before.name}`);
}

/** The weights times the scale of their output channel: products in double, rounded once. */
function scaledWeights(layer: Layer, scale: Float64Array): Float32Array {
  const { groups, rows, perGroup, inner } = layer.order;
  const weights = view(layer.weight, "float32");
  const out = new Float32Array(weights.length);
  let i = 0;
  for (let g = 0; g < groups; g++)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < perGroup; c++) {
        const by = scale[scale.length === 1 ? 0 : g * perGroup + c] as number;
        for (let k = 0; k < inner; k++, i++) out[i] = (weights[i] as number) * by;
      }
  return out;
}

/** A loop of its own: `every` with a closure costs more than the folding. */
function allFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}

function misfit(layer: Layer, affine: Affine): string | undefined {
  if (affine.axis !== undefined && affine.axis !== layer.outputAxis)
    return `it varies along axis ${affine.axis}, the channels lie on axis ${layer.outputAxis}`;
  const size = Math.max(affine.scale.length, affine.shift.length);
  if (size !== 1 && size !== layer.channels) return `it has ${size} values for ${layer.channels} channels`;
  const shifts = affine.shift.some((s) => s !== 0);
  if (shifts && !layer.canBias && layer.outputAxis !== 1) return "a MatMul of more than two dimensions has no place for a bias";
  return undefined;
}
