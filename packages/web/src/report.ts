import type { OptimizeReport } from "@tessera/core/protocol/report";

/** The report as one self-contained HTML page. */
export function renderReport(report: OptimizeReport): string {
  return `<!doctype html><title>${report.model.file}</title><pre>${JSON.stringify(report, null, 1).replaceAll("<", "&lt;")}</pre>`;
}
