import type { HalfOutcome, HalfReport } from "../work/half-hazards.ts";
import { renderTable } from "./table.ts";

/** What float16 would break, as lines of text. */
export function halfLines(report: HalfReport, top: number): readonly (string | undefined)[] {
  const { hazards, vanishing, tried, worstInput } = report;
  const breaking = hazards.filter((h) => h.kind === "range");
  const without = hazards.length - breaking.length;
  const right = (title: string) => ({ title, right: true });
  return [
    breaking.length === 0
      ? "no node leaves the range of float16 on these inputs"
      : renderTable(
          [{ title: "keep in float32" }, { title: "operator" }, right("overflows"), right("vanishes"), { title: "why" }],
          breaking.slice(0, top).map((h) => [h.node, h.op, share(h.over), share(h.vanished), h.why]),
        ),
    breaking.length > top ? `... and ${breaking.length - top} more` : undefined,
    without === 0 ? undefined : `${without} further nodes have no float16 form`,
    ...vanishing
      .slice(0, top)
      .map((v) => `${v.value}: ${share(v.vanished)} of its numbers become zero, ${share(v.weak)} lose digits`),
    "",
    worstInput === undefined
      ? undefined
      : `${worstInput.overflows} numbers overflow on ${worstInput.input}, the most on any input`,
    tried === undefined
      ? `not tried: ${report.untried ?? ""}`
      : `all in float16: ${words(tried.everything)}; with the above in float32: ${words(tried.kept)} (exact float16 kernels, ${tried.samples} inputs)`,
    `${report.half} of ${report.nodes} nodes may compute in float16; ${report.inputs}`,
  ];
}

function share(value: number): string {
  return value === 0 ? "0" : value < 1e-4 ? "<0.01 %" : `${(value * 100).toFixed(2)} %`;
}

function words({ cosine, notFinite }: HalfOutcome): string {
  return notFinite > 0 ? `${share(notFinite)} of the outputs are NaN or infinite` : `cosine ${cosine.toFixed(6)}`;
}
