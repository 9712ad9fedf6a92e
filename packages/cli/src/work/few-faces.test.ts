import { expect, test } from "vitest";
import { fewFaces } from "./few-faces.ts";

test("of few faces, those of people with several come first, three of a person at most, in order", () => {
  const subjects = Int32Array.of(0, 1, 2, 2, 2, 2, 2, 3, 4, 4);
  expect(fewFaces(subjects, 6)).toEqual([0, 2, 3, 4, 8, 9]);
  expect(fewFaces(subjects, 5)).toEqual([2, 3, 4, 8, 9]);
  expect(fewFaces(subjects, 99)).toEqual([0, 1, 2, 3, 4, 7, 8, 9]);
});
