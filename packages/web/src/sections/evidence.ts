import type { OptimizeReport } from "@tessera/core/protocol/report";
import { badge, facts, fold, type Section, table } from "../blocks.ts";
import { bytes, count, counted, dateTime, fixed, methodName, NOTHING, percent, shortCount } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";
import type { ReportView } from "../view.ts";

const digest = (value: string): Html => html`<code class="digest">${value}</code>`;

/** Whether the declared pre-processing is the one the model was trained with. */
export function preprocessingSection(view: ReportView): Section | undefined {
  const { preprocessing } = view.report;
  if (preprocessing === undefined) return undefined;
  const best = Math.max(...preprocessing.variants.map((v) => v.dPrime));
  return {
    id: "preprocessing",
    title: "Pre-processing",
    lead: "The input contract of the card was tried against the usual mistakes: if another one separates people better, the card is questioned.",
    body: html`<p class="answer">${preprocessing.questioned ? badge("questioned", "bad") : badge("not questioned", "good")} ${preprocessing.says}</p>${
      preprocessing.variants.length === 0
        ? undefined
        : table(
            "Pre-processing variants on the FP32 model",
            [{ title: "Variant" }, { title: "d′", number: true }, { title: "TAR", number: true }],
            preprocessing.variants.map((v) => ({
              ...(v.declared ? { mark: "picked" } : {}),
              cells: [
                html`${v.name} ${v.dPrime === best ? badge("best", "good") : undefined}`,
                fixed(v.dPrime, 3),
                v.tar === undefined ? NOTHING : percent(v.tar),
              ],
            })),
          )
    }`,
  };
}

/** On what all this rests. */
export function dataSection(view: ReportView): Section {
  const { data, candidates } = view.report;
  const { calibration, evaluation, failuresToAcquire, sharedSubjects } = data;
  const methods = [
    ...new Set(
      candidates.flatMap((c) => c.accuracy.tarAtFar).flatMap((p) => (p.kind === "figure" ? [methodName(p.tar.method)] : [])),
    ),
  ];
  return {
    id: "data",
    title: "Data and evidence",
    body: html`${facts([
      [
        "Calibration",
        html`${calibration.name}: ${counted(calibration.samples, "sample")}, ${count(calibration.subjects)} people<br>${digest(calibration.digest)}`,
      ],
      [
        "Evaluation",
        html`${evaluation.name}: ${counted(evaluation.samples, "sample")}, ${count(evaluation.subjects)} people<br>${digest(evaluation.digest)}`,
      ],
      ["Comparisons", html`${count(evaluation.genuine)} genuine, ${count(evaluation.impostor)} impostor; ${evaluation.protocol}`],
      [
        "People in both sets",
        sharedSubjects.length === 0
          ? html`${badge("none", "good")} calibration and evaluation share nobody`
          : html`${badge(count(sharedSubjects.length), "bad")} every figure here is worthless as a measure of accuracy`,
      ],
      ["Failures to acquire", html`${count(failuresToAcquire.count)}; ${failuresToAcquire.policy}`],
      ["Rates", data.convention],
      ["Intervals", methods.length === 0 ? "none: too few comparisons" : methods.join("; ")],
    ])}${sharedSubjects.length === 0 ? undefined : fold("People in both sets", html`<p>${sharedSubjects.join(", ")}</p>`)}`,
  };
}

/** Machine and versions: where the times come from. */
export function machineSection(view: ReportView): Section {
  const { machine, model, target, tool, createdAt, timedOn } = view.report;
  return {
    id: "machine",
    title: "Model, machine and versions",
    body: html`${facts([
      ["Model", html`${model.file}, ${bytes(model.sizeBytes)}<br>${digest(model.sha256)}`],
      ["Inputs", lines(model.inputs)],
      ["Outputs", lines(model.outputs)],
      [
        "Cost of one inference",
        [
          model.macs === undefined ? "multiply-accumulates not known" : `${shortCount(model.macs)} multiply-accumulates`,
          model.peakActivationBytes === undefined ? undefined : `activations peak at ${bytes(model.peakActivationBytes)}`,
        ]
          .filter((t) => t !== undefined)
          .join("; "),
      ],
      ["Licence", model.licence ?? "not stated by the card"],
      ["Target", html`${target.id}: ${target.says}${target.notes.map((n) => html`<br><small>${n}</small>`)}`],
      ["Processor", html`${machine.processor}, ${counted(machine.cores, "core")}, ${bytes(machine.memoryBytes)} memory`],
      ["Features", machine.features.length === 0 ? "not known" : machine.features.join(", ")],
      ["Runtimes", machine.runtimes.map((r) => `${r.id} ${r.version}`).join(", ")],
      ["Threads", count(machine.threads)],
      ...deviceFacts(timedOn),
      ["Software", `${tool.name} ${tool.version}, Node ${machine.node.replace(/^v/, "")}`],
      ["Made", dateTime(createdAt)],
    ])}`,
  };
}

/** The device that took the times, beside the machine that did the rest. */
function deviceFacts(timedOn: OptimizeReport["timedOn"]): readonly (readonly [string, HtmlPart])[] {
  if (timedOn === undefined) return [];
  const { machine, parity, notes } = timedOn;
  const runtimes = machine.runtimes.map((r) => `${r.id} ${r.version}`).join(", ");
  const worst = parity.map((p) => `${p.name} ${p.largestDifference.toExponential(1)} (cosine ${p.cosine.toFixed(5)})`).join("; ");
  return [
    [
      "Times taken on",
      html`${machine.processor}, ${counted(machine.cores, "core")}, ${bytes(machine.memoryBytes)} memory; ${runtimes}`,
    ],
    ["Outputs there against here", html`${worst}${notes.map((n) => html`<br><small>${n}</small>`)}`],
  ];
}

function lines(texts: readonly string[]): HtmlPart {
  return texts.map((t, i) => html`${i === 0 ? undefined : html`<br>`}<code>${t}</code>`);
}

/** Files written, with digests to check them by. */
export function artefactsSection(view: ReportView): Section | undefined {
  const { artefacts } = view.report;
  if (artefacts.length === 0) return undefined;
  return {
    id: "artefacts",
    title: "Files written",
    body: table(
      "Files with their SHA-256",
      [{ title: "File" }, { title: "Size", number: true }, { title: "SHA-256" }],
      artefacts.map((a) => ({
        cells: [html`<span class="file">${a.file}</span>${html`<small>${a.says}</small>`}`, bytes(a.sizeBytes), digest(a.sha256)],
      })),
    ),
  };
}

/** What the tool would do next. */
export function nextSection(view: ReportView): Section | undefined {
  const { next } = view.report;
  if (next.length === 0) return undefined;
  return { id: "next", title: "What to do next", body: html`<ol class="next">${next.map((n) => html`<li>${n}</li>`)}</ol>` };
}
