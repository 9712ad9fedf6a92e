import type { Candidate } from "@tessera/core/protocol/report";
import { badge, candidateName, figure, fold, type Section, table } from "../blocks.ts";
import { layerChart, operatorTimeChart, operatorTimes, worstLayers } from "../charts/layers.ts";
import { count, counted, fixed, smallRate } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import { lookOf, nameOf, type ReportView } from "../view.ts";

/** What the runtime really does with the integer candidates, read from its own optimised graph. */
export function runtimeSection(view: ReportView): Section | undefined {
  const fused = view.report.candidates.filter((c) => c.fusion !== undefined);
  if (fused.length === 0) return undefined;
  return {
    id: "runtime",
    title: "What the runtime really runs",
    lead: "Read from the optimised graph that the runtime itself saved, not from the file that was given to it: an 8-bit file is only fast where its operators became integer kernels.",
    body: html`${coverageTable(view, fused)}${fused.map((c) => islands(view, c))}`,
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

const WORST = 10;

/** Where the error comes from and where the time goes. */
export function layersSection(view: ReportView): Section | undefined {
  const { layers } = view.report;
  if (layers === undefined || (layers.layers.length === 0 && layers.times.length === 0)) return undefined;
  return {
    id: "layers",
    title: "Layer by layer",
    lead: html`${candidateName(view, layers.candidate)} against FP32 on ${counted(layers.samples, "sample")}.`,
    body: html`${layerErrors(view)}${layerTimes(view)}`,
  };
}

function layerErrors(view: ReportView): HtmlPart {
  const { layers } = view.report;
  if (layers === undefined || layers.layers.length === 0) return undefined;
  const rows = (list: typeof layers.layers) =>
    list.map((l) => ({
      cells: [
        html`<span class="file">${l.tensor}</span>`,
        l.op,
        l.sqnrDb >= 200 ? "identical" : `${fixed(l.sqnrDb, 1)} dB`,
        fixed(l.cosine, 6),
      ],
    }));
  const columns = [
    { title: "Tensor" },
    { title: "Operator" },
    { title: "SQNR", number: true },
    { title: "Cosine", number: true },
  ];
  return html`<h3>Error</h3>${figure(
    layerChart(layers),
    "Signal to quantization noise of each tensor in graph order: longer bars are closer to float. The three worst are marked. Bars end at 70 dB.",
  )}${table(`The ${Math.min(WORST, layers.layers.length)} tensors furthest from float`, columns, rows(worstLayers(layers.layers, WORST)))}${fold(
    `All ${counted(layers.layers.length, "tensor")} in graph order`,
    table("All tensors in graph order", columns, rows(layers.layers)),
  )}`;
}

function layerTimes(view: ReportView): HtmlPart {
  const { layers } = view.report;
  if (layers === undefined || layers.times.length === 0) return undefined;
  const times = operatorTimes(layers);
  const baselineLook = { says: view.baseline?.says ?? "FP32", colour: "var(--c0)" };
  const candidateLook = { says: nameOf(view, layers.candidate), colour: lookOf(view, layers.candidate).colour };
  const us = (value: number): HtmlPart => (value === 0 ? html`<span class="quiet">none</span>` : `${fixed(value, 1)} µs`);
  const slowest = [...layers.times].sort((a, b) => b.timeUs - a.timeUs).slice(0, 20);
  return html`<h3>Time</h3>${figure(
    operatorTimeChart(times, { baseline: baselineLook, candidate: candidateLook }),
    html`Time of one inference by operator, from the runtime’s profiler: above ${candidateName(view, view.baseline?.id ?? "")}, below ${candidateName(view, layers.candidate)}. Profiling itself slows the runtime, so sums are larger than the latencies above.`,
  )}${fold(
    "Times as numbers",
    html`${table(
      "Time by operator",
      [{ title: "Operator" }, { title: baselineLook.says, number: true }, { title: candidateLook.says, number: true }],
      times.map((t) => ({ cells: [t.op, us(t.baselineUs), us(t.candidateUs)] })),
    )}${table(
      `The ${slowest.length} slowest nodes of ${candidateLook.says}`,
      [{ title: "Node" }, { title: "Operator" }, { title: "Time", number: true }],
      slowest.map((t) => ({ cells: [html`<span class="file">${t.name}</span>`, t.op, us(t.timeUs)] })),
    )}`,
  )}`;
}

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
