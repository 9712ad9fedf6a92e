import type { MemoryPlan } from "../memory-plan.ts";
import type { Occupancy, ScheduleItem } from "./schedule.ts";
import type { ScheduleBlocks } from "./schedule-assemble.ts";

/** What lies where at each moment of a schedule: plain data for a chart. */
export function occupancyOf(
  items: readonly ScheduleItem[],
  { blocks, starts }: ScheduleBlocks,
  memory: MemoryPlan,
): readonly Occupancy[] {
  return items.flatMap((item, index) => {
    const steps = item.kind === "layer" ? [item.step] : item.stages.map(({ step }) => step);
    return steps.map(({ node }, stage): Occupancy => {
      const moment = (starts[index] as number) + stage;
      const live = blocks
        .filter(({ first, last }) => first <= moment && moment <= last)
        .map(({ name, bytes }) => ({ name, offset: memory.offsets.get(name) ?? 0, bytes }))
        .sort((a, b) => a.offset - b.offset || b.bytes - a.bytes);
      let liveBytes = 0;
      let top = 0;
      for (const { offset, bytes } of live) {
        liveBytes += Math.max(0, offset + bytes - Math.max(top, offset));
        top = Math.max(top, offset + bytes);
      }
      return { item: index, stage, node, blocks: live, liveBytes, topBytes: top };
    });
  });
}
