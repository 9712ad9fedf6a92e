import { fail } from "../../base/error.ts";
import type { DeviceProgram, DeviceStep } from "./program.ts";
import type { DeviceData } from "./relayout.ts";
import { pixelsStep, rowStep } from "./row-step.ts";
import { bytesOf, compute, computeWhole, contents, type Machine, noiseIn, offsetOf, scribble } from "./run-schedule-machine.ts";
import { Window } from "./run-schedule-window.ts";
import type { RowRing, Schedule, ScheduleItem, StreamStage } from "./schedule.ts";
import { isBroadcast, isPointwise, isWindowed, matrixOf, ownerOf } from "./schedule-rows.ts";
import { rowStride } from "./schedule-stream.ts";

/**
 * Runs a schedule as the emitted code does: everything in one arena of bytes, at the planned offsets, rows through rings, pixels through copies, outputs
 * over inputs, rows handed from stage to stage. The arena starts with noise, and scratch memory is filled with noise at every call, so that whatever a
 * plan gets wrong shows in the outputs. Slow; the proof that a schedule computes what runDevice does.
 *
 * @param feeds integers of each input in storage order; those of a pushed input are handed over row by row
 * @returns the outputs in storage order, by name
 * @throws DATA_MISSING for an input that is not fed
 */
export function runSchedule(
  program: DeviceProgram,
  schedule: Schedule,
  feeds: ReadonlyMap<string, DeviceData>,
): Map<string, DeviceData> {
  const machine = { program, schedule, arena: new Int8Array(schedule.memory.arenaBytes) };
  scribble(machine, 0, machine.arena.length);
  for (const name of program.inputs) {
    const data = feeds.get(name);
    if (data === undefined)
      throw fail("DATA_MISSING", `Cannot run the schedule: its input "${name}" is not fed`, { at: { tensor: name } });
    if (schedule.memory.offsets.has(ownerOf(program, name))) machine.arena.set(bytesOf(data), offsetOf(machine, name));
  }
  for (const item of schedule.items) {
    if (item.kind === "stream") runStream(machine, item, feeds);
    else runLayer(machine, item);
  }
  return new Map(
    program.outputs.map((name) => {
      const constant = program.constants.get(name);
      return [name, constant === undefined ? contents(machine, name) : constant.data];
    }),
  );
}

type LayerItem = Extract<ScheduleItem, { readonly kind: "layer" }>;
type StreamItem = Extract<ScheduleItem, { readonly kind: "stream" }>;

function runLayer(machine: Machine, item: LayerItem): void {
  const { step, ring } = item;
  const noise = (): void => noiseIn(machine, item.scratch);
  noise();
  if (isPointwise(step) && ring !== undefined) runGroups(machine, { step, ring, order: item.order, noise });
  else if (isWindowed(step) && !isPointwise(step)) {
    const window = new Window(machine, { step, ring, source: offsetOf(machine, step.inputs[0] as string) });
    const out = offsetOf(machine, step.output);
    for (let row = 0, y = 0; row < step.height; row++) {
      window.take(row, ring === undefined ? undefined : rowOfInput(machine, step, row));
      for (; y < step.outHeight && window.canMake(y); y++) {
        noise();
        const made = window.make(y);
        machine.arena.set(made, out + y * made.length);
      }
    }
  } else computeWhole(machine, step);
}

function rowOfInput({ arena, ...machine }: Machine, step: DeviceStep, row: number): Int8Array {
  if (!isWindowed(step)) throw new RangeError(`a step of kind ${step.kind} has no window`);
  const bytes = step.width * step.channels;
  const start = offsetOf({ ...machine }, step.inputs[0] as string) + row * bytes;
  return arena.slice(start, start + bytes);
}

/** A pointwise step that copies its pixels before it writes over them. */
function runGroups(
  machine: Machine,
  {
    step,
    ring,
    order,
    noise,
  }: { readonly step: DeviceStep; readonly ring: RowRing; readonly order: "forward" | "backward"; readonly noise: () => void },
): void {
  const { arena } = machine;
  const { pixels, depth, outputs } = matrixOf(step);
  const [x, copy, y] = [
    offsetOf(machine, step.inputs[0] as string),
    offsetOf(machine, ring.block),
    offsetOf(machine, step.output),
  ];
  const starts = Array.from({ length: Math.ceil(pixels / ring.columns) }, (_, i) => i * ring.columns);
  for (const start of order === "forward" ? starts : starts.reverse()) {
    const count = Math.min(ring.columns, pixels - start);
    arena.copyWithin(copy, x + start * depth, x + (start + count) * depth);
    noise();
    const inputs = [arena.slice(copy, copy + count * depth)];
    const before = new Int8Array(count * outputs);
    arena.set(compute(machine, pixelsStep(step, count), { inputs, before }) as Int8Array, y + start * outputs);
  }
}

function runStream(machine: Machine, item: StreamItem, feeds: ReadonlyMap<string, DeviceData>): void {
  const first = item.stages[0] as StreamStage;
  const name = first.step.inputs[first.operand] as string;
  const inputName =
    machine.program.inputs.find((input) => ownerOf(machine.program, input) === ownerOf(machine.program, name)) ?? name;
  const stream = new Stream(machine, item.stages);
  for (let row = 0; row < first.inRows; row++) {
    const [from, to] = [row * first.inRowBytes, (row + 1) * first.inRowBytes];
    stream.push(row, item.pushed ? bytesOf(feeds.get(inputName) as DeviceData).slice(from, to) : offsetOf(machine, name) + from);
  }
}

/** The stages of one stream item while rows go through them. */
class Stream {
  readonly #machine: Machine;
  readonly #stages: readonly StreamStage[];
  readonly #windows: readonly (Window | undefined)[];
  readonly #made: number[];

  constructor(machine: Machine, stages: readonly StreamStage[]) {
    this.#machine = machine;
    this.#stages = stages;
    this.#windows = stages.map(({ step, ring }) =>
      ring === undefined ? undefined : new Window(machine, { step, ring, source: 0 }),
    );
    this.#made = stages.map(() => 0);
  }

  /** A row of the stream's input: its bytes, or where they lie in the arena. */
  push(row: number, from: Int8Array | number): void {
    const window = this.#windows[0];
    const pixels = this.#bytesAt(from, (this.#stages[0] as StreamStage).inRowBytes);
    if (window !== undefined) this.#machine.arena.set(pixels, window.pixelsOf(row));
    for (const [stage, { queue }] of this.#stages.entries())
      if (queue?.from === -1) this.#machine.arena.set(pixels, this.#queued(stage, row));
    this.#take(0, row, from);
  }

  #bytesAt(from: Int8Array | number, bytes: number): Int8Array {
    return typeof from === "number" ? this.#machine.arena.slice(from, from + bytes) : from;
  }

  #queued(stage: number, row: number): number {
    const queue = this.#stages[stage]?.queue;
    if (queue === undefined) throw new RangeError(`stage ${stage} has no queue`);
    return offsetOf(this.#machine, queue.block) + (row % queue.rows) * queue.rowBytes;
  }

  /** Row `row` of the input of a stage has come; `from` is where the row at hand of a stage without a window lies. */
  #take(at: number, row: number, from: Int8Array | number): void {
    const { step, outRows } = this.#stages[at] as StreamStage;
    const window = this.#windows[at];
    window?.take(row);
    for (;;) {
      const y = this.#made[at] as number;
      if (y === outRows || (window === undefined ? y > row : !window.canMake(y))) return;
      noiseIn(this.#machine, (this.#stages[at] as StreamStage).scratch);
      this.#made[at] = y + 1;
      this.#hand(at, y, window === undefined ? this.#rowOf(at, { step, y, from }) : window.make(y));
    }
  }

  /** One row of a stage that works on the row at hand. */
  #rowOf(at: number, { step, y, from }: { step: DeviceStep; y: number; from: Int8Array | number }): Int8Array {
    const stage = this.#stages[at] as StreamStage;
    const inputs = step.inputs.map((name, operand): DeviceData => {
      if (operand === stage.operand) return this.#bytesAt(from, stage.inRowBytes);
      return isBroadcast(step) ? this.#operand(at, { name, operand, y }) : new Int8Array(0);
    });
    const before = new Int8Array(stage.outRowBytes);
    const used = isBroadcast(step) ? inputs : inputs.slice(0, 1);
    return compute(this.#machine, rowStep(step, stage.inRows), { inputs: used, before }) as Int8Array;
  }

  /** The part of another operand that belongs to row y: of a queue, a constant or a value that lies whole. */
  #operand(at: number, { name, operand, y }: { name: string; operand: number; y: number }): DeviceData {
    const { step, queue, inRows } = this.#stages[at] as StreamStage;
    if (queue?.operand === operand) {
      const from = this.#queued(at, y);
      return this.#machine.arena.slice(from, from + queue.rowBytes);
    }
    const constant = this.#machine.program.constants.get(name);
    const whole = constant === undefined ? contents(this.#machine, name) : constant.data;
    return whole.slice(y * rowStride(step, { operand, rows: inRows }));
  }

  /** Puts a row that a stage has made where it belongs, then lets the next stage go on. */
  #hand(at: number, y: number, row: Int8Array): void {
    const { to, step, row: block } = this.#stages[at] as StreamStage;
    const { arena } = this.#machine;
    let held: number | undefined;
    for (const target of to) {
      const place =
        target.kind === "value"
          ? offsetOf(this.#machine, step.output) + y * row.length
          : target.kind === "ring"
            ? (this.#windows[at + 1] as Window).pixelsOf(y)
            : target.kind === "row"
              ? offsetOf(this.#machine, block as string)
              : this.#queued(target.stage, y);
      arena.set(row, place);
      held ??= place;
    }
    if (at + 1 < this.#stages.length) this.#take(at + 1, y, held as number);
  }
}
