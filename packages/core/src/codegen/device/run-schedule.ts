import { fail } from "../../base/error.ts";
import { seededRandom } from "../../base/random.ts";
import type { DeviceProgram, DeviceStep, DeviceValue } from "./program.ts";
import type { DeviceData } from "./relayout.ts";
import { pixelsStep, rowStep, windowRowStep } from "./row-step.ts";
import { runDevice } from "./run.ts";
import type { RowRing, Schedule, ScheduleItem, StreamStage } from "./schedule.ts";
import { isBroadcast, isPointwise, isWindowed, matrixOf, ownerOf } from "./schedule-rows.ts";
import { rowStride } from "./schedule-stream.ts";

const BYTES = { int8: 1, uint8: 1, int16: 2, int32: 4 } as const;
const ARRAYS = { int8: Int8Array, uint8: Uint8Array, int16: Int16Array, int32: Int32Array } as const;

/** One arena, and where things lie in it. */
interface Machine {
  readonly program: DeviceProgram;
  readonly schedule: Schedule;
  readonly arena: Int8Array;
}

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

/** Where a value or a block lies. */
export function offsetOf({ program, schedule }: Pick<Machine, "program" | "schedule">, name: string): number {
  const offset = schedule.memory.offsets.get(ownerOf(program, name));
  if (offset === undefined) throw fail("SCHEDULE_INVALID", `Cannot find "${name}" in the memory plan`, { at: { tensor: name } });
  return offset;
}

function bytesOf(data: DeviceData): Int8Array {
  return new Int8Array(data.buffer, data.byteOffset, data.byteLength);
}

function scribble({ arena }: Machine, from: number, bytes: number): void {
  const random = seededRandom(from + bytes);
  for (let i = from; i < from + bytes; i++) arena[i] = random.int(256) - 128;
}

/** A copy of a whole value. */
function contents(machine: Machine, name: string): DeviceData {
  const { dtype, bytes } = machine.program.values.get(name) as DeviceValue;
  const start = offsetOf(machine, name);
  return new ARRAYS[dtype](machine.arena.slice(start, start + bytes).buffer);
}

/** Runs one step on arrays of its own. `before`: what the output holds already, for steps that write a part of it. */
function compute(
  machine: Machine,
  step: DeviceStep,
  { inputs, before }: { inputs: readonly DeviceData[]; before: DeviceData },
): DeviceData {
  const values = new Map<string, DeviceValue>();
  const feeds = new Map<string, DeviceData>();
  const put = (name: string, like: string, data: DeviceData): string => {
    const model = machine.program.values.get(like) ?? machine.program.constants.get(like);
    const dtype = model?.dtype ?? "int8";
    values.set(name, { name, dtype, shape: [data.length], bytes: data.length * BYTES[dtype], scale: 1, zeroPoint: 0 });
    feeds.set(name, data);
    return name;
  };
  const names = inputs.map((data, i) => put(`in${i}`, step.inputs[i] as string, data));
  put("out", step.output, before);
  const program: DeviceProgram = {
    ...machine.program,
    inputs: [...names, "out"],
    outputs: ["out"],
    values,
    views: new Map(),
    constants: new Map(),
    steps: [{ ...step, inputs: names, output: "out" } as DeviceStep],
  };
  return runDevice(program, feeds).get("out") as DeviceData;
}

/** A step without rows, on whole values. An LSTM may write its states too. */
function computeWhole(machine: Machine, step: DeviceStep): void {
  const { program } = machine;
  const touched = [...step.inputs, step.output, ...(step.kind === "lstm" ? step.states : [])].filter((name) => name !== "");
  const held = [...new Set(touched)].filter((name) => !program.constants.has(name));
  const feeds = new Map(held.map((name) => [name, contents(machine, name)]));
  const small: DeviceProgram = { ...program, inputs: held, outputs: held, views: new Map(), steps: [step] };
  const written = runDevice(small, feeds);
  const outputs = step.kind === "lstm" ? [step.output, ...step.states] : [step.output];
  for (const name of outputs.filter((name) => name !== ""))
    machine.arena.set(bytesOf(written.get(name) as DeviceData), offsetOf(machine, name));
}

/** What a kernel leaves in the memory it works in. */
function noiseIn(machine: Machine, scratch: string | undefined): void {
  if (scratch === undefined) return;
  const block = machine.schedule.occupancy.flatMap(({ blocks }) => blocks).find(({ name }) => name === scratch);
  scribble(machine, offsetOf(machine, scratch), block?.bytes ?? 0);
}

type LayerItem = Extract<ScheduleItem, { readonly kind: "layer" }>;
type StreamItem = Extract<ScheduleItem, { readonly kind: "stream" }>;

function runLayer(machine: Machine, item: LayerItem): void {
  const { step, ring } = item;
  const noise = (): void => noiseIn(machine, item.scratch);
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
  } else {
    noise();
    computeWhole(machine, step);
  }
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

/** The rows that a windowed step keeps, in a ring of the arena or, for a pool over a whole value, where they lie. */
class Window {
  readonly #machine: Machine;
  readonly #step: Extract<DeviceStep, { readonly kind: "conv" | "depthwise" | "maxPool" | "averagePool" }>;
  readonly #ring: RowRing | undefined;
  readonly #source: number;
  /** Rows that have come, with those of padding above; further ones below are filled when they are needed. */
  #come: number;
  #isEnd = false;

  constructor(machine: Machine, { step, ring, source }: { step: DeviceStep; ring: RowRing | undefined; source: number }) {
    if (!isWindowed(step)) throw new RangeError(`a step of kind ${step.kind} has no window`);
    this.#machine = machine;
    this.#step = step;
    this.#ring = ring;
    this.#source = source;
    this.#come = step.pads[0];
    if (ring !== undefined)
      machine.arena.fill(this.#padding, offsetOf(machine, ring.block), offsetOf(machine, ring.block) + ring.bytes);
  }

  get #padding(): number {
    return "inputZero" in this.#step ? this.#step.inputZero : 0;
  }

  get #extent(): number {
    return (this.#step.kernel[0] - 1) * this.#step.dilations[0] + 1;
  }

  /** Where row v of the ring's count begins, padding included. */
  #place(v: number): number {
    const ring = this.#ring as RowRing;
    return offsetOf(this.#machine, ring.block) + (v % ring.rows) * ring.columns * ring.channels;
  }

  /** Where the pixels of a row of input are to be written. */
  pixelsOf(row: number): number {
    const { left, channels } = this.#ring as RowRing;
    return this.#place(row + this.#step.pads[0]) + left * channels;
  }

  /** A row has come. With `pixels`, it is put into the ring first; without, it was written there or lies in the value. */
  take(row: number, pixels?: Int8Array): void {
    if (pixels !== undefined) this.#machine.arena.set(pixels, this.pixelsOf(row));
    this.#come = row + this.#step.pads[0] + 1;
    this.#isEnd = row === this.#step.height - 1;
  }

  canMake(y: number): boolean {
    return this.#isEnd || y * this.#step.strides[0] + this.#extent <= this.#come;
  }

  make(y: number): Int8Array {
    const step = this.#step;
    const { height, channels, outWidth, outChannels } = step;
    const first = y * step.strides[0];
    const isPool = step.kind === "maxPool" || step.kind === "averagePool";
    const ring = this.#ring;
    for (; !isPool && this.#come < first + this.#extent; this.#come++) {
      const from = this.#place(this.#come);
      this.#machine.arena.fill(this.#padding, from, from + (ring as RowRing).columns * channels);
    }
    const above = isPool ? Math.max(0, step.pads[0] - first) : 0;
    const below = isPool ? Math.max(0, first + this.#extent - step.pads[0] - height) : 0;
    const rows = this.#extent - above - below;
    const columns = ring?.columns ?? step.width;
    const pitch = columns * channels;
    const gathered = new Int8Array(rows * pitch);
    for (let i = 0; i < rows; i++) {
      const v = first + above + i;
      const from = ring === undefined ? this.#source + (v - step.pads[0]) * pitch : this.#place(v);
      gathered.set(this.#machine.arena.subarray(from, from + pitch), i * pitch);
    }
    const before = new Int8Array(outWidth * outChannels);
    return compute(this.#machine, windowRowStep(step, { rows, columns, missing: above }), {
      inputs: [gathered],
      before,
    }) as Int8Array;
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
