import { describe, expect, test } from "vitest";
import { fuzzBytes, fuzzRecords } from "./fuzz-raise.ts";

describe("a damaged model is raised or refused with one of our errors, never anything else", () => {
  // Both ends must be met often, or the tests would say nothing.
  test("when its records are damaged one by one", () => {
    const { raised, refused } = fuzzRecords(100000, 2);
    expect(raised).toBeGreaterThan(16666);
    expect(refused).toBeGreaterThan(16666);
  });

  test("when its bytes are damaged", () => {
    const { raised, refused } = fuzzBytes(100000, 2);
    expect(raised + refused).toBeGreaterThan(8333);
  });
});
