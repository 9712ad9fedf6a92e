import type { AllowedOverlap } from "../plan/allowed-overlap.ts";
import type { DeviceStep } from "./program.ts";
import type { RowQueue, RowTarget, StreamStage } from "./schedule.ts";
import { distanceOfRows, type ItemPlan, type LocalBlock, ringOf, rowsNeeded } from "./schedule-layer.ts";
import { isBroadcast, isElementwise, type RowShape, rowShapeOf, rowsMade } from "./schedule-rows.ts";
import { diesAt, isBornAt, isBytewise, type ScheduleSite } from "./schedule-site.ts";

/** Steps that hand rows to each other. */
export interface StreamPlan extends ItemPlan {
  readonly parts: readonly StreamStage[];
  readonly pushed: boolean;
}

/** A stage while its stream is put together. */
interface Draft {
  readonly index: number;
  readonly step: DeviceStep;
  readonly shape: RowShape;
  readonly operand: number;
  /** The value that its rows become. */
  readonly output: string;
}

/** Begins a stream at a step: the rows of its first input come in. */
export interface StreamDraft {
  readonly stages: readonly Draft[];
  /** The value whose rows come in. */
  readonly source: string;
}

/**
 * Adds a step to a stream, or begins one.
 *
 * @returns nothing where the step cannot take rows from the stage before it
 */
export function extendStream(site: ScheduleSite, draft: StreamDraft | undefined, index: number): StreamDraft | undefined {
  const step = site.program.steps[index] as DeviceStep;
  const output = site.writes[index]?.[0];
  if (output === undefined || site.writes[index]?.length !== 1 || !isBornAt(site, output, index)) return undefined;
  if (!isBytewise(site, step)) return undefined;
  const before = draft?.stages.at(-1);
  const reads = site.reads[index] ?? [];
  const flows = reads.find(({ operand, owner }) => (before === undefined ? operand === 0 : owner === before.output));
  if (flows === undefined) return undefined;
  const shape = rowShapeOf(step, before?.shape.outRows);
  if (shape === undefined || shape.outRows < 2) return undefined;
  if (before !== undefined && (shape.inRows !== before.shape.outRows || shape.inRowBytes !== before.shape.outRowBytes))
    return undefined;
  // A constant operand must go along with the rows: it moves by nothing or by whole rows, which rowStep works out.
  if (isBroadcast(step) && rowStride(step, { operand: flows.operand, rows: shape.inRows }) !== shape.inRowBytes) return undefined;
  const stage = { index, step, shape, operand: flows.operand, output };
  return { stages: [...(draft?.stages ?? []), stage], source: draft?.source ?? flows.owner };
}

/** Bytes by which an operand of an elementwise step moves from one row to the next. */
export function rowStride(step: DeviceStep, { operand, rows }: { readonly operand: number; readonly rows: number }): number {
  if (!isBroadcast(step)) return step.kind === "table" ? step.count / rows : 0;
  return ((step.sizes[0] as number) / rows) * ((operand === 0 ? step.strides[0] : step.strides[1])[0] as number);
}

/**
 * Plans a stream of the stages drafted.
 *
 * @param pushed the rows of its source come from outside and never lie whole
 * @returns nothing where a value between the stages is needed elsewhere, or an operand is read in a way that rows do not allow
 */
export function planStream(site: ScheduleSite, draft: StreamDraft, pushed: boolean): StreamPlan | undefined {
  const { stages, source } = draft;
  const [start, end] = [stages[0] as Draft, stages.at(-1) as Draft];
  const inner = new Set(stages.slice(0, -1).map((stage) => stage.output));
  for (const name of inner) if ((site.lives.get(name)?.last ?? 0) > end.index) return undefined;
  if (pushed) {
    if ((site.lives.get(source)?.last ?? 0) > end.index) return undefined;
    inner.add(source);
  }
  const queues = queuesOf(site, { stages, source, inner });
  if (queues === undefined) return undefined;
  const blocks: LocalBlock[] = [];
  const last = stages.length - 1;
  const parts = stages.map((stage, at): StreamStage => {
    const { step, shape, index } = stage;
    const ring = shape.ring === undefined ? undefined : ringOf(shape.ring, index);
    const queue = queues.get(at);
    const to = targetsOf(at, { stages, queues });
    const row = to.some(({ kind }) => kind === "row") ? `row of step ${index}` : undefined;
    const bytes = site.scratch(step, true);
    const scratch = bytes > 0 ? `scratch of step ${index}` : undefined;
    if (ring !== undefined) blocks.push({ name: ring.block, bytes: ring.bytes, first: 0, last });
    if (queue !== undefined) blocks.push({ name: queue.block, bytes: queue.bytes, first: 0, last });
    if (row !== undefined) blocks.push({ name: row, bytes: shape.outRowBytes, first: at, last: at + 1 });
    if (scratch !== undefined) blocks.push({ name: scratch, bytes, first: at, last: at });
    return {
      step,
      operand: stage.operand,
      inRows: shape.inRows,
      outRows: shape.outRows,
      inRowBytes: shape.inRowBytes,
      outRowBytes: shape.outRowBytes,
      ...(ring === undefined ? {} : { ring }),
      ...(queue === undefined ? {} : { queue }),
      to,
      ...(row === undefined ? {} : { row }),
      ...(scratch === undefined ? {} : { scratch }),
      beside: besideOf(site, { stage, inner }),
    };
  });
  return {
    from: start.index,
    to: end.index,
    stages: stages.length,
    blocks,
    overlaps: overlapsOfStream(site, { stages, source, inner }),
    inner,
    parts,
    pushed,
  };
}

interface Drafted {
  readonly stages: readonly Draft[];
  readonly source: string;
  /** Values that never lie whole. */
  readonly inner: ReadonlySet<string>;
}

/** Rows made by stages `from` to `to` when the first `come` rows of input of `from` are there. */
function madeThrough(
  stages: readonly Draft[],
  from: number,
  { to, come }: { readonly to: number; readonly come: number },
): number {
  let rows = come;
  for (let at = from; at <= to; at++) rows = rowsMade((stages[at] as Draft).shape, rows);
  return rows;
}

/** Queues of the stages that read rows of an earlier stage besides those at hand; none at all where one is read in another way. */
function queuesOf(site: ScheduleSite, { stages, source, inner }: Drafted): ReadonlyMap<number, RowQueue> | undefined {
  const queues = new Map<number, RowQueue>();
  const makers = new Map(stages.map((stage, at) => [stage.output, at]));
  for (const [at, { step, index, operand: flowing, shape }] of stages.entries())
    for (const { operand, owner } of site.reads[index] ?? []) {
      if (operand === flowing || !inner.has(owner)) continue;
      const from = owner === source ? -1 : (makers.get(owner) ?? at);
      const rowBytes = shape.outRowBytes;
      const made = from < 0 ? stages[0]?.shape.inRowBytes : stages[from]?.shape.outRowBytes;
      const rows = from < 0 ? stages[0]?.shape.inRows : stages[from]?.shape.outRows;
      const isRowwise = isElementwise(step) && rowStride(step, { operand, rows: shape.inRows }) === rowBytes;
      // An operand that is the row at hand itself would need no queue, but no network adds a value to itself.
      if (!isRowwise || from >= at - 1 || made !== rowBytes || rows !== shape.inRows || queues.has(at)) return undefined;
      const kept = rowsWaiting(stages, from, at);
      queues.set(at, { from, operand, rows: kept, rowBytes, bytes: kept * rowBytes, block: `queue of step ${index}` });
    }
  return queues;
}

/** How many rows of stage `from` wait for stage `to` at most: those made, the newest among them, less those used before the newest is handed on. */
function rowsWaiting(stages: readonly Draft[], from: number, to: number): number {
  const rows = from < 0 ? (stages[0] as Draft).shape.inRows : (stages[from] as Draft).shape.outRows;
  let most = 1;
  for (let y = 0; y < rows; y++) most = Math.max(most, y + 1 - madeThrough(stages, from + 1, { to, come: y }));
  return most;
}

function targetsOf(
  at: number,
  { stages, queues }: { readonly stages: readonly Draft[]; readonly queues: ReadonlyMap<number, RowQueue> },
): readonly RowTarget[] {
  if (at === stages.length - 1) return [{ kind: "value" }];
  const waiting = [...queues].flatMap(([stage, queue]): RowTarget[] => (queue.from === at ? [{ kind: "queue", stage }] : []));
  if (stages[at + 1]?.shape.ring !== undefined) return [{ kind: "ring" }, ...waiting];
  return waiting.length > 0 ? waiting : [{ kind: "row" }];
}

function besideOf(
  site: ScheduleSite,
  { stage, inner }: { readonly stage: Draft; readonly inner: ReadonlySet<string> },
): readonly string[] {
  return (site.reads[stage.index] ?? []).flatMap(({ operand, owner }) =>
    operand !== stage.operand && !inner.has(owner) ? [owner] : [],
  );
}

/** Where the rows of the last stage may lie over values that the stream reads and nobody needs afterwards. */
function overlapsOfStream(site: ScheduleSite, { stages, source, inner }: Drafted): readonly AllowedOverlap[] {
  const end = stages.at(-1) as Draft;
  const limits = new Map<string, number>();
  const limit = (under: string, from: number): void => {
    const { inRows, inRowBytes } = (stages[from] as Draft).shape;
    const to = stages.length - 1;
    const read = rowsNeeded(inRows, (come) => madeThrough(stages, from, { to, come }));
    const distance = distanceOfRows({ ...end.shape, inRows, inRowBytes }, read);
    limits.set(under, Math.min(limits.get(under) ?? Number.POSITIVE_INFINITY, distance));
  };
  if (!inner.has(source)) limit(source, 0);
  for (const [at, { step, index, operand: flowing, shape }] of stages.entries())
    for (const { operand, owner } of site.reads[index] ?? []) {
      if (inner.has(owner) || (at === 0 && operand === flowing)) continue;
      const isRowwise = isElementwise(step) && rowStride(step, { operand, rows: shape.inRows }) === shape.outRowBytes;
      if (isRowwise && (site.lives.get(owner)?.bytes ?? 0) === shape.outRows * shape.outRowBytes) limit(owner, at);
      else limits.set(owner, Number.NEGATIVE_INFINITY);
      // The last stage reads the operand's row while it writes its own: element by element.
      if (at === stages.length - 1) limits.set(owner, Math.min(limits.get(owner) as number, 0));
    }
  const overlaps: AllowedOverlap[] = [];
  for (const [under, atMost] of limits)
    if (atMost > Number.NEGATIVE_INFINITY && lastUse(site, under, stages)) overlaps.push({ over: end.output, under, atMost });
  return overlaps;
}

function lastUse(site: ScheduleSite, under: string, stages: readonly Draft[]): boolean {
  return stages.some(({ index }) => diesAt(site, under, index));
}
