import { describe, expect, it } from "vitest";
import { countTests, sumCounts, summaryLine } from "./lib/test-summary.ts";

describe("the counts of a test run", () => {
  it("are those of its report", () => {
    const report = { numPassedTests: 5, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1, success: false };
    expect(countTests(report)).toEqual({ passed: 5, failed: 2, skipped: 2 });
  });

  it("have a failure for a file that could not be loaded", () => {
    const testResults = [
      { status: "failed", assertionResults: [] },
      { status: "failed", assertionResults: [{ status: "failed" }] },
      { status: "passed", assertionResults: [{ status: "passed" }] },
    ];
    expect(countTests({ numPassedTests: 1, numFailedTests: 1, testResults, success: false }).failed).toBe(2);
  });

  it("have a failure when the run says so without naming a test, or says nothing", () => {
    expect(countTests({ numPassedTests: 3, success: false }).failed).toBe(1);
    expect(countTests(null).failed).toBe(1);
    expect(countTests({ numPassedTests: 3, success: true }).failed).toBe(0);
  });

  it("are summed into a plain line", () => {
    const sum = sumCounts([
      { passed: 3, failed: 0, skipped: 1 },
      { passed: 4, failed: 0, skipped: 0 },
    ]);
    expect(summaryLine(sum)).toBe("7 passed, 0 failed, 1 skipped");
    expect(summaryLine({ passed: 1, failed: 2, skipped: 0 })).toBe("1 passed, 2 failed");
  });
});
