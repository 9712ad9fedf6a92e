import type { OptimizeReport } from "@tessera/core/protocol/report";
import { ms } from "./format.ts";

/** What a report's figures were measured on, what other runtimes of this machine made of the network, and what is only expected of the device. */
export function basisLines({ basis, elsewhere = [], target }: OptimizeReport): readonly string[] {
  const lines = elsewhere.map(
    (row) =>
      `beside: ${row.says} on ${row.runtime}: ${ms(row.latency.p50Ms)}, cosine to the baseline ${row.cosineMean.toFixed(6)} (least ${row.cosineMin.toFixed(6)})`,
  );
  if (basis === undefined) return lines;
  return [
    ...lines,
    `measured: ${basis.measured}`,
    ...basis.predicted.map((p) => `expected of ${target.id}, not measured: ${p.says} (from ${p.from})`),
    ...basis.unknown.map((u) => `not known: ${u}`),
  ];
}
