import { describe, expect, it } from "vitest";
import { CMU_HEADER, readCmuSet, readKeystrokeSet, readMeuSet } from "./read-set.ts";
import { selectFeatures, TIMING_KINDS } from "./samples.ts";

const numbers = (from: number): string => Array.from({ length: 31 }, (_, i) => (from + i / 100).toFixed(4)).join(",");
const cmu = (...rows: readonly string[]): string => `${[CMU_HEADER.join(","), ...rows].join("\n")}\n`;
const refused = (message: RegExp) =>
  expect.objectContaining({ code: "DATASET_INVALID", message: expect.stringMatching(message) });

describe("the CMU table", () => {
  it("has the 34 columns of its authors", () => {
    expect(CMU_HEADER).toHaveLength(34);
    expect(CMU_HEADER.slice(0, 7)).toEqual(["subject", "sessionIndex", "rep", "H.period", "DD.period.t", "UD.period.t", "H.t"]);
    expect(CMU_HEADER.slice(-3)).toEqual(["DD.l.Return", "UD.l.Return", "H.Return"]);
  });

  it("is read person by person, in seconds", () => {
    const set = readCmuSet(
      cmu(`s002,1,1,${numbers(0.1)}`, `s002,1,2,${numbers(0.2)}`, `s002,2,1,${numbers(0.3)}`, `s004,1,1,${numbers(0.4)}`),
    );
    expect(set.subjects.map((s) => [s.id, s.samples.rows, s.samples.cols])).toEqual([
      ["s002", 3, 31],
      ["s004", 1, 31],
    ]);
    expect([...(set.subjects[0]?.samples.data.subarray(31, 34) ?? [])]).toEqual([0.2, 0.21, 0.22]);
    const kinds = set.features.map((f) => f.kind);
    expect(kinds.filter((k) => k === "hold")).toHaveLength(11);
    expect(kinds.filter((k) => k === "down-down")).toHaveLength(10);
    expect(kinds.filter((k) => k === "up-down")).toHaveLength(10);
  });

  it.each([
    ["a renamed column", cmu(`s002,1,1,${numbers(0.1)}`).replace("DD.t.i", "DD.i.t"), /column 8 is "DD.i.t"/],
    ["a missing column", "subject,sessionIndex,rep,H.period\ns002,1,1,0.1\n", /it has 4 columns, the CMU table 34/],
    [
      "a word for a number",
      cmu(`s002,1,1,${numbers(0.1)}`, `s002,1,2,${numbers(0.2).replace("0.2100", "fast")}`),
      /line 3, column DD.period.t: "fast" is no number/,
    ],
    ["an empty cell", cmu(`s002,1,1,${numbers(0.1).replace("0.1000", "")}`), /line 2, column H.period: "" is no number/],
    ["infinity", cmu(`s002,1,1,${numbers(0.1).replace("0.1000", "1e999")}`), /line 2, column H.period: "1e999" is no number/],
    [
      "a negative hold time",
      cmu(`s002,1,1,${numbers(0.1).replace("0.1000", "-0.1")}`),
      /line 2, column H.period: -0.1 is out of range/,
    ],
    [
      "a repetition out of order",
      cmu(`s002,1,2,${numbers(0.1)}`, `s002,1,1,${numbers(0.1)}`),
      /line 3: the repetitions of "s002" are not in order/,
    ],
    [
      "a repetition twice",
      cmu(`s002,1,1,${numbers(0.1)}`, `s002,1,1,${numbers(0.1)}`),
      /line 3: the repetitions of "s002" are not in order/,
    ],
    [
      "a person in two places",
      cmu(`a,1,1,${numbers(0.1)}`, `b,1,1,${numbers(0.1)}`, `a,1,2,${numbers(0.1)}`),
      /line 4, column subject: rows of "a" do not stand together/,
    ],
    ["a person without a name", cmu(` ,1,1,${numbers(0.1)}`), /line 2, column subject/],
    ["a session that is no count", cmu(`s002,1.5,1,${numbers(0.1)}`), /line 2, column sessionIndex: "1.5" is no count/],
    ["no rows", cmu(), /it holds no measurements/],
    ["a short row", cmu("s002,1,1,0.1"), /line 2 has 4 cells/],
  ])("refuses %s and says where", (_, text, message) => {
    expect(() => readCmuSet(text)).toThrow(refused(message));
  });

  it("takes negative up-down times, which rolling over keys gives", () => {
    const set = readCmuSet(cmu(`s002,1,1,${numbers(0.1).replace("0.1200", "-0.0400")}`));
    expect(set.subjects[0]?.samples.data[2]).toBe(-0.04);
  });
});

const MEU =
  "Subject,Hold .,Hold t,DD ..t,UD ..t,Pressure .,Size .,AvH\n7,90,100,300,210,0.5,0.25,95\n7,80,110,320,240,0.4,0.25,95\n9,70,90,200,130,0.3,0.2,80\n";

describe("the MEU-Mobile table", () => {
  it("is read in seconds, with kinds", () => {
    const set = readMeuSet(MEU, { manifest: "path,subject,repetition\nx.csv,7,1\nx.csv,7,2\nx.csv,9,1\n" });
    expect(set.subjects.map((s) => [s.id, s.samples.rows])).toEqual([
      ["7", 2],
      ["9", 1],
    ]);
    expect([...(set.subjects[1]?.samples.data ?? [])].map((v) => Math.round(v * 1e6) / 1e6)).toEqual([
      0.07, 0.09, 0.2, 0.13, 0.3, 0.2, 0.08,
    ]);
    const timing = selectFeatures(set, TIMING_KINDS);
    expect(timing.features.map((f) => f.name)).toEqual(["Hold .", "Hold t", "DD ..t", "UD ..t"]);
    expect(timing.subjects[0]?.samples.cols).toBe(4);
    expect(timing.subjects[0]?.samples.data[4]).toBeCloseTo(0.08, 12);
  });

  it.each([
    [
      "another person",
      "path,subject,repetition\nx.csv,7,1\nx.csv,8,1\nx.csv,9,1\n",
      /line 3 belongs to "7", by manifest.csv to "8"/,
    ],
    ["another count", "path,subject,repetition\nx.csv,7,1\n", /it has 3 rows, manifest.csv 1/],
    [
      "a repetition left out",
      "path,subject,repetition\nx.csv,7,1\nx.csv,7,3\nx.csv,9,1\n",
      /line 3, column repetition: "3" where 2 is due/,
    ],
    ["other columns", "path,who\nx.csv,7\nx.csv,7\nx.csv,9\n", /its columns must be path, subject and repetition/],
  ])("refuses a manifest with %s", (_, manifest, message) => {
    expect(() => readMeuSet(MEU, { manifest })).toThrow(refused(message));
  });

  it("refuses a column of no known kind", () => {
    expect(() => readMeuSet("Subject,Hold .,Mood\n1,90,3\n")).toThrow(refused(/column "Mood" is of no known kind/));
  });
});

describe("either table", () => {
  it("is told apart by its header", () => {
    expect(readKeystrokeSet(MEU).name).toBe("MEU-Mobile");
    expect(readKeystrokeSet(`\uFEFF${cmu(`s002,1,1,${numbers(0.1)}`)}`).name).toBe("CMU");
    expect(() => readKeystrokeSet("who,what\n1,2\n", { file: "x.csv" })).toThrow(
      refused(/x.csv: its header starts with neither/),
    );
  });
});
