import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sharedDir } from "@tessera/testkit/shared";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCsv } from "./csv.ts";
import {
  parseAliases,
  parseManifest,
  parsePairList,
  resolveAliases,
  resolvePairs,
  selectItems,
  subjectOverlap,
} from "./dataset.ts";
import { allPairs, countComparisons, listedPairs, numberSubjects } from "./design.ts";

describe("CSV", () => {
  it("reads quotes, doubled quotes, line breaks in cells, CRLF, a byte order mark and empty lines", () => {
    const table = parseCsv('\ufeffa,b\r\n"x, ""y""","two\nlines"\r\n\r\nlast,\n');
    expect(table.header).toEqual(["a", "b"]);
    expect(table.rows).toEqual([
      ['x, "y"', "two\nlines"],
      ["last", ""],
    ]);
    expect(table.lines).toEqual([2, 5]);
  });

  it("reads an empty last cell at the very end", () => {
    expect(parseCsv("a,b\n1,").rows).toEqual([["1", ""]]);
  });

  it("reads back whatever is written with quotes", () => {
    const cell = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r", " ", "é") });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), fc.constantFrom("\n", "\r\n", "\r"), (rows, end) => {
        const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const text = ["x,y", ...rows.map((row) => row.map(quote).join(","))].join(end);
        expect(parseCsv(text).rows).toEqual(rows);
        expect(parseCsv(text + end).rows).toEqual(rows);
      }),
    );
  });

  it("never fails without a code, whatever the text", () => {
    const text = fc.string({ unit: fc.constantFrom("a", ",", '"', "\n", "\r", "\ufeff", "\0") });
    fc.assert(
      fc.property(text, (garbage) => {
        try {
          const { header, rows } = parseCsv(garbage);
          for (const row of rows) expect(row.length).toBe(header.length);
        } catch (error) {
          expect(error).toMatchObject({ name: "TesseraError", code: "DATASET_INVALID" });
        }
      }),
    );
  });

  it.each([
    ["a,b\n1\n", /line 2 has 1 cells, the header 2/],
    ['a,b\n"1\n2",x\n3,"4\n', /opened on line 4 is never closed/],
    ['a\n"1"x\n', /line 2 has text after a closing quote/],
    ['a\n1"\n', /line 2 has a quote/],
    ["a,a\n", /"a" occurs twice on line 1/],
    ["", /empty/],
  ])("names the line of the mistake in %j", (text, message) => {
    expect(() => parseCsv(text)).toThrow(message);
  });

  it("stops at its named limits", () => {
    expect(() => parseCsv("a\n1\n2\n3", { maxRows: 2 })).toThrow(/maxRows = 2/);
    expect(parseCsv("a\n1\n2", { maxRows: 2 }).rows).toHaveLength(2);
    expect(() => parseCsv("a,b,c", { maxColumns: 2 })).toThrow(/maxColumns = 2/);
    expect(() => parseCsv("a\nlong", { maxCell: 3 })).toThrow(/maxCell = 3/);
  });
});

describe("data sets", () => {
  const manifest = parseManifest("path,subject,role,__proto__\na.jpg,ann,eval,x\nb.jpg,bob,eval,y\nc.jpg,ann,calib,z\n");

  it("keep every other column for cohorts, even one named like a prototype key", () => {
    expect(manifest.subjects).toEqual(["ann", "bob", "ann"]);
    expect([...manifest.columns.keys()]).toEqual(["role", "__proto__"]);
    expect(manifest.columns.get("__proto__")).toEqual(["x", "y", "z"]);
    const chosen = selectItems(manifest, "role", "eval");
    expect(chosen.manifest.paths).toEqual(["a.jpg", "b.jpg"]);
    expect([...selectItems(manifest, "subject", "ann").kept]).toEqual([0, 2]);
    expect(() => selectItems(manifest, "age", "9")).toThrow(/no column "age"/);
  });

  it("resolve pairs to item numbers and check the labels", () => {
    const pairs = parsePairList("genuine,path_b,path_a,fold\n1,c.jpg,a.jpg,1\n0,b.jpg,a.jpg,2\n");
    const items = resolvePairs(pairs, manifest);
    expect([[...items.a], [...items.b], [...items.genuine], [...(items.folds ?? [])]]).toEqual([
      [0, 0],
      [2, 1],
      [1, 0],
      [1, 2],
    ]);
    expect(() => resolvePairs(parsePairList("path_a,path_b,genuine\na.jpg,b.jpg,1\n"), manifest)).toThrow(/line 2: genuine is 1/);
    expect(() => resolvePairs(parsePairList("path_a,path_b,genuine\na.jpg,x.jpg,1\n"), manifest)).toThrow(
      /line 2: the manifest lacks x.jpg/,
    );
    const twice = parseManifest("path\na.jpg\na.jpg\n");
    expect(() => resolvePairs(parsePairList("path_a,path_b,genuine\na.jpg,a.jpg,1\n"), twice)).toThrow(/holds twice/);
  });

  it.each([
    ["subject,path\nx,y\n", /first column is "subject"/],
    ["path,subject\na,\n", /line 2 has no subject/],
    ['path\nq\n\n""\n,\n', /cells/],
  ])("refuse the manifest %j", (text, message) => {
    expect(() => parseManifest(text)).toThrow(message);
  });

  it("refuse pair lists that lack a column or hold other labels", () => {
    expect(() => parsePairList("path_a,path_b\nx,y\n")).toThrow(/needs the columns/);
    expect(() => parsePairList("path_a,path_b,genuine\nx,y,yes\n")).toThrow(/"yes" on line 2/);
    expect(() => parsePairList("path_a,path_b,genuine,fold\nx,y,1,-1\n")).toThrow(/fold is "-1" on line 2/);
  });

  it("find people who are both in calibration and in evaluation, under either name", () => {
    const other = parseManifest("path,subject\nd.jpg,bob\ne.jpg,eve\nf.jpg,anna\n");
    expect(subjectOverlap(other, manifest)).toEqual(["bob"]);
    expect(subjectOverlap(other, manifest, { aliases: [["ann", "anna"]] })).toEqual(["anna", "bob"]);
    expect(() => subjectOverlap(parseManifest("path\na\n"), manifest)).toThrow(/no column subject/);
  });

  it("drop aliases of people who are not here", () => {
    const names = parseAliases("person_a,person_b\nann,bob\nann,zoe\n");
    expect(resolveAliases(names, ["ann", "bob"])).toEqual([[0, 1]]);
    expect(() => parseAliases("person_a,person_b\nann,ann\n")).toThrow(/line 2/);
  });
});

const lfw = join(sharedDir() ?? "", "data", "lfw");
const present = sharedDir() !== undefined && existsSync(join(lfw, "manifest.csv"));

describe.skipIf(!present)("the LFW part (skipped when ../shared is absent)", () => {
  const read = (name: string): string => readFileSync(join(lfw, name), "utf8");

  it("makes 4,414 genuine and 7.26 M impostor comparisons all against all, aliases left out", () => {
    const whole = parseManifest(read("manifest.csv"));
    const { manifest } = selectItems(whole, "role", "eval");
    const { subjects, people } = numberSubjects(manifest.subjects ?? []);
    const aliases = resolveAliases(parseAliases(read("aliases.csv")), people);
    const counts = countComparisons(allPairs(subjects, { aliases }));
    expect(people).toHaveLength(2086);
    expect(counts.genuine).toBe(4414);
    expect(counts.impostor + counts.leftOut).toBe(7_255_541);
    expect(counts.leftOut).toBeGreaterThan(0);
    expect(counts.leftOut).toBeLessThan(100);
    expect(subjectOverlap(selectItems(whole, "role", "calib").manifest, manifest)).toEqual([]);
  });

  it("has 1,500 + 1,500 pairs in five folds, all of known images with labels that agree with the names", () => {
    const manifest = parseManifest(read("manifest.csv"));
    const items = resolvePairs(parsePairList(read("pairs.csv")), manifest);
    const { subjects } = numberSubjects(manifest.subjects ?? []);
    const listed = listedPairs(subjects, items);
    expect(countComparisons(listed)).toEqual({ genuine: 1500, impostor: 1500, leftOut: 0 });
    expect([...new Set(items.folds)]).toEqual([1, 2, 3, 4, 5]);
  });
});
