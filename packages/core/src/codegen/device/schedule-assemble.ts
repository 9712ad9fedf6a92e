import { lifetimesOf, type MemoryBlock } from "../lifetimes.ts";
import { type MemoryPlan, planMemory } from "../memory-plan.ts";
import type { AllowedOverlap } from "../plan/allowed-overlap.ts";
import { type ProvenPlan, provePlan } from "../plan/prove-plan.ts";
import type { DeviceProgram } from "./program.ts";
import type { ScheduleItem } from "./schedule.ts";
import type { AnyPlan } from "./schedule-cuts.ts";
import { ownerOf } from "./schedule-rows.ts";
import type { ScheduleSite } from "./schedule-site.ts";

/** The blocks of a whole schedule, with one moment for each stage of each item. */
export interface ScheduleBlocks {
  readonly blocks: readonly MemoryBlock[];
  readonly overlaps: readonly AllowedOverlap[];
  /** First moment of each item. */
  readonly starts: readonly number[];
  readonly moments: number;
}

/** When each value, ring, row, queue and scratch of a chain of items needs memory. */
function blocksOf(site: ScheduleSite, plans: readonly AnyPlan[]): ScheduleBlocks {
  const starts: number[] = [];
  let moments = 0;
  for (const { stages } of plans) {
    starts.push(moments);
    moments += stages;
  }
  const inner = new Set(plans.flatMap((plan) => [...plan.inner]));
  const blocks: MemoryBlock[] = [];
  for (const [owner, { bytes, first, last }] of site.lives) {
    if (inner.has(owner)) continue;
    const born = plans.findIndex((plan) => plan.to >= first);
    const dies = plans.findIndex((plan) => plan.to >= last);
    const end = dies < 0 ? moments - 1 : (starts[dies] as number) + (plans[dies] as AnyPlan).stages - 1;
    blocks.push({ name: owner, bytes, first: starts[born] ?? 0, last: Math.max(0, end) });
  }
  for (const [at, plan] of plans.entries())
    for (const { name, bytes, first, last } of plan.blocks)
      blocks.push({ name, bytes, first: (starts[at] as number) + first, last: (starts[at] as number) + last });
  blocks.sort((a, b) => a.first - b.first || (a.name < b.name ? -1 : 1));
  return { blocks, overlaps: plans.flatMap((plan) => plan.overlaps), starts, moments };
}

/** Takes the rings from pointwise steps whose output came to lie clear of their input. */
function withoutIdleCopies(plans: readonly AnyPlan[], site: ScheduleSite, memory: MemoryPlan): readonly AnyPlan[] {
  return plans.map((plan) => {
    const overlap = plan.overlaps.find(({ atLeast }) => atLeast !== undefined);
    if (overlap === undefined || !("ring" in plan)) return plan;
    const bytes = (owner: string): number => site.lives.get(owner)?.bytes ?? 0;
    const at = (owner: string): number => memory.offsets.get(owner) ?? 0;
    const { over, under } = overlap;
    const isClear = at(over) + bytes(over) <= at(under) || at(under) + bytes(under) <= at(over);
    if (!isClear) return plan;
    const { ring, ...rest } = plan;
    return { ...rest, blocks: plan.blocks.filter(({ name }) => name !== ring?.block), overlaps: [] };
  });
}

/** The items of a schedule: plans together with what the placement has settled. */
export function itemsOf(site: ScheduleSite, plans: readonly AnyPlan[], memory: MemoryPlan): readonly ScheduleItem[] {
  return plans.map((plan): ScheduleItem => {
    if ("parts" in plan) return { kind: "stream", stages: plan.parts, pushed: plan.pushed };
    const step = site.program.steps[plan.from];
    if (step === undefined) throw new RangeError(`no step ${plan.from}`);
    const overlap = plan.overlaps.find(({ atLeast }) => atLeast !== undefined);
    const at = (owner: string): number => memory.offsets.get(owner) ?? 0;
    const isUpward = overlap === undefined || at(overlap.over) - at(overlap.under) <= (overlap.atMost ?? 0);
    return {
      kind: "layer",
      step,
      ...(plan.ring === undefined ? {} : { ring: plan.ring }),
      order: isUpward ? "forward" : "backward",
      ...(plan.scratch === undefined ? {} : { scratch: plan.scratch }),
    };
  });
}

/** Lives of the values alone, as an interpreter would keep them: no work in place, no rings, no streams, no scratch. */
export function plainBlocks(program: DeviceProgram): readonly MemoryBlock[] {
  const owned = (names: readonly string[]): string[] => names.filter((name) => name !== "").map((name) => ownerOf(program, name));
  const kept = (names: readonly string[]): string[] => owned(names).filter((name) => !program.constants.has(name));
  return lifetimesOf({
    steps: program.steps.map((step) => ({
      reads: kept(step.inputs),
      writes: kept(step.kind === "lstm" ? [step.output, ...step.states] : [step.output]),
    })),
    inputs: kept(program.inputs),
    outputs: kept(program.outputs),
    sizes: new Map(Array.from(program.values, ([name, { bytes }]) => [name, bytes])),
  });
}

/** Branches that the search for a plan of the lower bound looks at. */
const PROOF_NODES = 4000;

/** Items with the places of all their blocks. */
export interface PlacedPlans {
  readonly plans: readonly AnyPlan[];
  readonly blocks: ScheduleBlocks;
  readonly proven: ProvenPlan;
}

/** Finds a place for everything that a chain of items needs. Copies that turn out to be idle are left out. */
export function placePlans(site: ScheduleSite, wanted: readonly AnyPlan[], seed: number): PlacedPlans {
  const { alignment } = site;
  const first = blocksOf(site, wanted);
  const memory = planMemory(first.blocks, { alignment, seed, overlaps: first.overlaps });
  const plans = withoutIdleCopies(wanted, site, memory);
  const isSame = plans.every((plan, i) => plan === wanted[i]);
  const blocks = isSame ? first : blocksOf(site, plans);
  const { overlaps } = blocks;
  const kept = isSame ? memory : smaller(planMemory(blocks.blocks, { alignment, seed, overlaps }), memory, blocks);
  return { plans, blocks, proven: provePlan(blocks.blocks, kept, { alignment, overlaps, nodes: PROOF_NODES }) };
}

/** The new plan, or the old one without the blocks that are gone where that is smaller. */
function smaller(planned: MemoryPlan, before: MemoryPlan, { blocks }: ScheduleBlocks): MemoryPlan {
  if (planned.arenaBytes <= before.arenaBytes) return planned;
  const offsets = new Map(blocks.map(({ name }) => [name, before.offsets.get(name) ?? 0]));
  const { lowerBoundBytes, busiestStep } = planned;
  const { arenaBytes, method } = before;
  return { offsets, arenaBytes, lowerBoundBytes, busiestStep, gapBytes: arenaBytes - lowerBoundBytes, method };
}
