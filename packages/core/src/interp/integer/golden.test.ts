import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { CASES_PER_FAMILY, FAMILIES, type FamilyName, integerCase, RUNS_PER_CASE } from "@tessera/testkit/integer/cases";
import { caseBytes, compileCase } from "@tessera/testkit/integer/run-case";
import { describe, expect, it } from "vitest";
import type { ProfileName } from "./profile.ts";

interface Golden {
  readonly recordedWith: string;
  readonly runs: number;
  readonly sha256: Readonly<Record<string, string>>;
}

// Made by bench/integer-golden.ts and bench/peers/tflm_golden.py.
const path = new URL("../../../cases/integer/tflm-operators.json", import.meta.url);
const golden = JSON.parse(readFileSync(path, "utf8")) as Golden;

describe(`the profile tflm-double against ${golden.recordedWith}`, () => {
  it("has a recording of every case", () => {
    expect(golden.runs).toBe(RUNS_PER_CASE);
    expect(Object.keys(golden.sha256)).toHaveLength(Object.keys(FAMILIES).length * CASES_PER_FAMILY);
  });

  it("would notice another rounding", () => {
    const digest = (profile: ProfileName): string =>
      createHash("sha256")
        .update(caseBytes(integerCase("PRELU", 0), profile))
        .digest("hex")
        .slice(0, 16);
    expect(digest("tflm-double")).toBe(golden.sha256["PRELU-0"]);
    expect(digest("single")).not.toBe(golden.sha256["PRELU-0"]);
  });

  for (const family of Object.keys(FAMILIES) as FamilyName[]) {
    it(`gives the same bytes for ${family}`, () => {
      const wrong: string[] = [];
      for (let i = 0; i < CASES_PER_FAMILY; i++) {
        const test = integerCase(family, i);
        const digest = createHash("sha256").update(caseBytes(test, "tflm-double")).digest("hex").slice(0, 16);
        if (digest !== golden.sha256[test.id]) wrong.push(test.id);
      }
      expect(wrong).toEqual([]);
    });

    it(`computes ${family} in integers`, () => {
      for (let i = 0; i < CASES_PER_FAMILY; i++) {
        const kinds = compileCase(integerCase(family, i), "tflm-double").steps.map((step) => step.kind);
        expect(kinds).not.toContain("float");
      }
    });
  }
});
