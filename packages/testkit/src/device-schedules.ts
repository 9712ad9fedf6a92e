import { seededRandom } from "@tessera/core/base/random";
import type { DeviceProgram, DeviceStep } from "@tessera/core/codegen/device/program";
import type { Schedule } from "@tessera/core/codegen/device/schedule";
import { type PlacedPlans, placePlans } from "@tessera/core/codegen/device/schedule-assemble";
import { type AnyPlan, type Choice, choicesOf } from "@tessera/core/codegen/device/schedule-cuts";
import { finishSchedule } from "@tessera/core/codegen/device/schedule-device";
import { type ScheduleSite, scheduleSite } from "@tessera/core/codegen/device/schedule-site";

/** Options of {@link anySchedule}. */
export interface AnyScheduleOptions {
  readonly alignment: number;
  readonly scratch: (step: DeviceStep, asRows: boolean) => number;
  /** Pixels that pointwise steps copy at a time. */
  readonly pixels: number;
}

/** Items chosen by chance, with their places. */
export interface AnyPlaced {
  readonly site: ScheduleSite;
  readonly placed: PlacedPlans;
}

/**
 * Items chosen by chance among all that a program's steps can be cut into, streams and copies more often than not: ways of working that the least memory
 * seldom asks for.
 *
 * @returns nothing where rows were to be pushed and cannot
 */
export function anyPlaced(program: DeviceProgram, seed: number, options: AnyScheduleOptions): AnyPlaced | undefined {
  const random = seededRandom(seed);
  const site = scheduleSite(program, options);
  const stream = random.int(2) === 0 ? "auto" : "pushed";
  const choices = choicesOf(site, { stream, copies: true, inPlace: true });
  const isSpecial = ({ plan }: Choice): boolean => plan.stages > 2 || plan.overlaps.some(({ atLeast }) => atLeast !== undefined);
  const plans: AnyPlan[] = [];
  for (let at = choices.length; at > 0; ) {
    const ending = choices[at - 1] ?? [];
    const special = ending.filter(isSpecial);
    const among = special.length > 0 && random.int(3) > 0 ? special : ending;
    const chosen = among[random.int(among.length)];
    if (chosen === undefined) return undefined;
    plans.unshift(chosen.plan);
    at = chosen.plan.from;
  }
  return { site, placed: placePlans(site, plans, seed) };
}

/** The schedule of {@link anyPlaced}. */
export function anySchedule(program: DeviceProgram, seed: number, options: AnyScheduleOptions): Schedule | undefined {
  const made = anyPlaced(program, seed, options);
  return made === undefined ? undefined : finishSchedule(made.site, made.placed, seed);
}
