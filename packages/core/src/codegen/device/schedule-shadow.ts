import type { DeviceProgram, DeviceStep } from "./program.ts";
import type { RowRing, Schedule } from "./schedule.ts";

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
export interface Piece {
  readonly block: string;
  readonly offset: number;
  readonly bytes: number;
  /** What should stand there. */
  readonly mark: number;
}

/** The arena with its marks. */
export class Shadow {
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

/** A ring and what has come into it. */
export class RingShadow {
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
