import type { McuFigures, McuReport } from "@tessera/core/protocol/mcu-report";
import { facts, type Section, table } from "./blocks.ts";
import { baseName, bytes, count, ms, shortCount } from "./format.ts";
import { type Html, html } from "./html.ts";
import { renderPage } from "./page.ts";
import { basisBadge, bundlePart, exactnessPart, faultsPart, flashPart, memoryPart, timePart } from "./sections/mcu-figures.ts";

/** The report of `tessera mcu` as one self-contained page. Same report, same page. */
export function renderMcuPage(report: McuReport): string {
  return renderPage({
    title: html`${baseName(report.model.file)} on ${report.target.cpu}: microcontroller report`,
    skipTo: "figures",
    head: head(report),
    sections: sectionsOf(report),
    tool: report.tool,
  });
}

function head(report: McuReport): Html {
  const { model, target, figures, faults, next } = report;
  const errors = faults.filter((f) => f.severity === "error");
  const pass = figures?.fits.pass === true;
  const verdict =
    figures === undefined
      ? html`<h2 id="verdict">Cannot be exported</h2><ul class="why">${errors.map((f) => html`<li>${f.says}</li>`)}</ul>`
      : html`<h2 id="verdict">${verdictWords(figures.fits)}</h2><dl class="tiles">${tiles(figures)}</dl><ul class="why"><li>${figures.fits.says}</li></ul>`;
  return html`<header class="head">
<p class="kicker">Tessera · microcontroller report</p>
<h1>${baseName(model.file)}</h1>
<p class="sub">for <strong>${target.cpu}</strong> · ${target.says}</p>
<p class="meta">${bytes(model.sizeBytes)} · ${target.budget}</p>
</header>
<section class="verdict${pass ? "" : " none"}" aria-labelledby="verdict"><p class="kicker">Verdict</p>
${verdict}</section>
${next.length === 0 ? undefined : html`<section class="cautions" aria-labelledby="next"><h2 id="next">What to do next</h2><ul>${next.map((n) => html`<li>${n}</li>`)}</ul></section>`}`;
}

function verdictWords({ pass, basis, flashBytes, ramBytes }: McuFigures["fits"]): Html {
  if (flashBytes === 0 && ramBytes === 0) return html`Exported, for no budget`;
  return html`${pass ? "Fits" : "Does not fit"} ${basisBadge(basis)}`;
}

function tiles({ flash, memory, stack, instructions, cycles }: McuFigures): readonly Html[] {
  const tile = (name: string, value: string, note: string): Html =>
    html`<div><dt>${name}</dt><dd><b>${value}</b><span>${note}</span></dd></div>`;
  return [
    tile("Flash", bytes(flash.total), `${bytes(flash.weights)} of it weights, ${flash.basis}`),
    tile(
      "Arena",
      bytes(memory.arenaBytes),
      memory.gapBytes === 0 ? "no gap to its lower bound" : `gap ${bytes(memory.gapBytes)}`,
    ),
    tile("Stack", bytes(stack.bytes), stack.basis),
    tile(
      "Instructions",
      shortCount(instructions.total),
      `${instructions.perMac.toFixed(2)} a multiply-accumulate, ${instructions.basis}`,
    ),
    ...(cycles?.time === undefined
      ? []
      : [tile(`At ${cycles.time.mhz} MHz`, `${ms(cycles.time.lowMs)} to ${ms(cycles.time.highMs)}`, "by a model, not measured")]),
  ];
}

function sectionsOf(report: McuReport): readonly Section[] {
  const { figures, model, artefacts, notes } = report;
  const parts: readonly (Section | undefined)[] = [
    {
      id: "legality",
      title: "What the model asks for",
      lead: "Operators, sizes and types that generated C cannot compute, and those that cost more than need be.",
      body: faultsPart(report),
    },
    figures && { id: "figures", title: "Flash", body: flashPart(figures) },
    figures && { id: "memory", title: "Memory", body: memoryPart(figures) },
    figures && { id: "instructions", title: "Time", body: timePart(figures) },
    figures && { id: "exactness", title: "Exactness", body: exactnessPart(figures) },
    report.bundle && { id: "bundle", title: "Bundle for the interpreter", body: bundlePart(report.bundle) },
    {
      id: "model",
      title: "Model",
      body: facts([
        ["File", html`${model.file}, ${bytes(model.sizeBytes)}<br><span class="digest">${model.sha256}</span>`],
        ["Inputs", model.inputs.join(", ")],
        ["Outputs", model.outputs.join(", ")],
        [
          "Operators",
          Object.entries(model.operators)
            .map(([op, n]) => `${count(n)} ${op}`)
            .join(", "),
        ],
        ...notes.map((note) => ["Note", note] as const),
      ]),
    },
    artefacts.length === 0
      ? undefined
      : {
          id: "artefacts",
          title: "Files written",
          body: table(
            "Files with their SHA-256",
            [{ title: "File" }, { title: "Size", number: true }, { title: "SHA-256" }],
            artefacts.map((a) => ({
              cells: [
                html`<span class="file">${a.file}</span><small>${a.says}</small>`,
                bytes(a.sizeBytes),
                html`<span class="digest">${a.sha256}</span>`,
              ],
            })),
          ),
        },
  ];
  return parts.filter((s) => s !== undefined);
}
