import { describe, expect, it } from "vitest";
import { formatCountdown, formatDate, formatMs, formatNumber } from "./format.ts";

describe("formatting", () => {
  it("gives times as many digits as they deserve", () => {
    expect([0.4242, 4.242, 42.42, 424.2, 4242].map(formatMs)).toEqual(["0.42 ms", "4.2 ms", "42 ms", "424 ms", "4.2 s"]);
  });

  it("counts down in whole seconds, rounded up, never below zero", () => {
    expect([-1, 0, 0.2, 59.1, 60.5, 125].map(formatCountdown)).toEqual([
      "0 s",
      "0 s",
      "1 s",
      "1 min 0 s",
      "1 min 1 s",
      "2 min 5 s",
    ]);
  });

  it("writes a true minus, and none before zero", () => {
    expect([0.1234, -0.5, -0.0001, 0].map((v) => formatNumber(v, 3))).toEqual(["0.123", "\u22120.500", "0.000", "0.000"]);
  });

  it("shows a date, and what is no date as it is", () => {
    expect(formatDate("2026-11-20T10:11:12Z", "en-GB")).toMatch(/2026/);
    expect(formatDate("yesterday")).toBe("yesterday");
  });
});
