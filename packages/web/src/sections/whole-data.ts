import { candidateName, type Section, small, table } from "../blocks.ts";
import { count, fixed, NOTHING, percent, points, signedFixed, smallRate } from "../format.ts";
import { html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** The figures on everybody, the people of the search included: a second table that says so. */
export function wholeDataSection(view: ReportView): Section | undefined {
  const { wholeData } = view.report;
  if (wholeData === undefined) return undefined;
  const fars = wholeData.candidates[0]?.tarAtFar.map((p) => p.far) ?? [];
  return {
    id: "whole-data",
    title: "Everybody, searched on or not",
    lead: html`${wholeData.says} ${count(wholeData.people)} people, ${count(wholeData.genuine)} genuine and ${count(wholeData.impostor)} impostor comparisons.`,
    body: table(
      "Candidates on all people",
      [
        { title: "Candidate" },
        ...fars.map((far) => ({ title: `TAR at FAR ${smallRate(far)}`, number: true })),
        ...fars.map((far) => ({ title: `Change at ${smallRate(far)}`, number: true })),
        { title: "Cosine", number: true },
        { title: "Largest shift", number: true },
        { title: "Impostors", number: true },
      ],
      wholeData.candidates.map((c) => ({
        ...(c.id === view.pick?.id ? { mark: "picked" } : {}),
        cells: [
          candidateName(view, c.id),
          ...fars.map((far) => {
            const tar = c.tarAtFar.find((p) => p.far === far)?.tar;
            return tar === undefined
              ? NOTHING
              : html`${percent(tar.value)}${small(`${percent(tar.low, 1)} to ${percent(tar.high, 1)}`)}`;
          }),
          ...fars.map((far) => {
            const change = c.tarDifference.find((d) => d.far === far)?.difference;
            return change === undefined
              ? NOTHING
              : html`${points(change.value)}${small(`${points(change.low)} to ${points(change.high)}`)}`;
          }),
          c.cosineMean === undefined ? NOTHING : fixed(c.cosineMean, 4),
          c.worstScoreShift === undefined ? NOTHING : fixed(c.worstScoreShift, 3),
          c.impostorMeanShift === undefined ? NOTHING : signedFixed(c.impostorMeanShift, 4),
        ],
      })),
    ),
  };
}
