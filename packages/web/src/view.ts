import type { Candidate, OptimizeReport, TarAtFar } from "@tessera/core/protocol/report";

/** Marks that charts and legends share. */
export type MarkSymbol = "circle" | "square" | "triangle" | "diamond" | "star" | "cross";

/** How a candidate looks in every chart: colour, shape and dash, so that colour is never the only difference. */
export interface Look {
  /** CSS colour: a variable that the light and the dark style set. */
  readonly colour: string;
  readonly symbol: MarkSymbol;
  /** SVG dash pattern; empty for a full line. */
  readonly dash: string;
}

/** The report with what every section asks for. */
export interface ReportView {
  readonly report: OptimizeReport;
  /** What the others are measured against. */
  readonly baseline?: Candidate;
  readonly pick?: Candidate;
  /** The candidate drawn beside the baseline: the pick, or without one the candidate compared layer by layer, or the last. */
  readonly focus?: Candidate;
  /** By candidate id. */
  readonly looks: ReadonlyMap<string, Look>;
  /** All FARs asked for, as the first candidate lists them. */
  readonly fars: readonly number[];
}

const SYMBOLS: readonly MarkSymbol[] = ["circle", "square", "triangle", "diamond", "star", "cross"];
const DASHES = ["", "", "7 3", "2 3", "9 3 2 3", "5 2", "1 2", "12 4", "3 6"];
const COLOURS = 9;

/** Prepares a report for rendering. */
export function viewOf(report: OptimizeReport): ReportView {
  const { candidates } = report;
  const baseline = candidates.find((c) => c.baseline) ?? candidates[0];
  const pick = candidates.find((c) => c.id === report.pick.id);
  const changed = candidates.filter((c) => c !== baseline);
  const focus =
    pick !== undefined && pick !== baseline ? pick : (changed.find((c) => c.id === report.layers?.candidate) ?? changed.at(-1));
  const looks = new Map<string, Look>();
  let next = 1;
  for (const candidate of candidates) {
    const place = candidate === baseline ? 0 : next++;
    looks.set(candidate.id, {
      colour: `var(--c${place % COLOURS})`,
      symbol: SYMBOLS[place % SYMBOLS.length] as MarkSymbol,
      dash: DASHES[place % DASHES.length] as string,
    });
  }
  return {
    report,
    ...(baseline === undefined ? {} : { baseline }),
    ...(pick === undefined ? {} : { pick }),
    ...(focus === undefined ? {} : { focus }),
    looks,
    fars: (baseline?.accuracy.tarAtFar ?? []).map((p) => p.far),
  };
}

/** The look of a candidate; the baseline's for an id that the report does not list. */
export function lookOf(view: ReportView, id: string): Look {
  return view.looks.get(id) ?? { colour: "var(--c0)", symbol: "circle", dash: "" };
}

/** The answer of a candidate at a FAR. */
export function pointAt(candidate: Candidate, far: number): TarAtFar | undefined {
  return candidate.accuracy.tarAtFar.find((p) => p.far === far);
}

/** The candidate's name for people, or the id when the report does not list it. */
export function nameOf(view: ReportView, id: string): string {
  return view.report.candidates.find((c) => c.id === id)?.says ?? id;
}
