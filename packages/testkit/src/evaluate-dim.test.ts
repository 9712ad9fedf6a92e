import { dimAdd, dimFloorDiv, dimMul } from "@tessera/core/graph/dim";
import { describe, expect, test } from "vitest";
import { evaluateDim } from "./evaluate-dim.ts";

const VALUES = new Map([
  ["N", 7],
  ["M", 3],
]);

describe("evaluating a size", () => {
  test("knows the forms that size arithmetic writes", () => {
    expect(evaluateDim(dimAdd(dimMul("N", 2), 1), VALUES)).toBe(15);
    expect(evaluateDim(dimFloorDiv(dimAdd("N", -2), 2), VALUES)).toBe(2);
    expect(evaluateDim(dimMul(dimAdd("N", "M"), "M"), VALUES)).toBe(30);
    expect(evaluateDim("max(0, M - 5)", VALUES)).toBe(0);
    expect(evaluateDim("min(5, N)", VALUES)).toBe(5);
    expect(evaluateDim("ceil(N / 2) - -1", VALUES)).toBe(5);
  });
  test("says nothing about what is unknown, and refuses what it cannot read", () => {
    expect(evaluateDim("?", VALUES)).toBeUndefined();
    expect(evaluateDim("N + K", VALUES)).toBeUndefined();
    expect(() => evaluateDim("N M", VALUES)).toThrow("left over");
  });
});
