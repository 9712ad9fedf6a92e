import { badge, type Section, table } from "../blocks.ts";
import { count, counted, smallRate } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { ReportView } from "../view.ts";

/** The graph before and after simplification, with the proof. */
export function graphSection(view: ReportView): Section {
  const { graph } = view.report;
  const ops = [...new Set([...Object.keys(graph.before.operators), ...Object.keys(graph.after.operators)])];
  const of = (counts: Readonly<Record<string, number>>, op: string): number =>
    Object.hasOwn(counts, op) ? (counts[op] ?? 0) : 0;
  ops.sort((a, b) => of(graph.before.operators, b) - of(graph.before.operators, a) || (a < b ? -1 : 1));
  const change = (before: number, after: number): string =>
    after === before ? "" : after > before ? `+${after - before}` : `−${before - after}`;
  return {
    id: "graph",
    title: "The graph before and after",
    lead: html`${counted(graph.before.nodes, "node")} became ${count(graph.after.nodes)}.`,
    body: html`<p class="answer">${proofBadge(view)} ${proofSentence(view)}</p>
<div class="pair">${table(
      "Operators before and after",
      [
        { title: "Operator" },
        { title: "Before", number: true },
        { title: "After", number: true },
        { title: "Change", number: true },
      ],
      [
        ...ops.map((op) => {
          const [before, after] = [of(graph.before.operators, op), of(graph.after.operators, op)];
          return { cells: [op, count(before), count(after), change(before, after)] };
        }),
        {
          mark: "total",
          cells: [
            "All nodes",
            count(graph.before.nodes),
            count(graph.after.nodes),
            change(graph.before.nodes, graph.after.nodes),
          ],
        },
      ],
    )}${
      graph.passes.length === 0
        ? html`<p class="quiet">No pass found anything to change.</p>`
        : table(
            "Passes that changed something",
            [{ title: "Pass" }, { title: "Changes", number: true }],
            graph.passes.map((p) => ({
              cells: [html`<span class="file">${p.pass}</span><small>${p.says}</small>`, count(p.changes)],
            })),
          )
    }</div>${
      graph.dropped.length === 0
        ? undefined
        : html`<h3>Rewrites taken back</h3>${table(
            "Rewrites that failed their proof",
            [{ title: "Pass" }, { title: "Where" }, { title: "Why" }],
            graph.dropped.map((d) => ({ cells: [d.pass, html`<span class="file">${d.site}</span>`, d.why] })),
          )}`
    }`,
  };
}

function proofBadge(view: ReportView): Html {
  const { kind } = view.report.graph.proof;
  return kind === "proved" ? badge("proved", "good") : badge(kind === "off" ? "proof off" : "undecided", "warn");
}

function proofSentence(view: ReportView): string {
  const { proof } = view.report.graph;
  const worst = proof.worstRelative === undefined ? "" : `; largest relative difference ${smallRate(proof.worstRelative)}`;
  const why = proof.why === undefined ? "" : `: ${proof.why}`;
  if (proof.kind === "proved") return `Both graphs gave the same answers on ${counted(proof.inputs, "input")}${worst}${why}.`;
  if (proof.kind === "off") return `The proof was switched off${why}.`;
  return `The proof came to no answer on ${counted(proof.inputs, "input")}${worst}${why}.`;
}
