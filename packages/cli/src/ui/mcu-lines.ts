import type { McuFigures, McuReport } from "@tessera/core/protocol/mcu-report";
import { bytes, count, ms } from "./format.ts";
import { renderTable } from "./table.ts";

const DEAREST = 8;

/** Widest name of a layer in a table. */
const NAME_WIDTH = 44;

/** A long name by its beginning and its end, which tell layers apart. */
function short(name: string): string {
  if (name.length <= NAME_WIDTH) return name;
  const half = (NAME_WIDTH - 3) >> 1;
  return `${name.slice(0, half)}...${name.slice(-half)}`;
}

/** Faults with what to do, the errors first. */
export function mcuFaultLines({ faults }: Pick<McuReport, "faults">): readonly string[] {
  return [...faults]
    .sort((a, b) => Number(a.severity === "cost") - Number(b.severity === "cost"))
    .map((f) => `${f.severity === "error" ? "cannot" : "costs"}: ${f.says}\n  ${f.suggestion}`);
}

/** A report of `tessera mcu` as lines and tables. */
export function mcuLines(report: McuReport): readonly (string | undefined)[] {
  const { figures, model, target, notes, next } = report;
  const head = [
    `${model.file} for ${target.cpu}: ${target.says}`,
    ...notes.map((note) => `note: ${note}`),
    ...mcuFaultLines(report),
  ];
  const steps = next.map((n) => `next: ${n}`);
  if (figures === undefined) return [...head, "It cannot be exported", ...steps];
  return [
    ...head,
    "",
    figuresTable(figures),
    "",
    layersTable(figures),
    ...bundleLines(report),
    ...(figures.verified ?? []).map(
      (v) =>
        `${v.different === 0 ? "bit-equal" : `DIFFERS in ${count(v.different)} values`}: ${count(v.compared)} values of ${v.inputs} inputs on ${v.on}`,
    ),
    figures.notMeasured === undefined ? undefined : `not measured: ${figures.notMeasured}`,
    `${fitWord(figures.fits)}: ${figures.fits.says}`,
    ...steps,
  ];
}

function bundleLines({ bundle }: McuReport): readonly string[] {
  if (bundle === undefined) return [];
  const { plan, arenas, modelBytes, operators } = bundle;
  return [
    `bundle for TensorFlow Lite for Microcontrollers: ${bytes(modelBytes)}, ${operators.length} operators (${operators.join(", ")})`,
    `  offline plan ${count(plan.bytes)} B (lower bound ${count(plan.lowerBoundBytes)}, its own planner ${count(plan.greedyBytes)}); reserve ${arenas.map((a) => `${count(a.bytes)} B with ${a.kernels}`).join(", ")}`,
  ];
}

function fitWord({ pass, flashBytes, ramBytes }: McuFigures["fits"]): string {
  if (!pass) return "DOES NOT FIT";
  return flashBytes === 0 && ramBytes === 0 ? "budget" : "fits";
}

function figuresTable(figures: McuFigures): string {
  const { flash, memory, stack, instructions, cycles, tflm, pruned } = figures;
  const rows: (readonly string[])[] = [
    [
      `flash (${flash.basis})`,
      bytes(flash.total),
      `weights ${bytes(flash.weights)}, tables ${bytes(flash.tables)}, code ${bytes(flash.code)}, other ${bytes(flash.rodata)}`,
    ],
    [
      "arena",
      `${count(memory.arenaBytes)} B`,
      `lower bound ${count(memory.lowerBoundBytes)}, gap ${count(memory.gapBytes)}; values alone, nothing in place ${count(memory.plainArenaBytes)}${memory.streamedSteps > 0 ? `; ${memory.streamedSteps} layers stream${memory.pushed ? ", rows pushed" : ""}` : ""}`,
    ],
    [`stack (${stack.basis})`, `${count(stack.bytes)} B`, stack.says],
    [
      `instructions (${instructions.basis})`,
      count(instructions.total),
      `${instructions.perMac.toFixed(2)} a multiply-accumulate of ${count(figures.macs)}; ${instructions.init} before the first inference`,
    ],
    ...(instructions.compiler === undefined ? [] : [["", "", `${instructions.compiler}; ${instructions.emulator ?? ""}`]]),
    ...(instructions.flags === undefined ? [] : [["", "", instructions.flags]]),
    ...(cycles === undefined
      ? []
      : [
          [
            "cycles (a model)",
            `${count(Math.round(cycles.low))} .. ${count(Math.round(cycles.high))}`,
            `${cycles.model}; ${cycles.says}`,
          ],
        ]),
    ...(cycles?.time === undefined
      ? []
      : [
          [
            `at ${cycles.time.mhz} MHz (a model)`,
            `${ms(cycles.time.lowMs)} .. ${ms(cycles.time.highMs)}`,
            "not measured on silicon",
          ],
        ]),
    ["dead channels", `${count(pruned.channels)} of ${count(pruned.of)}`, pruned.says],
    [
      "interpreter (estimate)",
      `${bytes(tflm.flashBytes)}, ${count(tflm.arenaBytes)} B`,
      `flash and arena of TensorFlow Lite for Microcontrollers ${tflm.says}${tflm.instructions === undefined ? "" : `; ${count(tflm.instructions)} instructions`}`,
    ],
  ];
  return renderTable([{ title: "figure" }, { title: "value", right: true }, { title: "of what" }], rows);
}

function layersTable({ instructions }: McuFigures): string | undefined {
  const dear = [...instructions.layers].sort((a, b) => b.instructions - a.instructions).slice(0, DEAREST);
  if (dear.length === 0) return undefined;
  return `${renderTable(
    [
      { title: "dearest layers" },
      { title: "kernel" },
      { title: "MACs", right: true },
      { title: "instructions", right: true },
      { title: "per MAC", right: true },
      { title: "share", right: true },
    ],
    dear.map((l) => [
      short(l.name),
      l.op,
      count(l.macs),
      count(l.instructions),
      l.macs === 0 ? "-" : (l.instructions / l.macs).toFixed(2),
      `${(l.share * 100).toFixed(1)} %`,
    ]),
  )}\n`;
}
