import type { Kernel, KernelKind, KernelNumbers } from "./kernel.ts";

/** A kind of kernel in one kind of numbers, as cost tables name it: "conv1x1/int8". */
export type CostKey = `${KernelKind}/${KernelNumbers}`;

/** What a kind of kernel costs, nanoseconds. What is absent costs nothing that could be measured. */
export interface CostRate {
  /** The kernel by itself, however little it does. */
  readonly start?: number;
  /** A multiply-accumulate, with channels counted up to whole blocks. */
  readonly mac?: number;
  /** An element read or written. */
  readonly element?: number;
  /**
   * One place of a window at one position, or one position for kernels without windows: what starting inner loops costs, however many channels
   * there are.
   */
  readonly window?: number;
  /** An element gathered out of windows into rows before they are multiplied. */
  readonly gather?: number;
  /** A multiply-accumulate in the channels that are left when vectors of channels are full, on top of `mac`. */
  readonly tail?: number;
}

/** What a runtime's kernels cost on one class of machines, one thread. Fitted on chains of layers and the networks that its bench names as fitted. */
export interface CostTable {
  readonly id: string;
  /** The class of machine that it was measured on. Of other machines it says which kernels are dear, and no time. */
  readonly machine: string;
  readonly software: string;
  /** Microseconds of a run by itself. */
  readonly run: number;
  readonly rates: Readonly<Partial<Record<CostKey, CostRate>>>;
  /** Milliseconds below which a run is too short for its kernels to decide how long it takes. */
  readonly shortest: number;
  /** Input and output channels that kernels take at a time; 1 unless given. */
  readonly blocks: Readonly<Partial<Record<CostKey, readonly [number, number]>>>;
  /** Channels of a whole vector where the rest is computed one by one; none unless given. */
  readonly vector: Readonly<Partial<Record<CostKey, number>>>;
  /** The true speed-up lay within the predicted one divided and multiplied by this, on models that nothing was fitted on. */
  readonly band: number;
}

/** Amounts of a kernel that a {@link CostRate} has prices for. */
export interface Work {
  readonly start: 1;
  readonly mac: number;
  readonly element: number;
  readonly window: number;
  readonly gather: number;
  readonly tail: number;
}

/** The amounts that a kernel is priced by, under a table's blocks. */
export function workOf(kernel: Kernel, table: Pick<CostTable, "blocks" | "vector">): Work {
  const key: CostKey = `${kernel.kind}/${kernel.numbers}`;
  const { kind, macs, channels } = kernel;
  const [inner, outer] = channels;
  const element = kind === "view" ? 0 : kernel.reads + kernel.writes;
  if (inner === 0 || outer === 0 || macs === 0)
    return {
      start: 1,
      mac: macs,
      element,
      window: outer === 0 || kind === "view" ? 0 : kernel.writes / outer,
      gather: 0,
      tail: 0,
    };
  const [innerBlock, outerBlock] = table.blocks[key] ?? [1, 1];
  const slides = kind === "conv" || kind === "conv1d" || kind === "grouped" || kind === "depthwise";
  const vector = table.vector[key];
  return {
    start: 1,
    mac: macs * (blocked(inner, innerBlock) / inner) * (blocked(outer, outerBlock) / outer),
    element,
    window: slides ? macs / (inner * outer) : 0,
    gather: slides && kind !== "depthwise" ? macs / outer : 0,
    tail: vector === undefined ? 0 : (macs * (outer % vector)) / outer,
  };
}

function blocked(channels: number, block: number): number {
  return Math.ceil(channels / block) * block;
}

/** Microseconds that a kernel is expected to take; `undefined` when the table has no price for its kind. */
export function kernelTime(kernel: Kernel, table: CostTable): number | undefined {
  const rate = table.rates[`${kernel.kind}/${kernel.numbers}`];
  if (rate === undefined) return undefined;
  const work = workOf(kernel, table);
  const nanoseconds = (Object.keys(work) as (keyof Work)[]).reduce((sum, part) => sum + work[part] * (rate[part] ?? 0), 0);
  return nanoseconds / 1000;
}

/** What a list of kernels takes, milliseconds, and the kinds that the table has no price for, which are not in it. */
export interface ExpectedTime {
  readonly ms: number;
  readonly unpriced: readonly CostKey[];
}

/** Adds up kernels and what a run costs by itself. */
export function expectedTime(kernels: readonly Kernel[], table: CostTable): ExpectedTime {
  const unpriced = new Set<CostKey>();
  let microseconds = table.run;
  for (const kernel of kernels) {
    const time = kernelTime(kernel, table);
    if (time === undefined) unpriced.add(`${kernel.kind}/${kernel.numbers}`);
    else microseconds += time;
  }
  return { ms: microseconds / 1000, unpriced: [...unpriced] };
}
