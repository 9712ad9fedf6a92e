import { fail } from "../../base/error.ts";
import type { DeviceIsa } from "../c/isa.ts";
import { scratchBytes } from "../c/scratch.ts";
import { placementFaults } from "../memory-check.ts";
import { type MemoryPlan, planMemory } from "../memory-plan.ts";
import { type ProvenPlan, provePlan } from "../plan/prove-plan.ts";
import type { DeviceProgram, DeviceStep } from "./program.ts";
import type { Schedule } from "./schedule.ts";
import { blocksOf, itemsOf, plainBlocks, planBlocks, type ScheduleBlocks, withoutIdleCopies } from "./schedule-assemble.ts";
import { scheduleFaults } from "./schedule-check.ts";
import { type AnyPlan, bestCuts, type Choice, choicesOf, type Ways } from "./schedule-cuts.ts";
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
  readonly scratch?: (step: DeviceStep) => number;
}

/** Defaults of {@link ScheduleOptions}. */
export const SCHEDULE_DEFAULTS = { stream: "never", alignment: 16, seed: 1 } as const satisfies Partial<ScheduleOptions>;

/** Pixels that a pointwise step copies at a time: pairs and fours of pixels are what its kernels work on. */
const PIXELS_COPIED = 8;

interface Candidate {
  readonly plans: readonly AnyPlan[];
  readonly blocks: ScheduleBlocks;
  readonly proven: ProvenPlan;
  readonly effort: number;
}

/** Branches that the search for a plan of the lower bound looks at. */
const PROOF_NODES = 4000;

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
    scratch: scratch ?? ((step) => scratchBytes(step, isa)),
    pixels: PIXELS_COPIED,
  });
  const best = bestCandidate(site, { stream, seed, ...(budgetBytes === undefined ? {} : { budgetBytes }) });
  const { blocks, plans, proven } = best;
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
      const found = placed(site, cuts.items, seed);
      if (best === undefined || isBetter(found, best, budgetBytes)) best = found;
      if (limit !== undefined && found.proven.plan.arenaBytes <= limit) break;
    }
  }
  if (best !== undefined) return best;
  const node = site.program.steps[0]?.node ?? "";
  throw fail("UNSUPPORTED_OP", `Cannot push rows into ${node}: its step needs its whole input at once`, {
    at: { node },
    hint: "Schedule it with the whole input in memory",
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

function placed(site: ScheduleSite, items: readonly Choice[], seed: number): Candidate {
  const { alignment } = site;
  const wanted = items.map(({ plan }) => plan);
  const first = blocksOf(site, wanted);
  const memory = planBlocks(first, { alignment, seed });
  const plans = withoutIdleCopies(wanted, site, memory);
  const isSame = plans.every((plan, i) => plan === wanted[i]);
  const blocks = isSame ? first : blocksOf(site, plans);
  const kept = isSame ? memory : smaller(planBlocks(blocks, { alignment, seed }), memory, blocks);
  const proven = provePlan(blocks.blocks, kept, { alignment, overlaps: blocks.overlaps, nodes: PROOF_NODES });
  return { plans, blocks, proven, effort: items.reduce((sum, { effort }) => sum + effort, 0) };
}

/** The new plan, or the old one without the blocks that are gone where that is smaller. */
function smaller(planned: MemoryPlan, before: MemoryPlan, { blocks }: ScheduleBlocks): MemoryPlan {
  if (planned.arenaBytes <= before.arenaBytes) return planned;
  const offsets = new Map(blocks.map(({ name }) => [name, before.offsets.get(name) ?? 0]));
  const { lowerBoundBytes, busiestStep } = planned;
  const { arenaBytes, method } = before;
  return { offsets, arenaBytes, lowerBoundBytes, busiestStep, gapBytes: arenaBytes - lowerBoundBytes, method };
}
