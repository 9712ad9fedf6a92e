import { fail } from "../../base/error.ts";
import type { Node } from "../../graph/model.ts";
import { attrFloat, attrInt, attrString } from "../../graph/node.ts";
import { fromNumbers, type Tensor, toInts } from "../../graph/tensor.ts";
import type { RECURRENT } from "../../ops/recurrent.ts";
import { gemm } from "../gemm.ts";
import type { Kernel, KernelContext, NoKernel } from "../kernel.ts";
import { type Reals, reals } from "../reals.ts";
import { needed } from "./needed.ts";
import { readActivations, type Scalar } from "./recurrent-activations.ts";

/** What one step of one sequence works on, in doubles. `gates` holds W x + Wb of this step, gate after gate. */
interface Step {
  readonly gates: Float64Array;
  /** R h, gate after gate, without bias. */
  readonly recurrent: Float64Array;
  /** Rb, gate after gate. */
  readonly bias: Float64Array;
  readonly state: Float64Array;
  readonly cell: Float64Array;
  readonly hidden: number;
  readonly functions: readonly Scalar[];
  readonly clip: Scalar;
  readonly peepholes: Reals | undefined;
  readonly peepholeAt: number;
  /** The recurrent matrix of this direction, for GRU, which multiplies a gated state. */
  readonly multiply: (vector: Float64Array, firstRow: number, out: Float64Array) => void;
}

interface CellKind {
  readonly gates: number;
  readonly activations: readonly string[];
  readonly hasCell: boolean;
  /** Advances `state` (and `cell`) in place. */
  readonly step: (step: Step, node: Node) => void;
}

function gate(s: Step, index: number, i: number): number {
  const at = index * s.hidden + i;
  return (s.gates[at] as number) + (s.recurrent[at] as number) + (s.bias[at] as number);
}

function stepRnn(s: Step): void {
  const f = s.functions[0] as Scalar;
  for (let i = 0; i < s.hidden; i++) s.state[i] = f(s.clip(gate(s, 0, i)));
}

// Gates z, r, h.
function stepGru(s: Step, node: Node): void {
  const [f, g] = s.functions as [Scalar, Scalar];
  const { hidden } = s;
  const before = attrInt(node, "linear_before_reset", 0) !== 0;
  const update = new Float64Array(hidden);
  const reset = new Float64Array(hidden);
  for (let i = 0; i < hidden; i++) {
    update[i] = f(s.clip(gate(s, 0, i)));
    reset[i] = f(s.clip(gate(s, 1, i)));
  }
  const fresh = new Float64Array(hidden);
  if (before) {
    for (let i = 0; i < hidden; i++) {
      const at = 2 * hidden + i;
      fresh[i] = (s.gates[at] as number) + (reset[i] as number) * ((s.recurrent[at] as number) + (s.bias[at] as number));
    }
  } else {
    s.multiply(
      s.state.map((h, i) => h * (reset[i] as number)),
      2 * hidden,
      fresh,
    );
    for (let i = 0; i < hidden; i++)
      fresh[i] = (fresh[i] as number) + (s.gates[2 * hidden + i] as number) + (s.bias[2 * hidden + i] as number);
  }
  for (let i = 0; i < hidden; i++) {
    const z = update[i] as number;
    s.state[i] = (1 - z) * g(s.clip(fresh[i] as number)) + z * (s.state[i] as number);
  }
}

// Gates i, o, f, c; peepholes i, o, f.
function stepLstm(s: Step, node: Node): void {
  const [f, g, h] = s.functions as [Scalar, Scalar, Scalar];
  const { hidden, peepholes, peepholeAt } = s;
  const coupled = attrInt(node, "input_forget", 0) !== 0;
  const peep = (index: number, i: number): number =>
    peepholes === undefined ? 0 : (peepholes[peepholeAt + index * hidden + i] as number);
  for (let i = 0; i < hidden; i++) {
    const old = s.cell[i] as number;
    const input = f(s.clip(gate(s, 0, i) + peep(0, i) * old));
    const forget = coupled ? 1 - input : f(s.clip(gate(s, 2, i) + peep(2, i) * old));
    const cell = forget * old + input * g(s.clip(gate(s, 3, i)));
    const output = f(s.clip(gate(s, 1, i) + peep(1, i) * cell));
    s.cell[i] = cell;
    s.state[i] = output * h(cell);
  }
}

const KINDS = {
  GRU: { gates: 3, activations: ["Sigmoid", "Tanh"], hasCell: false, step: stepGru },
  LSTM: { gates: 4, activations: ["Sigmoid", "Tanh", "Tanh"], hasCell: true, step: stepLstm },
  RNN: { gates: 1, activations: ["Tanh"], hasCell: false, step: stepRnn },
} as const satisfies Record<string, CellKind>;

interface Layer {
  readonly node: Node;
  readonly kind: CellKind;
  readonly seq: number;
  readonly batch: number;
  readonly width: number;
  readonly hidden: number;
  readonly directions: number;
  readonly batchFirst: boolean;
  readonly lengths: readonly number[];
  readonly clip: Scalar;
}

function readLayer(inputs: readonly (Tensor | undefined)[], context: KernelContext, kind: CellKind): Layer {
  const { node } = context;
  const [x, w, r] = [needed(inputs, 0, context), needed(inputs, 1, context), needed(inputs, 2, context)];
  const batchFirst = attrInt(node, "layout", 0) !== 0;
  const [seq, batch, width] = [
    x.shape[batchFirst ? 1 : 0] as number,
    x.shape[batchFirst ? 0 : 1] as number,
    x.shape[2] as number,
  ];
  const hidden = r.shape[2] as number;
  const directions = attrString(node, "direction", "forward") === "bidirectional" ? 2 : 1;
  const fits =
    x.shape.length === 3 &&
    w.shape[0] === directions &&
    w.shape[1] === kind.gates * hidden &&
    w.shape[2] === width &&
    r.shape[1] === kind.gates * hidden;
  if (!fits) {
    throw fail("SHAPE_MISMATCH", `Cannot run ${node.op}: X [${x.shape}], W [${w.shape}] and R [${r.shape}] do not fit`, {
      at: { node: node.name },
    });
  }
  const lengths = inputs[4] === undefined ? new Array<number>(batch).fill(seq) : toInts(inputs[4]);
  if (lengths.length !== batch || lengths.some((n) => n < 0 || n > seq)) {
    throw fail("SHAPE_MISMATCH", `Cannot run ${node.op}: sequence_lens [${lengths}] do not fit ${batch} sequences of ${seq}`, {
      at: { node: node.name },
    });
  }
  const limit = node.attributes.has("clip") ? attrFloat(node, "clip") : 0;
  const clip: Scalar = limit > 0 ? (v) => Math.min(limit, Math.max(-limit, v)) : (v) => v;
  return { node, kind, seq, batch, width, hidden, directions, batchFirst, lengths, clip };
}

function recurrent(kind: CellKind): Kernel {
  return (inputs, context) => {
    const layer = readLayer(inputs, context, kind);
    const { seq, batch, hidden, directions, batchFirst, node } = layer;
    const x = needed(inputs, 0, context);
    const functions = readActivations(node, { fallback: kind.activations, directions });
    const y = new Float64Array(seq * directions * batch * hidden);
    const last = new Float64Array(directions * batch * hidden);
    const lastCell = new Float64Array(last.length);
    const word = attrString(node, "direction", "forward");
    for (let d = 0; d < directions; d++) {
      const backward = word === "reverse" || d === 1;
      const own = functions.slice(d * kind.activations.length, (d + 1) * kind.activations.length);
      runDirection(
        layer,
        inputs.map((t) => t && reals(t)),
        { d, backward, functions: own, y, last, lastCell },
      );
    }
    const shape = batchFirst ? [batch, seq, directions, hidden] : [seq, directions, batch, hidden];
    const stateShape = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
    const outputs = [fromNumbers(x.dtype, shape, y), fromNumbers(x.dtype, stateShape, last)];
    if (kind.hasCell) outputs.push(fromNumbers(x.dtype, stateShape, lastCell));
    return outputs;
  };
}

interface Direction {
  readonly d: number;
  readonly backward: boolean;
  readonly functions: readonly Scalar[];
  readonly y: Float64Array;
  readonly last: Float64Array;
  readonly lastCell: Float64Array;
}

function runDirection(layer: Layer, data: readonly (Reals | undefined)[], run: Direction): void {
  const { kind, seq, batch, width, hidden, directions, batchFirst, node } = layer;
  const { d, backward } = run;
  const rows = kind.gates * hidden;
  const [x, w, r] = [data[0], data[1], data[2]] as [Reals, Reals, Reals];
  const biases = data[3];
  const projected = new Float64Array(seq * batch * rows);
  gemm(
    { data: x, offset: 0, rowStride: width, columnStride: 1 },
    { data: w, offset: d * rows * width, rowStride: 1, columnStride: width },
    { rows: seq * batch, depth: width, columns: rows, out: projected, outOffset: 0 },
  );
  const inputBias = biases?.subarray(d * 2 * rows, d * 2 * rows + rows);
  const bias =
    biases === undefined ? new Float64Array(rows) : Float64Array.from(biases.subarray(d * 2 * rows + rows, (d + 1) * 2 * rows));
  const weights = Float64Array.from(r.subarray(d * rows * hidden, (d + 1) * rows * hidden));
  const multiply = (vector: Float64Array, firstRow: number, out: Float64Array): void => {
    for (let row = 0; row < out.length; row++) {
      let sum = 0;
      const from = (firstRow + row) * hidden;
      for (let k = 0; k < hidden; k++) sum += (weights[from + k] as number) * (vector[k] as number);
      out[row] = sum;
    }
  };
  const gates = new Float64Array(rows);
  const product = new Float64Array(rows);
  for (let b = 0; b < batch; b++) {
    const stateAt = (batchFirst ? b * directions + d : d * batch + b) * hidden;
    const state = new Float64Array(hidden);
    const cell = new Float64Array(hidden);
    const length = layer.lengths[b] as number;
    const [initial, initialCell] = [data[5], kind.hasCell ? data[6] : undefined];
    for (let i = 0; i < hidden; i++) {
      state[i] = initial?.[stateAt + i] ?? 0;
      cell[i] = initialCell?.[stateAt + i] ?? 0;
    }
    const step: Step = {
      gates,
      recurrent: product,
      bias,
      state,
      cell,
      hidden,
      functions: run.functions,
      clip: layer.clip,
      peepholes: kind.hasCell ? data[7] : undefined,
      peepholeAt: d * 3 * hidden,
      multiply,
    };
    for (let k = 0; k < length; k++) {
      const t = backward ? length - 1 - k : k;
      const from = (batchFirst ? b * seq + t : t * batch + b) * rows;
      for (let i = 0; i < rows; i++) gates[i] = (projected[from + i] as number) + (inputBias?.[i] ?? 0);
      multiply(state, 0, product);
      kind.step(step, node);
      run.y.set(state, (batchFirst ? (b * seq + t) * directions + d : (t * directions + d) * batch + b) * hidden);
    }
    run.last.set(state, stateAt);
    run.lastCell.set(cell, stateAt);
  }
}

/** Recurrent layers. */
export const RECURRENT_KERNELS = {
  GRU: recurrent(KINDS.GRU),
  LSTM: recurrent(KINDS.LSTM),
  RNN: recurrent(KINDS.RNN),
} as const satisfies Record<keyof typeof RECURRENT, Kernel | NoKernel>;
