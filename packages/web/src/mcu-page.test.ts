import type { McuReport } from "@tessera/core/protocol/mcu-report";
import { exampleMcuReport, refusedMcuReport } from "@tessera/testkit/mcu-fixture";
import { exampleReport } from "@tessera/testkit/report-fixture";
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { renderMcuPage } from "./mcu-page.ts";
import { renderReport } from "./report.ts";

/** The part of an element that these tests look at: the sources know no DOM. */
interface Node {
  readonly textContent: string;
  readonly outerHTML: string;
  readonly id: string;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Node | null;
  querySelectorAll(selector: string): Iterable<Node>;
}

const parse = (text: string): Node => parseHTML(text).document as unknown as Node;
const texts = (within: Node, selector: string): string[] =>
  Array.from(within.querySelectorAll(selector), (e) => e.textContent.replace(/\s+/g, " ").trim());

const full = exampleMcuReport();
const page = renderMcuPage(full);
const document = parse(page);

describe("the page of a microcontroller report", () => {
  it("stands alone, has one id a name, links that lead somewhere and captions", () => {
    expect(page).not.toMatch(/<script|https?:|@import|undefined|NaN/i);
    const ids = Array.from(document.querySelectorAll("[id]"), (e) => e.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const link of document.querySelectorAll("a[href]")) expect(ids).toContain(link.getAttribute("href")?.slice(1));
    for (const table of document.querySelectorAll("table")) expect(table.querySelector("caption")?.textContent).toBeTruthy();
    expect(renderMcuPage(exampleMcuReport())).toBe(page);
  });

  it("answers first: whether it fits, and how that is known", () => {
    expect(texts(document, "#verdict")).toEqual(["Fits linked"]);
    expect(texts(document, ".tiles b")).toEqual(["34.2 kB", "16.0 kB", "312 B", "10.5 M", "114 ms to 140 ms"]);
    expect(texts(document, ".chapter > h2")).toEqual([
      "What the model asks for",
      "Flash",
      "Memory",
      "Time",
      "Exactness",
      "Bundle for the interpreter",
      "Model",
      "Files written",
    ]);
  });

  it("draws every block of the arena, and tells kinds apart without colour", () => {
    const chart = document.querySelector("svg.plot") as Node;
    const blocks = Array.from(chart.querySelectorAll("rect title"), (e) => e.textContent);
    expect(blocks.length).toBe(full.figures?.memory.blocks.length);
    expect(blocks[1]).toBe("ring of conv: 640 B at 8192, conv");
    expect(texts(chart, "text")).toContain("R");
    expect(chart.querySelector("desc")?.textContent).toContain("gap 16 B");
    expect(chart.outerHTML).not.toMatch(/(?:fill|stroke)="#/);
  });

  it("never shows cycles or times without saying that they are not measured", () => {
    const facts = texts(document, "#instructions .facts > div");
    for (const name of ["Cycles", "At 120 MHz"]) expect(facts.find((f) => f.startsWith(name))).toContain("not measured");
    expect(texts(document, ".tiles div").at(-1)).toContain("not measured");
  });

  it("says of a model that cannot be exported why and what to do, and has no figures", () => {
    const refused = parse(renderMcuPage(refusedMcuReport()));
    expect(texts(refused, "#verdict")).toEqual(["Cannot be exported"]);
    expect(texts(refused, "tr.alarm td")).toContain("tessera quantize kws.tflite --target cortex-m4 --io int8 --calib DATA");
    expect(refused.querySelector("#figures")).toBeNull();
  });

  it("escapes what a file's names say", () => {
    const evil: McuReport = {
      ...full,
      model: { ...full.model, file: "<img src=x onerror=alert(1)>", inputs: ["</dd><script>"] },
    };
    expect(renderMcuPage(evil)).not.toMatch(/<img|<script/);
  });

  it("is a chapter of the report of optimize, with the variants that do not fit", () => {
    const report = exampleReport();
    const [first] = report.candidates;
    const candidates = report.candidates.map((c) =>
      c === first
        ? { ...c, gates: [...c.gates, { gate: "device", pass: false, says: "it computes in floats" }] }
        : { ...c, device: { basis: "estimate" as const, flashBytes: 200_000, ramBytes: 60_000, instructions: 9_000_000 } },
    );
    const chapter = parse(renderReport({ ...report, candidates, mcu: full })).querySelector("#mcu") as Node;
    const rows = texts(chapter, "table tbody tr");
    expect(rows[0]).toContain("it computes in floats");
    expect(rows[1]).toMatch(/200\.0 kB60\.0 kB9,000,000fits/);
    expect(chapter.querySelector("svg.plot")).not.toBeNull();
    expect(parse(renderReport(report)).querySelector("#mcu")).toBeNull();
  });
});
