import { dot, link, ruleX } from "@observablehq/plot";
import { points, smallRate } from "../format.ts";
import type { Html } from "../html.ts";
import { lookOf, type ReportView } from "../view.ts";
import { drawPlot } from "./plot.ts";

interface Row {
  readonly id: string;
  readonly says: string;
  readonly far: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Paired change of TAR against the baseline, a row a candidate, a panel a FAR, with intervals and the budget's line. */
export function differenceChart(view: ReportView): Html | undefined {
  const { budgets } = view.report.pick;
  const rows = view.report.candidates.flatMap((c): Row[] =>
    (c.versus?.tarDifference ?? []).map(({ far, difference: d }) => ({
      id: c.id,
      says: c.says,
      far: smallRate(far),
      value: d.value * 100,
      low: d.low * 100,
      high: d.high * 100,
    })),
  );
  if (rows.length === 0) return undefined;
  const names = [...new Set(rows.map((r) => r.id))];
  const saying = new Map(rows.map((r) => [r.id, r.says] as const));
  const colour = (r: Row): string => lookOf(view, r.id).colour;
  const fars = [...new Set(rows.map((r) => r.far))];
  return drawPlot(
    {
      id: "difference",
      title: "Change of TAR against FP32, on the same pairs",
      description: rows
        .map((r) => `${r.says} at FAR ${r.far}: ${points(r.value / 100)} (${points(r.low / 100)} to ${points(r.high / 100)})`)
        .join("; "),
    },
    {
      width: 880,
      height: 84 + names.length * 26,
      marginLeft: 190,
      marginTop: 40,
      marginBottom: 40,
      marginRight: 14,
      style: { fontSize: "12px" },
      fx: { domain: fars, label: null, tickFormat: (f: string) => `FAR ${f}`, padding: 0.12 },
      x: {
        label: "Change of TAR, percentage points →",
        labelAnchor: "center",
        ticks: 4,
        grid: true,
        tickSize: 4,
        tickFormat: tick,
        nice: true,
      },
      y: { domain: names, label: null, tickFormat: (id: string) => shorten(saying.get(id) ?? id), tickSize: 0, type: "band" },
      marks: [
        ruleX([0], { stroke: "var(--ink)", strokeWidth: 1 }),
        ...(budgets.maxDrop === undefined
          ? []
          : [
              ruleX([{ far: smallRate(budgets.far), x: -budgets.maxDrop * 100 }], {
                x: "x",
                fx: "far",
                stroke: "var(--bad)",
                strokeDasharray: "4 3",
              }),
            ]),
        link(rows, {
          fx: "far",
          x1: "low",
          x2: "high",
          y1: "id",
          y2: "id",
          stroke: colour,
          strokeWidth: 2,
          strokeLinecap: "round",
        }),
        ...names.map((id) =>
          dot(
            rows.filter((r) => r.id === id),
            { fx: "far", x: "value", y: "id", symbol: lookOf(view, id).symbol, stroke: colour, fill: colour, r: 4.2 },
          ),
        ),
      ],
    },
  );
}

function tick(value: number): string {
  return String(Number(value.toFixed(2))).replace("-", "−");
}

function shorten(name: string): string {
  return name.length > 28 ? `${name.slice(0, 27)}…` : name;
}
