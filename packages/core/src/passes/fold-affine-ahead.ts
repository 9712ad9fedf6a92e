import type { GraphDraft } from "../graph/draft.ts";
import type { Node } from "../graph/model.ts";
import { attrFloat, attrInt, attrInts, attrString, isOp } from "../graph/node.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { type Affine, constantF32, readAffine } from "./fold-affine.ts";
import { graphPass, type Pass, type PassLog } from "./pass.ts";
import { permOf } from "./reshape-target.ts";
import { isOneOf, shapeOf } from "./values.ts";

/**
 * Folds BatchNormalization and per-channel scales and shifts into the layer behind them: Conv without padding (or without a shift), Gemm, MatMul, LSTM, GRU and RNN,
 * looking through Transposes. Exact up to one rounding of the weights: W(s*x + t) + b = (W*s)x + (b + W*t). With zero padding and a shift it would not
 * be: the border is padded after the shift. Enters subgraphs.
 */
export function foldAffineAheadPass(): Pass {
  return graphPass(
    "fold-affine-ahead",
    "Folds BatchNormalization and per-channel scales and shifts into the layer behind",
    (draft, log) => {
      for (const node of draft.nodes()) {
        const current = draft.current(node);
        if (current !== undefined) foldAhead(draft, current, log);
      }
    },
    { types: true },
  );
}

/** Where a layer keeps its weights for each channel of its data input. */
interface InputLayer {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  /** Index of the bias input. */
  readonly biasAt: number;
  readonly biasShape: readonly number[];
  readonly channels: number;
  /** Axis of the data input with the channels. */
  readonly axis: number;
  readonly channelOf: (index: number) => number;
  /** Element of the bias that a weight element feeds. */
  readonly biasOf: (index: number) => number;
  /** Why a shift cannot go in; `undefined` when it can. */
  readonly noShift: string | undefined;
}

const LAYERS = ["Conv", "Gemm", "MatMul", "LSTM", "GRU", "RNN"];

function foldAhead(draft: GraphDraft, node: Node, log: PassLog): void {
  const affine = readAffine(draft, node);
  if (affine === undefined) return;
  let axis = affine.axis;
  let last = node;
  const between: Node[] = [];
  let layerNode = draft.onlyConsumer(node.outputs[0] as string);
  while (layerNode !== undefined && isOp(layerNode, "Transpose")) {
    const perm = permOf(draft, layerNode);
    if (perm === undefined) return;
    if (axis !== undefined) axis = perm.indexOf(axis);
    between.push(layerNode);
    last = layerNode;
    layerNode = draft.onlyConsumer(last.outputs[0] as string);
  }
  if (layerNode === undefined || !isOneOf(layerNode, LAYERS) || layerNode.inputs[0] !== last.outputs[0]) return;
  if (layerNode.inputs.filter((name) => name === last.outputs[0]).length > 1) return;
  const rule = `affine-ahead-into-${layerNode.op.toLowerCase()}`;
  const layer = readInputLayer(draft, layerNode);
  const why = typeof layer === "string" ? layer : misfit(draft, layer, { affine, axis });
  if (typeof layer === "string" || why !== undefined) {
    log.declined(rule, node, why ?? "");
    return;
  }
  if (!log.may(rule, node)) return;
  const folded = foldWeights(layer, affine);
  if (folded === undefined) {
    log.declined(rule, node, "the folded weights are not finite in float32");
    return;
  }
  const inputs = [...layerNode.inputs];
  inputs[1] = draft.addConstant(`${layerNode.inputs[1]}_affine`, f32(layer.weight.shape, folded.weight));
  if (layer.bias !== undefined || folded.bias.some((b) => b !== 0)) {
    while (inputs.length < layer.biasAt) inputs.push("");
    inputs[layer.biasAt] = draft.addConstant(
      layerNode.inputs[layer.biasAt] ? `${layerNode.inputs[layer.biasAt]}_affine` : `${layerNode.name}_bias`,
      f32(layer.biasShape, folded.bias),
    );
  }
  const asGemm = layerNode.op === "MatMul" && inputs.length > 2;
  draft.replace(layerNode, { ...layerNode, ...(asGemm ? { op: "Gemm" } : {}), inputs });
  draft.bypass(draft.current(node) as Node, node.outputs[0] as string, affine.input);
  // What stands between had the types of the shifted values; only names of shapes, which stay as they are.
  log.changed(rule, node, `${node.op} into ${layerNode.name}`);
}

function foldWeights(
  layer: InputLayer,
  affine: Affine,
): { readonly weight: Float32Array; readonly bias: Float32Array } | undefined {
  const pick = (list: Float64Array, c: number): number => list[list.length === 1 ? 0 : c] as number;
  const weights = toNumbers(layer.weight);
  const sums =
    layer.bias === undefined ? new Float64Array(layer.biasShape.reduce((a, b) => a * b, 1)) : toNumbers(layer.bias).slice();
  const weight = new Float32Array(weights.length);
  for (let i = 0; i < weights.length; i++) {
    const c = layer.channelOf(i);
    const w = weights[i] as number;
    weight[i] = w * pick(affine.scale, c);
    const shift = pick(affine.shift, c);
    const b = layer.biasOf(i);
    if (shift !== 0) sums[b] = (sums[b] as number) + w * shift;
  }
  const bias = Float32Array.from(sums);
  return weight.every(Number.isFinite) && bias.every(Number.isFinite) ? { weight, bias } : undefined;
}

function misfit(
  draft: GraphDraft,
  layer: InputLayer,
  at: { readonly affine: Affine; readonly axis: number | undefined },
): string | undefined {
  const { affine, axis } = at;
  if (axis !== undefined && axis !== layer.axis) return `it varies along axis ${axis}, the layer sums over axis ${layer.axis}`;
  const size = Math.max(affine.scale.length, affine.shift.length);
  if (size !== 1 && size !== layer.channels) return `it has ${size} values for ${layer.channels} channels`;
  const shape = shapeOf(draft, affine.input);
  if (affine.axis !== undefined && shape?.[affine.axis] !== layer.channels) return "it widens its input";
  return affine.shift.some((s) => s !== 0) ? layer.noShift : undefined;
}

function readInputLayer(draft: GraphDraft, node: Node): InputLayer | string {
  const weight = constantF32(draft, node.inputs[1]);
  if (weight === undefined) return "its weight is not a float32 constant";
  const isRecurrent = isOneOf(node, ["LSTM", "GRU", "RNN"]);
  const biasAt = isRecurrent ? 3 : 2;
  const biasName = node.op === "MatMul" ? undefined : node.inputs[biasAt] || undefined;
  const bias = constantF32(draft, biasName);
  if (biasName !== undefined && bias === undefined) return "its bias is not a float32 constant";
  const { shape } = weight;
  if (isRecurrent) return readRecurrent(weight, bias);
  if (node.op === "Conv") return readConv(node, weight, bias);
  if (shape.length !== 2) return "its weight is not a matrix";
  const transposed = node.op === "Gemm" && attrInt(node, "transB", 0) !== 0;
  const columns = shape[1] as number;
  const outputs = transposed ? (shape[0] as number) : columns;
  const rank = shapeOf(draft, node.inputs[0])?.length;
  if (rank === undefined) return "the rank of its input is not known";
  if (node.op === "Gemm") {
    if (attrInt(node, "transA", 0) !== 0) return "its input is transposed";
    if (attrFloat(node, "alpha", 1) !== 1 || attrFloat(node, "beta", 1) !== 1) return "it scales its terms";
    if (bias !== undefined && (bias.shape.at(-1) !== outputs || bias.bytes.length !== outputs * 4))
      return "its bias does not have one value per column";
  }
  const row = (i: number): number => Math.floor(i / columns);
  const column = (i: number): number => i % columns;
  return {
    weight,
    bias,
    biasAt,
    biasShape: [outputs],
    channels: transposed ? columns : (shape[0] as number),
    axis: rank - 1,
    channelOf: transposed ? column : row,
    biasOf: transposed ? row : column,
    noShift: node.op === "MatMul" && rank !== 2 ? "a MatMul of more than two dimensions has no place for a bias" : undefined,
  };
}

function readConv(node: Node, weight: Tensor, bias: Tensor | undefined): InputLayer {
  const group = attrInt(node, "group", 1);
  const [outputs, perGroup] = weight.shape as [number, number];
  const inner = weight.shape.slice(2).reduce((a, b) => a * b, 1);
  const outPerGroup = outputs / group;
  const autoPad = attrString(node, "auto_pad", "NOTSET");
  const padded = autoPad.startsWith("SAME") || (attrInts(node, "pads") ?? []).some((p) => p !== 0);
  const outOf = (i: number): number => Math.floor(i / (perGroup * inner));
  return {
    weight,
    bias,
    biasAt: 2,
    biasShape: [outputs],
    channels: perGroup * group,
    axis: 1,
    channelOf: (i) => Math.floor(outOf(i) / outPerGroup) * perGroup + (Math.floor(i / inner) % perGroup),
    biasOf: outOf,
    noShift: padded ? "the Conv pads with zeros, which the shift would move" : undefined,
  };
}

function readRecurrent(weight: Tensor, bias: Tensor | undefined): InputLayer {
  // W is [directions, gates * hidden, input]; B is [directions, 2 * gates * hidden], the part for W first.
  const [directions, rows, channels] = weight.shape as [number, number, number];
  return {
    weight,
    bias,
    biasAt: 3,
    biasShape: [directions, 2 * rows],
    channels,
    axis: 2,
    channelOf: (i) => i % channels,
    biasOf: (i) => {
      const row = Math.floor(i / channels);
      return Math.floor(row / rows) * 2 * rows + (row % rows);
    },
    noShift: undefined,
  };
}
