import { badge, type Section, table } from "../blocks.ts";
import { fixed, ms, times } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** A page in a folder below: nothing else may be linked, whatever the report says. */
const NEIGHBOUR = /^[\w-]+(?:\/[\w-]+)*\.html$/;

/** What was measured and on what, what is only expected of the device, and what other runtimes of this machine make of the network. */
export function basisSection(view: ReportView): Section | undefined {
  const { basis, elsewhere = [], skipped = [], companions = [], target } = view.report;
  const parts = [basis === undefined ? undefined : measured(view), besides(view), leftOut(view), others(view)].filter(
    (part) => part !== undefined,
  );
  if (basis === undefined && elsewhere.length + skipped.length + companions.length === 0) return undefined;
  return {
    id: "basis",
    title: basis?.deviceIsElsewhere ? "Measured here, expected there" : "What the figures rest on",
    ...(basis?.deviceIsElsewhere
      ? {
          lead: `This machine is not ${target.id}. Every figure of the other chapters was measured here; what is expected of the device stands in this one alone.`,
        }
      : {}),
    body: html`${parts}`,
  };
}

function measured(view: ReportView): HtmlPart {
  const { basis, target } = view.report;
  if (basis === undefined) return undefined;
  const rows: readonly { readonly cells: readonly HtmlPart[] }[] = [
    { cells: [html`${badge("measured", "good")} on this machine`, basis.measured] },
    ...basis.predicted.map((p) => ({
      cells: [html`${badge("expected", "warn")} of ${target.id}, not measured`, html`${p.says}<br><small>from ${p.from}</small>`],
    })),
    ...basis.unknown.map((u) => ({ cells: [badge("not known", "bad"), u] })),
  ];
  return table("Where the figures come from", [{ title: "Kind" }, { title: "What it says" }], rows);
}

function besides(view: ReportView): Html | undefined {
  const { elsewhere = [] } = view.report;
  if (elsewhere.length === 0) return undefined;
  return html`<h3>The same network on other runtimes of this machine</h3>${table(
    "For comparison only, not candidates",
    [
      { title: "File" },
      { title: "Runtime" },
      { title: "Cosine to the baseline, mean / least", number: true },
      { title: "Latency p50", number: true },
      { title: "Time against the baseline", number: true },
    ],
    elsewhere.map((row) => ({
      cells: [
        row.says,
        row.runtime,
        html`${fixed(row.cosineMean, 6)} / ${fixed(row.cosineMin, 6)}`,
        ms(row.latency.p50Ms),
        times(row.latency.ratioToBaseline.median),
      ],
    })),
  )}`;
}

function leftOut(view: ReportView): Html | undefined {
  const { skipped = [] } = view.report;
  if (skipped.length === 0) return undefined;
  return html`<h3>Not built</h3><ul>${skipped.map((s) => html`<li><strong>${s.says}</strong>: ${s.why}</li>`)}</ul>`;
}

function others(view: ReportView): Html | undefined {
  const { companions = [] } = view.report;
  if (companions.length === 0) return undefined;
  return html`<h3>Other reports of this run</h3><ul>${companions.map(
    (c) =>
      html`<li>${NEIGHBOUR.test(c.page) ? html`<a href="${c.page}">${c.target}</a>` : c.target}: ${c.says}${c.file === undefined ? undefined : html` (<code>${c.file}</code>)`}</li>`,
  )}</ul>`;
}
