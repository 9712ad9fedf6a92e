import type { OptimizeReport } from "@tessera/core/protocol/report";
import { bytes, far as farText, ms, percent } from "./format.ts";
import { renderTable } from "./table.ts";

/** The candidates of a report as a table: size, latency, TAR at each FAR with its interval, differences, gates. */
export function candidatesTable(report: OptimizeReport): string {
  const fars = report.candidates[0]?.accuracy.tarAtFar.map((p) => p.far) ?? [];
  const columns = [
    { title: "" },
    { title: "variant" },
    { title: "size", right: true },
    { title: "p50", right: true },
    { title: "speed-up", right: true },
    ...fars.map((f) => ({ title: `TAR@${farText(f)} (95 %)`, right: true })),
    { title: "cosine", right: true },
    { title: "flips", right: true },
    { title: "worst shift", right: true },
    { title: "gates" },
  ];
  const rows = report.candidates.map((c) => {
    const firstFlips = c.versus?.flips.find((f) => f.far === report.pick.budgets.far);
    return [
      `${c.id === report.pick.id ? "▶" : ""}${report.pareto.includes(c.id) ? "*" : ""}`,
      c.says,
      bytes(c.sizeBytes),
      ms(c.latency.p50Ms),
      `${(1 / c.latency.ratioToBaseline.median).toFixed(2)}x`,
      ...fars.map((f) => {
        const point = c.accuracy.tarAtFar.find((p) => p.far === f);
        if (point?.kind !== "figure") return `needs ${point?.needsMore ?? "?"} more`;
        return `${percent(point.tar.value)} (${(point.tar.low * 100).toFixed(1)}..${(point.tar.high * 100).toFixed(1)})`;
      }),
      c.versus === undefined ? "-" : c.versus.cosineMean.toFixed(4),
      firstFlips === undefined ? "-" : `+${firstFlips.newlyAccepted} -${firstFlips.newlyRejected}`,
      c.versus === undefined ? "-" : c.versus.worstScoreShift.toFixed(3),
      c.gates.every((g) => g.pass)
        ? "pass"
        : c.gates
            .filter((g) => !g.pass)
            .map((g) => g.gate)
            .join(","),
    ];
  });
  return renderTable(columns, rows);
}
