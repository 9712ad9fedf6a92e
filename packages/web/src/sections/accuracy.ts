import { figure, legend, type Section } from "../blocks.ts";
import { detChart, detFrame, detLensChart, WIDEST_FMR } from "../charts/det.ts";
import { differenceChart } from "../charts/difference.ts";
import { histogramChart, histogramFrame } from "../charts/histogram.ts";
import { count, methodName, percent, smallRate } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** Error rates as pictures: DET curves, paired changes, score histograms. */
export function accuracySection(view: ReportView): Section | undefined {
  const { report } = view;
  if (report.candidates.length === 0) return undefined;
  const { genuine, impostor } = report.data.evaluation;
  return {
    id: "accuracy",
    title: "Operating points",
    lead: html`${count(genuine)} genuine and ${count(impostor)} impostor comparisons, the same for every candidate.`,
    body: html`${det(view)}${difference(view)}${histograms(view)}`,
  };
}

function det(view: ReportView): HtmlPart {
  const drawable = view.report.candidates.filter((c) => c.curves.det.length > 1);
  if (drawable.length === 0) return html`<p class="needs">Too few comparisons for a DET curve.</p>`;
  const frame = detFrame(view);
  if (frame === undefined)
    return html`<h3>Detection error trade-off</h3><p>No candidate turns a genuine attempt away at any false match rate up to ${percent(WIDEST_FMR, 0)}: on these pairs there is no curve to draw.</p>`;
  const { fmrFloor, fnmrFloor, y } = frame;
  const floors = `false match rates below ${smallRate(fmrFloor)}${fnmrFloor > y[0] ? `, false non-match rates below ${smallRate(fnmrFloor)}` : ""}`;
  const lens = detLensChart(view, frame);
  return html`<h3>Detection error trade-off</h3>${figure(
    detChart(view, frame),
    html`Share of genuine attempts turned away against share of impostors let in; lower left is better. In the shaded region the curve rests on fewer than three expected errors (${floors}) and must not be read as a rate.`,
  )}${
    lens === undefined
      ? undefined
      : figure(
          lens,
          "The same curves under a lens: the false non-match rate that each candidate adds to that of FP32 (the horizontal line) at the same false match rate.",
        )
  }${legend(
    view,
    drawable.map((c) => c.id),
  )}`;
}

function difference(view: ReportView): HtmlPart {
  const chart = differenceChart(view);
  if (chart === undefined) return undefined;
  const { maxDrop } = view.report.pick.budgets;
  const estimate = view.report.candidates.flatMap((c) => c.versus?.tarDifference ?? [])[0]?.difference;
  const intervals =
    estimate === undefined ? "" : ` Bars are ${percent(estimate.confidence, 0)} intervals (${methodName(estimate.method)}).`;
  const budget = maxDrop === undefined ? "" : " The dashed line is the budget.";
  return html`<h3>Change against FP32</h3>${figure(
    chart,
    html`Change of TAR on the same pairs, each model at its own threshold.${intervals}${budget}`,
  )}`;
}

function histograms(view: ReportView): HtmlPart {
  const shown = [view.baseline, view.focus].filter((c) => c !== undefined).filter((c, i, all) => all.indexOf(c) === i);
  const drawable = shown.filter((c) => c.curves.histogram.genuine.length > 0);
  if (drawable.length === 0) return undefined;
  const frame = histogramFrame(drawable);
  const columns = drawable.map(
    (c, i): Html =>
      html`<div><h4>${c.says}</h4>${histogramChart(c, frame, { log: false, id: `hist-${i}` })}${histogramChart(c, frame, { log: true, id: `hist-log-${i}` })}</div>`,
  );
  return html`<h3>Scores</h3>${figure(
    html`<div class="pair">${columns}</div>`,
    "Density of genuine and impostor scores, above on a linear scale, below on a logarithmic one, which shows the tails. Dashed lines are the thresholds, named by their FAR; where one is missing there are too few comparisons.",
  )}`;
}
