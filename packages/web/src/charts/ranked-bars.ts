import { rect, ruleY, text } from "@observablehq/plot";
import type { Html } from "../html.ts";
import { type ChartText, drawPlot } from "./plot.ts";

/** One bar. */
export interface RankedBar {
  readonly name: string;
  readonly value: number;
  /** What a pointer over it says. */
  readonly title: string;
  /** 1 for the worst, 2 for the next: drawn in the colour of alarm, with its number on top; absent for the others. */
  readonly rank?: number;
}

/** What {@link rankedBarChart} draws. */
export interface RankedBarOptions {
  readonly text: ChartText;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly domain: readonly [number, number];
}

interface Placed extends RankedBar {
  readonly i: number;
}

/** Bars side by side in the order given; the worst are numbered, unless a worse one stands so near that the two numbers would cover each other. */
export function rankedBarChart(given: readonly RankedBar[], { text: words, xLabel, yLabel, domain }: RankedBarOptions): Html {
  const bars = given.map((bar, i): Placed => ({ ...bar, i }));
  const ranked = bars.filter((b) => b.rank !== undefined);
  const near = bars.length / 60;
  const order = (b: Placed): number => b.rank ?? Number.POSITIVE_INFINITY;
  const numbered = ranked.filter((b) => !ranked.some((o) => Math.abs(o.i - b.i) < near && order(o) < order(b)));
  return drawPlot(words, {
    width: 880,
    height: 280,
    marginLeft: 48,
    marginBottom: 40,
    marginTop: 26,
    marginRight: 12,
    style: { fontSize: "12px" },
    x: { domain: [0, Math.max(1, bars.length)], label: xLabel, labelAnchor: "center", ticks: 8, tickSize: 4 },
    y: { domain: [...domain], label: yLabel, ticks: 6, grid: true, tickSize: 0 },
    marks: [
      rect(bars, {
        x1: (b: Placed) => b.i + 0.12,
        x2: (b: Placed) => b.i + 0.88,
        y1: 0,
        y2: "value",
        fill: (b: Placed) => (b.rank === undefined ? "var(--bar)" : "var(--bad)"),
        title: "title",
      }),
      text(numbered, {
        x: (b: Placed) => b.i + 0.5,
        y: "value",
        text: (b: Placed) => String(b.rank),
        dy: -8,
        fontWeight: 600,
        fill: "var(--bad)",
      }),
      ruleY([0], { stroke: "var(--ink)" }),
    ],
  });
}
