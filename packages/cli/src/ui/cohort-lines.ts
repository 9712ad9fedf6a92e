import type { CohortTable, Estimate } from "@tessera/core/protocol/report";
import { count, far as farText, percent } from "./format.ts";
import { renderTable } from "./table.ts";

/** The cohorts of one model as lines of text. */
export function cohortLines(name: string, table: CohortTable): readonly string[] {
  const right = (title: string) => ({ title, right: true });
  const compared = table.baselineThreshold !== undefined;
  const range = ({ low, high }: Estimate): string => `${(low * 100).toFixed(2)}..${(high * 100).toFixed(2)}`;
  const figures = table.rows.filter((row) => row.tar !== undefined);
  const rest = table.rows.length - figures.length + table.unlisted;
  return [
    "",
    `${name} by ${table.column}, all at the threshold ${table.threshold.toFixed(5)}`,
    ...(figures.length === 0
      ? []
      : [
          renderTable(
            [
              { title: table.column },
              right("people"),
              right("genuine"),
              right(`TAR@${farText(table.far)} (95 %)`),
              ...(compared ? [right("against the first (95 %)")] : []),
              right("FMR"),
            ],
            figures.map((row) => [
              row.cohort,
              count(row.people),
              count(row.genuine),
              row.tar === undefined ? "" : `${percent(row.tar.value)} (${range(row.tar)})`,
              ...(compared
                ? [
                    row.difference === undefined
                      ? ""
                      : `${row.difference.value >= 0 ? "+" : ""}${percent(row.difference.value)} (${range(row.difference)})`,
                  ]
                : []),
              row.fmr === undefined ? "too few" : row.fmr.value.toExponential(1),
            ]),
          ),
        ]),
    ...(rest === 0 ? [] : [`  ${rest} cohorts have too few comparisons to tell`]),
    ...table.rows
      .filter((row) => row.tar === undefined)
      .slice(0, 3)
      .map((row) => `    ${row.cohort}: ${row.says ?? ""}`),
  ];
}
