import type { LstmGate } from "../../interp/integer/program.ts";
import type { DeviceLstm } from "../device/program.ts";
import { alignUp } from "../memory-plan.ts";
import { call, type EmitContext, type StepCode, valueAt } from "./context.ts";
import { multiplierArgs } from "./elementwise.ts";
import { FLAG_SUM_30BIT } from "./sums.ts";

/** Gates in the order of the kernel. */
const GATES = ["forget", "input", "cell", "output"] as const;

/** An LSTM over all time steps. The gates' constants stand in an array of structs inside the function, so that it is in flash and needs no name. */
export function lstmCode(context: EmitContext, step: DeviceLstm, scratch: string): StepCode {
  const { lstm } = step;
  const inputPitch = alignUp(lstm.inputSize, 4);
  const hiddenPitch = alignUp(lstm.hiddenSize, 4);
  const gates = GATES.map((name) => gateText(context, step, { gate: lstm.gates[name], inputPitch, hiddenPitch }));
  const left = 15 + lstm.cellExponent - 3;
  const argument = left < 0 ? [3, -left] : [3 * 2 ** left, 0];
  const [hidden, cell] = step.states;
  const lastHidden = hidden === "" ? "NULL" : valueAt(context, hidden);
  const lastCell = cell === "" ? "NULL" : `(int16_t *)(void *)(${valueAt(context, cell)})`;
  const args = [
    ...["x", lstm.time, lstm.inputSize, inputPitch, lstm.hiddenSize, hiddenPitch, lstm.hiddenZero, "gates"],
    ...[...argument, lstm.cellClip, ...multiplierArgs(lstm.forgetCell), ...multiplierArgs(lstm.inputCell)],
    ...[...multiplierArgs(lstm.hidden), "scratch", "y", "last_hidden", "last_cell", sumFlags(lstm)],
  ];
  return {
    word: "lstm",
    parameters: [
      ["const int8_t *x", valueAt(context, step.inputs[0] as string)],
      ["int8_t *scratch", scratch],
      ["int8_t *y", valueAt(context, step.output)],
      ["int8_t *last_hidden", lastHidden],
      ["int16_t *last_cell", lastCell],
    ],
    body: ["static const ts_gate gates[4] = {", ...gates.map((gate) => `  ${gate},`), "};", call(context, "ts_lstm", args)],
  };
}

/** TS_SUM_30BIT where no sum of products with the input can reach 2^30 with its bias. */
function sumFlags(lstm: DeviceLstm["lstm"]): number {
  const most = GATES.map((name) => lstm.gates[name].bias.reduce((max, b) => Math.max(max, Math.abs(b)), 0));
  return Math.max(...most) + lstm.inputSize * 255 * 128 < 2 ** 30 ? FLAG_SUM_30BIT : 0;
}

function gateText(
  { pool }: EmitContext,
  { lstm }: DeviceLstm,
  { gate, inputPitch, hiddenPitch }: { readonly gate: LstmGate; readonly inputPitch: number; readonly hiddenPitch: number },
): string {
  const { inputSize, hiddenSize } = lstm;
  const weights = padded(gate.weights, { rows: hiddenSize, depth: inputSize, pitch: inputPitch });
  const recurrent = padded(gate.recurrent, { rows: hiddenSize, depth: hiddenSize, pitch: hiddenPitch });
  const bias = folded(weights, { rows: hiddenSize, pitch: inputPitch, zero: lstm.inputZero, bias: gate.bias });
  const back = folded(recurrent, { rows: hiddenSize, pitch: hiddenPitch, zero: lstm.hiddenZero, bias: undefined });
  const [mult, shift] = multiplierArgs(gate.multiplier);
  const [backMult, backShift] = multiplierArgs(gate.recurrentMultiplier);
  const own = [pool.add("weights", weights), pool.add("bias", bias), mult, shift];
  return `{${[...own, pool.add("weights", recurrent), pool.add("bias", back), backMult, backShift].join(", ")}}`;
}

function padded(
  data: Int8Array,
  { rows, depth, pitch }: { readonly rows: number; readonly depth: number; readonly pitch: number },
): Int8Array {
  const out = new Int8Array(rows * pitch);
  for (let r = 0; r < rows; r++) out.set(data.subarray(r * depth, (r + 1) * depth), r * pitch);
  return out;
}

function folded(
  weights: Int8Array,
  {
    rows,
    pitch,
    zero,
    bias,
  }: { readonly rows: number; readonly pitch: number; readonly zero: number; readonly bias: Int32Array | undefined },
): Int32Array {
  return Int32Array.from({ length: rows }, (_, r) => {
    let sum = 0;
    for (let i = 0; i < pitch; i++) sum += weights[r * pitch + i] as number;
    return ((bias?.[r] ?? 0) - zero * sum) | 0;
  });
}
