import type { LayerComparison } from "@tessera/core/protocol/report";
import { badge, candidateName, figure, fold, type Section, small, table } from "../blocks.ts";
import { layerChart, operatorTimeChart, operatorTimes, worstLayers } from "../charts/layers.ts";
import { counted, fixed, NOTHING, percent } from "../format.ts";
import { type HtmlPart, html } from "../html.ts";
import { lookOf, nameOf, type ReportView } from "../view.ts";

const WORST = 10;

/** Where the error comes from and where the time goes. */
export function layersSection(view: ReportView): Section | undefined {
  const { layers } = view.report;
  if (layers === undefined || (layers.layers.length === 0 && layers.times.length === 0)) return undefined;
  return {
    id: "layers",
    title: "Layer by layer",
    lead: html`${candidateName(view, layers.candidate)} against FP32 on ${counted(layers.samples, "sample")}.`,
    body: html`${layerErrors(view)}${worstInputs(layers)}${hints(layers)}${layerTimes(view)}`,
  };
}

function layerErrors(view: ReportView): HtmlPart {
  const { layers } = view.report;
  if (layers === undefined || layers.layers.length === 0) return undefined;
  const rows = (list: typeof layers.layers, numbered: boolean) =>
    list.map((l, i) => ({
      cells: [
        html`<span class="file">${numbered ? html`<b class="rank">${i + 1}</b>` : undefined}${l.tensor}</span>`,
        l.op,
        decibels(l.sqnrDb),
        l.localSqnrDb === undefined ? NOTHING : decibels(l.localSqnrDb),
        fixed(l.cosine, 6),
        l.rangeUse === undefined ? NOTHING : percent(l.rangeUse, 0),
        clippedOf(l),
      ],
    }));
  const columns = [
    { title: "Tensor" },
    { title: "Operator" },
    { title: "SQNR", number: true },
    { title: html`Its own${small("fed with float")}`, number: true },
    { title: "Cosine", number: true },
    { title: "Levels in use", number: true },
    { title: "Clipped", number: true },
  ];
  return html`<h3>Error</h3>${figure(
    layerChart(layers),
    "Signal to quantization noise of each tensor in graph order: longer bars are closer to float. The worst are numbered as in the table. Bars end at 70 dB.",
  )}${table(`The ${Math.min(WORST, layers.layers.length)} tensors furthest from float`, columns, rows(worstLayers(layers.layers, WORST), true))}${fold(
    `All ${counted(layers.layers.length, "tensor")} in graph order`,
    table("All tensors in graph order", columns, rows(layers.layers, false)),
  )}`;
}

function decibels(value: number): string {
  return value >= 200 ? "identical" : `${fixed(value, 1)} dB`;
}

function clippedOf({ clippedLow, clippedHigh }: LayerComparison["layers"][number]): HtmlPart {
  if (clippedLow === undefined || clippedHigh === undefined) return NOTHING;
  const digits = clippedLow + clippedHigh > 0 && clippedLow + clippedHigh < 1e-3 ? 4 : 2;
  return html`${percent(clippedLow + clippedHigh, digits)}${clippedLow > 0 && clippedHigh > 0 ? small(`${percent(clippedLow, digits)} below`) : undefined}`;
}

/** Which change would help, and what it was measured to bring. */
function hints({ hints: all = [] }: LayerComparison): HtmlPart {
  if (all.length === 0) return undefined;
  return html`<h3>What would help</h3>${table(
    "Changes that would help, those about the most error first",
    [{ title: "Change" }, { title: "Evidence" }, { title: "Tried out at once" }],
    all.map(({ at, says, evidence, measured }) => ({
      cells: [
        html`${says}${at === undefined ? undefined : html`<span class="file">${at}</span>`}`,
        evidence,
        measured === undefined
          ? html`<span class="quiet">not tried</span>`
          : html`${badge(measured.sqnrDb > measured.sqnrDbBefore ? "helps" : "does not help", measured.sqnrDb > measured.sqnrDbBefore ? "good" : "plain")} ${fixed(measured.sqnrDbBefore, 1)} to ${fixed(measured.sqnrDb, 1)} dB${small(`cosine ${fixed(measured.cosineBefore, 5)} to ${fixed(measured.cosine, 5)}, ${counted(measured.samples, "sample")}`)}`,
      ],
    })),
  )}`;
}

/** The inputs that fare worst, by name. */
function worstInputs({ worst = [] }: LayerComparison): HtmlPart {
  if (worst.length === 0) return undefined;
  return fold(
    `The ${counted(worst.length, "input")} that fare worst`,
    table(
      "Inputs whose embeddings differ most",
      [{ title: "Input" }, { title: "Cosine", number: true }, { title: "First goes wrong at" }],
      worst.map(({ input, cosine, firstWrong }) => ({
        cells: [
          html`<span class="file">${input}</span>`,
          fixed(cosine, 5),
          firstWrong === undefined
            ? html`<span class="quiet">nowhere in particular: errors add up</span>`
            : html`<span class="file">${firstWrong.tensor}</span>${small(`${firstWrong.op}, ${fixed(firstWrong.times, 1)} times the usual error`)}`,
        ],
      })),
    ),
  );
}

function layerTimes(view: ReportView): HtmlPart {
  const { layers } = view.report;
  if (layers === undefined || layers.times.length === 0) return undefined;
  const times = operatorTimes(layers);
  const baselineLook = { says: view.baseline?.says ?? "FP32", colour: "var(--c0)" };
  const candidateLook = { says: nameOf(view, layers.candidate), colour: lookOf(view, layers.candidate).colour };
  const us = (value: number): HtmlPart => (value === 0 ? html`<span class="quiet">none</span>` : `${fixed(value, 1)} µs`);
  const slowest = [...layers.times].sort((a, b) => b.timeUs - a.timeUs).slice(0, 20);
  return html`<h3>Time</h3>${figure(
    operatorTimeChart(times, { baseline: baselineLook, candidate: candidateLook }),
    html`Time of one inference by operator, from ${layers.timesRuntime === undefined ? "the runtime’s profiler" : `${layers.timesRuntime}, which can tell operators apart and is not what the latencies above were taken with`}: above ${candidateName(view, view.baseline?.id ?? "")}, below ${candidateName(view, layers.candidate)}. Profiling itself slows the runtime, so sums are larger than the latencies above.`,
  )}${fold(
    "Times as numbers",
    html`${table(
      "Time by operator",
      [{ title: "Operator" }, { title: baselineLook.says, number: true }, { title: candidateLook.says, number: true }],
      times.map((t) => ({ cells: [t.op, us(t.baselineUs), us(t.candidateUs)] })),
    )}${table(
      `The ${slowest.length} slowest nodes of ${candidateLook.says}`,
      [{ title: "Node" }, { title: "Operator" }, { title: "Time", number: true }],
      slowest.map((t) => ({ cells: [html`<span class="file">${t.name}</span>`, t.op, us(t.timeUs)] })),
    )}`,
  )}`;
}
