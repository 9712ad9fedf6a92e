import type { DeviceCopy, DeviceProgram, DeviceStep } from "./program.ts";
import type { RowRing, Schedule, ScheduleItem, StreamStage } from "./schedule.ts";

/** Bytes that a step finds overwritten, or never written. */
export interface ScheduleFault {
  /** Node of the step that reads them. */
  readonly node: string;
  /** What they belong to: a value or a block. */
  readonly block: string;
  /** Where, in the arena. */
  readonly offset: number;
}

/** Faults told at most; one is enough to refuse a schedule. */
const FAULTS = 20;

/** Bytes of the arena that hold one thing: a row, a whole value, what a kernel works in. */
interface Piece {
  readonly block: string;
  readonly offset: number;
  readonly bytes: number;
  /** What should stand there. */
  readonly mark: number;
}

/**
 * Goes through a schedule event by event with a mark on every byte of the arena instead of data: each write leaves the mark of what was written, each
 * read looks whether all its bytes still have it. Knows how emitted code runs (see ScheduleItem) and nothing of how plans are made: no lives, no
 * allowed overlaps, no formulas of distances.
 *
 * @returns what some step would find destroyed; nothing for a sound schedule
 */
export function scheduleFaults(program: DeviceProgram, schedule: Schedule): readonly ScheduleFault[] {
  const shadow = new Shadow(program, schedule);
  for (const name of program.inputs) if (shadow.lies(name)) shadow.write([shadow.value(name)]);
  for (const item of schedule.items) {
    if (shadow.faults.length > 0) break;
    if (item.kind === "layer") checkLayer(shadow, item);
    else checkStream(shadow, item);
  }
  for (const name of program.outputs) if (!program.constants.has(name)) shadow.read("the end", [shadow.value(name)]);
  return shadow.faults;
}

/** The arena with its marks. */
class Shadow {
  readonly faults: ScheduleFault[] = [];
  readonly #program: DeviceProgram;
  readonly #schedule: Schedule;
  readonly #marks: Int32Array;
  readonly #known = new Map<string, number>();
  readonly #sizes = new Map<string, number>();

  constructor(program: DeviceProgram, schedule: Schedule) {
    this.#program = program;
    this.#schedule = schedule;
    this.#marks = new Int32Array(schedule.memory.arenaBytes);
    for (const { blocks } of schedule.occupancy) for (const { name, bytes } of blocks) this.#sizes.set(name, bytes);
  }

  #owner(name: string): string {
    return this.#schedule.owners.get(name) ?? name;
  }

  lies(name: string): boolean {
    return this.#schedule.memory.offsets.has(this.#owner(name));
  }

  isConstant(name: string): boolean {
    return name === "" || this.#program.constants.has(name);
  }

  /** The mark of a thing; what has the same key has the same mark. */
  #mark(key: string): number {
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.#known.size + 1);
    return this.#known.size;
  }

  /** A part of a block; `row` tells apart what lies in the same place one after the other. */
  piece(block: string, { from, bytes, row }: { readonly from: number; readonly bytes: number; readonly row?: number }): Piece {
    const owner = this.#owner(block);
    const offset = (this.#schedule.memory.offsets.get(owner) ?? Number.NaN) + from;
    return { block: owner, offset, bytes, mark: this.#mark(row === undefined ? owner : `${owner} ${row}`) };
  }

  value(name: string): Piece {
    return this.piece(name, { from: 0, bytes: this.#program.values.get(name)?.bytes ?? 0 });
  }

  /** What a kernel works in during one call. */
  scratch(block: string | undefined): readonly Piece[] {
    return block === undefined ? [] : [this.piece(block, { from: 0, bytes: this.#sizes.get(block) ?? 0 })];
  }

  write(pieces: readonly Piece[]): void {
    for (const { offset, bytes, mark, block } of pieces) {
      if (!(offset >= 0 && offset + bytes <= this.#marks.length)) this.#tell({ node: "", block, offset });
      else this.#marks.fill(mark, offset, offset + bytes);
    }
  }

  read(node: string, pieces: readonly Piece[]): void {
    for (const { block, offset, bytes, mark } of pieces)
      for (let at = offset; at < offset + bytes || Number.isNaN(offset); at++)
        if (this.#marks[at] !== mark) {
          this.#tell({ node, block, offset: at });
          break;
        }
  }

  #tell(fault: ScheduleFault): void {
    if (this.faults.length < FAULTS) this.faults.push(fault);
  }

  /** A kernel that may write while it still reads: everything must be intact before and after. */
  call(
    node: string,
    { reads, writes, scratch }: { reads: readonly Piece[]; writes: readonly Piece[]; scratch: readonly Piece[] },
  ): void {
    this.write(scratch);
    this.read(node, reads);
    this.write(writes);
    this.read(node, [...reads, ...scratch, ...writes]);
  }

  /** A kernel that reads an element of each operand before it writes the one at the same place, upwards. Operands of other sizes are read all the time. */
  each(node: string, { reads, write }: { reads: readonly Piece[]; write: Piece }): void {
    const along = reads.filter(({ bytes }) => bytes === write.bytes);
    const others = reads.filter(({ bytes }) => bytes !== write.bytes);
    this.read(node, reads);
    for (let i = 0; i < write.bytes; i++) {
      for (const { offset, mark, block } of along)
        if (this.#marks[offset + i] !== mark) {
          this.#tell({ node, block, offset: offset + i });
          return;
        }
      this.#marks[write.offset + i] = write.mark;
    }
    this.read(node, [...others, write]);
  }
}

const ELEMENTWISE = new Set<DeviceStep["kind"]>(["table", "add", "mul", "prelu", "maximum", "minimum"]);

function checkLayer(shadow: Shadow, item: Extract<ScheduleItem, { readonly kind: "layer" }>): void {
  const { step, ring } = item;
  const { node } = step;
  const scratch = shadow.scratch(item.scratch);
  const reads = [...new Set(step.inputs)].filter((name) => !shadow.isConstant(name)).map((name) => shadow.value(name));
  if (ring !== undefined && "kernel" in step && !isOneByOne(step)) checkRows(shadow, item, ring);
  else if (ring !== undefined) checkGroups(shadow, item, ring);
  else if (step.kind === "maxPool" || step.kind === "averagePool") checkPool(shadow, step);
  else if (ELEMENTWISE.has(step.kind)) shadow.each(node, { reads, write: shadow.value(step.output) });
  else {
    const outputs = step.kind === "lstm" ? [step.output, ...step.states].filter((name) => name !== "") : [step.output];
    const writes = step.kind === "copy" ? copied(shadow, step) : outputs.map((name) => shadow.value(name));
    shadow.call(node, { reads, writes, scratch });
  }
}

function isOneByOne(step: DeviceStep): boolean {
  if (step.kind !== "conv" || step.group !== 1) return false;
  return (
    [...step.kernel, ...step.strides].every((n) => n === 1) && step.pads.every((n) => n === 0) && step.height === step.outHeight
  );
}

/** The elements of the output that a copy writes. */
function copied(shadow: Shadow, step: DeviceCopy): Piece[] {
  const pieces: Piece[] = [];
  const visit = (axis: number, from: number): void => {
    if (axis === step.sizes.length) {
      pieces.push(shadow.piece(step.output, { from: from * step.elementBytes, bytes: step.elementBytes }));
      return;
    }
    for (let i = 0; i < (step.sizes[axis] as number); i++) visit(axis + 1, from + i * (step.outputStrides[axis] as number));
  };
  visit(0, step.outputOffset);
  return pieces;
}

/** A window over a whole value: rows come into the ring, output rows are written to the output value. */
function checkRows(shadow: Shadow, item: Extract<ScheduleItem, { readonly kind: "layer" }>, ring: RowRing): void {
  const { step } = item;
  if (step.kind !== "conv" && step.kind !== "depthwise") throw new RangeError(`a step of kind ${step.kind} has no ring`);
  const rowBytes = step.width * step.channels;
  const outBytes = step.outWidth * step.outChannels;
  const window = new RingShadow(shadow, step, ring);
  for (let row = 0, y = 0; row < step.height; row++) {
    const from = shadow.piece(step.inputs[0] as string, { from: row * rowBytes, bytes: rowBytes });
    shadow.read(step.node, [from]);
    window.come(row, true);
    for (; y < step.outHeight && window.canMake(y); y++) {
      const write = shadow.piece(step.output, { from: y * outBytes, bytes: outBytes });
      shadow.call(step.node, { reads: window.rowsOf(y), writes: [write], scratch: shadow.scratch(item.scratch) });
    }
  }
}

/** A pool over a whole value: the rows of its window are read where they lie, while the row of output is written. */
function checkPool(shadow: Shadow, step: Extract<DeviceStep, { readonly kind: "maxPool" | "averagePool" }>): void {
  const rowBytes = step.width * step.channels;
  const outBytes = step.outWidth * step.outChannels;
  for (let y = 0; y < step.outHeight; y++) {
    const reads: Piece[] = [];
    for (let k = 0; k < step.kernel[0]; k++) {
      const row = y * step.strides[0] - step.pads[0] + k * step.dilations[0];
      if (row >= 0 && row < step.height)
        reads.push(shadow.piece(step.inputs[0] as string, { from: row * rowBytes, bytes: rowBytes }));
    }
    shadow.call(step.node, { reads, writes: [shadow.piece(step.output, { from: y * outBytes, bytes: outBytes })], scratch: [] });
  }
}

/** Pixels copied before they are written over. */
function checkGroups(shadow: Shadow, item: Extract<ScheduleItem, { readonly kind: "layer" }>, ring: RowRing): void {
  const { step, order } = item;
  const depth = ring.channels;
  const input = shadow.value(step.inputs[0] as string);
  const output = shadow.value(step.output);
  const pixels = input.bytes / depth;
  const groups = Math.ceil(pixels / ring.columns);
  for (let i = 0; i < groups; i++) {
    const start = (order === "forward" ? i : groups - 1 - i) * ring.columns;
    const count = Math.min(ring.columns, pixels - start);
    const copy = shadow.piece(ring.block, { from: 0, bytes: count * depth, row: start });
    shadow.read(step.node, [shadow.piece(step.inputs[0] as string, { from: start * depth, bytes: count * depth })]);
    shadow.write([copy]);
    const wide = output.bytes / pixels;
    const write = shadow.piece(step.output, { from: start * wide, bytes: count * wide });
    shadow.call(step.node, { reads: [copy], writes: [write], scratch: shadow.scratch(item.scratch) });
  }
}

/** A ring and what has come into it. */
class RingShadow {
  readonly #shadow: Shadow;
  readonly #ring: RowRing;
  readonly #step: Extract<DeviceStep, { readonly kernel: readonly [number, number] }>;
  readonly #isPool: boolean;
  #filled = 0;
  #isEnd = false;

  constructor(shadow: Shadow, step: DeviceStep, ring: RowRing) {
    if (!("kernel" in step)) throw new RangeError(`a step of kind ${step.kind} has no window`);
    this.#shadow = shadow;
    this.#ring = ring;
    this.#step = step;
    this.#isPool = step.kind === "maxPool" || step.kind === "averagePool";
    // The whole ring is filled with the zero point at the start: each place holds a row of padding, or waits for its first row with its halo.
    if (!this.#isPool) for (let v = 0; v < ring.rows; v++) this.#shadow.write([this.#place(v, 0)]);
    this.#filled = step.pads[0];
  }

  /** Row v of the count. Halo columns are written once; they and the pixels of row v have one mark each. */
  #place(v: number, row: number): Piece {
    const pitch = this.#ring.columns * this.#ring.channels;
    return this.#shadow.piece(this.#ring.block, { from: (v % this.#ring.rows) * pitch, bytes: pitch, row });
  }

  pixels(row: number): Piece {
    const { left, channels, columns } = this.#ring;
    const v = row + this.#step.pads[0];
    const from = (v % this.#ring.rows) * columns * channels + left * channels;
    return this.#shadow.piece(this.#ring.block, { from, bytes: this.#step.width * channels, row: v + 1 });
  }

  /** A row has come; `fill`: it is put into the ring now, with its halo (whole layers do that for each row). */
  come(row: number, fill: boolean): void {
    const v = row + this.#step.pads[0];
    if (fill) {
      if (!this.#isPool) this.#shadow.write([this.#place(v, 0)]);
      this.#shadow.write([this.pixels(row)]);
    }
    this.#filled = v + 1;
    this.#isEnd = row === this.#step.height - 1;
  }

  canMake(y: number): boolean {
    const extent = (this.#step.kernel[0] - 1) * this.#step.dilations[0] + 1;
    return this.#isEnd || y * this.#step.strides[0] + extent <= this.#filled;
  }

  /** What the kernel reads for row y; fills rows of padding below the picture first. */
  rowsOf(y: number): readonly Piece[] {
    const { kernel, strides, dilations, pads, height, width } = this.#step;
    const { left, columns, channels } = this.#ring;
    const first = y * strides[0];
    const last = first + (kernel[0] - 1) * dilations[0];
    for (; !this.#isPool && this.#filled <= last; this.#filled++) this.#shadow.write([this.#place(this.#filled, 0)]);
    const pieces: Piece[] = [];
    for (let v = first; v <= last; v += dilations[0]) {
      const isInside = v >= pads[0] && v < pads[0] + height;
      if (isInside) {
        pieces.push(this.pixels(v - pads[0]));
        const at = (v % this.#ring.rows) * columns * channels;
        const end = (left + width) * channels;
        pieces.push(this.#shadow.piece(this.#ring.block, { from: at, bytes: left * channels, row: 0 }));
        pieces.push(this.#shadow.piece(this.#ring.block, { from: at + end, bytes: columns * channels - end, row: 0 }));
      } else if (!this.#isPool) pieces.push(this.#place(v, 0));
    }
    return pieces;
  }
}

function checkStream(shadow: Shadow, item: Extract<ScheduleItem, { readonly kind: "stream" }>): void {
  const { stages, pushed } = item;
  const windows = stages.map(({ step, ring }) => (ring === undefined ? undefined : new RingShadow(shadow, step, ring)));
  const made = stages.map(() => 0);
  const queued = (stage: number, y: number): Piece => {
    const queue = stages[stage]?.queue;
    if (queue === undefined) throw new RangeError(`stage ${stage} has no queue`);
    return shadow.piece(queue.block, { from: (y % queue.rows) * queue.rowBytes, bytes: queue.rowBytes, row: y });
  };
  const placeOf = (at: number, { target, y }: { target: StreamStage["to"][number]; y: number }): Piece => {
    const { step, row, outRowBytes } = stages[at] as StreamStage;
    if (target.kind === "ring") return (windows[at + 1] as RingShadow).pixels(y);
    if (target.kind === "queue") return queued(target.stage, y);
    if (target.kind === "row") return shadow.piece(row ?? "", { from: 0, bytes: outRowBytes, row: y });
    return shadow.piece(step.output, { from: y * outRowBytes, bytes: outRowBytes });
  };
  const take = (at: number, { row, hand }: { row: number; hand: Piece | undefined }): void => {
    const stage = stages[at] as StreamStage;
    const window = windows[at];
    window?.come(row, false);
    for (let y = made[at] as number; y < stage.outRows && (window === undefined ? y <= row : window.canMake(y)); y++) {
      made[at] = y + 1;
      const [first, ...rest] = stage.to.map((target) => placeOf(at, { target, y }));
      const reads = window === undefined ? (hand === undefined ? [] : [hand]) : window.rowsOf(y);
      makeRow(shadow, stage, { y, reads, write: first as Piece, queue: stage.queue && queued(at, y) });
      shadow.write(rest);
      shadow.read(stage.step.node, [first as Piece]);
      if (at + 1 < stages.length) take(at + 1, { row: y, hand: first as Piece });
    }
  };
  const { step, inRows, inRowBytes, operand } = stages[0] as StreamStage;
  for (let row = 0; row < inRows; row++) {
    const from = pushed ? undefined : shadow.piece(step.inputs[operand] as string, { from: row * inRowBytes, bytes: inRowBytes });
    if (from !== undefined) shadow.read(step.node, [from]);
    if (windows[0] !== undefined) shadow.write([windows[0].pixels(row)]);
    for (const [stage, { queue }] of stages.entries()) if (queue?.from === -1) shadow.write([queued(stage, row)]);
    take(0, { row, hand: from });
  }
}

function makeRow(
  shadow: Shadow,
  stage: StreamStage,
  { y, reads, write, queue }: { y: number; reads: readonly Piece[]; write: Piece; queue: Piece | undefined },
): void {
  const { step, beside } = stage;
  const others = beside.map((name): Piece => {
    const whole = shadow.value(name);
    const isRow = whole.bytes === stage.outRows * stage.outRowBytes;
    return isRow ? shadow.piece(name, { from: y * stage.outRowBytes, bytes: stage.outRowBytes }) : whole;
  });
  const all = [...reads, ...others, ...(queue === undefined ? [] : [queue])];
  if (ELEMENTWISE.has(step.kind)) shadow.each(step.node, { reads: all, write });
  else shadow.call(step.node, { reads: all, writes: [write], scratch: shadow.scratch(stage.scratch) });
}
