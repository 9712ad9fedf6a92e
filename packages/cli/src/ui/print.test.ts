import { describe, expect, test } from "vitest";
import { bytes, count, far, ms, percent } from "./format.ts";
import { renderTable } from "./table.ts";

describe("tables", () => {
  test("columns are as wide as their widest cell, numbers stand flush right, nothing trails", () => {
    const text = renderTable(
      [{ title: "name" }, { title: "n", right: true }],
      [
        ["a", "1"],
        ["longer", "1,234"],
        ["ψηφ", ""],
      ],
    );
    expect(text).toBe(["name        n", "------  -----", "a           1", "longer  1,234", "ψηφ"].join("\n"));
  });

  test("a table without rows is its head, and short rows are filled", () => {
    expect(renderTable([{ title: "a" }, { title: "b" }], [])).toBe("a  b\n-  -");
    expect(renderTable([{ title: "a" }, { title: "b" }], [["x"]])).toBe("a  b\n-  -\nx");
  });
});

describe("figures for people", () => {
  test("sizes, counts, rates, times and FARs", () => {
    expect([bytes(999), bytes(1000), bytes(1_127_000)]).toEqual(["999 B", "1.0 kB", "1.13 MB"]);
    expect([count(989_952), count(221_300_000), count(7.26e9)]).toEqual(["989,952", "221.3 M", "7.26 G"]);
    expect([percent(0.9783), percent(-0.0016), percent(1, 0)]).toEqual(["97.83 %", "-0.16 %", "100 %"]);
    expect([ms(4.351), ms(0.01234), ms(250.4)]).toEqual(["4.35 ms", "0.0123 ms", "250 ms"]);
    expect([far(1e-4), far(0.001), far(0.0025)]).toEqual(["1e-4", "1e-3", "0.0025"]);
  });
});
