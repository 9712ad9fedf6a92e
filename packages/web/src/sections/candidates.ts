import type { Candidate, TarAtFar } from "@tessera/core/protocol/report";
import { badge, type Column, candidateName, figure, legend, type Section, small, table } from "../blocks.ts";
import { sizeLatencyChart, tarLatencyChart } from "../charts/trade.ts";
import {
  bytes,
  count,
  counted,
  fixed,
  methodName,
  ms,
  NOTHING,
  percent,
  points,
  signedFixed,
  smallRate,
  times,
} from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import { pointAt, type ReportView } from "../view.ts";

/** What was built and how it compares: a short table, the trade-off as pictures, every figure. */
export function candidatesSection(view: ReportView): Section {
  return {
    id: "candidates",
    title: "Candidates",
    lead: "Every variant was built, verified on the runtime, judged on the same pairs and timed in turns with the others. A filled mark means that no other variant is better in size, latency and TAR at once.",
    body: html`${summaryTable(view)}
${tradeCharts(view)}
<h3>All figures</h3>${figuresTable(view)}${notes(view)}`,
  };
}

function tradeCharts(view: ReportView): HtmlPart {
  const { candidates, pick } = view.report;
  if (candidates.length < 2) return undefined;
  const tar = tarLatencyChart(view);
  return html`<div class="pair">${figure(
    sizeLatencyChart(view),
    "File size against median latency. Towards the lower left is better.",
  )}${
    tar === undefined
      ? undefined
      : figure(
          tar,
          html`Change of TAR at FAR ${smallRate(pick.budgets.far)} against median latency, on the same pairs, with intervals. Towards the upper left is better.`,
        )
  }</div>${legend(
    view,
    candidates.map((c) => c.id),
  )}`;
}

function summaryTable(view: ReportView): Html {
  const { report, pick } = view;
  const { far } = report.pick.budgets;
  const passedOver = new Map(report.pick.passedOver.map((p) => [p.id, p.why] as const));
  const columns: Column[] = [
    { title: "Candidate" },
    { title: "Pareto" },
    { title: "Size", number: true },
    { title: "Median", number: true },
    { title: html`<span class="line">Speed-up</span>`, number: true },
    { title: html`TAR at ${smallRate(far)}`, number: true },
    { title: "Change", number: true },
    { title: "Gates" },
    { title: "Decision" },
  ];
  const rows = report.candidates.map((c) => {
    const difference = c.versus?.tarDifference.find((d) => d.far === far)?.difference;
    return {
      ...(c === pick ? { mark: "picked" } : {}),
      cells: [
        candidateName(view, c.id),
        report.pareto.includes(c.id) ? html`<span class="line">● front</span>` : "",
        bytes(c.sizeBytes),
        ms(c.latency.p50Ms),
        c.baseline ? "1" : times(1 / c.latency.ratioToBaseline.median),
        tarCell(pointAt(c, far)),
        difference === undefined ? NOTHING : points(difference.value),
        gatesBadge(c),
        c === pick ? badge("pick", "good") : small(passedOver.get(c.id) ?? ""),
      ],
    };
  });
  return table("Candidates in short", columns, rows);
}

function gatesBadge(candidate: Candidate): HtmlPart {
  const failed = candidate.gates.filter((g) => !g.pass).length;
  if (candidate.gates.length === 0) return badge("none run", "plain");
  return failed === 0 ? badge("pass", "good") : badge(`${failed} failed`, "bad");
}

/** A rate with its interval, or how many comparisons are missing: never a number without data. */
export function tarCell(point: TarAtFar | undefined): HtmlPart {
  if (point === undefined) return NOTHING;
  if (point.kind === "insufficient-data")
    return html`<span class="needs">needs ${count(point.needsMore)} more comparisons</span>`;
  return html`${percent(point.tar.value)}${small(`${fixed(point.tar.low * 100, 2)} to ${fixed(point.tar.high * 100, 2)}`)}`;
}

type Row = readonly [name: HtmlPart, cell: (c: Candidate) => HtmlPart];

function figuresTable(view: ReportView): Html {
  const { report, fars, pick } = view;
  const group = (name: string, rows: readonly Row[]): Html =>
    html`<tbody><tr class="group"><th scope="colgroup" colspan="${report.candidates.length + 1}">${name}</th></tr>${rows.map(
      ([title, cell]) =>
        html`<tr><th scope="row">${title}</th>${report.candidates.map((c) => html`<td class="num${c === pick ? " picked" : ""}">${cell(c)}</td>`)}</tr>`,
    )}</tbody>`;
  const head = report.candidates.map((c) => html`<th scope="col" class="num">${candidateName(view, c.id)}</th>`);
  return html`<div class="scroll" role="region" aria-label="All figures" tabindex="0"><table class="sheet">
<caption>${intervalsOf(view)}</caption>
<thead><tr><td></td>${head}</tr></thead>
${group("Size and speed", costRows())}
${group("Telling people apart", accuracyRows(fars, toldFars(view)))}
${report.candidates.some((c) => c.versus !== undefined) ? group("Against FP32, on the same pairs", versusRows(toldFars(view))) : undefined}</table></div>`;
}

/** FARs at which some candidate has a figure: rows of nothing but dashes would say less than none. */
function toldFars(view: ReportView): readonly number[] {
  return view.fars.filter((far) => view.report.candidates.some((c) => pointAt(c, far)?.kind === "figure"));
}

function intervalsOf(view: ReportView): string {
  const figure = view.report.candidates.flatMap((c) => c.accuracy.tarAtFar).find((p) => p.kind === "figure");
  if (figure?.kind !== "figure") return "Too few comparisons for a TAR at any FAR asked for";
  return `Rates with their ${Math.round(figure.tar.confidence * 100)} % intervals (${methodName(figure.tar.method)})`;
}

function costRows(): readonly Row[] {
  return [
    ["File size", (c) => html`${bytes(c.sizeBytes)}${small(times(c.sizeRatio))}`],
    ["Latency p50", (c) => ms(c.latency.p50Ms)],
    ["Latency p90", (c) => ms(c.latency.p90Ms)],
    ["Latency p99", (c) => ms(c.latency.p99Ms)],
    [
      html`Speed-up ${small("median over rounds, 95 % interval")}`,
      ({ baseline, latency: { ratioToBaseline: r } }) =>
        baseline ? "1" : html`${times(1 / r.median)}${small(`${fixed(1 / r.high, 2)} to ${fixed(1 / r.low, 2)}`)}`,
    ],
    ["CPU time a run", (c) => ms(c.latency.cpuMs)],
    ["Load time", (c) => ms(c.latency.loadMs)],
    ["Memory growth", (c) => (c.latency.peakRssBytes === undefined ? NOTHING : bytes(c.latency.peakRssBytes))],
    ["Runs × threads", (c) => `${count(c.latency.runs)} × ${c.latency.threads}`],
  ];
}

function accuracyRows(fars: readonly number[], told: readonly number[]): readonly Row[] {
  const folds = (c: Candidate): HtmlPart =>
    c.accuracy.folds === undefined
      ? NOTHING
      : html`${percent(c.accuracy.folds.mean)}${small(`± ${fixed(c.accuracy.folds.standardError * 100, 2)}, ${c.accuracy.folds.folds} folds`)}`;
  return [
    ...fars.map((far): Row => [html`TAR at FAR ${smallRate(far)}`, (c) => tarCell(pointAt(c, far))]),
    ...told.map(
      (far): Row => [
        html`Threshold for ${smallRate(far)}`,
        (c) => {
          const p = pointAt(c, far);
          return p?.kind === "figure"
            ? html`${fixed(p.threshold, 4)}${small(`${count(p.falseMatches)} FM, ${count(p.falseNonMatches)} FNM`)}`
            : NOTHING;
        },
      ],
    ),
    [
      "Equal error rate, raw / convex hull",
      (c) => html`${percent(c.accuracy.eer.raw)}${small(percent(c.accuracy.eer.convexHull))}`,
    ],
    ["d′", (c) => fixed(c.accuracy.dPrime, 2)],
    ["Accuracy by folds", folds],
    ["Scoring time", (c) => ms(c.accuracy.scoringMs)],
  ];
}

function versusRows(fars: readonly number[]): readonly Row[] {
  const versus = (cell: (v: NonNullable<Candidate["versus"]>) => HtmlPart) => (c: Candidate) =>
    c.versus === undefined ? (c.baseline ? html`<span class="quiet">reference</span>` : NOTHING) : cell(c.versus);
  return [
    ["Cosine of embeddings, mean / min", versus((v) => html`${fixed(v.cosineMean, 5)}${small(fixed(v.cosineMin, 4))}`)],
    ...fars.map(
      (far): Row => [
        html`Change of TAR at ${smallRate(far)}`,
        versus((v) => {
          const d = v.tarDifference.find((x) => x.far === far)?.difference;
          return d === undefined
            ? NOTHING
            : html`${points(d.value)}${small(`${signedFixed(d.low * 100, 2)} to ${signedFixed(d.high * 100, 2)}`)}`;
        }),
      ],
    ),
    ...fars.map(
      (far): Row => [
        html`FAR realised at FP32’s threshold for ${smallRate(far)}`,
        versus((v) => {
          const r = v.realisedFar.find((x) => x.far === far);
          return r === undefined ? NOTHING : html`${smallRate(r.realised)}${small(`${times(r.realised / r.far)} asked`)}`;
        }),
      ],
    ),
    ...fars.map(
      (far): Row => [
        html`Decisions flipped at ${smallRate(far)}`,
        versus((v) => {
          const f = v.flips.find((x) => x.far === far);
          return f === undefined
            ? NOTHING
            : html`${count(f.newlyAccepted + f.newlyRejected)}${small(`${counted(f.impostorsNewlyAccepted, "impostor")} let in`)}`;
        }),
      ],
    ),
    ["Worst shift of a score", versus((v) => fixed(v.worstScoreShift, 4))],
    ["Mean shift of impostor scores", versus((v) => signedFixed(v.impostorMeanShift, 5))],
  ];
}

function notes(view: ReportView): HtmlPart {
  const withNotes = view.report.candidates.filter((c) => c.notes.length > 0);
  if (withNotes.length === 0) return undefined;
  return html`<h3>Notes on the candidates</h3><dl class="notes">${withNotes.map(
    (c) => html`<dt>${candidateName(view, c.id)}</dt><dd>${c.notes.map((n) => html`<p>${n}</p>`)}</dd>`,
  )}</dl>`;
}
