import { dot, link, ruleY, text } from "@observablehq/plot";
import { at } from "@tessera/core/base/assert";
import { bytes, ms, points } from "../format.ts";
import type { Html } from "../html.ts";
import { lookOf, type ReportView } from "../view.ts";
import { drawPlot } from "./plot.ts";

interface Spot {
  readonly id: string;
  readonly says: string;
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** File size against latency, a mark a candidate; the ones on the Pareto front are filled. */
export function sizeLatencyChart(view: ReportView): Html {
  const spots = view.report.candidates.map((c) => ({ id: c.id, says: c.says, x: c.latency.p50Ms, y: c.sizeBytes / 1e6 }));
  return scatter(view, spots, {
    id: "trade-size",
    title: "File size against latency",
    description: view.report.candidates.map((c) => `${c.says}: ${ms(c.latency.p50Ms)}, ${bytes(c.sizeBytes)}`).join("; "),
    yLabel: "↑ File size, MB",
    yFormat: (v) => String(Number(v.toPrecision(3))),
  });
}

/** Change of TAR against latency, with intervals; candidates without a figure are left out. */
export function tarLatencyChart(view: ReportView): Html | undefined {
  const { far } = view.report.pick.budgets;
  const spots = view.report.candidates.flatMap((c): Spot[] => {
    const found = c.versus?.tarDifference.find((d) => d.far === far)?.difference;
    const base = { id: c.id, says: c.says, x: c.latency.p50Ms };
    if (c === view.baseline) return [{ ...base, y: 0 }];
    return found === undefined ? [] : [{ ...base, y: found.value * 100, low: found.low * 100, high: found.high * 100 }];
  });
  if (spots.length < 2) return undefined;
  return scatter(view, spots, {
    id: "trade-tar",
    title: "Change of TAR against latency",
    description: spots.map((s) => `${s.says}: ${ms(s.x)}, ${points(s.y / 100)}`).join("; "),
    yLabel: "↑ Change of TAR, points",
    yFormat: (v) => String(Number(v.toFixed(2))).replace("-", "−"),
  });
}

function scatter(
  view: ReportView,
  spots: readonly Spot[],
  chart: {
    readonly id: string;
    readonly title: string;
    readonly description: string;
    readonly yLabel: string;
    readonly yFormat: (v: number) => string;
  },
): Html {
  const pick = spots.filter((s) => s.id === view.pick?.id);
  const ys = spots.flatMap((s) => [s.y, s.low ?? s.y, s.high ?? s.y]);
  const span = Math.max(...ys) - Math.min(...ys) || Math.abs(at(ys, 0)) || 1;
  const fromZero = Math.min(...ys) >= 0;
  const xMax = Math.max(...spots.map((s) => s.x)) * 1.12 || 1;
  return drawPlot(chart, {
    width: 430,
    height: 320,
    marginLeft: 52,
    marginBottom: 44,
    marginTop: 28,
    marginRight: 16,
    style: { fontSize: "12px" },
    x: { domain: [0, xMax], label: "Median latency, ms →", labelAnchor: "center", ticks: 5, tickSize: 4 },
    y: {
      domain: [fromZero ? 0 : Math.min(...ys) - span * 0.08, Math.max(...ys) + span * 0.12],
      label: chart.yLabel,
      ticks: 5,
      grid: true,
      tickSize: 4,
      tickFormat: chart.yFormat,
    },
    marks: [
      ruleY([0], { stroke: fromZero ? "var(--muted)" : "var(--c0)" }),
      link(
        spots.filter((s) => s.low !== undefined),
        { x1: "x", x2: "x", y1: "low", y2: "high", stroke: (s: Spot) => lookOf(view, s.id).colour, strokeWidth: 1.4 },
      ),
      dot(pick, { x: "x", y: "y", r: 12, stroke: "var(--ink)", strokeWidth: 1.2 }),
      ...[...spots.filter((s) => !pick.includes(s)), ...pick].map((s) => {
        const { colour, symbol } = lookOf(view, s.id);
        const filled = view.report.pareto.includes(s.id);
        return dot([s], {
          x: "x",
          y: "y",
          r: 5,
          symbol,
          stroke: colour,
          strokeWidth: 1.8,
          fill: filled ? colour : "var(--paper)",
        });
      }),
      text(pick, {
        x: "x",
        y: "y",
        text: () => "pick",
        dx: 16,
        textAnchor: "start",
        fontWeight: 600,
        fill: "var(--ink)",
        stroke: "var(--paper)",
        strokeWidth: 4,
        fontSize: 12,
      }),
    ],
  });
}
