import type { ChainReport, SearchInterval, SearchReport } from "@tessera/core/protocol/search-report";
import { badge, candidateName, facts, figure, fold, type Section, small, table } from "../blocks.ts";
import { costliestGroups, NAMED_GROUPS, searchPathChart, sensitivityChart } from "../charts/search.ts";
import { count, counted, fixed, NOTHING, percent, signedFixed, smallRate } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import type { ReportView } from "../view.ts";

const WORST = 10;

/** How the plan was found: on whom, what was tried and taken, what each part of the network costs. */
export function searchSection(view: ReportView): Section | undefined {
  const { search } = view.report;
  if (search === undefined) return undefined;
  return {
    id: "search",
    title: "How the plan was found",
    lead: html`${counted(search.steps.length, "plan")} tried on ${count(search.people.searched)} people who are in no other figure of this page, but for the table on everybody; each judged by what it loses at FAR ${smallRate(search.far)}, not by how near its numbers are.`,
    body: html`${facts(rowsOf(search))}${path(search)}${chain(view, search)}${sensitivity(search)}${reasons(view, search)}`,
  };
}

function rowsOf(search: SearchReport): readonly (readonly [HtmlPart, HtmlPart])[] {
  const { people } = search;
  return [
    ["People", `${people.says}: ${count(people.searched)} searched on, ${count(people.reported)} others reported on`],
    [
      "Judged by",
      `${counted(people.samples, "face")}: ${count(people.genuine)} genuine and ${count(people.impostor)} impostor comparisons`,
    ],
    ["Loss", search.convention],
    ["It ended because", search.stopped],
    [
      "Work",
      `${fixed(search.seconds, 0)} s, ${counted(search.evaluations, "answer")} computed${search.resumed ? `, ${count(search.recalled)} taken from an interrupted run` : ""}`,
    ],
  ];
}

function loss({ value, low, high }: SearchInterval): Html {
  const pt = (v: number): string => fixed(v * 100, 3);
  return html`<span class="line">${pt(value)} pt</span>${small(`${pt(low)} to ${pt(high)}`)}`;
}

function path(search: SearchReport): Html {
  const rows = search.steps.map((s, i) => ({
    ...(s.accepted ? { mark: "picked" } : {}),
    cells: [
      html`<b class="rank">${i + 1}</b> ${s.says}`,
      s.accepted ? badge("taken", "good") : badge("left", "plain"),
      loss(s.figures.loss),
      fixed(s.figures.cosineMean, 4),
      signedFixed(s.figures.impostorShift, 4),
      s.why,
    ],
  }));
  const columns = [
    { title: "Tried" },
    { title: "" },
    { title: "Expected loss", number: true },
    { title: "Cosine", number: true },
    { title: "Impostors", number: true },
    { title: "Why" },
  ];
  return html`<h3>What was tried</h3>${figure(
    searchPathChart(search),
    "Expected loss of TAR with its interval over people. Filled: better than what stood before, and taken. Dashed: plain quantization.",
  )}${fold(`All ${counted(search.steps.length, "plan")} with reasons`, table("Plans in the order of the search", columns, rows))}`;
}

function chain(view: ReportView, search: SearchReport): Html {
  const row = (point: ChainReport) => ({
    ...(point.candidate !== undefined && point.candidate === view.pick?.id ? { mark: "picked" } : {}),
    cells: [
      point.candidate === undefined ? html`${point.says}` : html`${candidateName(view, point.candidate)}${small(point.says)}`,
      loss(point.figures.loss),
      `${count(point.figures.flips)} of ${count(point.figures.nearPairs)}`,
      fixed(point.figures.worstShift, 3),
      fixed(point.figures.cosineMean, 4),
      percent(point.timeRatio, 0),
    ],
  });
  return html`<h3>From all integers to more nodes in float</h3>${table(
    "Points that the search ended with, on the people of the search",
    [
      { title: "Plan" },
      { title: "Expected loss", number: true },
      { title: "Flips near the threshold", number: true },
      { title: "Largest shift", number: true },
      { title: "Cosine", number: true },
      { title: "Predicted time", number: true },
    ],
    [search.plain, ...search.chain].map(row),
  )}`;
}

function sensitivity(search: SearchReport): HtmlPart {
  if (search.sensitivity.length === 0) return undefined;
  const rows = (groups: SearchReport["sensitivity"], numbered: boolean) =>
    groups.map((g, i) => ({
      cells: [
        html`<span class="file">${numbered ? html`<b class="rank">${i + 1}</b>` : undefined}${g.name}</span>`,
        g.op,
        fixed(g.alone.spread, 4),
        `${count(g.alone.flips)} of ${count(g.nearPairs)}`,
        g.without === undefined ? NOTHING : signedFixed(g.without.spread - g.whole.spread, 4),
        g.timeShare === 0 ? NOTHING : `${g.timeShare > 0 ? "+" : ""}${percent(g.timeShare, 1)}`,
      ],
    }));
  const columns = [
    { title: "Group" },
    { title: "Operator" },
    { title: "Spread alone", number: true },
    { title: "Flips alone", number: true },
    { title: "Spread if float", number: true },
    { title: "Time if float", number: true },
  ];
  const shown = Math.min(WORST, search.sensitivity.length);
  return html`<h3>What each part costs</h3>${figure(
    sensitivityChart(search),
    `Spread of the scores near the threshold when one group alone computes in integers. The ${NAMED_GROUPS} worst are numbered as in the table.`,
  )}${table(`The ${shown} groups that cost most`, columns, rows(costliestGroups(search, WORST), true))}${fold(
    `All ${counted(search.sensitivity.length, "group")} in graph order`,
    table("All groups in graph order", columns, rows(search.sensitivity, false)),
  )}`;
}

function reasons(view: ReportView, search: SearchReport): HtmlPart {
  const all = search.reasons ?? [];
  const own = all.find((r) => r.candidate === view.pick?.id) ?? all.at(-1);
  if (own === undefined) return undefined;
  return fold(
    html`Why each node of ${candidateName(view, own.candidate)} computes as it does`,
    table(
      "Nodes with reasons",
      [{ title: "Node" }, { title: "Computes in" }, { title: "Why" }],
      own.nodes.map((n) => ({ cells: [html`<span class="file">${n.node}</span>`, n.precision, n.reason] })),
    ),
  );
}
