import type { Candidate } from "@tessera/core/protocol/report";
import { candidateName, fold, type Section, table } from "../blocks.ts";
import { count, counted } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** What the runtime really does with the integer candidates, read from its own optimised graph. */
export function runtimeSection(view: ReportView): Section | undefined {
  const fused = view.report.candidates.filter((c) => c.fusion !== undefined);
  if (fused.length === 0) return undefined;
  return {
    id: "runtime",
    title: "What the runtime really runs",
    lead: fused.some((c) => c.fusion?.delegation !== undefined)
      ? "Counted in the files, operator by operator, and asked of a runtime that tells which operators its accelerated kernels took: an 8-bit file is only fast where both hold."
      : "Read from the optimised graph that the runtime itself saved, not from the file that was given to it: an 8-bit file is only fast where its operators became integer kernels.",
    body: html`${coverageTable(view, fused)}${delegation(view, fused)}${fused.map((c) => islands(view, c))}`,
  };
}

function coverageTable(view: ReportView, fused: readonly Candidate[]): Html {
  const ops = [...new Set(fused.flatMap((c) => c.fusion?.integer.map((i) => i.op) ?? []))];
  const cell = (c: Candidate, op: string): HtmlPart => {
    const found = c.fusion?.integer.find((i) => i.op === op);
    if (found === undefined) return html`<span class="quiet">none</span>`;
    const share = found.total === 0 ? 0 : Math.round((found.integer / found.total) * 100);
    return html`<span class="${found.integer === found.total ? "full" : "part"}">${found.integer}/${found.total}</span><span class="meter" aria-hidden="true"><i style="width:${share}%"></i></span>`;
  };
  return table(
    "Integer kernels by operator",
    [
      { title: "Candidate" },
      ...ops.map((op) => ({ title: op, number: true })),
      { title: "Transposes", number: true },
      { title: "Q/DQ left", number: true },
      { title: "Float islands", number: true },
    ],
    fused.map((c) => ({
      ...(c === view.pick ? { mark: "picked" } : {}),
      cells: [
        candidateName(view, c.id),
        ...ops.map((op) => cell(c, op)),
        count(c.fusion?.transposes ?? 0),
        count(c.fusion?.quantizeNodes ?? 0),
        count(c.fusion?.islands.length ?? 0),
      ],
    })),
  );
}

/** What XNNPACK takes over, and what is left to slower kernels. */
function delegation(view: ReportView, fused: readonly Candidate[]): HtmlPart {
  const rows = fused.flatMap((c) => (c.fusion?.delegation === undefined ? [] : [{ c, found: c.fusion.delegation }]));
  const [first] = rows;
  if (first === undefined) return undefined;
  return table(
    `Operators that XNNPACK takes over, as ${first.found.runtime} has it`,
    [{ title: "Candidate" }, { title: "Taken", number: true }, { title: "Left to slower kernels" }],
    rows.map(({ c, found }) => ({
      ...(c === view.pick ? { mark: "picked" } : {}),
      cells: [
        candidateName(view, c.id),
        `${count(found.delegated)}/${count(found.total)}`,
        found.fallback.length === 0 ? "none" : found.fallback.map((f) => `${f.count} ${f.op}`).join(", "),
      ],
    })),
  );
}

const OPEN_ISLANDS = 8;

function islands(view: ReportView, candidate: Candidate): HtmlPart {
  const list = candidate.fusion?.islands ?? [];
  if (list.length === 0) return undefined;
  const content = table(
    `Float islands of ${candidate.says}`,
    [{ title: "Node" }, { title: "Operator" }, { title: "Why it stays in float" }],
    list.map((i) => ({ cells: [html`<span class="file">${i.node}</span>`, i.op, i.why] })),
  );
  const title = html`${counted(list.length, "float island")} of ${candidateName(view, candidate.id)}`;
  return candidate === view.focus && list.length <= OPEN_ISLANDS ? html`<h3>${title}</h3>${content}` : fold(title, content);
}
