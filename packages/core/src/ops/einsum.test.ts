import { expect, test } from "vitest";
import { parseEinsum } from "./einsum.ts";

test("without an arrow, letters that occur once are the output, in alphabetical order", () => {
  expect(parseEinsum("kj,ji", [2, 2]).output).toEqual(["i", "k"]);
  expect(parseEinsum("ii", [2]).output).toEqual([]);
});

test("an ellipsis stands for the axes that the letters leave, counted from the end", () => {
  expect(parseEinsum("...ij,...jk->...ik", [4, 3])).toEqual({
    terms: [
      ["1", "0", "i", "j"],
      ["0", "j", "k"],
    ],
    output: ["1", "0", "i", "k"],
  });
});

test.each([
  ["ij,jk->ik", [2]],
  ["ij->ijk", [2]],
  ["ij->ii", [2]],
  ["i.j->i", [3]],
  ["ij", [3]],
  ["i1", [2]],
  ["i->i->i", [1]],
])("refuses %s for ranks %j", (equation, ranks) => {
  expect(() => parseEinsum(equation, ranks)).toThrow(expect.objectContaining({ code: "ATTRIBUTE_INVALID" }));
});
