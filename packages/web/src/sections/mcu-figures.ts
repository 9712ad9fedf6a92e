import type { McuBundle, McuFigures, McuMemory, McuReport } from "@tessera/core/protocol/mcu-report";
import { badge, facts, figure, fold, small, table } from "../blocks.ts";
import { BLOCK_LOOKS, occupancyChart } from "../charts/occupancy.ts";
import { bytes, count, counted, fixed, ms, percent, shortCount } from "../format.ts";
import { type Html, type HtmlPart, html } from "../html.ts";

const DEAREST = 12;

/** "measured" or "estimate" as a badge: the two are never told apart by their digits. */
export function basisBadge(basis: "measured" | "linked" | "estimate"): Html {
  return basis === "estimate" ? badge("estimate", "warn") : badge(basis, "good");
}

/** Flash by what lies in it, beside the budget and what an interpreter would take. */
export function flashPart({ flash, tflm, fits }: McuFigures): Html {
  const row = (name: string, value: number) => ({ cells: [name, bytes(value), percent(value / Math.max(1, flash.total), 1)] });
  return html`${table(
    "What lies in flash",
    [{ title: "Part" }, { title: "Size", number: true }, { title: "Share", number: true }],
    [
      row("Weights", flash.weights),
      row("Biases, multipliers, shifts", flash.tables),
      row("Code", flash.code),
      row("Other constants", flash.rodata),
      { ...row("All", flash.total), mark: "total" },
    ],
  )}<p>${basisBadge(flash.basis)} ${flash.says}. ${fits.flashBytes > 0 ? `The budget is ${bytes(fits.flashBytes)}. ` : undefined}An interpreter would take about ${bytes(tflm.flashBytes)} (${tflm.says}).</p>`;
}

/** The arena, its bound, and the chart of what lies in it when. */
export function memoryPart({ memory, stack, tflm }: McuFigures): Html {
  const kinds = [...new Set(memory.blocks.map((b) => b.kind))];
  return html`${facts([
    [
      "Arena",
      `${count(memory.arenaBytes)} B${memory.gapBytes === 0 ? ", and no plan of this schedule can be smaller" : `, at most ${count(memory.gapBytes)} B more than the best plan of this schedule`}`,
    ],
    ["Lower bound", `${count(memory.lowerBoundBytes)} B (placed ${memory.method})`],
    ["Values alone, each in memory of its own", `${count(memory.plainArenaBytes)} B`],
    ["An interpreter's arena", html`about ${count(tflm.arenaBytes)} B ${basisBadge("estimate")}`],
    ["Stream", streamWords(memory)],
    ["Stack", html`${count(stack.bytes)} B ${basisBadge(stack.basis)}${small(stack.says)}`],
  ])}${figure(
    occupancyChart(memory),
    html`What lies in the arena, and when. ${kinds.map((k) => `${BLOCK_LOOKS[k].says}${BLOCK_LOOKS[k].letter === "" ? "" : ` (${BLOCK_LOOKS[k].letter})`}`).join(", ")}; dashed: the lower bound.`,
  )}${fold(`All ${counted(memory.blocks.length, "block")}`, blocksTable(memory))}`;
}

function streamWords({ pushed, streamedSteps, stream }: McuMemory): string {
  if (streamedSteps === 0) return stream === "never" ? "switched off" : "none: it fits without, or none would make it smaller";
  return `${counted(streamedSteps, "layer")} hand rows to each other${pushed ? "; rows of the input are pushed in one by one, and the whole of it never lies in memory" : ""}`;
}

function blocksTable({ blocks, items }: McuMemory): Html {
  return table(
    "Blocks of the arena",
    [
      { title: "Block" },
      { title: "Kind" },
      { title: "Offset", number: true },
      { title: "Bytes", number: true },
      { title: "From" },
      { title: "To" },
    ],
    blocks.map((b) => ({
      cells: [
        html`<span class="file">${b.name}</span>`,
        BLOCK_LOOKS[b.kind].says,
        count(b.offset),
        count(b.bytes),
        items[b.first] ?? String(b.first),
        items[b.last] ?? String(b.last),
      ],
    })),
  );
}

/** Instructions, cycles as a range, and where they go. */
export function timePart({ instructions, cycles, macs, tflm }: McuFigures): Html {
  const dear = [...instructions.layers].sort((a, b) => b.instructions - a.instructions).slice(0, DEAREST);
  return html`${facts([
    ["One inference", html`${count(instructions.total)} instructions ${basisBadge(instructions.basis)}`],
    ["Per multiply-accumulate", `${fixed(instructions.perMac, 2)} of ${shortCount(macs)}`],
    ["Before the first one", `${count(instructions.init)} instructions`],
    ["Counted how", instructions.says],
    ...(cycles === undefined
      ? []
      : [
          [
            "Cycles",
            html`${count(Math.round(cycles.low))} to ${count(Math.round(cycles.high))} ${badge("not measured", "warn")}${small(`${cycles.model}: ${cycles.says}`)}`,
          ] as const,
        ]),
    ...(cycles?.time === undefined
      ? []
      : [
          [
            `At ${cycles.time.mhz} MHz`,
            html`${ms(cycles.time.lowMs)} to ${ms(cycles.time.highMs)} ${badge("not measured", "warn")}`,
          ] as const,
        ]),
    ...(tflm.instructions === undefined
      ? []
      : [["An interpreter", html`about ${count(tflm.instructions)} instructions ${basisBadge("estimate")}`] as const]),
  ])}${dear.length === 0 ? undefined : layerTable(`The ${dear.length} dearest layers`, dear)}${
    instructions.layers.length > dear.length
      ? fold(`All ${counted(instructions.layers.length, "layer")}`, layerTable("Layers in order", instructions.layers))
      : undefined
  }`;
}

function layerTable(caption: string, layers: McuFigures["instructions"]["layers"]): Html {
  return table(
    caption,
    [
      { title: "Layer" },
      { title: "Kernel" },
      { title: "MACs", number: true },
      { title: "Instructions", number: true },
      { title: "Per MAC", number: true },
      { title: "Share", number: true },
    ],
    layers.map((l) => ({
      cells: [
        html`<span class="file">${l.name}</span>`,
        l.op,
        count(l.macs),
        count(l.instructions),
        l.macs === 0 ? "–" : fixed(l.instructions / l.macs, 2),
        percent(l.share, 1),
      ],
    })),
  );
}

/** What was taken out, how integers round, and on what the sources were run. */
export function exactnessPart({ pruned, rounding, verified = [], notMeasured, sourcesSha256 }: McuFigures): Html {
  return html`${facts([
    ["Rounding", `${rounding.profile}: ${rounding.says}`],
    ["Dead channels", `${count(pruned.channels)} of ${count(pruned.of)}: ${pruned.says}`],
    ...verified.map(
      (v) =>
        [
          v.on,
          html`${v.different === 0 ? badge("bit-equal", "good") : badge("differs", "bad")} ${count(v.compared)} values of ${counted(v.inputs, "input")}${v.different === 0 ? undefined : `, ${count(v.different)} differ`}`,
        ] as const,
    ),
    ...(notMeasured === undefined ? [] : [["Not run", notMeasured] as const]),
    ["Sources", html`<span class="digest">${sourcesSha256}</span>`],
  ])}`;
}

/** What the interpreter is given: its file, its resolver, and the arenas that builds of it need. */
export function bundlePart({ modelBytes, operators, plan, arenas, says }: McuBundle): Html {
  return html`${facts([
    ["Model", `${bytes(modelBytes)}, slim, with its plan of memory inside`],
    ["Operators of the resolver", operators.join(", ")],
    [
      "Plan in the file",
      `${count(plan.bytes)} B, lower bound ${count(plan.lowerBoundBytes)} B; the interpreter's own planner would take ${count(plan.greedyBytes)} B`,
    ],
  ])}${table(
    "Arenas to reserve",
    [
      { title: "Kernels" },
      { title: "Reserve", number: true },
      { title: "Planned", number: true },
      { title: "Structures", number: true },
      { title: "Margin", number: true },
    ],
    arenas.map((a) => ({
      cells: [a.kernels, count(a.bytes), count(a.plannedBytes), count(a.persistentBytes), count(a.marginBytes)],
    })),
  )}<p>${says}.</p>`;
}

/** What stands in the way and what costs, with what to do. */
export function faultsPart({ faults }: Pick<McuReport, "faults">): HtmlPart {
  if (faults.length === 0) return html`<p>Nothing stands in the way.</p>`;
  return table(
    "What was found in the model",
    [{ title: "" }, { title: "What" }, { title: "What to do" }],
    faults.map((f) => ({
      ...(f.severity === "error" ? { mark: "alarm" } : {}),
      cells: [f.severity === "error" ? badge("cannot", "bad") : badge("costs", "warn"), f.says, f.suggestion],
    })),
  );
}
