import { expect, test } from "vitest";
import { calibrationSamples } from "./calibration.ts";
import { rowOf, stackRows } from "./samples.ts";

test("calibration goes up to twice as far as the person did, but a feature no farther than eight mean deviations", () => {
  // Feature 0: mean 2, mean absolute deviation 1. Feature 1: nineteen times 1 and one 21: mean 2, mean absolute deviation (19 + 19) / 20 = 1.9.
  const rows = Array.from({ length: 20 }, (_, i) => [i % 2 === 0 ? 1 : 3, i === 0 ? 21 : 1]);
  const made = calibrationSamples(stackRows(rows));
  expect([made.rows, made.cols]).toEqual([80, 2]);
  expect([...rowOf(made, 0)]).toEqual([1, expect.closeTo(2 + 8 * 1.9, 10)]);
  expect([...rowOf(made, 1)]).toEqual([3, 1]);
  expect([...rowOf(made, 21)]).toEqual([expect.closeTo(2 + 4 / 3, 10), expect.closeTo(2 - 4 / 3, 10)]);
  expect([...rowOf(made, 60)]).toEqual([0, expect.closeTo(2 + 8 * 1.9, 10)]);
  expect([...rowOf(made, 61)]).toEqual([4, 0]);
});
