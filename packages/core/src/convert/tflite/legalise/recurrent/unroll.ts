import { fromNumbers } from "../../../../graph/tensor.ts";
import type { LegaliseSite } from "../row.ts";
import { type Direction, type Layer, type Wire, weight } from "./layer.ts";

/** Values of one step, [batch, hidden] each; `undefined` for zeros. */
export interface State {
  readonly hidden: string | undefined;
  readonly cell: string | undefined;
}

/** Makes the nodes of one step: `sums` is W x + b of this step, [batch, gates * hidden]. */
export type Step = (sums: string, state: State) => { readonly hidden: string; readonly cell: string | undefined };

/** Makes what the steps of one direction share, and the step. */
export type Cell = (layer: Layer, direction: Direction) => Step;

/** The outputs of a layer: every step, the last state and the last cell. */
export interface Unrolled {
  readonly y: string;
  readonly hidden: string;
  readonly cell: string | undefined;
}

/**
 * Unrolls a layer: all steps are multiplied by W in one product, and each step then multiplies the state by R. Sequences that end early cost no
 * operator inside the steps when they run forward: the steps past the end are computed, masked in Y, and the last state is picked by a mask that
 * is one at step length - 1. Backward, a step past the end hands on the first state.
 */
export function unroll(
  layer: Layer,
  options: { readonly inputBias: (d: Direction) => Float64Array; readonly cell: Cell },
): Unrolled {
  const { site, seq, batch, width, hidden } = layer;
  const rows = layer.gates * hidden;
  const flat = site.op("Reshape", [site.input(0), site.list("flat", [seq * batch, width])]);
  const parts = layer.directions.map((direction) => {
    const sums = site.op(
      "Gemm",
      [
        flat,
        weight(site, "W", { shape: [rows, width], data: direction.input }),
        weight(site, "b", { shape: [rows], data: options.inputBias(direction) }),
      ],
      { transB: 1 },
    );
    const bySteps = seq === 1 ? [sums] : site.ops("Split", [sums], { count: seq, attributes: { axis: 0, num_outputs: seq } });
    return runDirection(layer, { direction, bySteps, step: options.cell(layer, direction) });
  });
  if (parts.length === 1) return parts[0] as Unrolled;
  const joined = (names: readonly (string | undefined)[], axis: number): string => site.op("Concat", names as string[], { axis });
  return {
    y: site.isUsed(0)
      ? joined(
          parts.map((p) => p.y),
          1,
        )
      : (parts[0] as Unrolled).y,
    hidden: joined(
      parts.map((p) => p.hidden),
      0,
    ),
    cell:
      parts[0]?.cell === undefined
        ? undefined
        : joined(
            parts.map((p) => p.cell),
            0,
          ),
  };
}

interface Run {
  readonly direction: Direction;
  readonly bySteps: readonly string[];
  readonly step: Step;
}

function runDirection(layer: Layer, run: Run): Unrolled {
  const { site, seq, batch, hidden, lengths } = layer;
  const { direction, bySteps, step } = run;
  const first: State = { hidden: direction.hidden0, cell: direction.cell0 };
  const hiddens = new Array<string>(seq);
  const cells = new Array<string | undefined>(seq);
  const holds = direction.backward && lengths !== "" ? holdUntil(layer) : undefined;
  let state: State = first;
  for (let k = 0; k < seq; k++) {
    const t = direction.backward ? seq - 1 - k : k;
    const next = step(bySteps[t] as string, state);
    const held = holds === undefined ? next : holds(t, next, first);
    hiddens[t] = held.hidden;
    cells[t] = held.cell;
    state = held;
  }
  const stack = (names: readonly string[]): string => (seq === 1 ? (names[0] as string) : site.op("Concat", names, { axis: 0 }));
  const asState = (name: string): string => site.op("Reshape", [name, site.list("shape", [1, batch, hidden])]);
  const needsY = site.isUsed(0) || (lengths !== "" && !direction.backward);
  const all = needsY ? stack(hiddens) : (hiddens[0] as string);
  const masked = lengths === "" || (direction.backward && first.hidden === undefined) || !site.isUsed(0);
  const y = masked ? all : site.op("Mul", [all, maskOf(layer, "Greater", lengths)]);
  const shapedY = site.isUsed(0) ? site.op("Reshape", [y, site.list("shape", [seq, 1, batch, hidden])]) : y;
  if (direction.backward || lengths === "") {
    const last = direction.backward ? 0 : seq - 1;
    const cell = cells[last];
    return { y: shapedY, hidden: asState(hiddens[last] as string), cell: cell === undefined ? undefined : asState(cell) };
  }
  const pick = pickLast(layer);
  return {
    y: shapedY,
    hidden: site.isUsed(1) ? asState(pick(all, first.hidden)) : asState(hiddens[0] as string),
    cell: cells[0] === undefined || !site.isUsed(2) ? cells[0] : asState(pick(stack(cells as string[]), first.cell)),
  };
}

/** Sizes of a layer, and where its sequences end. */
export type Span = Pick<Layer, "site" | "seq" | "batch" | "hidden" | "lengths">;

/** float32[seq * batch, 1]: 1 where `op(lengths, step)` holds for step 0, 1, ... */
export function maskOf(layer: Span, op: "Greater" | "Equal", lengths: string): string {
  const { site, seq, batch } = layer;
  const steps = site.tensor(
    "steps",
    fromNumbers(
      "int32",
      [seq, 1],
      Array.from({ length: seq }, (_, t) => t),
    ),
  );
  const row = site.op("Reshape", [lengths, site.list("shape", [1, batch])]);
  const bits = site.op("Cast", [site.op(op, [row, steps])], { to: 1 });
  return site.op("Reshape", [bits, site.list("shape", [seq * batch, 1])]);
}

/** The state after the last step of each sequence; exact, for all other summands are zero. */
export function pickLast(layer: Span): (stack: string, first: string | undefined) => string {
  const { site, seq, batch, hidden, lengths } = layer;
  const lastStep = site.op("Sub", [lengths, site.scalar(1, "int32")]);
  const mask = maskOf(layer, "Equal", lastStep);
  return (stack, first) => {
    const only = site.op("Reshape", [site.op("Mul", [stack, mask]), site.list("shape", [seq, batch, hidden])]);
    const sum = site.op("ReduceSum", [only, site.list("axes", [0])], { keepdims: 0 });
    if (first === undefined) return sum;
    const empty = site.op("Cast", [site.op("Equal", [lengths, site.scalar(0, "int32")])], { to: 1 });
    const column = site.op("Reshape", [empty, site.list("shape", [batch, 1])]);
    return site.op("Add", [sum, site.op("Mul", [first, column])]);
  };
}

type Hold = (t: number, next: { readonly hidden: string; readonly cell: string | undefined }, first: State) => ReturnType<Step>;

/** Backward, a sequence starts at its own last step: until then it stays at the first state. */
function holdUntil(layer: Layer): Hold {
  const { site, batch, lengths } = layer;
  const column = site.op("Reshape", [lengths, site.list("shape", [batch, 1])]);
  const zero = site.scalar(0, "float32");
  return (t, next, first) => {
    const runs = site.op("Greater", [column, site.scalar(t, "int32")]);
    const held = (value: string, otherwise: string | undefined): string => site.op("Where", [runs, value, otherwise ?? zero]);
    return {
      hidden: held(next.hidden, first.hidden),
      cell: next.cell === undefined ? undefined : held(next.cell, first.cell),
    };
  };
}

/** Limits the sums where the layer says so. */
export function clipped(layer: Layer): Wire {
  const { site, clip } = layer;
  if (clip === 0) return (value) => value;
  return (value) => site.op("Clip", [value, site.scalar(-clip, "float32"), site.scalar(clip, "float32")]);
}

/** Parts of the last axis. */
export function splitLast(site: LegaliseSite, value: string, sizes: readonly number[]): readonly string[] {
  if (sizes.length === 1) return [value];
  return site.ops("Split", [value, site.list("sizes", sizes)], { count: sizes.length, attributes: { axis: 1 } });
}
