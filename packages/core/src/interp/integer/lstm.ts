import { multiply } from "./multiplier.ts";
import type { LstmGate, LstmStep } from "./program.ts";
import type { Integers } from "./rescale.ts";
import { wideLogistic, wideTanh } from "./wide-sigmoid.ts";

/** What an LSTM leaves behind: all hidden states as [time, batch, hidden] or [batch, time, hidden], and the last states as [batch, hidden]. */
export interface LstmResult {
  readonly output: Int8Array;
  readonly hidden: Int8Array;
  readonly cell: Int16Array;
}

function saturate16(x: number): number {
  return x > 32767 ? 32767 : x < -32768 ? -32768 : x;
}

/** Argument of tanh for the cell state: from 2^exponent to 3 / 2^15, a multiplier of 3 and a shift. */
function cellArgument(exponent: number): { readonly multiplier: number; readonly shift: number } {
  const left = 15 + exponent - 3;
  return left < 0 ? { multiplier: 3, shift: -left } : { multiplier: 3 * 2 ** left, shift: 0 };
}

/**
 * Runs an LSTM: each gate is two products of int8 brought to Q3.12 one by one and added with saturation, then logistic or tanh in 16 bits. The gates
 * of one time step read the hidden state of the step before.
 */
export function runLstm(step: LstmStep, input: Integers): LstmResult {
  const { time, batch, hiddenSize, hiddenZero, rounding } = step;
  const hidden = new Int8Array(batch * hiddenSize).fill(hiddenZero);
  const cell = new Int16Array(batch * hiddenSize);
  const output = new Int8Array(time * batch * hiddenSize);
  const gates = [step.gates.forget, step.gates.input, step.gates.cell, step.gates.output] as const;
  const values = gates.map(() => new Int16Array(hiddenSize));
  const [forget, enter, change, leave] = values as [Int16Array, Int16Array, Int16Array, Int16Array];
  const argument = cellArgument(step.cellExponent);
  for (let t = 0; t < time; t++) {
    for (let b = 0; b < batch; b++) {
      const row = step.batchFirst ? b * time + t : t * batch + b;
      const states = hidden.subarray(b * hiddenSize, (b + 1) * hiddenSize);
      const x = input.subarray(row * step.inputSize, (row + 1) * step.inputSize);
      gates.forEach((gate, g) => {
        gateSums(step, gate, { x, states }, values[g] as Int16Array);
      });
      for (let h = 0; h < hiddenSize; h++) {
        const kept = multiply(
          wideLogistic(forget[h] as number, 3, 0) * (cell[b * hiddenSize + h] as number),
          step.forgetCell,
          rounding,
        );
        const added = multiply(
          wideLogistic(enter[h] as number, 3, 0) * wideTanh(change[h] as number, 3, 0),
          step.inputCell,
          rounding,
        );
        let c = saturate16(saturate16(kept) + saturate16(added));
        if (step.cellClip > 0) c = Math.max(-step.cellClip, Math.min(step.cellClip, c));
        cell[b * hiddenSize + h] = c;
        const shown = wideTanh(c, argument.multiplier, argument.shift);
        const q = multiply(shown * wideLogistic(leave[h] as number, 3, 0), step.hidden, rounding) + hiddenZero;
        states[h] = q > 127 ? 127 : q < -128 ? -128 : q;
      }
      output.set(states, row * hiddenSize);
    }
  }
  return { output, hidden, cell };
}

function gateSums(
  step: LstmStep,
  gate: LstmGate,
  from: { readonly x: Integers; readonly states: Int8Array },
  out: Int16Array,
): void {
  const { inputSize, hiddenSize, inputZero, hiddenZero, rounding } = step;
  const { weights, recurrent } = gate;
  for (let h = 0; h < hiddenSize; h++) {
    let sum = gate.bias[h] as number;
    for (let i = 0, w = h * inputSize; i < inputSize; i++, w++)
      sum += (weights[w] as number) * ((from.x[i] as number) - inputZero);
    let back = 0;
    for (let i = 0, w = h * hiddenSize; i < hiddenSize; i++, w++)
      back += (recurrent[w] as number) * ((from.states[i] as number) - hiddenZero);
    const own = saturate16(multiply(sum, gate.multiplier, rounding));
    out[h] = saturate16(own + saturate16(multiply(back, gate.recurrentMultiplier, rounding)));
  }
}
