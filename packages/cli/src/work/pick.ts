import type { Candidate, Pick } from "@tessera/core/protocol/report";
import { bytes, ms, percent } from "../ui/format.ts";

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

/** Whether a candidate is as fast as `ratio` (to the baseline), as far as its timing can tell. */
function asFastAs(candidate: Candidate, ratio: number): boolean {
  const { median, low } = candidate.latency.ratioToBaseline;
  return median <= ratio * SAME_LATENCY || low <= ratio;
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

/**
 * Picks the fastest candidate within the budgets. Latencies within 3 % of each other, or whose difference the timing cannot tell from none, count as
 * equal: then the smaller file wins, then the higher TAR.
 * Gates come first: a candidate that failed one is never picked.
 */
export function pickCandidate(candidates: readonly Candidate[], budgets: Budgets): Pick {
  const objections = new Map(candidates.map((c) => [c.id, objection(c, budgets)] as const));
  const allowed = candidates.filter((c) => objections.get(c.id) === undefined);
  const fastest = Math.min(...allowed.map((c) => c.latency.ratioToBaseline.median));
  const quick = allowed.filter((c) => asFastAs(c, fastest));
  const [best] = [...quick].sort(
    (a, b) => a.sizeBytes - b.sizeBytes || (tarAt(b, budgets.far) ?? 0) - (tarAt(a, budgets.far) ?? 0),
  );
  const passedOver = candidates
    .filter((c) => c !== best)
    .map((c) => ({ id: c.id, why: objections.get(c.id) ?? (best === undefined ? "" : slowerBecause(c, best)) }));
  if (best === undefined) return { why: ["No candidate passes the gates and the budgets"], budgets, passedOver };
  const why = [
    `${best.says} is the ${quick.length > 1 ? `smallest of the ${quick.length} fastest variants` : "fastest variant"} that ${quick.length > 1 ? "pass" : "passes"} every gate${budgetWords(budgets)}: ${ms(best.latency.p50Ms)} a face, ${bytes(best.sizeBytes)}`,
  ];
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
  if (!asFastAs(candidate, best.latency.ratioToBaseline.median)) {
    return `it is ${(candidate.latency.ratioToBaseline.median / best.latency.ratioToBaseline.median).toFixed(2)} times slower`;
  }
  return candidate.sizeBytes > best.sizeBytes
    ? "it is larger at the same speed"
    : "it separates people less well at the same speed and size";
}
