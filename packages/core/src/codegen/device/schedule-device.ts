import { fail } from "../../base/error.ts";
import type { DeviceIsa } from "../c/isa.ts";
import { scratchBytes } from "../c/scratch.ts";
import { placementFaults } from "../memory-check.ts";
import { planMemory } from "../memory-plan.ts";
import type { DeviceProgram, DeviceStep } from "./program.ts";
import type { Schedule } from "./schedule.ts";
import { itemsOf, type PlacedPlans, placePlans, plainBlocks } from "./schedule-assemble.ts";
import { scheduleFaults } from "./schedule-check.ts";
import { bestCuts, choicesOf, type Ways } from "./schedule-cuts.ts";
import { occupancyOf } from "./schedule-occupancy.ts";
import { type ScheduleSite, scheduleSite } from "./schedule-site.ts";

/** Options of {@link scheduleDevice}. */
export interface ScheduleOptions {
  /** Whose kernels' working memory is counted. */
  readonly isa: DeviceIsa;
  /** "auto": steps may hand rows to each other; "pushed": and the rows of the input come from outside, one at a time. */
  readonly stream?: Ways["stream"];
  /** Bytes that are enough: the plan with the least extra work among those that fit is taken. Without it, the smallest arena. */
  readonly budgetBytes?: number;
  /** Every offset is a multiple of it; a power of two. */
  readonly alignment?: number;
  /** Seed of the search for offsets. */
  readonly seed?: number;
  /** Bytes of working memory of a step; those of the isa's kernels by default. */
  readonly scratch?: (step: DeviceStep, asRows: boolean) => number;
}

/** Defaults of {@link ScheduleOptions}. */
export const SCHEDULE_DEFAULTS = { stream: "never", alignment: 16, seed: 1 } as const satisfies Partial<ScheduleOptions>;

/** Pixels that a pointwise step copies at a time: whole threes and fours of pixels, which its kernels work on. More makes little faster and the arena larger. */
const PIXELS_COPIED = 12;

interface Candidate extends PlacedPlans {
  readonly effort: number;
}

/**
 * Decides when each step of a program runs, which of them hand rows to each other, which write over their input, and where everything lies in one
 * arena. Several ways are planned (with and without work in place, with and without copies of pixels, with and without streams), the smallest arena
 * wins; so none of them can make the result worse. The plan is checked by {@link placementFaults} before it is given out.
 *
 * @throws UNSUPPORTED_OP where rows are to be pushed into a first step that needs its input whole
 * @throws SCHEDULE_INVALID where the check finds a fault, which would be ours
 */
export function scheduleDevice(program: DeviceProgram, options: ScheduleOptions): Schedule {
  const { isa, stream, alignment, seed, budgetBytes, scratch } = { ...SCHEDULE_DEFAULTS, ...options };
  const site = scheduleSite(program, {
    alignment,
    scratch: scratch ?? ((step, asRows) => scratchBytes(step, isa, asRows)),
    pixels: PIXELS_COPIED,
  });
  const best = bestCandidate(site, { stream, seed, ...(budgetBytes === undefined ? {} : { budgetBytes }) });
  return finishSchedule(site, best, seed);
}

/**
 * The schedule of items that were placed, checked.
 *
 * @throws SCHEDULE_INVALID as {@link scheduleDevice}
 */
export function finishSchedule(site: ScheduleSite, { blocks, plans, proven }: PlacedPlans, seed: number): Schedule {
  const { program, alignment } = site;
  const memory = proven.plan;
  const arena = { bytes: memory.arenaBytes, alignment, overlaps: blocks.overlaps };
  const fault = placementFaults(blocks.blocks, memory.offsets, arena)[0];
  if (fault !== undefined)
    throw fail("SCHEDULE_INVALID", `Cannot schedule the network: its memory plan has a fault, ${JSON.stringify(fault)}`);
  const plain = planMemory(plainBlocks(program), { alignment, seed });
  const items = itemsOf(site, plans, memory);
  const schedule: Schedule = {
    items,
    memory,
    owners: program.views,
    alignment,
    proof: proven.proof,
    provenBytes: proven.provenBytes,
    plainArenaBytes: plain.arenaBytes,
    plainLowerBoundBytes: plain.lowerBoundBytes,
    occupancy: occupancyOf(items, blocks, memory),
  };
  const broken = scheduleFaults(program, schedule)[0];
  if (broken !== undefined)
    throw fail("SCHEDULE_INVALID", `Cannot schedule the network: ${broken.node} would find ${broken.block} overwritten`);
  return schedule;
}

function bestCandidate(
  site: ScheduleSite,
  { stream, seed, budgetBytes }: { readonly stream: Ways["stream"]; readonly seed: number; readonly budgetBytes?: number },
): Candidate {
  let best: Candidate | undefined;
  for (const ways of waysOf(stream)) {
    const choices = choicesOf(site, ways);
    for (const limit of [budgetBytes, undefined]) {
      const cuts = limit === undefined ? bestCuts(choices) : bestCuts(choices, limit);
      if (cuts === undefined) continue;
      const effort = cuts.items.reduce((sum, item) => sum + item.effort, 0);
      const found = {
        ...placePlans(
          site,
          cuts.items.map(({ plan }) => plan),
          seed,
        ),
        effort,
      };
      if (best === undefined || isBetter(found, best, budgetBytes)) best = found;
      if (limit !== undefined && found.proven.plan.arenaBytes <= limit) break;
    }
  }
  if (best !== undefined) return best;
  const node = site.program.steps[0]?.node ?? "";
  throw fail("UNSUPPORTED_OP", `Cannot push rows into ${node}: its step needs its whole input at once`, {
    at: { node },
    hint: "Schedule it with the whole input in memory: stream auto or never instead of pushed",
  });
}

/** What is planned in turn; earlier ones win among equals. */
function waysOf(stream: Ways["stream"]): readonly Ways[] {
  const streams = stream === "auto" ? (["auto", "never"] as const) : [stream];
  return streams.flatMap((name): Ways[] => [
    { stream: name, copies: false, inPlace: false },
    { stream: name, copies: false, inPlace: true },
    { stream: name, copies: true, inPlace: true },
  ]);
}

function isBetter(a: Candidate, b: Candidate, budgetBytes: number | undefined): boolean {
  const [one, other] = [a.proven.plan.arenaBytes, b.proven.plan.arenaBytes];
  const fits = (bytes: number): boolean => budgetBytes !== undefined && bytes <= budgetBytes;
  if (fits(one) && fits(other)) return a.effort < b.effort || (a.effort === b.effort && one < other);
  return one < other || (one === other && a.effort < b.effort);
}
