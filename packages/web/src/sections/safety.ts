import type { CompatibilityMatrix, TemplateVerdict } from "@tessera/core/protocol/report";
import { badge, candidateName, type Section, small, table } from "../blocks.ts";
import { bytes, count, fixed, NOTHING, percent, points, sentence, smallRate } from "../format.ts";
import { type HtmlPart, html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** Enrol with one model, probe with another: may templates stay? */
export function matrixSection(view: ReportView): Section | undefined {
  const { matrix } = view.report;
  if (matrix === undefined || matrix.models.length === 0) return undefined;
  const cell = (row: number, column: number) => {
    const c = matrix.cells[row]?.[column];
    if (c?.tar === undefined)
      return html`<span class="needs">${c?.verdict === "re-enrol" ? "vectors of another length" : "too few comparisons"}</span>`;
    const realised =
      c.fmrAtBaselineThreshold === undefined
        ? undefined
        : small(`FAR ${smallRate(c.fmrAtBaselineThreshold)} at the gallery’s threshold`);
    const verdict = c.verdict === undefined || row === column ? undefined : badge(c.verdict, MOODS[c.verdict]);
    return html`${percent(c.tar)} ${verdict}${small(c.threshold === undefined ? NOTHING : `threshold ${fixed(c.threshold, 4)}`)}${realised}`;
  };
  return {
    id: "templates",
    title: "Templates across models",
    lead: html`TAR at FAR ${smallRate(matrix.far)} when people are enrolled with one model (row) and recognised with another (column).`,
    body: html`<p class="answer">${sentence(matrix.verdict)}</p>${table(
      `Enrol × probe at FAR ${smallRate(matrix.far)}`,
      [
        { title: html`<span class="line">Enrol ↓ probe →</span>` },
        ...matrix.models.map((id) => ({ title: candidateName(view, id), number: true })),
      ],
      matrix.models.map((id, row) => ({
        cells: [candidateName(view, id), ...matrix.models.map((_, column) => cell(row, column))],
      })),
    )}${adapters(view, matrix)}${matrix.convention === undefined ? undefined : html`<p class="quiet">${sentence(matrix.convention)}.</p>`}`,
  };
}

const MOODS = {
  "templates stay": "good",
  "re-fit threshold": "warn",
  "adapter suffices": "warn",
  "re-enrol": "bad",
  "insufficient data": "plain",
} as const satisfies Record<TemplateVerdict, "good" | "bad" | "warn" | "plain">;

/** What mapping old templates by a small matrix achieves, where it was tried. */
function adapters(view: ReportView, matrix: CompatibilityMatrix): HtmlPart {
  const rows = matrix.cells.flatMap((cells, row) =>
    cells.flatMap(({ adapter, tar }, column) => {
      if (adapter === undefined) return [];
      const [first] = adapter.points;
      const { gain } = adapter;
      return [
        {
          cells: [
            candidateName(view, matrix.models[row] ?? ""),
            candidateName(view, matrix.models[column] ?? ""),
            html`${adapter.kind}${small(`${bytes(adapter.sizeBytes)}, fitted to ${count(adapter.samples)} unlabelled samples`)}`,
            tar === undefined ? NOTHING : percent(tar),
            first === undefined ? NOTHING : percent(first.tar.value),
            gain === undefined ? NOTHING : html`${points(gain.value)}${small(`${points(gain.low)} to ${points(gain.high)}`)}`,
            adapter.suffices ? badge("suffices", "good") : badge("does not suffice", "bad"),
          ],
        },
      ];
    }),
  );
  if (rows.length === 0) return undefined;
  return html`<h3>Adapters</h3>${table(
    `Templates mapped into the new model’s space, on people the adapter was not fitted to, FAR ${smallRate(matrix.far)}`,
    [
      { title: "Enrolled with" },
      { title: "Probed with" },
      { title: "Adapter" },
      { title: "TAR as they are", number: true },
      { title: "TAR mapped", number: true },
      { title: "Gain", number: true },
      { title: "" },
    ],
    rows,
  )}`;
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
