import type { OptimizeReport } from "@tessera/core/protocol/report";
import type { Section } from "./blocks.ts";
import { baseName } from "./format.ts";
import { html } from "./html.ts";
import { renderPage } from "./page.ts";
import { accuracySection } from "./sections/accuracy.ts";
import { basisSection } from "./sections/basis.ts";
import { candidatesSection } from "./sections/candidates.ts";
import { cohortsSection } from "./sections/cohorts.ts";
import { artefactsSection, dataSection, machineSection, nextSection, preprocessingSection } from "./sections/evidence.ts";
import { flipsSection } from "./sections/flips.ts";
import { graphSection } from "./sections/graph.ts";
import { layersSection } from "./sections/layers.ts";
import { mcuSection } from "./sections/mcu-variants.ts";
import { runtimeSection } from "./sections/runtime.ts";
import { gatesSection, matrixSection } from "./sections/safety.ts";
import { searchSection } from "./sections/search.ts";
import { renderHead } from "./sections/verdict.ts";
import { wholeDataSection } from "./sections/whole-data.ts";
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
  mcuSection,
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
  const { illustration } = report;
  return renderPage({
    title: html`${baseName(report.model.file)} for ${report.target.id}: ${illustration === undefined ? "" : "illustration, "}optimisation report`,
    skipTo: "candidates",
    ...(illustration === undefined ? {} : { strip: "Illustration only" }),
    head: renderHead(view),
    sections,
    tool: report.tool,
  });
}
