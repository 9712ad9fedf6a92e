import type { Candidate } from "@tessera/core/protocol/report";
import { badge, candidateName } from "../blocks.ts";
import { baseName, bytes, count, counted, ms, percent, points, smallRate, times } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import { pointAt, type ReportView } from "../view.ts";

/** Head of the page: what was done to what, the banner of an illustration, the verdict, and what weakens it. */
export function renderHead(view: ReportView): Html {
  const { report } = view;
  const { model } = report;
  return html`<header class="head">
${banner(report.illustration)}
<p class="kicker">Tessera · optimisation report</p>
<h1>${baseName(model.file)}</h1>
<p class="sub">for <strong>${report.target.id}</strong> · ${report.target.says}</p>
<p class="meta">${[
    counted(model.nodes, "node"),
    `${count(model.parameters)} parameters`,
    bytes(model.sizeBytes),
    model.opset > 0 ? `opset ${model.opset}` : (model.format ?? "unknown format"),
  ].join(" · ")}</p>
</header>
${verdict(view)}
${cautions(view)}`;
}

function banner(illustration: string | undefined): HtmlPart {
  if (illustration === undefined) return undefined;
  return html`<div class="illustration" role="note"><strong>Illustration only — no statement about accuracy</strong><p>${illustration}</p></div>`;
}

function verdict(view: ReportView): Html {
  const { report, pick, baseline } = view;
  const { why } = report.pick;
  const reasons = html`<ul class="why">${why.map((sentence) => html`<li>${sentence}</li>`)}</ul>`;
  if (pick === undefined) {
    return html`<section class="verdict none" aria-labelledby="verdict"><p class="kicker">Verdict</p>
<h2 id="verdict">No candidate passes</h2>${reasons}${budgetLine(view)}</section>`;
  }
  return html`<section class="verdict" aria-labelledby="verdict"><p class="kicker">Verdict${report.illustration === undefined ? undefined : " (illustration)"}</p>
<h2 id="verdict"><span class="pickword">Pick</span> ${candidateName(view, pick.id)}</h2>
<dl class="tiles">${tiles(pick, baseline, report.pick.budgets.far)}</dl>
${reasons}${budgetLine(view)}</section>`;
}

function tile(name: HtmlPart, value: HtmlPart, note: HtmlPart): Html {
  return html`<div><dt>${name}</dt><dd><b>${value}</b><span>${note}</span></dd></div>`;
}

function tiles(pick: Candidate, baseline: Candidate | undefined, far: number): readonly Html[] {
  const changed = baseline !== undefined && baseline !== pick;
  const { ratioToBaseline: ratio } = pick.latency;
  const out = [
    tile(
      "File size",
      bytes(pick.sizeBytes),
      changed ? `${times(pick.sizeRatio)} of ${bytes(baseline.sizeBytes)}` : "the reference itself",
    ),
    tile(
      "Latency, median",
      ms(pick.latency.p50Ms),
      changed
        ? `${times(1 / ratio.median)} as fast (${times(1 / ratio.high)} to ${times(1 / ratio.low)})`
        : `${counted(pick.latency.runs, "run")}`,
    ),
  ];
  const point = pointAt(pick, far);
  const name = html`TAR at FAR ${smallRate(far)}`;
  if (point?.kind === "figure") {
    const { tar } = point;
    out.push(
      tile(
        name,
        percent(tar.value),
        `${Math.round(tar.confidence * 100)} % interval ${percent(tar.low)} to ${percent(tar.high)}`,
      ),
    );
  } else {
    out.push(
      tile(name, "cannot be told", point === undefined ? "not asked for" : `needs ${count(point.needsMore)} more comparisons`),
    );
  }
  const difference = pick.versus?.tarDifference.find((d) => d.far === far)?.difference;
  if (difference !== undefined) {
    out.push(
      tile(
        "Change against FP32",
        points(difference.value),
        `${points(difference.low)} to ${points(difference.high)}, same pairs`,
      ),
    );
  }
  return out;
}

function budgetLine(view: ReportView): Html {
  const { budgets } = view.report.pick;
  const limits = [
    budgets.maxDrop === undefined ? undefined : `TAR loss at most ${(budgets.maxDrop * 100).toFixed(2)} points`,
    budgets.maxLatencyMs === undefined ? undefined : `latency at most ${ms(budgets.maxLatencyMs)}`,
    budgets.maxSizeBytes === undefined ? undefined : `size at most ${bytes(budgets.maxSizeBytes)}`,
  ].filter((l) => l !== undefined);
  return html`<p class="budgets">Judged at FAR ${smallRate(budgets.far)}; budgets: ${limits.length === 0 ? "none given" : limits.join(", ")}.</p>`;
}

/** What makes the figures weaker than they look; nothing when there is nothing. */
function cautions(view: ReportView): HtmlPart {
  const { report, pick, baseline } = view;
  const list: HtmlPart[] = [];
  const { sharedSubjects } = report.data;
  if (sharedSubjects.length > 0)
    list.push(
      html`${badge("invalid", "bad")} ${count(sharedSubjects.length)} people (such as ${sharedSubjects.slice(0, 3).join(", ")}) are in both calibration and evaluation: no figure here is a measure of anything.`,
    );
  if (report.preprocessing?.questioned) list.push(html`${badge("pre-processing", "warn")} ${report.preprocessing.says}`);
  const { proof } = report.graph;
  if (proof.kind !== "proved")
    list.push(
      html`${badge("no proof", "warn")} The simplified graph was not shown to compute the same: ${proof.why ?? `proof ${proof.kind}`}.`,
    );
  for (const gate of pick?.gates ?? [])
    if (!gate.pass) list.push(html`${badge("gate failed", "bad")} ${gate.gate}: ${gate.says}`);
  const open = (baseline?.accuracy.tarAtFar ?? []).filter((p) => p.kind === "insufficient-data");
  for (const p of open)
    list.push(
      html`${badge("too few comparisons", "warn")} FAR ${smallRate(p.far)} needs ${count(p.needsMore)} more comparisons; no figure is given there.`,
    );
  for (const hazard of report.model.hazards) list.push(html`${badge("hazard", "warn")} ${hazard}`);
  if (report.basis?.deviceIsElsewhere)
    list.push(
      html`${badge("other machine", "warn")} Nothing here was measured on ${report.target.id}: every figure is of this machine, <a href="#basis">what is expected of the device</a> stands apart.`,
    );
  if (list.length === 0) return undefined;
  return html`<section class="cautions" aria-labelledby="cautions"><h2 id="cautions">Read before relying on this</h2><ul>${list.map((item) => html`<li>${item}</li>`)}</ul></section>`;
}
