import { rect, ruleY, text } from "@observablehq/plot";
import type { McuBlock, McuMemory } from "@tessera/core/protocol/mcu-report";
import { bytes, counted } from "../format.ts";
import type { Html } from "../html.ts";
import { drawPlot } from "./plot.ts";

/** How a kind of block looks: colour, and a letter that says the same without colour. */
export const BLOCK_LOOKS = {
  value: { says: "values", colour: "var(--c1)", letter: "" },
  ring: { says: "rings of rows", colour: "var(--c2)", letter: "R" },
  row: { says: "single rows", colour: "var(--c3)", letter: "r" },
  scratch: { says: "working memory of kernels", colour: "var(--c4)", letter: "s" },
} as const satisfies Record<McuBlock["kind"], { readonly says: string; readonly colour: string; readonly letter: string }>;

/** Share of the chart's height from which a block is tall enough for a letter. */
const LETTER_SHARE = 0.035;

/** What lies where in the arena while the schedule runs: items from left to right, addresses upwards. */
export function occupancyChart(memory: McuMemory): Html {
  const { blocks, items, arenaBytes, lowerBoundBytes, gapBytes } = memory;
  const top = Math.max(1, arenaBytes);
  const lettered = blocks.filter((b) => BLOCK_LOOKS[b.kind].letter !== "" && b.bytes > top * LETTER_SHARE);
  const largest = [...blocks].sort((a, b) => b.bytes - a.bytes).slice(0, 3);
  return drawPlot(
    {
      id: "occupancy",
      title: "What lies in the arena, and when",
      description: `${counted(blocks.length, "block")} over ${counted(items.length, "item")} of the schedule; arena ${bytes(arenaBytes)}, lower bound ${bytes(lowerBoundBytes)}, gap ${bytes(gapBytes)}. Largest: ${largest.map((b) => `${b.name} ${bytes(b.bytes)} at ${b.offset}`).join("; ")}.`,
    },
    {
      width: 880,
      height: 340,
      marginLeft: 64,
      marginBottom: 40,
      marginTop: 26,
      marginRight: 12,
      style: { fontSize: "12px" },
      x: {
        domain: [0, Math.max(1, items.length)],
        label: "Items of the schedule →",
        labelAnchor: "center",
        ticks: Math.min(items.length, 10),
        tickSize: 4,
      },
      y: { domain: [0, top], label: "↑ bytes from the start of the arena", ticks: 6, grid: true, tickSize: 0 },
      marks: [
        rect(blocks, {
          x1: "first",
          x2: (b: McuBlock) => b.last + 1,
          y1: "offset",
          y2: (b: McuBlock) => b.offset + b.bytes,
          fill: (b: McuBlock) => BLOCK_LOOKS[b.kind].colour,
          fillOpacity: 0.45,
          stroke: "var(--ink)",
          strokeWidth: 0.7,
          title: (b: McuBlock) =>
            `${b.name}: ${bytes(b.bytes)} at ${b.offset}, ${items[b.first] ?? b.first}${b.last > b.first ? ` to ${items[b.last] ?? b.last}` : ""}`,
        }),
        text(lettered, {
          x: (b: McuBlock) => (b.first + b.last + 1) / 2,
          y: (b: McuBlock) => b.offset + b.bytes / 2,
          text: (b: McuBlock) => BLOCK_LOOKS[b.kind].letter,
          fill: "var(--ink)",
          fontWeight: 600,
        }),
        ruleY([lowerBoundBytes], { stroke: "var(--bad)", strokeDasharray: "5 3" }),
        ruleY([0], { stroke: "var(--ink)" }),
      ],
    },
  );
}
