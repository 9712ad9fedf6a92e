import { dot, link, ruleX, ruleY } from "@observablehq/plot";
import type { SearchReport } from "@tessera/core/protocol/search-report";
import { points } from "../format.ts";
import type { Html } from "../html.ts";
import { drawPlot } from "./plot.ts";
import { type RankedBar, rankedBarChart } from "./ranked-bars.ts";

/** Groups named on the chart and in the table beside it. */
export const NAMED_GROUPS = 3;

/** Groups by what they cost alone, worst first. */
export function costliestGroups(search: SearchReport, many: number): SearchReport["sensitivity"] {
  return [...search.sensitivity].sort((a, b) => b.alone.spread - a.alone.spread).slice(0, many);
}

/** What each group of nodes does to the scores near the threshold when it alone computes in integers, in graph order. */
export function sensitivityChart(search: SearchReport): Html {
  const ranks = new Map(costliestGroups(search, NAMED_GROUPS).map((g, i) => [g.name, i + 1] as const));
  const bars = search.sensitivity.map(({ name, op, alone, nearPairs }): RankedBar => {
    const rank = ranks.get(name);
    const title = `${name} (${op}): scores spread by ${alone.spread.toFixed(4)}, ${alone.flips} of ${nearPairs} decisions flip`;
    return { name, value: alone.spread * 1000, title, ...(rank === undefined ? {} : { rank }) };
  });
  const worst = costliestGroups(search, NAMED_GROUPS).map((g) => `${g.name} (${g.op}) ${g.alone.spread.toFixed(4)}`);
  return rankedBarChart(bars, {
    text: {
      id: "sensitivity",
      title: "What each group of nodes costs by itself",
      description: `Spread of the scores near the threshold when only this group computes in integers, for ${bars.length} groups in graph order. Worst: ${worst.join(", ")}.`,
    },
    xLabel: "Groups of nodes in graph order →",
    yLabel: "↑ spread of scores, thousandths",
    domain: [0, Math.max(0.1, ...bars.map((b) => b.value)) * 1.1],
  });
}

interface Tried {
  readonly i: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly accepted: boolean;
  readonly says: string;
}

/** What every point that was tried is expected to lose at the operating point, with its interval, in the order of the search. */
export function searchPathChart(search: SearchReport): Html {
  const { plain } = search;
  const tried = search.steps.map(
    ({ says, accepted, figures: { loss } }, i): Tried => ({
      i: i + 1,
      value: loss.value * 100,
      low: loss.low * 100,
      high: loss.high * 100,
      accepted,
      says,
    }),
  );
  const taken = tried.filter((t) => t.accepted);
  const line = taken.slice(1).map((t, i) => ({ from: taken[i] as Tried, to: t }));
  const plainLoss = plain.figures.loss.value * 100;
  return drawPlot(
    {
      id: "search-path",
      title: "What the search tried",
      description: `Expected loss of TAR of ${tried.length} plans in the order of the search, against ${points(-plainLoss / 100)} for plain quantization. Taken: ${taken.map((t) => `${t.says} ${t.value.toFixed(3)}`).join("; ")}.`,
    },
    {
      width: 880,
      height: 300,
      marginLeft: 54,
      marginBottom: 40,
      marginTop: 26,
      marginRight: 12,
      style: { fontSize: "12px" },
      x: {
        domain: [0, tried.length + 1],
        label: "Plans in the order of the search →",
        labelAnchor: "center",
        ticks: 8,
        tickSize: 4,
      },
      y: { label: "↑ expected loss of TAR, percentage points", ticks: 6, grid: true, tickSize: 0, nice: true, zero: true },
      marks: [
        ruleY([0], { stroke: "var(--ink)" }),
        ruleY([plainLoss], { stroke: "var(--bad)", strokeDasharray: "4 3" }),
        ruleX(tried, { x: "i", y1: "low", y2: "high", stroke: "var(--bar)", strokeWidth: 1.5 }),
        link(line, {
          x1: (l: { from: Tried }) => l.from.i,
          x2: (l: { to: Tried }) => l.to.i,
          y1: (l: { from: Tried }) => l.from.value,
          y2: (l: { to: Tried }) => l.to.value,
          stroke: "var(--good)",
          strokeWidth: 1.6,
        }),
        dot(
          tried.filter((t) => !t.accepted),
          { x: "i", y: "value", r: 3.6, stroke: "var(--bar)", fill: "var(--paper)", strokeWidth: 1.6, title: "says" },
        ),
        dot(taken, { x: "i", y: "value", r: 4.4, fill: "var(--good)", title: "says" }),
      ],
    },
  );
}
