import type { DeviceCopy, DeviceProgram, DeviceStep } from "./program.ts";
import type { RowRing, Schedule, ScheduleItem, StreamStage } from "./schedule.ts";
import { type Piece, RingShadow, type ScheduleFault, Shadow } from "./schedule-shadow.ts";

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
  // What a kernel prepares in its scratch memory for the first row serves all rows of a layer.
  const scratch = shadow.scratch(item.scratch);
  shadow.write(scratch);
  const window = new RingShadow(shadow, step, ring);
  for (let row = 0, y = 0; row < step.height; row++) {
    const from = shadow.piece(step.inputs[0] as string, { from: row * rowBytes, bytes: rowBytes });
    shadow.read(step.node, [from]);
    window.come(row, true);
    for (; y < step.outHeight && window.canMake(y); y++) {
      const write = shadow.piece(step.output, { from: y * outBytes, bytes: outBytes });
      shadow.call(step.node, { reads: [...window.rowsOf(y), ...scratch], writes: [write], scratch: [] });
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
