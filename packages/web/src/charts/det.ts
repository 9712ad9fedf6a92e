import { gridX, gridY, line, type Markish, rect, ruleX, text, tickX, tickY } from "@observablehq/plot";
import { smallRate } from "../format.ts";
import type { Html } from "../html.ts";
import { lookOf, pointAt, type ReportView } from "../view.ts";
import { drawPlot } from "./plot.ts";

const decadesBetween = (low: number, high: number): readonly number[] => {
  const out: number[] = [];
  for (let e = Math.ceil(Math.log10(low) - 1e-9); e <= Math.floor(Math.log10(high) + 1e-9); e++) out.push(10 ** e);
  return out;
};

/** Where the plot begins and ends, and where the data stop to carry: below three expected errors (3/N) a rate is a guess. */
export interface DetFrame {
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  /** Lowest false match rate that the number of impostor comparisons supports. */
  readonly fmrFloor: number;
  readonly fnmrFloor: number;
}

/** Frame of the DET plot from what was compared and asked. */
export function detFrame(view: ReportView): DetFrame {
  const { genuine, impostor } = view.report.data.evaluation;
  const fmrFloor = Math.min(0.5, 3 / Math.max(1, impostor));
  const fnmrFloor = Math.min(0.5, 3 / Math.max(1, genuine));
  const left = Math.min(fmrFloor / 3, ...view.fars.map((f) => f / 3));
  const shown = view.report.candidates.flatMap((c) => c.curves.det).filter((p) => p.fmr >= left && p.fmr <= 0.1 && p.fnmr > 0);
  const low = Math.min(fnmrFloor / 2, ...shown.map((p) => p.fnmr));
  const high = Math.max(fnmrFloor * 10, ...shown.map((p) => p.fnmr));
  return { x: [left, 0.1], y: [low, Math.min(1, high * 1.3)], fmrFloor, fnmrFloor };
}

/**
 * DET curves of all candidates. Logarithmic axes instead of the older probit ones: at the rates that matter the two look the same, and decades
 * are read without a table.
 */
export function detChart(view: ReportView): Html {
  const frame = detFrame(view);
  const { x, y, fmrFloor, fnmrFloor } = frame;
  const marks: Markish[] = [
    gridX(decadesBetween(...x), { stroke: "var(--grid)", strokeOpacity: 1 }),
    gridY(decadesBetween(...y), { stroke: "var(--grid)", strokeOpacity: 1 }),
    rect([{}], { x1: x[0], x2: fmrFloor, y1: y[0], y2: y[1], fill: "var(--thin)" }),
  ];
  if (fnmrFloor > y[0]) marks.push(rect([{}], { x1: fmrFloor, x2: x[1], y1: y[0], y2: fnmrFloor, fill: "var(--thin)" }));
  marks.push(
    text([{}], {
      x: x[0],
      y: y[1],
      dx: 6,
      dy: 10,
      textAnchor: "start",
      lineAnchor: "top",
      fill: "var(--muted)",
      fontSize: 11,
      text: () => "too few\ncomparisons",
    }),
    ruleX(view.fars, { stroke: "var(--muted)", strokeDasharray: "2 3" }),
    text(view.fars, {
      x: (f: number) => f,
      y: y[1],
      text: (f: number) => `FAR ${smallRate(f)}`,
      textAnchor: "start",
      lineAnchor: "bottom",
      dx: -14,
      dy: -5,
      fill: "var(--ink)",
      fontSize: 12,
      fontWeight: 600,
    }),
  );
  const focus = view.focus?.id;
  const ordered = [...view.report.candidates].sort((a, b) => Number(a.id === focus) - Number(b.id === focus));
  for (const candidate of ordered) {
    const look = lookOf(view, candidate.id);
    const points = candidate.curves.det.map((p) => ({ x: p.fmr, y: Math.max(p.fnmr, y[0]) })).filter((p) => p.x > 0);
    const inside = points.filter((p, i) => p.x >= x[0] || (points[i - 1]?.x ?? 0) >= x[0]);
    const strong = candidate.id === focus;
    marks.push(
      line(inside, {
        x: "x",
        y: "y",
        stroke: look.colour,
        strokeWidth: strong ? 2.6 : 1.5,
        strokeDasharray: look.dash,
        clip: true,
      }),
    );
  }
  marks.push(tickX([0], { x: x[1], stroke: "none" }), tickY([0], { y: y[0], stroke: "none" }));
  const said = view.report.candidates.map((c) => {
    const at = view.fars.flatMap((far) => {
      const p = pointAt(c, far);
      return p?.kind === "figure" ? [`${((1 - p.tar.value) * 100).toFixed(2)} % at ${far}`] : [];
    });
    return `${c.says}: ${at.length === 0 ? "no rate can be told" : at.join(", ")}`;
  });
  return drawPlot(
    {
      id: "det",
      title: "Detection error trade-off of all candidates",
      description: `False non-match rate against false match rate, both logarithmic. False non-match rates: ${said.join("; ")}.`,
    },
    {
      width: 880,
      height: 460,
      marginLeft: 62,
      marginBottom: 46,
      marginTop: 30,
      marginRight: 18,
      style: { fontSize: "12px" },
      x: {
        type: "log",
        domain: [...x],
        label: "False match rate (FAR) →",
        labelAnchor: "center",
        ticks: decadesBetween(...x),
        tickFormat: smallRate,
        tickSize: 4,
      },
      y: {
        type: "log",
        domain: [...y],
        label: "↑ False non-match rate (1 − TAR)",
        ticks: yTicks(y),
        tickFormat: rateTick,
        tickSize: 4,
      },
      marks,
    },
  );
}

function yTicks([low, high]: readonly [number, number]): readonly number[] {
  const out: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= 0; e++)
    for (const m of [1, 2, 5])
      if (m * 10 ** e >= low * 0.999 && m * 10 ** e <= high * 1.001) out.push(Number((m * 10 ** e).toPrecision(2)));
  return out;
}

function rateTick(rate: number): string {
  return `${Number((rate * 100).toPrecision(2))} %`;
}
