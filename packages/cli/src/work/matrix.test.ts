import type { CompatibilityMatrix } from "@tessera/core/protocol/report";
import { describe, expect, test } from "vitest";
import { sharesSpace } from "./matrix.ts";

type Verdict = NonNullable<CompatibilityMatrix["cells"][number][number]["verdict"]>;

function matrix(forward: Verdict | undefined, back: Verdict | undefined): CompatibilityMatrix {
  const cell = (verdict: Verdict | undefined) => (verdict === undefined ? {} : { verdict });
  const cells = [
    [cell("templates stay"), cell(forward)],
    [cell(back), cell("templates stay")],
  ];
  return { far: 1e-3, models: ["fp32", "int8"], cells, verdict: "" };
}

describe("two models share an embedding space", () => {
  test("where templates were shown to mix in both directions at the threshold in use", () => {
    expect(sharesSpace(matrix("templates stay", "templates stay"), "fp32", "int8")).toBe(true);
  });

  test("not where a direction needs another threshold or asks people to enrol again, was not measured, or a model is not in the matrix", () => {
    expect(sharesSpace(matrix("re-fit threshold", "templates stay"), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("templates stay", "re-enrol"), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("re-enrol", "templates stay"), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("templates stay", undefined), "fp32", "int8")).toBe(false);
    expect(sharesSpace(matrix("templates stay", "templates stay"), "fp32", "fp16")).toBe(false);
  });
});
