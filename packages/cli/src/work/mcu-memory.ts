import type { Schedule } from "@tessera/core/codegen/device/schedule";
import type { McuBlock, McuMemory } from "@tessera/core/protocol/mcu-report";

/** Kinds of the blocks that are no values, by name. */
function blockKinds({ items }: Schedule): ReadonlyMap<string, McuBlock["kind"]> {
  const kinds = new Map<string, McuBlock["kind"]>();
  for (const item of items) {
    const parts = item.kind === "layer" ? [item] : item.stages;
    for (const part of parts) {
      if (part.ring !== undefined) kinds.set(part.ring.block, "ring");
      if (part.scratch !== undefined) kinds.set(part.scratch, "scratch");
      if ("queue" in part && part.queue !== undefined) kinds.set(part.queue.block, "ring");
      if ("row" in part && part.row !== undefined) kinds.set(part.row, "row");
    }
  }
  return kinds;
}

const HOW: Readonly<Record<Schedule["proof"], string>> = {
  "bound-reached": "the lower bound is reached: no plan of this schedule is smaller",
  "gap-proven": "a search has shown that the lower bound cannot be reached",
  open: "whether a smaller plan exists is not known",
};

/**
 * The arena of a schedule as the report has it: one moment for each step, blocks with the moments at which they are in use.
 *
 * @param callerBytes what the caller of the written C has to give: the plan, and behind it the counts of rows where they are pushed
 */
export function mcuMemory(schedule: Schedule, stream: McuMemory["stream"], callerBytes: number): McuMemory {
  const { memory, items, occupancy } = schedule;
  const counts = callerBytes - memory.arenaBytes;
  const kinds = blockKinds(schedule);
  const blocks = new Map<string, { -readonly [K in keyof McuBlock]: McuBlock[K] }>();
  for (const [moment, { blocks: live }] of occupancy.entries())
    for (const { name, offset, bytes } of live) {
      const known = blocks.get(name);
      if (known === undefined)
        blocks.set(name, { name, kind: kinds.get(name) ?? "value", bytes, offset, first: moment, last: moment });
      else known.last = moment;
    }
  const streams = items.flatMap((item) => (item.kind === "stream" ? [item] : []));
  return {
    arenaBytes: callerBytes,
    lowerBoundBytes: memory.lowerBoundBytes + counts,
    gapBytes: memory.gapBytes,
    method: `${memory.method}; ${HOW[schedule.proof]}`,
    plainArenaBytes: schedule.plainArenaBytes,
    stream,
    streamedSteps: streams.reduce((sum, { stages }) => sum + stages.length, 0),
    pushed: streams.some(({ pushed }) => pushed),
    alignment: schedule.alignment,
    items: occupancy.map(({ node }) => node),
    blocks: [...blocks.values()],
  };
}
