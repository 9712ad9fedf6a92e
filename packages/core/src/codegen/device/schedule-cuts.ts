import { alignUp } from "../memory-plan.ts";
import { sharedBytes } from "../plan/allowed-overlap.ts";
import { type ItemPlan, type LayerPlan, planLayer } from "./schedule-layer.ts";
import type { ScheduleSite } from "./schedule-site.ts";
import { extendStream, planStream, type StreamDraft, type StreamPlan } from "./schedule-stream.ts";

/** Either form of an item. */
export type AnyPlan = LayerPlan | StreamPlan;

/** An item with what it costs: bytes at its worst moment, and how much it does besides the step itself. */
export interface Choice {
  readonly plan: AnyPlan;
  readonly bytes: number;
  /** Steps that work row by row or copy their input. */
  readonly effort: number;
}

/** Which ways of working a schedule may use. */
export interface Ways {
  readonly stream: "never" | "auto" | "pushed";
  /** Pointwise steps may copy their pixels and write over them. */
  readonly copies: boolean;
  /** Outputs may lie over inputs. */
  readonly inPlace: boolean;
}

/**
 * Every item that a schedule may have, by its last step: each step by itself, and each run of steps that can be a stream. With rows pushed, items
 * that begin with step 0 are streams.
 */
export function choicesOf(site: ScheduleSite, ways: Ways): readonly (readonly Choice[])[] {
  const count = site.program.steps.length;
  const choices: Choice[][] = Array.from({ length: count }, () => []);
  const add = (plan: AnyPlan, effort: number): void => {
    const kept = ways.inPlace ? plan : { ...plan, overlaps: [] };
    choices[plan.to]?.push({ plan: kept, bytes: bytesOf(site, kept), effort });
  };
  for (let from = 0; from < count; from++) {
    const isPushed = ways.stream === "pushed" && from === 0;
    if (!isPushed) {
      add(planLayer(site, from, false), 0);
      if (ways.copies) {
        const copying = planLayer(site, from, true);
        if (copying.overlaps.some(({ atLeast }) => atLeast !== undefined)) add(copying, 1);
      }
    }
    if (ways.stream === "never") continue;
    let draft: StreamDraft | undefined;
    for (let to = from; to < count; to++) {
      draft = extendStream(site, draft, to);
      if (draft === undefined) break;
      if (to === from && !isPushed) continue;
      const plan = planStream(site, draft, isPushed);
      if (plan !== undefined) add(plan, to - from + 1);
    }
  }
  return choices;
}

/** Bytes in use at the worst moment of an item: what lives across it, what it reads and writes less what may be shared, and its own blocks. */
export function bytesOf(site: ScheduleSite, plan: ItemPlan): number {
  const { alignment } = site;
  const size = (owner: string): number => alignUp(site.lives.get(owner)?.bytes ?? 0, alignment);
  let whole = 0;
  for (const [owner, { first, last }] of site.lives)
    if (first <= plan.to && last >= plan.from && !plan.inner.has(owner)) whole += size(owner);
  const shared = new Map<string, number>();
  for (const { over, under, atMost, atLeast } of plan.overlaps) {
    const [a, b] = [size(over), size(under)];
    const low = Math.max(-a, atMost === undefined ? -a : Math.floor(atMost / alignment) * alignment);
    const high = Math.min(b, atLeast === undefined ? b : Math.ceil(atLeast / alignment) * alignment);
    shared.set(over, Math.min(a, (shared.get(over) ?? 0) + sharedBytes({ low, high }, a, b)));
  }
  for (const bytes of shared.values()) whole -= bytes;
  let most = 0;
  for (let moment = 0; moment < plan.stages; moment++) {
    let own = 0;
    for (const { first, last, bytes } of plan.blocks) if (first <= moment && moment <= last) own += alignUp(bytes, alignment);
    most = Math.max(most, own);
  }
  return whole + most;
}

/**
 * Cuts the steps of a program into items: the least effort among all ways in which no item takes more than `limit` bytes; without a limit, than the
 * least that is possible. Items do not depend on each other, so dynamic programming over the cut points finds the best.
 *
 * @returns the items, and the bytes of the largest; nothing where no way stays below the limit
 */
export function bestCuts(
  choices: readonly (readonly Choice[])[],
  limit?: number,
): { readonly items: readonly Choice[]; readonly bytes: number } | undefined {
  const bound = limit ?? leastPeak(choices);
  const best: ({ readonly effort: number; readonly choice?: Choice } | undefined)[] = [{ effort: 0 }];
  for (const [step, ending] of choices.entries()) {
    let found: { readonly effort: number; readonly bytes: number; readonly choice: Choice } | undefined;
    for (const choice of ending) {
      const before = best[choice.plan.from];
      if (before === undefined || choice.bytes > bound) continue;
      const effort = before.effort + choice.effort;
      const isBetter = found === undefined || effort < found.effort || (effort === found.effort && choice.bytes < found.bytes);
      if (isBetter) found = { effort, bytes: choice.bytes, choice };
    }
    best[step + 1] = found;
  }
  const items: Choice[] = [];
  for (let at = choices.length; at > 0; ) {
    const choice = best[at]?.choice;
    if (choice === undefined) return undefined;
    items.unshift(choice);
    at = choice.plan.from;
  }
  return { items, bytes: items.reduce((most, { bytes }) => Math.max(most, bytes), 0) };
}

/** The smallest bytes that the largest item of any way of cutting can have. */
export function leastPeak(choices: readonly (readonly Choice[])[]): number {
  const least: number[] = [0];
  for (const [step, ending] of choices.entries())
    least[step + 1] = ending.reduce(
      (best, { plan, bytes }) => Math.min(best, Math.max(bytes, least[plan.from] ?? Number.POSITIVE_INFINITY)),
      Number.POSITIVE_INFINITY,
    );
  return least[choices.length] ?? 0;
}
