import { fail } from "../../base/error.ts";
import type { DeviceStep } from "../device/program.ts";
import type { Schedule } from "../device/schedule.ts";
import type { DeviceIsa } from "./isa.ts";
import { scratchBytes } from "./scratch.ts";

/**
 * Checks that a schedule has the working memory that every form of the kernels in the header needs, so that code for one processor cannot overrun
 * the arena when it is compiled for another.
 *
 * @throws PLAN_INVALID with the step and the bytes
 */
export function checkScratch(schedule: Schedule, isa: DeviceIsa | "all"): void {
  const forms: readonly DeviceIsa[] = isa === "all" ? ["portable", "dsp", "mve"] : isa === "portable" ? [isa] : ["portable", isa];
  const sizes = new Map(schedule.occupancy.flatMap(({ blocks }) => blocks.map((block) => [block.name, block.bytes] as const)));
  const check = (step: DeviceStep, block: string | undefined, asRows: boolean): void => {
    const has = block === undefined ? 0 : (sizes.get(block) ?? 0);
    for (const form of forms) {
      const needs = scratchBytes(step, form, asRows);
      if (needs > has)
        throw fail(
          "PLAN_INVALID",
          `Cannot write C: the ${form} kernel of this ${step.kind} works in ${needs} bytes, the schedule gives ${has}`,
          { at: { node: step.node }, hint: "Schedule for the same instruction set" },
        );
    }
  };
  for (const item of schedule.items)
    if (item.kind === "layer") check(item.step, item.scratch, false);
    else for (const stage of item.stages) check(stage.step, stage.scratch, true);
}
