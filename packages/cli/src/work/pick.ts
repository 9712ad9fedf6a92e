import type { Candidate, Pick } from "@tessera/core/protocol/report";
import { bytes, count, ms, percent } from "../ui/format.ts";
import { slowIntegers } from "./slow-integers.ts";

/** What the user can afford. Rates are fractions. */
export interface Budgets {
  readonly far: number;
  /** Largest loss of TAR at the FAR against the baseline. */
  readonly maxDrop?: number;
  readonly maxLatencyMs?: number;
  readonly maxSizeBytes?: number;
}

function tarAt(candidate: Candidate, far: number): number | undefined {
  const point = candidate.accuracy.tarAtFar.find((p) => p.far === far);
  return point?.kind === "figure" ? point.tar.value : undefined;
}

/** Latencies within this factor of each other count as equal: timing does not tell them apart. */
const SAME_LATENCY = 1.03;

/** What a candidate is ranked by: instructions where it is for a microcontroller, else its time against the baseline's. */
function paceOf({ device, latency }: Candidate): { readonly median: number; readonly low: number } {
  return device === undefined ? latency.ratioToBaseline : { median: device.instructions, low: device.instructions };
}

/** What one inference costs, in words. */
function costWords({ device, latency, sizeBytes }: Candidate): string {
  if (device === undefined) return `${ms(latency.p50Ms)} a sample, ${bytes(sizeBytes)}`;
  const { instructions, flashBytes, ramBytes, basis } = device;
  const about = basis === "estimate" ? "about " : "";
  return `${about}${count(instructions)} instructions a sample, ${about}${bytes(flashBytes)} of flash, ${bytes(ramBytes)} of memory`;
}

/** Whether a candidate is as fast as one of this pace, as far as its timing can tell. */
function asFastAs(candidate: Candidate, ratio: number): boolean {
  const { median, low } = paceOf(candidate);
  return median <= ratio * SAME_LATENCY || low <= ratio;
}

function ratioOf(candidate: Candidate): number {
  return paceOf(candidate).median;
}

/** Loss of TAR against the baseline that the data can show: 0 where the paired interval contains 0, or where nothing can be told. */
function shownLoss(candidate: Candidate, far: number): number {
  const difference = candidate.versus?.tarDifference.find((d) => d.far === far)?.difference;
  return difference === undefined || (difference.low <= 0 && difference.high >= 0) ? 0 : -difference.value;
}

/**
 * Ids of the candidates that no other one beats: at least as good in size, latency and TAR at the FAR, and better in one. Differences that timing
 * noise or the paired interval cannot tell from none count as none, or every slow variant with a lucky pair would stand on the front.
 */
export function paretoFront(candidates: readonly Candidate[], far: number): readonly string[] {
  const better = (a: Candidate, b: Candidate): boolean => {
    const [ra, rb] = [a.latency.ratioToBaseline.median, b.latency.ratioToBaseline.median];
    const [la, lb] = [shownLoss(a, far), shownLoss(b, far)];
    const noWorse = a.sizeBytes <= b.sizeBytes && ra <= rb * SAME_LATENCY && la <= lb;
    return noWorse && (a.sizeBytes < b.sizeBytes || ra * SAME_LATENCY < rb || la < lb);
  };
  return candidates.filter((c) => !candidates.some((other) => other !== c && better(other, c))).map((c) => c.id);
}

/** Why a candidate cannot be picked; `undefined` when it can. The loss counts by its point value; the interval is in the report. */
function objection(candidate: Candidate, budgets: Budgets): string | undefined {
  const failed = candidate.gates.filter((g) => !g.pass);
  if (failed.length > 0) return failed.map((g) => g.says).join("; ");
  const difference = candidate.versus?.tarDifference.find((d) => d.far === budgets.far)?.difference;
  if (!candidate.baseline && difference === undefined) return `TAR at FAR ${budgets.far} cannot be told from this data`;
  if (budgets.maxDrop !== undefined && difference !== undefined && -difference.value > budgets.maxDrop) {
    return `it loses ${percent(-difference.value)} TAR at FAR ${budgets.far}, the budget is ${percent(budgets.maxDrop)}`;
  }
  if (budgets.maxLatencyMs !== undefined && candidate.latency.p50Ms > budgets.maxLatencyMs) {
    return `it takes ${ms(candidate.latency.p50Ms)}, the budget is ${ms(budgets.maxLatencyMs)}`;
  }
  if (budgets.maxSizeBytes !== undefined && candidate.sizeBytes > budgets.maxSizeBytes) {
    return `it takes ${bytes(candidate.sizeBytes)}, the budget is ${bytes(budgets.maxSizeBytes)}`;
  }
  return undefined;
}

/** Sizes within this factor of each other count as equal. */
const SAME_SIZE = 1.02;

/** How much slower a candidate may be whose interval lies within the budget, to be picked before one whose interval reaches beyond it. */
const PRICE_OF_SURE = 1.25;

/** How far the search stands behind a candidate: not at all, or by its place in the chain, where each point gains on those before. */
function searchRank({ searched }: Candidate): number {
  return typeof searched === "number" ? searched : -1;
}

/** Whether the whole interval of the loss lies within the budget. */
function isSure(candidate: Candidate, { far, maxDrop }: Budgets): boolean {
  const difference = candidate.versus?.tarDifference.find((d) => d.far === far)?.difference;
  return maxDrop === undefined || candidate.baseline || (difference !== undefined && -difference.low <= maxDrop);
}

/** The best of candidates: of those as fast as the fastest the smallest, then the one that loses least, then what the search found, then the highest TAR. */
function bestOf(candidates: readonly Candidate[], far: number): { readonly best?: Candidate; readonly quick: number } {
  const fastest = Math.min(...candidates.map(ratioOf));
  const quick = candidates.filter((c) => asFastAs(c, fastest));
  const smallest = Math.min(...quick.map((c) => c.sizeBytes));
  const [best] = quick
    .filter((c) => c.sizeBytes <= smallest * SAME_SIZE)
    .sort(
      (a, b) =>
        shownLoss(a, far) - shownLoss(b, far) ||
        searchRank(b) - searchRank(a) ||
        (tarAt(b, far) ?? 0) - (tarAt(a, far) ?? 0) ||
        a.sizeBytes - b.sizeBytes,
    );
  return { ...(best === undefined ? {} : { best }), quick: quick.length };
}

/**
 * Picks the fastest candidate within the budgets. Latencies within 3 % of each other, or whose difference the timing cannot tell from none, count as
 * equal: then the smaller file wins (2 % count as equal), then the lesser loss that people can show, then what the search stands behind, then the higher TAR.
 * Gates come first: a candidate that failed one is never picked. Of integer variants, one whose whole interval lies within the budget of the loss is
 * preferred to one whose point value alone does, at up to 1.25 times its time.
 */
export function pickCandidate(candidates: readonly Candidate[], budgets: Budgets): Pick {
  const objections = new Map(candidates.map((c) => [c.id, objection(c, budgets)] as const));
  const allowed = candidates.filter((c) => objections.get(c.id) === undefined);
  const first = bestOf(allowed, budgets.far);
  const unsure = first.best?.scheme === "static-int8" && !isSure(first.best, budgets) ? first.best : undefined;
  const surer =
    unsure === undefined
      ? undefined
      : bestOf(
          allowed.filter((c) => c.scheme === unsure.scheme && isSure(c, budgets) && asFastAs(c, ratioOf(unsure) * PRICE_OF_SURE)),
          budgets.far,
        ).best;
  const best = surer ?? first.best;
  const passedOver = candidates
    .filter((c) => c !== best)
    .map((c) => ({ id: c.id, why: objections.get(c.id) ?? (best === undefined ? "" : slowerBecause(c, best)) }));
  if (best === undefined) return { why: ["No candidate passes the gates and the budgets"], budgets, passedOver };
  const why = [
    `${best.says} is the ${first.quick > 1 ? `smallest of the ${first.quick} fastest variants` : "fastest variant"} that ${first.quick > 1 ? "pass" : "passes"} every gate${budgetWords(budgets)}: ${costWords(best)}`,
  ];
  if (surer !== undefined && unsure !== undefined)
    why[0] = `${best.says} is picked before ${unsure.says}: the whole interval of its loss lies within the budget of ${percent(budgets.maxDrop ?? 0)}; ${costWords(best)}`;
  const slow = slowIntegers(candidates, best);
  if (slow !== undefined) why.push(slow);
  const difference = best.versus?.tarDifference.find((d) => d.far === budgets.far)?.difference;
  if (difference !== undefined) {
    why.push(
      `TAR at FAR ${budgets.far} changes by ${percent(difference.value)} (${Math.round(difference.confidence * 100)} % interval ${percent(difference.low)} to ${percent(difference.high)}) on the same pairs`,
    );
    if (budgets.maxDrop !== undefined && -difference.low > budgets.maxDrop) {
      why.push(`The interval reaches beyond the budget of ${percent(budgets.maxDrop)}: more people are needed to be sure`);
    }
  }
  return { id: best.id, why, budgets, passedOver };
}

function budgetWords(budgets: Budgets): string {
  const words = [
    budgets.maxDrop === undefined ? undefined : `loses at most ${percent(budgets.maxDrop)} TAR`,
    budgets.maxLatencyMs === undefined ? undefined : `takes at most ${ms(budgets.maxLatencyMs)}`,
    budgets.maxSizeBytes === undefined ? undefined : `fits ${bytes(budgets.maxSizeBytes)}`,
  ].filter((w) => w !== undefined);
  return words.length === 0 ? "" : ` and ${words.join(", ")}`;
}

function slowerBecause(candidate: Candidate, best: Candidate): string {
  if (!asFastAs(candidate, ratioOf(best))) {
    const times = (ratioOf(candidate) / ratioOf(best)).toFixed(2);
    return best.device === undefined ? `it is ${times} times slower` : `it takes ${times} times the instructions`;
  }
  if (searchRank(best) > searchRank(candidate) && candidate.sizeBytes <= best.sizeBytes * SAME_SIZE)
    return "at the same speed and size, the search found a plan that loses less on other people";
  return candidate.sizeBytes > best.sizeBytes
    ? "it is larger at the same speed"
    : "it separates people less well at the same speed and size";
}
