import { ACTIVATIONS, enumName, LSTM_KERNEL_TYPES } from "../../../../formats/tflite/enums.ts";
import type { Encoding } from "../../../../graph/plan.ts";
import { countOf, f32, type Tensor, toNumbers } from "../../../../graph/tensor.ts";
import { integerBias } from "../bias.ts";
import { nameOf, optionsOf, type RaiseRow, requireRank, type Site, shapeOf } from "../site.ts";

/** Gates in the order of ONNX, i o f c, as places in TFLite's order i f c o. */
const ONNX_GATES = [0, 3, 1, 2] as const;

/** First inputs of each kind; those of the gates follow one another. */
const AT = { weights: 1, recurrent: 5, peepholes: 9, biases: 12, projection: 16, hidden: 18, cell: 19, norms: 20 } as const;

/** Numbers of one gate, with the scale of each row where they are integers. */
interface Part {
  readonly values: Float64Array;
  readonly encoding: Encoding | undefined;
}

/** Rows of several gates as one tensor [1, rows, ...inner]; integers keep their scales, row by row. */
function stacked(
  site: Site,
  hint: string,
  given: { readonly parts: readonly Part[]; readonly rows: number; readonly inner: readonly number[] },
): string {
  const { builder } = site;
  const { parts, rows, inner } = given;
  const width = countOf(inner);
  const data = new Float32Array(parts.length * rows * width);
  parts.forEach((part, k) => {
    data.set(part.values, k * rows * width);
  });
  const name = builder.constant(hint, f32([1, parts.length * rows, ...inner], data));
  const encodings = parts.map((part) => part.encoding);
  const [first] = encodings;
  if (first === undefined || encodings.some((e) => e?.dtype !== first.dtype)) return name;
  const scale = encodings.flatMap((e) => Array.from({ length: rows }, (_, row) => e?.scale[e.scale.length > 1 ? row : 0] ?? 1));
  builder.encodings.set(name, {
    dtype: first.dtype,
    scale,
    zeroPoint: scale.map(() => 0),
    axis: 1,
    reason: "gate by gate, as in the file",
  });
  return name;
}

function zeros(count: number, like: Encoding | undefined): Part {
  return { values: new Float64Array(count), encoding: like };
}

/** A constant of one gate of the shape that it must have. */
function constantPart(site: Site, i: number, shape: readonly number[]): Part {
  const constant = site.constant(i);
  if (constant === undefined) throw site.refuse(`its weights (input ${i}) are computed while it runs`);
  if (constant.tensor.shape.join() !== shape.join())
    throw site.refuse(`input ${i} is [${constant.tensor.shape}] instead of [${shape}]`);
  if (constant.tensor.dtype !== "float32") throw site.refuse(`input ${i} is ${constant.tensor.dtype} without a scale`);
  return { values: toNumbers(constant.tensor), encoding: constant.encoding };
}

function biasPart(site: Site, i: number, at: { readonly hidden: number; readonly weight: number }): Part {
  if (!site.has(i)) return zeros(at.hidden, undefined);
  const found = integerBias(site, i, { input: 0, weight: at.weight });
  if (found === undefined) return constantPart(site, i, [at.hidden]);
  if (countOf(found.tensor.shape) !== at.hidden)
    throw site.refuse(`bias ${i} has ${countOf(found.tensor.shape)} elements for ${at.hidden} units`);
  return { values: toNumbers(found.tensor), encoding: found.encoding };
}

function negated({ values, encoding }: Part): Part {
  return { values: values.map((v) => -v), encoding };
}

/** The name of an activation in ONNX. */
function activationName(site: Site, code: number | undefined): string {
  const name = enumName(ACTIVATIONS, code ?? 0);
  if (name === "TANH") return "Tanh";
  if (name === "RELU") return "Relu";
  throw site.refuse(`its activation is ${name ?? code}, which no recurrent operator of ONNX has`);
}

/** A state at the start: `undefined` where it is zeros, as a variable is before the first run. */
function initialState(site: Site, i: number): string | undefined {
  if (!site.has(i)) return undefined;
  const { data, isVariable } = site.source(i);
  if (isVariable || (data === undefined && !site.isMade(i))) return undefined;
  if (data !== undefined && toNumbers(site.constant(i)?.tensor as Tensor).every((v) => v === 0)) return undefined;
  return site.builder.emit("Unsqueeze", [site.value(i), site.builder.list([0])]);
}

/** Batch and time in the order of ONNX, [T, B, I]. */
function timeFirst(site: Site, value: string, isTimeFirst: boolean): string {
  return isTimeFirst ? value : site.builder.emit("Transpose", [value], { attributes: { perm: [1, 0, 2] } });
}

/**
 * UNIDIRECTIONAL_SEQUENCE_LSTM. Without an input gate (coupled gates) i = 1 - f = sigmoid(-what f is the sigmoid of): weights of f, negated. Projection,
 * layer normalization and diagonal weights have no form in ONNX. Neither has the clip of the cell state: it is noted, and carried as metadata of the node.
 */
const sequenceLstm: RaiseRow = (site) => {
  const { builder } = site;
  const options = optionsOf(site, "UnidirectionalSequenceLSTMOptions");
  const input = requireRank(site, 0, 3);
  if (options.diagonalRecurrentTensors === true) throw site.refuse("its recurrent weights are diagonal");
  if (site.has(AT.projection)) throw site.refuse("it projects its output, which ONNX's LSTM does not");
  if (Array.from({ length: 4 }, (_, g) => AT.norms + g).some((i) => site.has(i)))
    throw site.refuse("it normalises its layers, which ONNX's LSTM does not");
  const [hidden] = shapeOf(site, AT.recurrent + 1) as readonly [number];
  const features = input[2] as number;
  const isCoupled = !site.has(AT.weights);

  const gatesFrom = (first: number, read: (i: number, gate: number) => Part): Part[] =>
    ONNX_GATES.map((gate) => (gate === 0 && isCoupled ? negated(read(first + 1, 1)) : read(first + gate, gate)));
  const weights = gatesFrom(AT.weights, (i) => constantPart(site, i, [hidden, features]));
  const recurrent = gatesFrom(AT.recurrent, (i) => constantPart(site, i, [hidden, hidden]));
  const biases = gatesFrom(AT.biases, (i, gate) => biasPart(site, i, { hidden, weight: AT.weights + gate }));
  const hasBias = [0, 1, 2, 3].some((gate) => site.has(AT.biases + gate));
  const peepholes = [1, 2].some((k) => site.has(AT.peepholes + k))
    ? [0, 2, 1].map((k) =>
        k === 0 && isCoupled
          ? negated(constantPart(site, AT.peepholes + 1, [hidden]))
          : constantPart(site, AT.peepholes + k, [hidden]),
      )
    : undefined;

  const isTimeFirst = options.timeMajor === true;
  const f = activationName(site, options.fusedActivationFunction);
  const name = nameOf(site, AT.weights + 1);
  const w = stacked(site, `${name}_W`, { parts: weights, rows: hidden, inner: [features] });
  const r = stacked(site, `${nameOf(site, AT.recurrent + 1)}_R`, { parts: recurrent, rows: hidden, inner: [hidden] });
  const state = site.has(AT.hidden) ? site.source(AT.hidden).encoding : undefined;
  // The second half of ONNX's bias belongs to the recurrent product; TFLite has one bias.
  const none = recurrent.map(
    ({ encoding }, k): Part => zeros(hidden, biases[k]?.encoding && state && encoding ? productOf(state, encoding) : undefined),
  );
  const b = hasBias ? stacked(site, `${name}_B`, { parts: [...biases, ...none], rows: hidden, inner: [] }) : "";
  const p = peepholes === undefined ? "" : stacked(site, `${name}_P`, { parts: peepholes, rows: hidden, inner: [] });
  const starts = [AT.hidden, AT.cell].map((i) => initialState(site, i) ?? "");
  const inputs = [timeFirst(site, site.value(0), isTimeFirst), w, r, b, "", ...starts, p];
  while (inputs.at(-1) === "") inputs.pop();
  const cellClip = options.cellClip ?? 0;
  if (cellClip > 0) {
    const why = `keeps its cell state within ${cellClip}, which ONNX's LSTM cannot say; states that stay within are not affected`;
    builder.notes.push(`${site.operator} (operator ${site.index}) ${why}`);
  }
  const [y, lastHidden, lastCell] = builder.emitMany("LSTM", inputs, {
    outputs: 3,
    attributes: { hidden_size: hidden, activations: ["Sigmoid", f, f] },
    ...(cellClip > 0 ? { metadata: new Map([["tflite.cellClip", String(cellClip)]]) } : {}),
  }) as [string, string, string];
  // The states have encodings of their own, which belong to the last values of the states.
  for (const [value, i] of [
    [lastHidden, AT.hidden],
    [lastCell, AT.cell],
  ] as const) {
    const encoding = site.has(i) ? site.source(i).encoding : undefined;
    if (encoding !== undefined) builder.encodings.set(value, encoding);
  }
  const flat = builder.emit("Squeeze", [y, builder.list([1])]);
  return [timeFirst(site, flat, isTimeFirst)];
};

function productOf(a: Encoding, b: Encoding): Encoding {
  return { ...b, dtype: "int32", scale: b.scale.map((s) => Math.fround(s * (a.scale[0] as number))) };
}

/** UNIDIRECTIONAL_SEQUENCE_RNN: weights, recurrent weights, bias, state. */
const sequenceRnn: RaiseRow = (site) => {
  const { builder } = site;
  const options = optionsOf(site, "SequenceRNNOptions");
  const features = requireRank(site, 0, 3)[2] as number;
  const [hidden] = shapeOf(site, 1) as readonly [number];
  const isTimeFirst = options.timeMajor === true;
  const w = stacked(site, `${nameOf(site, 1)}_W`, {
    parts: [constantPart(site, 1, [hidden, features])],
    rows: hidden,
    inner: [features],
  });
  const r = stacked(site, `${nameOf(site, 2)}_R`, {
    parts: [constantPart(site, 2, [hidden, hidden])],
    rows: hidden,
    inner: [hidden],
  });
  const parts = [biasPart(site, 3, { hidden, weight: 1 }), zeros(hidden, undefined)];
  const b = stacked(site, `${nameOf(site, 1)}_B`, { parts, rows: hidden, inner: [] });
  const inputs = [timeFirst(site, site.value(0), isTimeFirst), w, r, b, "", initialState(site, 4) ?? ""];
  while (inputs.at(-1) === "") inputs.pop();
  const activations = [activationName(site, options.fusedActivationFunction)];
  const y = builder.emit("RNN", inputs, { attributes: { hidden_size: hidden, activations } });
  return [timeFirst(site, builder.emit("Squeeze", [y, builder.list([1])]), isTimeFirst)];
};

/**
 * The basic kernel of LSTM: one step of one layer, rows of gates i, g, f, o over [input, state]. Its last two outputs are the kernel's own scratch: what is
 * multiplied, and the gates before their activations.
 */
const basicLstm: RaiseRow = (site) => {
  const { builder } = site;
  const options = optionsOf(site, "LSTMOptions");
  if (options.kernelType !== LSTM_KERNEL_TYPES.BASIC)
    throw site.refuse(
      "it is a single step with gates of their own",
      "Convert the model again: converters write UNIDIRECTIONAL_SEQUENCE_LSTM",
    );
  if ((options.cellClip ?? 0) !== 0 || (options.projClip ?? 0) !== 0) throw site.refuse("it clips its state");
  if (site.source(0).isQuantized) throw site.refuse("it is quantized, and its gates have no encodings");
  const joined = builder.emit("Concat", [site.value(0), site.value(1)], { attributes: { axis: 1 } });
  const gates = builder.emit("Gemm", [joined, site.value(2), site.value(3)], { attributes: { transB: 1 } });
  const hidden = requireRank(site, 4, 2)[1] as number;
  const [i, g, f, o] = builder.emitMany("Split", [gates, builder.list([hidden, hidden, hidden, hidden])], {
    outputs: 4,
    attributes: { axis: 1 },
  }) as [string, string, string, string];
  const sigmoid = (value: string): string => builder.emit("Sigmoid", [value]);
  const fresh = builder.emit("Mul", [sigmoid(i), builder.emit("Tanh", [g])]);
  const cell = builder.emit("Add", [fresh, builder.emit("Mul", [sigmoid(f), site.value(4)])]);
  const hiddenState = builder.emit("Mul", [sigmoid(o), builder.emit("Tanh", [cell])]);
  return [hiddenState, cell, joined, gates];
};

/** Recurrent layers over whole sequences, and one step of the oldest kind. */
export const RECURRENT_ROWS = {
  UNIDIRECTIONAL_SEQUENCE_LSTM: sequenceLstm,
  UNIDIRECTIONAL_SEQUENCE_RNN: sequenceRnn,
  LSTM: basicLstm,
} as const satisfies Record<string, RaiseRow>;
