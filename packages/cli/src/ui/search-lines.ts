import type { OptimizeReport } from "@tessera/core/protocol/report";
import type { SearchInterval } from "@tessera/core/protocol/search-report";
import { count } from "./format.ts";

/** What a search found, and what everybody's figures are, for the terminal; nothing where there was no search. */
export function searchLines({ search, wholeData }: OptimizeReport): readonly string[] {
  if (search === undefined) return [];
  const [best] = search.chain;
  const { people, plain, steps } = search;
  const taken = steps.filter((s) => s.accepted).length;
  const lines = [
    `search (${search.depth}): ${people.says}; ${people.searched} people searched on ${count(people.genuine)} genuine and ${count(people.impostor)} impostor comparisons, ${people.reported} reported on`,
    `  ${steps.length} steps tried, ${taken} taken, ${Math.round(search.seconds)} s${search.resumed ? ", taken up from an earlier run" : ""}; ${search.stopped}`,
    `  expected loss at FAR ${search.far}: plain INT8 ${points(plain.figures.loss)}, found ${best === undefined ? "-" : points(best.figures.loss)} points of TAR; largest score shift ${plain.figures.worstShift.toFixed(3)} and ${best?.figures.worstShift.toFixed(3) ?? "-"}`,
  ];
  for (const row of wholeData?.candidates ?? []) {
    const [first] = row.tarDifference;
    if (first === undefined) continue;
    lines.push(
      `  everybody (${wholeData?.people} people): ${row.id} changes TAR at FAR ${first.far} by ${points(first.difference)} points`,
    );
  }
  return lines;
}

function points({ value, low, high }: SearchInterval): string {
  const p = (v: number): string => (v * 100).toFixed(3);
  return `${p(value)} (${p(low)} to ${p(high)})`;
}
