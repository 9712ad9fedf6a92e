import { ACTIVATIONS } from "../../../formats/tflite/enums.ts";
import type { Encoding } from "../../../graph/plan.ts";
import { quantizeTensor } from "../../../graph/quantize.ts";
import { f32, type Tensor, toNumbers } from "../../../graph/tensor.ts";
import { canonicalOnly } from "../layout/rule.ts";
import type { TensorRef } from "./builder.ts";
import { appendReshape } from "./reshape-operator.ts";
import type { Emission, EmitContext } from "./row.ts";

/** Gates in TFLite's order i f c o, as places in ONNX's order i o f c. */
const GATES = [0, 2, 3, 1] as const;

/** Names of the gates in TFLite's order, for tensors. */
const GATE_NAMES = ["input", "forget", "cell", "output"] as const;

/** Positions of the inputs of UNIDIRECTIONAL_SEQUENCE_LSTM. */
const AT = { weights: 1, recurrent: 5, peepholes: 9, biases: 12, hidden: 18, cell: 19, count: 24 } as const;

interface Part {
  readonly hint: string;
  /** First element and number of elements in the constant. */
  readonly from: number;
  readonly shape: readonly number[];
  /** Index among the scales of the constant, where it has one for each row. */
  readonly row: number;
}

/** A gate's part of a constant, float or in the integers of the plan with the scale of the gate. */
function part(context: EmitContext, index: number, of: Part): TensorRef {
  const name = context.node.inputs[index] as string;
  const values = toNumbers(context.constant(name) as Tensor);
  const size = of.shape.reduce((a, b) => a * b, 1);
  const tensor = f32(of.shape, Float32Array.from(values.subarray(of.from, of.from + size)));
  const encoding = context.integer ? context.encoding(name) : undefined;
  const hint = `${name}_${of.hint}`;
  if (encoding === undefined) return context.constantTensor(hint, tensor);
  const scale = encoding.scale[encoding.scale.length === 1 ? 0 : of.row] as number;
  const own: Encoding = { dtype: encoding.dtype, scale: [scale], zeroPoint: [0], reason: encoding.reason };
  return context.constantTensor(hint, quantizeTensor(tensor, own), own);
}

/** The bias of one gate: W's and R's, which the operator adds as one. */
function biasOf(context: EmitContext, gate: number, hidden: number): TensorRef {
  const [w, r] = [0, 4].map((half) => ({ from: (half + gate) * hidden, row: (half + gate) * hidden }));
  if (context.integer) return part(context, 3, { hint: `b${gate}`, shape: [hidden], from: w?.from ?? 0, row: w?.row ?? 0 });
  const name = context.node.inputs[3] ?? "";
  const values = name === "" ? new Float64Array(8 * hidden) : toNumbers(context.constant(name) as Tensor);
  const sums = Float32Array.from(
    { length: hidden },
    (_, i) => (values[(w?.from ?? 0) + i] ?? 0) + (values[(r?.from ?? 0) + i] ?? 0),
  );
  return context.constantTensor(`${context.node.name}_b${gate}`, f32([hidden], sums));
}

/** A forward LSTM that starts at zeros and gives all its steps; legalisation brings others into this form. */
function emitLstm(context: EmitContext): void {
  const { node } = context;
  const [seq, batch, width] = context.shape(node.inputs[0] as string) as readonly [number, number, number];
  const hidden = context.shape(node.inputs[2] as string)[2] as number;
  if (node.inputs.slice(4, 7).some((name) => name !== ""))
    throw context.refuse(
      "UNIDIRECTIONAL_SEQUENCE_LSTM has no sequence lengths or first states",
      "let it be unrolled (option recurrent)",
    );
  const x = context.input(0);
  const y = context.output(0);
  const inputs = new Array<TensorRef | undefined>(AT.count).fill(undefined);
  inputs[0] = x;
  GATES.forEach((gate, k) => {
    const hint = GATE_NAMES[k] as string;
    const row = gate * hidden;
    inputs[AT.weights + k] = part(context, 1, { hint, from: row * width, row, shape: [hidden, width] });
    inputs[AT.recurrent + k] = part(context, 2, { hint, from: row * hidden, row, shape: [hidden, hidden] });
    inputs[AT.biases + k] = biasOf(context, gate, hidden);
  });
  // Peepholes: ONNX i o f, TFLite i f o.
  if (node.inputs[7])
    [0, 2, 1].forEach((place, k) => {
      inputs[AT.peepholes + k] = part(context, 7, { hint: `p${k}`, from: place * hidden, row: 0, shape: [hidden] });
    });
  const lastCell = context.encoding(node.outputs[2] ?? "");
  const state = [batch, hidden];
  inputs[AT.hidden] = context.variable(`${node.name}_hidden`, { shape: state, dtype: y.dtype, encoding: y.encoding });
  inputs[AT.cell] = context.variable(
    `${node.name}_state`,
    context.integer ? { shape: state, dtype: "int16", encoding: lastCell } : { shape: state, dtype: "float32" },
  );
  const steps = context.temporary(`${y.name}_steps`, { shape: [seq, batch, hidden], like: y });
  const clip = Number(node.metadata?.get("tflite.cellClip") ?? 0);
  context.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", {
    inputs,
    outputs: [steps],
    options: {
      kind: "UnidirectionalSequenceLSTMOptions",
      fusedActivationFunction: ACTIVATIONS.TANH,
      cellClip: clip,
      projClip: 0,
      timeMajor: true,
    },
    ...(context.integer && { intermediates: intermediates(context, y) }),
  });
  appendReshape(context, steps, y);
}

/** The integer kernel reads the scale of the hidden state from a fifth tensor; the four before it are of layer normalisation, and empty. */
function intermediates(context: EmitContext, y: TensorRef): readonly TensorRef[] {
  const gates = GATE_NAMES.map((name) =>
    context.temporary(`${context.node.name}_${name}_sum`, { shape: [0], like: y, dtype: "float32" }),
  );
  return [...gates, context.temporary(`${context.node.name}_scale`, { shape: [0], like: y })];
}

/** Whether the plan has all that the integer kernel needs: int8 in and out, weights by gate, an int16 cell state. */
function hasIntegerForm(context: { readonly node: EmitContext["node"] }): boolean {
  const { node } = context;
  return Boolean(node.inputs[3]) && Boolean(node.outputs[2]) && !node.inputs[7];
}

/** Recurrent layers as one operator. */
export const SEQUENCE = {
  LSTM: {
    layout: canonicalOnly([0]),
    integer: (site) => (hasIntegerForm(site) ? { data: [0, 1, 2], types: ["int8", "int16"] } : undefined),
    emit: emitLstm,
  },
} as const satisfies Record<string, Emission>;
