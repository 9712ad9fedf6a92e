import type { OptimizeReport } from "@tessera/core/protocol/report";
import type { Section } from "./blocks.ts";
import { baseName } from "./format.ts";
import { type Html, html, trusted } from "./html.ts";
import { accuracySection } from "./sections/accuracy.ts";
import { basisSection } from "./sections/basis.ts";
import { candidatesSection } from "./sections/candidates.ts";
import { cohortsSection } from "./sections/cohorts.ts";
import { artefactsSection, dataSection, machineSection, nextSection, preprocessingSection } from "./sections/evidence.ts";
import { flipsSection } from "./sections/flips.ts";
import { graphSection } from "./sections/graph.ts";
import { layersSection } from "./sections/layers.ts";
import { runtimeSection } from "./sections/runtime.ts";
import { gatesSection, matrixSection } from "./sections/safety.ts";
import { searchSection } from "./sections/search.ts";
import { renderHead } from "./sections/verdict.ts";
import { wholeDataSection } from "./sections/whole-data.ts";
import { STYLES } from "./styles.ts";
import { type ReportView, viewOf } from "./view.ts";

/** Chapters in the order in which a reviewer asks; one that has nothing to say is left out. */
const SECTIONS: readonly ((view: ReportView) => Section | undefined)[] = [
  candidatesSection,
  basisSection,
  searchSection,
  accuracySection,
  wholeDataSection,
  cohortsSection,
  flipsSection,
  matrixSection,
  gatesSection,
  runtimeSection,
  layersSection,
  graphSection,
  preprocessingSection,
  dataSection,
  machineSection,
  artefactsSection,
  nextSection,
];

/**
 * The report as one self-contained HTML page: no script, no external resource, static SVG, light and dark, ready for print. Everything from the
 * report is escaped. Same report, same page.
 */
export function renderReport(report: OptimizeReport): string {
  const view = viewOf(report);
  const sections = SECTIONS.map((make) => make(view)).filter((s) => s !== undefined);
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${baseName(report.model.file)} for ${report.target.id}: ${report.illustration === undefined ? "" : "illustration, "}optimisation report</title>
<style>${trusted(STYLES)}</style>
</head>
<body>
<a class="skip" href="#candidates">Skip to the figures</a>
${report.illustration === undefined ? undefined : html`<div class="strip" aria-hidden="true">Illustration only</div>`}
<div class="page">
<nav class="contents" aria-label="Contents"><ol>${sections.map((s) => html`<li><a href="#${s.id}">${s.title}</a></li>`)}</ol></nav>
<main>
${renderHead(view)}
${sections.map(renderSection)}
<footer><p>Made by ${report.tool.name} ${report.tool.version} from <code>report.json</code>, which holds every figure of this page.</p></footer>
</main>
</div>
</body>
</html>
`;
  return page.text;
}

function renderSection(section: Section): Html {
  return html`<section class="chapter" id="${section.id}" aria-labelledby="${section.id}-h">
<h2 id="${section.id}-h">${section.title}</h2>
${section.lead === undefined ? undefined : html`<p class="lead">${section.lead}</p>`}
${section.body}
</section>
`;
}
