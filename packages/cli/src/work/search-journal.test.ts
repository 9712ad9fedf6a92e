import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openJournal } from "./search-journal.ts";

describe("the journal of a search", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tessera-journal-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function record(path: string, entries: readonly (readonly [string, unknown])[], header = { model: "m" }): void {
    const journal = openJournal(path, header);
    for (const [key, value] of entries) journal.add(key, value);
    journal.close();
  }

  test("gives back what was added, numbers to the bit", () => {
    const path = join(folder, "a.jsonl");
    const value = { loss: 0.1 + 0.2, list: [Number.MIN_VALUE, -1e300] };
    record(path, [["x", value]]);
    const again = openJournal(path, { model: "m" });
    expect(again.resumed).toBe(true);
    expect(again.known.get("x")).toEqual(value);
    again.close();
  });

  test("a torn last line is cut off, wherever it was torn, and what follows is whole", () => {
    const path = join(folder, "torn.jsonl");
    record(path, [["x", 1]]);
    const whole = readFileSync(path, "utf8");
    record(path, [["y", { long: "enough" }]]);
    const both = readFileSync(path, "utf8");
    for (let cut = whole.length; cut < both.length; cut++) {
      writeFileSync(path, both.slice(0, cut));
      const journal = openJournal(path, { model: "m" });
      expect([...journal.known]).toEqual([["x", 1]]);
      journal.add("z", 3);
      journal.close();
      expect(readFileSync(path, "utf8")).toBe(`${whole}{"key":"z","value":3}\n`);
    }
  });

  test("a header that was torn counts as none", () => {
    const path = join(folder, "header.jsonl");
    record(path, []);
    const header = readFileSync(path, "utf8");
    for (let cut = 0; cut < header.length; cut++) {
      writeFileSync(path, header.slice(0, cut));
      const journal = openJournal(path, { model: "m" });
      expect([journal.note, journal.resumed, journal.known.size]).toEqual([undefined, false, 0]);
      journal.close();
      expect(readFileSync(path, "utf8")).toBe(header);
    }
  });

  test("a journal of other inputs is set aside, and so is a file that is none", () => {
    const path = join(folder, "other.jsonl");
    record(path, [["x", 1]]);
    const journal = openJournal(path, { model: "another" });
    expect(journal.note).toContain("set aside as");
    expect(journal.known.size).toBe(0);
    journal.close();
    writeFileSync(path, "a letter\n");
    const second = openJournal(path, { model: "another" });
    expect(second.note).toContain("other.jsonl.2");
    second.close();
    expect(readdirSync(folder).filter((name) => name.startsWith("other"))).toHaveLength(3);
  });

  test("nothing behind a damaged line is believed", () => {
    const path = join(folder, "damaged.jsonl");
    record(path, [["x", 1]]);
    appendFileSync(path, `{"key":"y"}\n{"key":"z","value":1}\n`);
    const journal = openJournal(path, { model: "m" });
    expect([...journal.known.keys()]).toEqual(["x"]);
    journal.close();
  });
});
