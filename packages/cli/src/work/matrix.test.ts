import type { CompatibilityMatrix } from "@tessera/core/protocol/report";
import { describe, expect, test } from "vitest";
import { sharesSpace } from "./matrix.ts";

type Verdict = NonNullable<CompatibilityMatrix["cells"][number][number]["verdict"]>;

function matrix(forward: Verdict | undefined, back: Verdict | undefined): CompatibilityMatrix {
  const cell = (verdict: Verdict | undefined) => (verdict === undefined ? {} : { verdict });
  const cells = [
    [cell("interchangeable"), cell(forward)],
    [cell(back), cell("interchangeable")],
  ];
  return { far: 1e-3, models: ["fp32", "int8"], cells, verdict: "" };
}

describe("two models share an embedding space", () => {
  test("where templates were shown to mix in both directions at the threshold in use", () => {
    expect(sharesSpace(matrix("interchangeable", "interchangeable"), "fp32", "int8")).toBe(true);
  });

  test("not where a direction needs another threshold or asks people to enrol again, was not measured, or a model is not in the matrix", () => {
    expect(sharesSpace(matrix("refit-threshold", "interchangeable"), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("interchangeable", "re-enrol"), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("re-enrol", "interchangeable"), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("interchangeable", undefined), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("interchangeable", "interchangeable"), "fp32", "fp16")).toBe(false);
  });
});
