import type { CohortRow } from "@tessera/core/protocol/report";
import { candidateName, type Section, small, table } from "../blocks.ts";
import { count, counted, fixed, NOTHING, percent, points, smallRate } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** How the pick, or the candidate shown in its place, treats each cohort at the one threshold for all. */
export function cohortsSection(view: ReportView): Section | undefined {
  const shown = view.focus?.cohorts === undefined ? view.baseline : view.focus;
  const cohorts = shown?.cohorts;
  if (shown === undefined || cohorts === undefined) return undefined;
  const worst = cohorts.worst === undefined ? undefined : html`<p class="answer">${cohorts.worst} loses most.</p>`;
  return {
    id: "cohorts",
    title: "Cohorts",
    lead: html`${candidateName(view, shown.id)} by ${cohorts.column}, all at the one threshold ${fixed(cohorts.threshold, 4)} for FAR ${smallRate(cohorts.far)}: a mean can hide whom a model treats worse.`,
    body: html`${worst}${table(
      `Cohorts by ${cohorts.column}`,
      [
        { title: "Cohort" },
        { title: "People", number: true },
        { title: "Comparisons", number: true },
        { title: "TAR", number: true },
        { title: "Change", number: true },
        { title: "FMR", number: true },
      ],
      cohorts.rows.map((row) => ({
        ...(row.cohort === cohorts.worst ? { mark: "alarm" } : {}),
        cells: cellsOf(row),
      })),
    )}${cohorts.unlisted > 0 ? html`<p class="quiet">${counted(cohorts.unlisted, "smaller cohort")} not listed.</p>` : undefined}<p class="quiet">${cohorts.convention}</p>`,
  };
}

function cellsOf(row: CohortRow): readonly (Html | string)[] {
  const needs = html`<span class="needs">${row.says ?? "too few comparisons"}</span>`;
  return [
    row.cohort,
    count(row.people),
    html`${count(row.genuine)} genuine${small(`${count(row.impostor)} impostor`)}`,
    row.tar === undefined
      ? needs
      : html`${percent(row.tar.value)}${small(`${percent(row.tar.low, 1)} to ${percent(row.tar.high, 1)}`)}`,
    row.difference === undefined
      ? NOTHING
      : html`${points(row.difference.value)}${small(`${points(row.difference.low)} to ${points(row.difference.high)}`)}`,
    row.fmr === undefined
      ? NOTHING
      : html`${smallRate(row.fmr.value)}${row.baselineFmr === undefined ? undefined : small(`FP32 ${smallRate(row.baselineFmr)}`)}`,
  ];
}
