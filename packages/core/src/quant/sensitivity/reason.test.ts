import { expect, test } from "vitest";
import { reasonOf } from "./reason.ts";

const of = (flips: number, nearPairs = 3000) => ({ alone: { flips, nearPairs } });

test("A node's reason is one line that says what it flips and costs", () => {
  expect(reasonOf(of(7), { precision: "float32", timeShare: 0.02 })).toBe(
    "float: flips 7 of 3,000 near-threshold pairs, costs 2 % time",
  );
  expect(reasonOf(of(1), { precision: "int8" })).toBe("int8: alone it flips 1 of 3,000");
  expect(reasonOf(of(1), { precision: "int8", timeShare: 0.3 })).toBe("int8: alone it flips 1 of 3,000");
  expect(reasonOf(of(1200, 1234567), { precision: "float16" })).toBe("fp16: flips 1,200 of 1,234,567 near-threshold pairs");
});

test("Time is saved, costs little, or none", () => {
  const time = (timeShare: number): string => reasonOf(of(0), { precision: "int16x8", timeShare }).split(", ")[1] as string;
  expect([-0.031, 0.004, 0.0001, 0].map(time)).toEqual(["saves 3 % time", "costs 0.4 % time", "costs no time", "costs no time"]);
});
