import type { Random } from "@tessera/core/base/random";
import { ACTIVATIONS } from "@tessera/core/formats/tflite/enums";
import { makeNode } from "@tessera/core/graph/node";
import type { Encoding } from "@tessera/core/graph/plan";
import { fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import { type CaseSpec, type CaseTensor, randomInts } from "./case-builder.ts";
import { pick, randomScale } from "./cases-sums.ts";

/** Gates in the order of TFLite's operands, and where each stands in the weights of ONNX. */
const GATES = ["input", "forget", "cell", "output"] as const;
const ONNX_PLACE = { input: 0, output: 1, forget: 2, cell: 3 } as const;

/** UNIDIRECTIONAL_SEQUENCE_LSTM in int8 with a 16-bit cell state: without peepholes, projection and normalization. */
export function lstmCase(random: Random, id: string): CaseSpec {
  const [batch, time, inputs, hidden] = [1 + random.int(2), 1 + random.int(9), 1 + random.int(12), 1 + random.int(12)];
  const x = { scale: [randomScale(random, -8, -6)], zeroPoint: [random.int(256) - 128] };
  const state = { scale: [randomScale(random, -8, -6.9)], zeroPoint: [random.int(60) - 30] };
  const cellScale = 2 ** -pick(random, [10, 11, 12, 13]);
  const clip = pick(random, [0, 0, 10, 1]);
  const tensors: CaseTensor[] = [{ name: "x", shape: [batch, time, inputs], dtype: "int8", ...x }];
  const columns: Record<"w" | "r", number> = { w: inputs, r: hidden };
  const scales: Record<"w" | "r", number[]> = { w: [], r: [] };
  const values: Record<"w" | "r" | "b", number[][]> = { w: [], r: [], b: [] };
  for (const part of ["w", "r"] as const) {
    for (const gate of GATES) {
      const scale = randomScale(random, -8, -5);
      const ints = randomInts(random, hidden * columns[part], [-127, 127]);
      scales[part][ONNX_PLACE[gate]] = scale;
      values[part][ONNX_PLACE[gate]] = ints;
      tensors.push({
        name: `${part}_${gate}`,
        shape: [hidden, columns[part]],
        dtype: "int8",
        scale: [scale],
        zeroPoint: [0],
        values: ints,
        fileOnly: true,
      });
    }
  }
  for (const gate of GATES) {
    const scale = Math.fround((x.scale[0] as number) * (scales.w[ONNX_PLACE[gate]] as number));
    const ints = randomInts(random, hidden, [-20000, 20000]);
    values.b[ONNX_PLACE[gate]] = ints;
    tensors.push({
      name: `b_${gate}`,
      shape: [hidden],
      dtype: "int32",
      scale: [scale],
      zeroPoint: [0],
      values: ints,
      fileOnly: true,
    });
  }
  tensors.push(
    { name: "h", shape: [batch, hidden], dtype: "int8", ...state, variable: true, fileOnly: true },
    { name: "c", shape: [batch, hidden], dtype: "int16", scale: [cellScale], zeroPoint: [0], variable: true, fileOnly: true },
    { name: "y", shape: [batch, time, hidden], dtype: "int8", ...state },
  );
  const weights = GATES.map((gate) => `w_${gate}`);
  const recurrent = GATES.map((gate) => `r_${gate}`);
  const biases = GATES.map((gate) => `b_${gate}`);
  const repeated = (list: readonly number[], times = 1): number[] =>
    list.flatMap((s) => Array.from({ length: hidden }, () => Math.fround(s * times)));
  const biasScales = [...repeated(scales.w, x.scale[0]), ...repeated(scales.r, state.scale[0])];
  const integers = { W: values.w.flat(), R: values.r.flat(), B: [...values.b.flat(), ...new Array<number>(4 * hidden).fill(0)] };
  const rowScales = { W: repeated(scales.w), R: repeated(scales.r), B: biasScales };
  const inner = { W: inputs, R: hidden, B: 1 };
  const encodings = new Map<string, Encoding>([
    ["y_h", { dtype: "int8", ...state, reason: "case" }],
    ["y_c", { dtype: "int16", scale: [cellScale], zeroPoint: [0], reason: "case" }],
  ]);
  const extra = new Map<string, Tensor>([["axes", i64([1], [2])]]);
  for (const name of ["W", "R", "B"] as const) {
    const scale = rowScales[name];
    encodings.set(name, {
      dtype: name === "B" ? "int32" : "int8",
      scale,
      zeroPoint: scale.map(() => 0),
      axis: 1,
      reason: "case",
    });
    const shape = name === "B" ? [1, 8 * hidden] : [1, 4 * hidden, inner[name]];
    const reals = integers[name].map((q, i) => q * (scale[Math.floor(i / inner[name])] as number));
    extra.set(name, fromNumbers("float32", shape, reals));
  }
  const node = makeNode(
    "LSTM",
    { inputs: ["x", "W", "R", "B"], outputs: ["y_all", "y_h", "y_c"] },
    { attributes: { hidden_size: hidden, layout: 1 } },
  );
  return {
    id,
    operator: "UNIDIRECTIONAL_SEQUENCE_LSTM",
    version: 1,
    options: {
      kind: "UnidirectionalSequenceLSTMOptions",
      fusedActivationFunction: ACTIVATIONS.TANH,
      cellClip: clip,
      timeMajor: false,
    },
    tensors,
    inputs: ["x", ...weights, ...recurrent, "", "", "", ...biases, "", "", "h", "c", "", "", "", ""],
    outputs: ["y"],
    feeds: ["x"],
    nodes: [
      { ...node, metadata: new Map([["tflite.cellClip", String(clip)]]) },
      makeNode("Squeeze", { inputs: ["y_all", "axes"], outputs: ["y"] }),
    ],
    extra,
    encodings,
  };
}
