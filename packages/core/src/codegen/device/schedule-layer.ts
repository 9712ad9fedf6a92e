import type { AllowedOverlap } from "../plan/allowed-overlap.ts";
import type { DeviceStep } from "./program.ts";
import type { RowRing } from "./schedule.ts";
import {
  isBroadcast,
  isElementwise,
  isPointwise,
  isWindowed,
  matrixOf,
  type RowShape,
  rowShapeOf,
  rowsMade,
} from "./schedule-rows.ts";
import { diesAt, isBornAt, isBytewise, type ScheduleSite } from "./schedule-site.ts";

/** Memory that only one item needs, from one of its stages to another. */
export interface LocalBlock {
  readonly name: string;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** An item of a schedule with all that its memory plan depends on. */
export interface ItemPlan {
  /** First and last step. */
  readonly from: number;
  readonly to: number;
  /** Moments of its time: its stages. */
  readonly stages: number;
  readonly blocks: readonly LocalBlock[];
  readonly overlaps: readonly AllowedOverlap[];
  /** Values that it touches but that never lie whole: those between its stages, a pushed input. */
  readonly inner: ReadonlySet<string>;
}

/** A step over whole values. */
export interface LayerPlan extends ItemPlan {
  readonly ring?: RowRing;
  readonly scratch?: string;
}

/**
 * Plans one step by itself.
 *
 * @param copies let a pointwise step copy its pixels first, so that its output can lie over them
 */
export function planLayer(site: ScheduleSite, index: number, copies: boolean): LayerPlan {
  const step = site.program.steps[index] as DeviceStep;
  const shape = isBytewise(site, step) ? rowShapeOf(step) : undefined;
  const ring = ringOfLayer(site, { step, index, shape, copies });
  const bytes = site.scratch(step, false);
  const scratch = bytes > 0 ? `scratch of step ${index}` : undefined;
  const blocks = [
    ...(ring === undefined ? [] : [{ name: ring.block, bytes: ring.bytes, first: 0, last: 0 }]),
    ...(scratch === undefined ? [] : [{ name: scratch, bytes, first: 0, last: 0 }]),
  ];
  const overlaps = overlapsOfLayer(site, { step, index, shape, ring });
  return {
    from: index,
    to: index,
    stages: 1,
    blocks,
    overlaps,
    inner: new Set(),
    ...(ring === undefined ? {} : { ring }),
    ...(scratch === undefined ? {} : { scratch }),
  };
}

interface LayerParts {
  readonly step: DeviceStep;
  readonly index: number;
  readonly shape: RowShape | undefined;
}

/** A ring with its size and the name of its block. */
export function ringOf(sizes: NonNullable<RowShape["ring"]>, index: number): RowRing {
  return { ...sizes, bytes: sizes.rows * sizes.columns * sizes.channels, block: `ring of step ${index}` };
}

function ringOfLayer(
  site: ScheduleSite,
  { step, index, shape, copies }: LayerParts & { readonly copies: boolean },
): RowRing | undefined {
  const slides = step.kind === "conv" || step.kind === "depthwise";
  if (slides && !isPointwise(step)) return shape?.ring === undefined ? undefined : ringOf(shape.ring, index);
  if (!copies || shape === undefined || !isPointwise(step)) return undefined;
  const { pixels, depth } = matrixOf(step);
  if (pixels <= 1) return undefined;
  const columns = Math.min(pixels, site.pixels);
  return ringOf({ rows: 1, columns, channels: depth, left: 0, top: 0 }, index);
}

function overlapsOfLayer(
  site: ScheduleSite,
  { step, index, shape, ring }: LayerParts & { readonly ring: RowRing | undefined },
): readonly AllowedOverlap[] {
  const over = site.writes[index]?.[0];
  if (over === undefined || !isBytewise(site, step) || !isBornAt(site, over, index)) return [];
  if (site.writes[index]?.length !== 1) return [];
  const reads = (site.reads[index] ?? []).filter(({ owner }) => diesAt(site, owner, index));
  return reads.flatMap(({ operand, owner: under }) => {
    // A value that is read in two ways must bear both.
    if ((site.reads[index] ?? []).some((other) => other.owner === under && other.operand !== operand && !isElementwise(step)))
      return [];
    const distance = distanceOfLayer(step, { operand, shape, ring });
    return distance === undefined ? [] : [{ over, under, ...distance }];
  });
}

function distanceOfLayer(
  step: DeviceStep,
  {
    operand,
    shape,
    ring,
  }: { readonly operand: number; readonly shape: RowShape | undefined; readonly ring: RowRing | undefined },
): Pick<AllowedOverlap, "atMost" | "atLeast"> | undefined {
  if (isElementwise(step)) return isDense(step, operand) ? { atMost: 0 } : undefined;
  if (isPointwise(step)) return ring === undefined ? undefined : distanceOfGroups(step, ring.columns);
  if (!isWindowed(step) || shape === undefined) return undefined;
  // A pool reads its rows where they lie: none of those that its row needs may be written over.
  const gone = (y: number): number => y * shape.stride - shape.top;
  return { atMost: distanceOfRows(shape, ring === undefined ? gone : rowsNeeded(shape.inRows, (come) => rowsMade(shape, come))) };
}

/** Rows of input and output that {@link distanceOfRows} compares. */
type Rows = Pick<RowShape, "inRows" | "outRows" | "inRowBytes" | "outRowBytes">;

/**
 * How far above its input's start an output may begin at most whose rows are written one after the other: the end of row y must not pass the rows of
 * input that have been read for good by then. Infinity where everything has been read before the first row is written.
 *
 * @param read how many rows of input have been read for good when row y is written; rises with y
 */
export function distanceOfRows({ inRows, outRows, inRowBytes, outRowBytes }: Rows, read: (y: number) => number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let y = 0; y < outRows; y++) {
    const gone = Math.max(0, read(y));
    if (gone >= inRows) break;
    least = Math.min(least, gone * inRowBytes - (y + 1) * outRowBytes);
  }
  return least;
}

/** How many rows of input must have come until row y of output can be made, where `made` tells how many can be made of so many. */
export function rowsNeeded(inRows: number, made: (come: number) => number): (y: number) => number {
  let come = 0;
  let last = 0;
  return (y) => {
    if (y < last) come = 0;
    last = y;
    while (come < inRows && made(come) <= y) come++;
    return come;
  };
}

/** The same for a pointwise step that copies `group` pixels at a time: upwards, or downwards from the last group. */
function distanceOfGroups(step: DeviceStep, group: number): { readonly atMost: number; readonly atLeast: number } {
  const { pixels, depth, outputs } = matrixOf(step);
  if (pixels <= group) return { atMost: Number.POSITIVE_INFINITY, atLeast: Number.NEGATIVE_INFINITY };
  const gain = depth - outputs;
  // Where the last group begins: no pixel behind it is unread when it is written, nor one before the second when the first is.
  const last = (Math.ceil(pixels / group) - 1) * group;
  return { atMost: Math.min(group * gain, last * gain), atLeast: Math.max(group * gain, last * gain) };
}

/** Whether an operand of an elementwise step lies as the output does, element by element. */
function isDense(step: DeviceStep, operand: number): boolean {
  if (!isBroadcast(step)) return true;
  const strides = step.strides[operand] ?? [];
  let dense = 1;
  for (let axis = step.sizes.length - 1; axis >= 0; axis--) {
    if (step.sizes[axis] !== 1 && strides[axis] !== dense) return false;
    dense *= step.sizes[axis] as number;
  }
  return true;
}
