import type { DeviceStep } from "./program.ts";
import { windowRowStep } from "./row-step.ts";
import { compute, type Machine, offsetOf } from "./run-schedule-machine.ts";
import type { RowRing } from "./schedule.ts";
import { isWindowed } from "./schedule-rows.ts";

/** The rows that a windowed step keeps, in a ring of the arena or, for a pool over a whole value, where they lie. */
export class Window {
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
