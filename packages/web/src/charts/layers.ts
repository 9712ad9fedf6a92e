import { barX, text } from "@observablehq/plot";
import type { LayerComparison } from "@tessera/core/protocol/report";
import { fixed } from "../format.ts";
import type { Html } from "../html.ts";
import { drawPlot } from "./plot.ts";
import { type RankedBar, rankedBarChart } from "./ranked-bars.ts";

/** Above this a layer is the same for all purposes; bars end here. */
const TOP_DB = 70;
const NUMBERED = 3;

/** The layers that differ most from float, worst first. */
export function worstLayers(layers: LayerComparison["layers"], many: number): LayerComparison["layers"] {
  return [...layers].sort((a, b) => a.sqnrDb - b.sqnrDb).slice(0, many);
}

/** Signal to quantization noise of every tensor in graph order; short bars are bad, the worst are numbered. */
export function layerChart(comparison: LayerComparison): Html {
  const ranks = new Map(worstLayers(comparison.layers, NUMBERED).map((l, i) => [l.tensor, i + 1] as const));
  const bars = comparison.layers.map(({ tensor, op, sqnrDb }): RankedBar => {
    const rank = ranks.get(tensor);
    const title = `${tensor} (${op}): ${fixed(sqnrDb, 1)} dB`;
    return { name: tensor, value: Math.min(TOP_DB, sqnrDb), title, ...(rank === undefined ? {} : { rank }) };
  });
  const values = bars.map((b) => b.value);
  const named = comparison.layers.filter((l) => ranks.has(l.tensor));
  return rankedBarChart(bars, {
    text: {
      id: "layers",
      title: "Error of each tensor against float",
      description: `Signal to quantization noise in decibels of ${bars.length} tensors in graph order. Worst: ${named.map((l) => `${l.tensor} (${l.op}) ${fixed(l.sqnrDb, 1)} dB`).join(", ")}.`,
    },
    xLabel: "Tensors in graph order →",
    yLabel: "↑ SQNR, dB",
    domain: [Math.min(0, ...values), Math.min(TOP_DB, Math.max(20, ...values) + 6)],
  });
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
