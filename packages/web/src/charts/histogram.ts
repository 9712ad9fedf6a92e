import { areaY, lineY, type Markish, ruleX, text } from "@observablehq/plot";
import type { Candidate } from "@tessera/core/protocol/report";
import { fixed, smallRate } from "../format.ts";
import type { Html } from "../html.ts";
import { drawPlot } from "./plot.ts";

/** What all histograms of a page share, so that they can be compared by eye. */
export interface HistogramFrame {
  readonly x: readonly [number, number];
  /** Highest density of all. */
  readonly top: number;
  /** Half the lowest density that is not zero: one comparison in a bin, more or less. */
  readonly floor: number;
}

/** Deepest decades of density drawn below the highest. */
const LOG_DECADES = 7;

/** One frame for several candidates. */
export function histogramFrame(candidates: readonly Candidate[]): HistogramFrame {
  const all = candidates.map((c) => c.curves.histogram);
  const densities = all.flatMap((h) => [...h.genuine, ...h.impostor]).filter((d) => d > 0);
  const top = Math.max(1e-9, ...densities);
  return {
    x: [Math.min(...all.map((h) => h.from)), Math.max(...all.map((h) => h.to))],
    top,
    floor: Math.max(top * 10 ** -LOG_DECADES, Math.min(top / 20, ...densities.map((d) => d / 2))),
  };
}

/** Densities of genuine and impostor scores with the threshold of each FAR; `log` shows the tails in which thresholds lie. */
export function histogramChart(
  candidate: Candidate,
  frame: HistogramFrame,
  options: { readonly log: boolean; readonly id: string },
): Html {
  const { histogram } = candidate.curves;
  const floor = options.log ? frame.floor : 0;
  const steps = (values: readonly number[]): { readonly x: number; readonly y: number }[] => {
    const width = (histogram.to - histogram.from) / Math.max(1, values.length);
    return values.map((y, i) => ({ x: histogram.from + (i + 0.5) * width, y: Math.max(y, floor) }));
  };
  const thresholds = candidate.accuracy.tarAtFar.flatMap((p) => (p.kind === "figure" ? [{ far: p.far, x: p.threshold }] : []));
  const marks: Markish[] = [];
  for (const [name, colour] of [
    ["impostor", "var(--impostor)"],
    ["genuine", "var(--genuine)"],
  ] as const) {
    const data = steps(histogram[name]);
    marks.push(
      areaY(data, { x: "x", y1: floor, y2: "y", fill: colour, fillOpacity: 0.22, curve: "step" }),
      lineY(data, { x: "x", y: "y", stroke: colour, strokeWidth: 1.4, curve: "step" }),
    );
    const peak = data.reduce((best, p) => (p.y > best.y ? p : best), { x: 0, y: -1 });
    if (!options.log && peak.y > 0)
      marks.push(text([peak], { x: "x", y: "y", dy: -9, text: () => name, fill: colour, fontWeight: 600, fontSize: 12 }));
  }
  marks.push(
    ruleX(thresholds, { x: "x", stroke: "var(--ink)", strokeWidth: 1, strokeDasharray: "3 2" }),
    // One step lower each, with a halo: thresholds of neighbouring FARs lie close together.
    ...thresholds.map((t, i) =>
      text([t], {
        x: "x",
        y: options.log ? frame.top * 1.3 : frame.top * 1.15,
        dy: 6 + i * 14,
        dx: 4,
        text: () => smallRate(t.far),
        textAnchor: "start",
        fill: "var(--ink)",
        stroke: "var(--paper)",
        strokeWidth: 5,
        fontSize: 11,
      }),
    ),
  );
  const said = thresholds.map((t) => `FAR ${t.far} at ${fixed(t.x, 4)}`).join(", ");
  return drawPlot(
    {
      id: options.id,
      title: `Scores of ${candidate.says}${options.log ? ", logarithmic" : ""}`,
      description: `Densities of genuine and impostor scores. Thresholds: ${said === "" ? "none can be told" : said}.`,
    },
    {
      width: 430,
      height: options.log ? 210 : 190,
      marginLeft: 44,
      marginRight: 8,
      marginTop: 12,
      marginBottom: options.log ? 40 : 24,
      style: { fontSize: "12px" },
      x: { domain: [...frame.x], label: options.log ? "Score (cosine) →" : null, labelAnchor: "center", ticks: 6, tickSize: 4 },
      y: options.log
        ? {
            type: "log",
            domain: [floor, frame.top * 1.3],
            label: null,
            ticks: [0, 1, 2, 3, 4, 5, 6, 7].map((e) => 10 ** (Math.floor(Math.log10(frame.top)) - e)).filter((v) => v >= floor),
            tickFormat: smallRate,
            grid: true,
            tickSize: 0,
          }
        : { domain: [0, frame.top * 1.15], label: null, ticks: 3, grid: true, tickSize: 0 },
      marks,
    },
  );
}
