import { areaY, gridX, gridY, line, type Markish, rect, ruleX, ruleY, text } from "@observablehq/plot";
import type { Candidate } from "@tessera/core/protocol/report";
import { percent, points, smallRate } from "../format.ts";
import type { Html } from "../html.ts";
import { lookOf, pointAt, type ReportView } from "../view.ts";
import { drawPlot } from "./plot.ts";

/** Where the plot begins and ends, and where the data stop to carry: below three expected errors (3/N) a rate is a guess. */
export interface DetFrame {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Lowest false match rate that the number of impostor comparisons supports. */
  readonly fmrFloor: number;
  readonly fnmrFloor: number;
}

/** Where DET plots end: nobody runs a lock that lets in more than one stranger in ten. */
export const WIDEST_FMR = 0.1;

/** Frame of the DET plot from what was compared and asked; `undefined` when nobody is turned away in it, so that there is no curve. */
export function detFrame(view: ReportView): DetFrame | undefined {
  const { genuine, impostor } = view.report.data.evaluation;
  const fmrFloor = Math.min(0.5, 3 / Math.max(1, impostor));
  const fnmrFloor = Math.min(0.5, 3 / Math.max(1, genuine));
  // Not far into what cannot be told, even where that was asked for.
  const left = Math.max(fmrFloor / 30, Math.min(WIDEST_FMR / 10, fmrFloor / 3, ...view.fars.map((f) => f / 3)));
  const shown = view.report.candidates.flatMap((c) => c.curves.det).filter((p) => p.fmr >= left && p.fmr <= WIDEST_FMR);
  const rates = shown.map((p) => p.fnmr).filter((rate) => rate > 0);
  if (rates.length === 0) return undefined;
  const low = Math.min(0.1, ...rates) * 0.7;
  const high = Math.max(low * 10, ...rates) * 1.4;
  return { x: [left, WIDEST_FMR], y: [low, Math.min(1, high)], fmrFloor, fnmrFloor };
}

const SIZE = { width: 880, marginLeft: 62, marginRight: 18, style: { fontSize: "12px" } } as const;
const { log10 } = Math;

// Plot drops labels of logarithmic axes as it thinks fit; on a linear axis of logarithms every tick keeps its label.
function xAxis([low, high]: readonly [number, number]): { domain: number[]; ticks: number[]; [option: string]: unknown } {
  const ticks: number[] = [];
  for (let e = Math.ceil(log10(low) - 1e-9); e <= log10(high) + 1e-9; e++) ticks.push(e);
  return {
    domain: [log10(low), log10(high)],
    ticks,
    tickFormat: (e: number) => smallRate(10 ** e),
    tickSize: 4,
    label: "False match rate (FAR) →",
    labelAnchor: "center",
  };
}

function farMarks(view: ReportView, frame: { readonly left: number; readonly top: number }): Markish[] {
  const fars = view.fars.filter((f) => f >= frame.left);
  return [
    ruleX(fars.map(log10), { stroke: "var(--muted)", strokeDasharray: "2 3" }),
    text(fars, {
      x: log10,
      y: frame.top,
      text: (f: number) => `FAR ${smallRate(f)}`,
      lineAnchor: "bottom",
      dy: -6,
      fill: "var(--ink)",
      fontWeight: 600,
    }),
  ];
}

/**
 * DET curves of all candidates. Logarithmic axes instead of the older probit ones: at the rates that matter the two look the same, and decades
 * are read without a table.
 */
export function detChart(view: ReportView, frame: DetFrame): Html {
  const { x, y, fmrFloor, fnmrFloor } = frame;
  const [bottom, top] = [log10(y[0]), log10(y[1])];
  const axis = xAxis(x);
  const ticks = rateTicks(y);
  const marks: Markish[] = [
    rect([0], { x1: log10(x[0]), x2: log10(fmrFloor), y1: bottom, y2: top, fill: "var(--thin)" }),
    fnmrFloor > y[0]
      ? rect([0], { x1: log10(Math.max(x[0], fmrFloor)), x2: log10(x[1]), y1: bottom, y2: log10(fnmrFloor), fill: "var(--thin)" })
      : undefined,
    gridX(axis.ticks, { stroke: "var(--grid)", strokeOpacity: 1 }),
    gridY(ticks, { stroke: "var(--grid)", strokeOpacity: 1 }),
    text(["too few\ncomparisons"], {
      x: log10(x[0]),
      y: bottom,
      dx: 6,
      dy: -6,
      textAnchor: "start",
      lineAnchor: "bottom",
      fill: "var(--muted)",
      fontSize: 11,
    }),
    ...farMarks(view, { left: x[0], top }),
  ];
  for (const candidate of focusLast(view)) {
    const { colour, dash } = lookOf(view, candidate.id);
    // From the first point left of the frame on: the clip cuts the line at the edge.
    const visible = candidate.curves.det
      .filter((p) => p.fmr > 0)
      .map((p) => ({ x: log10(p.fmr), y: log10(Math.max(p.fnmr, y[0] / 10)) }));
    const strokeWidth = candidate === view.focus ? 2.6 : 1.5;
    marks.push(line(visible, { x: "x", y: "y", stroke: colour, strokeWidth, strokeDasharray: dash, clip: true }));
  }
  const said = view.report.candidates.map((c) => {
    const rates = view.fars.flatMap((far) => {
      const p = pointAt(c, far);
      return p?.kind === "figure" ? [`${percent(1 - p.tar.value)} at ${smallRate(far)}`] : [];
    });
    return `${c.says}: ${rates.length === 0 ? "no rate can be told" : rates.join(", ")}`;
  });
  return drawPlot(
    {
      id: "det",
      title: "Detection error trade-off of all candidates",
      description: `False non-match rate against false match rate, both logarithmic. False non-match rates: ${said.join("; ")}.`,
    },
    {
      ...SIZE,
      height: 470,
      marginTop: 38,
      marginBottom: 44,
      x: axis,
      y: {
        domain: [bottom, top],
        ticks,
        tickFormat: (e: number) => `${Number((10 ** e * 100).toPrecision(2))} %`,
        tickSize: 0,
        label: "↑ False non-match rate (1 − TAR)",
      },
      marks,
    },
  );
}

function rateTicks([low, high]: readonly [number, number]): number[] {
  const out: number[] = [];
  for (let e = Math.floor(log10(low)); e <= 0; e++) for (const m of [1, 2, 5]) out.push(log10(m * 10 ** e));
  return out.filter((t) => t >= log10(low) && t <= log10(high));
}

/** The candidate looked at closely is drawn last, above the others. */
function focusLast(view: ReportView): readonly Candidate[] {
  return [...view.report.candidates].sort((a, b) => Number(a === view.focus) - Number(b === view.focus));
}

/** False non-match rate of a curve at a false match rate, between its points straight in logarithms of the false match rate. */
function fnmrAt(det: Candidate["curves"]["det"], fmr: number): number | undefined {
  for (let i = 1; i < det.length; i++) {
    const [right, left] = [det[i - 1], det[i]];
    if (right === undefined || left === undefined || left.fmr > fmr || right.fmr < fmr) continue;
    if (left.fmr <= 0 || left.fmr === right.fmr) return left.fnmr;
    return left.fnmr + ((right.fnmr - left.fnmr) * log10(fmr / left.fmr)) / log10(right.fmr / left.fmr);
  }
  return undefined;
}

const STEPS = 100;

/** What each candidate adds to the baseline's false non-match rate, over the whole range of false match rates: the DET plot under a lens. */
export function detLensChart(view: ReportView, frame: DetFrame): Html | undefined {
  const { baseline } = view;
  if (baseline === undefined || !baseline.accuracy.tarAtFar.some((p) => p.kind === "figure")) return undefined;
  const { x, fmrFloor } = frame;
  const rates = Array.from(
    { length: STEPS + 1 },
    (_, i) => 10 ** (log10(fmrFloor) + ((log10(x[1]) - log10(fmrFloor)) * i) / STEPS),
  );
  const curves = focusLast(view)
    .filter((c) => c !== baseline)
    .map((candidate) => ({
      candidate,
      spots: rates.flatMap((fmr) => {
        const [a, b] = [fnmrAt(baseline.curves.det, fmr), fnmrAt(candidate.curves.det, fmr)];
        return a === undefined || b === undefined ? [] : [{ x: log10(fmr), y: (b - a) * 100 }];
      }),
    }))
    .filter((c) => c.spots.length > 1);
  if (curves.length === 0) return undefined;
  const all = curves.flatMap((c) => c.spots.map((s) => s.y));
  const domain: [number, number] = [Math.min(0, ...all), Math.max(0.05, ...all)];
  const top = domain[1] + (domain[1] - domain[0]) * 0.08;
  const bottom = domain[0] - (domain[1] - domain[0]) * 0.08;
  return drawPlot(
    {
      id: "det-lens",
      title: "False non-match rate added to FP32’s",
      description: curves
        .map(({ candidate, spots }) => `${candidate.says}: at most ${points(Math.max(...spots.map((s) => s.y)) / 100)}`)
        .join("; "),
    },
    {
      ...SIZE,
      height: 250,
      marginTop: 38,
      marginBottom: 44,
      x: xAxis(x),
      y: {
        domain: [bottom, top],
        ticks: 5,
        grid: true,
        tickSize: 0,
        label: "↑ Added false non-match rate, points",
        tickFormat: (v: number) => String(Number(v.toFixed(2))).replace("-", "−"),
      },
      marks: [
        areaY([log10(x[0]), log10(fmrFloor)], { x: (v: number) => v, y1: bottom, y2: top, fill: "var(--thin)" }),
        ...farMarks(view, { left: x[0], top }),
        ruleY([0], { stroke: "var(--c0)", strokeWidth: 1.5 }),
        ...curves.map(({ candidate, spots }) => {
          const { colour, dash } = lookOf(view, candidate.id);
          return line(spots, {
            x: "x",
            y: "y",
            stroke: colour,
            strokeWidth: candidate === view.focus ? 2.6 : 1.5,
            strokeDasharray: dash,
          });
        }),
      ],
    },
  );
}
