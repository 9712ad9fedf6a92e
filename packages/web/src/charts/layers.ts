import { barX, rect, ruleY, text } from "@observablehq/plot";
import type { LayerComparison } from "@tessera/core/protocol/report";
import { fixed } from "../format.ts";
import type { Html } from "../html.ts";
import { drawPlot } from "./plot.ts";

/** Above this a layer is the same for all purposes; bars end here. */
const TOP_DB = 70;
const NUMBERED = 3;

/** The layers that differ most from float, worst first. */
export function worstLayers(layers: LayerComparison["layers"], many: number): LayerComparison["layers"] {
  return [...layers].sort((a, b) => a.sqnrDb - b.sqnrDb).slice(0, many);
}

/** Signal to quantization noise of every tensor in graph order; short bars are bad, the worst are numbered. */
export function layerChart(comparison: LayerComparison): Html {
  const bars = comparison.layers.map((l, i) => ({ i, name: l.tensor, op: l.op, db: Math.min(TOP_DB, l.sqnrDb), real: l.sqnrDb }));
  const order = (b: { name: string }): number => rank.get(b.name) ?? NUMBERED;
  const rank = new Map(worstLayers(comparison.layers, NUMBERED).map((l, i) => [l.tensor, i + 1] as const));
  // A number over each, unless a worse one stands so near that the two would cover each other.
  const near = bars.length / 60;
  const named = bars.filter((b) => rank.has(b.name));
  const numbered = named.filter((b) => !named.some((o) => Math.abs(o.i - b.i) < near && order(o) < order(b)));
  const low = Math.min(0, ...bars.map((b) => b.db));
  return drawPlot(
    {
      id: "layers",
      title: "Error of each tensor against float",
      description: `Signal to quantization noise in decibels of ${bars.length} tensors in graph order. Worst: ${named.map((b) => `${b.name} (${b.op}) ${fixed(b.real, 1)} dB`).join(", ")}.`,
    },
    {
      width: 880,
      height: 280,
      marginLeft: 48,
      marginBottom: 40,
      marginTop: 26,
      marginRight: 12,
      style: { fontSize: "12px" },
      x: {
        domain: [0, Math.max(1, bars.length)],
        label: "Tensors in graph order →",
        labelAnchor: "center",
        ticks: 8,
        tickSize: 4,
      },
      y: {
        domain: [low, Math.min(TOP_DB, Math.max(20, ...bars.map((b) => b.db)) + 6)],
        label: "↑ SQNR, dB",
        ticks: 6,
        grid: true,
        tickSize: 0,
      },
      marks: [
        rect(bars, {
          x1: (b: { i: number }) => b.i + 0.12,
          x2: (b: { i: number }) => b.i + 0.88,
          y1: 0,
          y2: "db",
          fill: (b: { name: string }) => (rank.has(b.name) ? "var(--bad)" : "var(--bar)"),
          title: (b: { name: string; op: string; real: number }) => `${b.name} (${b.op}): ${fixed(b.real, 1)} dB`,
        }),
        text(numbered, {
          x: (b: { i: number }) => b.i + 0.5,
          y: "db",
          text: (b: { name: string }) => String(order(b)),
          dy: -8,
          fontWeight: 600,
          fill: "var(--bad)",
        }),
        ruleY([0], { stroke: "var(--ink)" }),
      ],
    },
  );
}

/** Times by kind of operator, summed. */
export interface OperatorTime {
  readonly op: string;
  readonly baselineUs: number;
  readonly candidateUs: number;
}

/** Sums node times by the operator they stand for: the integer kernel of Conv counts as Conv. */
export function operatorTimes(comparison: LayerComparison): readonly OperatorTime[] {
  const sums = new Map<string, { baselineUs: number; candidateUs: number }>();
  const add = (op: string, key: "baselineUs" | "candidateUs", us: number): void => {
    const family = op.replace(/^(QLinear|Fused|Nhwc)/, "").replace(/Integer$/, "");
    const sum = sums.get(family) ?? { baselineUs: 0, candidateUs: 0 };
    sum[key] += us;
    sums.set(family, sum);
  };
  for (const t of comparison.baselineTimes) add(t.op, "baselineUs", t.timeUs);
  for (const t of comparison.times) add(t.op, "candidateUs", t.timeUs);
  return [...sums]
    .map(([op, sum]) => ({ op, ...sum }))
    .sort((a, b) => Math.max(b.baselineUs, b.candidateUs) - Math.max(a.baselineUs, a.candidateUs));
}

const SHOWN_OPERATORS = 10;

/** Where the time goes: a pair of bars an operator, baseline above candidate. */
export function operatorTimeChart(
  times: readonly OperatorTime[],
  names: {
    readonly baseline: { readonly says: string; readonly colour: string };
    readonly candidate: { readonly says: string; readonly colour: string };
  },
): Html {
  const shown = times.slice(0, SHOWN_OPERATORS);
  const rows = shown.flatMap((t) => [
    { op: t.op, who: "baseline", us: t.baselineUs },
    { op: t.op, who: "candidate", us: t.candidateUs },
  ]);
  const us = (v: number): string => (v >= 1000 ? `${(v / 1000).toFixed(2)} ms` : `${Math.round(v)} µs`);
  return drawPlot(
    {
      id: "operator-times",
      title: "Time by operator",
      description: shown
        .map((t) => `${t.op}: ${us(t.baselineUs)} in ${names.baseline.says}, ${us(t.candidateUs)} in ${names.candidate.says}`)
        .join("; "),
    },
    {
      width: 880,
      height: 50 + shown.length * 40,
      marginLeft: 150,
      marginRight: 70,
      marginTop: 6,
      marginBottom: 38,
      style: { fontSize: "12px" },
      fy: { domain: shown.map((t) => t.op), label: null, padding: 0.22, tickSize: 0 },
      y: { domain: ["baseline", "candidate"], axis: null },
      x: {
        label: "Milliseconds of one inference →",
        labelAnchor: "center",
        ticks: 6,
        grid: true,
        tickSize: 0,
        tickFormat: (v: number) => String(v / 1000),
      },
      marks: [
        barX(rows, {
          fy: "op",
          y: "who",
          x: "us",
          fill: (r: { who: string }) => (r.who === "baseline" ? names.baseline.colour : names.candidate.colour),
        }),
        text(rows, {
          fy: "op",
          y: "who",
          x: "us",
          text: (r: { us: number }) => (r.us === 0 ? "none" : us(r.us)),
          textAnchor: "start",
          dx: 5,
          fontSize: 11,
          fill: "var(--muted)",
        }),
      ],
    },
  );
}
