import { badge, candidateName, type Section, small, table } from "../blocks.ts";
import { fixed, NOTHING, percent, smallRate } from "../format.ts";
import { html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** Enrol with one model, probe with another: may templates stay? */
export function matrixSection(view: ReportView): Section | undefined {
  const { matrix } = view.report;
  if (matrix === undefined || matrix.models.length === 0) return undefined;
  const cell = (row: number, column: number) => {
    const c = matrix.cells[row]?.[column];
    if (c?.tar === undefined) return html`<span class="needs">too few comparisons</span>`;
    const realised =
      c.fmrAtBaselineThreshold === undefined
        ? undefined
        : small(`FAR ${smallRate(c.fmrAtBaselineThreshold)} at the gallery’s threshold`);
    return html`${percent(c.tar)}${small(c.threshold === undefined ? NOTHING : `threshold ${fixed(c.threshold, 4)}`)}${realised}`;
  };
  return {
    id: "templates",
    title: "Templates across models",
    lead: html`TAR at FAR ${smallRate(matrix.far)} when people are enrolled with one model (row) and recognised with another (column).`,
    body: html`<p class="answer">${matrix.verdict}</p>${table(
      `Enrol × probe at FAR ${smallRate(matrix.far)}`,
      [
        { title: html`<span class="line">Enrol ↓ probe →</span>` },
        ...matrix.models.map((id) => ({ title: candidateName(view, id), number: true })),
      ],
      matrix.models.map((id, row) => ({
        cells: [candidateName(view, id), ...matrix.models.map((_, column) => cell(row, column))],
      })),
    )}`,
  };
}

/** Gates of every candidate with what they found. */
export function gatesSection(view: ReportView): Section | undefined {
  const rows = view.report.candidates.flatMap((c) =>
    c.gates.map((g) => ({
      ...(g.pass ? {} : { mark: "alarm" }),
      cells: [candidateName(view, c.id), g.gate, g.pass ? badge("pass", "good") : badge("failed", "bad"), g.says],
    })),
  );
  if (rows.length === 0) return undefined;
  return {
    id: "gates",
    title: "Gates",
    lead: "A candidate that fails a gate is never picked, whatever its figures: embeddings must not have collapsed, and strangers must not have come closer.",
    body: table(
      "Gates by candidate",
      [{ title: "Candidate" }, { title: "Gate" }, { title: "Result" }, { title: "Finding" }],
      rows,
    ),
  };
}
