import { badge, candidateName, type Section, small, table } from "../blocks.ts";
import { bytes, count, NOTHING } from "../format.ts";
import { html } from "../html.ts";
import type { ReportView } from "../view.ts";
import { exactnessPart, faultsPart, flashPart, memoryPart, timePart } from "./mcu-figures.ts";

/** What the variants take on the microcontroller, and the pick in full. */
export function mcuSection(view: ReportView): Section | undefined {
  const { candidates, mcu } = view.report;
  if (mcu === undefined && candidates.every((c) => c.device === undefined)) return undefined;
  const rows = candidates.map(({ id, device, gates }) => {
    const failed = gates.find((g) => g.gate === "device" && !g.pass);
    return {
      ...(id === view.pick?.id ? { mark: "picked" } : {}),
      cells: [
        candidateName(view, id),
        device === undefined ? NOTHING : bytes(device.flashBytes),
        device === undefined ? NOTHING : bytes(device.ramBytes),
        device === undefined ? NOTHING : count(device.instructions),
        failed === undefined ? badge("fits", "good") : html`${badge("no", "bad")}${small(failed.says)}`,
      ],
    };
  });
  return {
    id: "mcu",
    title: "On the microcontroller",
    lead: html`What generated C takes on ${view.report.target.id}: ${mcu === undefined ? "no variant can be had" : mcu.target.budget}. Sizes and instructions, not accuracy, which is in the other chapters.`,
    body: html`${table(
      "Variants on the part",
      [
        { title: "Variant" },
        { title: "Flash", number: true },
        { title: "Memory", number: true },
        { title: "Instructions", number: true },
        { title: "" },
      ],
      rows,
    )}${mcu?.figures === undefined ? undefined : html`<h3>The pick as C</h3>${faultsPart(mcu)}<h3>Flash</h3>${flashPart(mcu.figures)}<h3>Memory</h3>${memoryPart(mcu.figures)}<h3>Instructions</h3>${timePart(mcu.figures)}<h3>Exactness</h3>${exactnessPart(mcu.figures)}`}`,
  };
}
