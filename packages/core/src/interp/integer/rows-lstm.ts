import { attrInt, attrString } from "../../graph/node.ts";
import { toNumbers, view } from "../../graph/tensor.ts";
import { quantizeMultiplier } from "./multiplier.ts";
import type { LstmGate, LstmStep } from "./program.ts";
import { type CompileRow, constantOf, giveGrid, gridOf, quantizedConstant, roundingOf, type Site, shapeOf } from "./site.ts";

/** Scale of the sums before logistic and tanh, Q3.12, and of what these give, Q0.15. */
const SUM_SCALE = 2 ** -12;
const FUNCTION_SCALE = 2 ** -15;

/** Where each gate stands in the weights of an ONNX LSTM. */
const GATE_ORDER = { input: 0, output: 1, forget: 2, cell: 3 } as const;

/**
 * A forward LSTM whose state starts at zero. The plan has int8 encodings of X, Y, W and R (these along axis 1 in four runs of equal scales, or one
 * scale), int32 of B with the scale of the input part, and int16 with a power of two for the cell state, under the name of the output Y_c.
 */
export const lstmRow: CompileRow = (site) => {
  const { at, node } = site;
  const [x, w, r, b, lengths, h0, c0, peep] = node.inputs;
  const rounding = roundingOf(at, "lstm");
  const plain =
    attrString(node, "direction", "forward") === "forward" &&
    attrInt(node, "input_forget", 0) === 0 &&
    hasUsualFunctions(site) &&
    !node.attributes.has("clip");
  const outName = node.outputs[0];
  if (rounding === undefined || !plain || lengths || peep || !isZero(site, h0) || !isZero(site, c0) || !outName) return undefined;
  const input = gridOf(at, x);
  // All hidden states have the encoding of the last one.
  const hidden = gridOf(at, outName) ?? gridOf(at, node.outputs[1]);
  const cell = gridOf(at, node.outputs[2]);
  const weights = quantizedConstant(at, w ?? "");
  const recurrent = quantizedConstant(at, r ?? "");
  const bias = b ? quantizedConstant(at, b) : undefined;
  if (input === undefined || hidden === undefined || cell === undefined || weights === undefined || recurrent === undefined)
    return undefined;
  if (b && bias?.tensor.dtype !== "int32") return undefined;
  const biases = bias === undefined ? undefined : view(bias.tensor, "int32");
  // The sums of the recurrent part have another scale and start at zero in the kernel.
  if (biases?.subarray(biases.length / 2).some((v) => v !== 0)) return undefined;
  const exponent = Math.log2(cell.scale);
  if (
    weights.tensor.dtype !== "int8" ||
    recurrent.tensor.dtype !== "int8" ||
    cell.dtype !== "int16" ||
    !Number.isInteger(exponent)
  )
    return undefined;
  const hiddenSize = attrInt(node, "hidden_size", recurrent.tensor.shape[2] as number);
  const inputSize = weights.tensor.shape[2] as number;
  const shape = shapeOf(at, x as string);
  const batchFirst = attrInt(node, "layout", 0) === 1;
  const scaleOf = (list: readonly number[], gate: number): number =>
    Math.fround(list[list.length === 1 ? 0 : gate * hiddenSize] as number);
  const times = (a: number, s: number): number => (a * s) / SUM_SCALE;
  const gateOf = (gate: number): LstmGate => ({
    weights: view(weights.tensor, "int8").slice(gate * hiddenSize * inputSize, (gate + 1) * hiddenSize * inputSize),
    bias: biasOf(biases, gate, hiddenSize),
    multiplier: quantizeMultiplier(times(input.scale, scaleOf(weights.encoding.scale, gate))),
    recurrent: view(recurrent.tensor, "int8").slice(gate * hiddenSize * hiddenSize, (gate + 1) * hiddenSize * hiddenSize),
    recurrentMultiplier: quantizeMultiplier(times(hidden.scale, scaleOf(recurrent.encoding.scale, gate))),
  });
  // ONNX has no word for it, so raising keeps it beside the node.
  const clip = Number(node.metadata?.get("tflite.cellClip") ?? 0);
  giveGrid(at, outName, hidden);
  const step: LstmStep = {
    kind: "lstm",
    node: node.name,
    inputs: [x as string],
    output: outName,
    batchFirst,
    time: shape[batchFirst ? 1 : 0] as number,
    batch: shape[batchFirst ? 0 : 1] as number,
    inputSize,
    hiddenSize,
    inputZero: input.zeroPoint,
    hiddenZero: hidden.zeroPoint,
    gates: {
      input: gateOf(GATE_ORDER.input),
      forget: gateOf(GATE_ORDER.forget),
      cell: gateOf(GATE_ORDER.cell),
      output: gateOf(GATE_ORDER.output),
    },
    cellExponent: exponent,
    cellClip: clip > 0 ? Math.trunc(Math.min(32767, clip / cell.scale)) : 0,
    forgetCell: quantizeMultiplier(FUNCTION_SCALE),
    inputCell: quantizeMultiplier(FUNCTION_SCALE ** 2 / cell.scale),
    hidden: quantizeMultiplier(FUNCTION_SCALE ** 2 / hidden.scale),
    rounding,
    states: [node.outputs[1] ?? "", node.outputs[2] ?? ""],
  };
  return [step];
};

/** The functions that an LSTM has when it names none. */
const USUAL = ["Sigmoid", "Tanh", "Tanh"];

function hasUsualFunctions(site: Site): boolean {
  const attribute = site.node.attributes.get("activations");
  if (attribute === undefined) return true;
  return attribute.kind === "strings" && attribute.value.length === 3 && attribute.value.every((name, i) => name === USUAL[i]);
}

function isZero(site: Site, name: string | undefined): boolean {
  if (name === undefined || name === "") return true;
  const constant = constantOf(site.at, name);
  return constant !== undefined && toNumbers(constant).every((v) => v === 0);
}

/** The bias of one gate. */
function biasOf(all: Int32Array | undefined, gate: number, hiddenSize: number): Int32Array {
  return all === undefined ? new Int32Array(hiddenSize) : all.slice(gate * hiddenSize, (gate + 1) * hiddenSize);
}
