import { beforeAll, describe, expect, it } from "vitest";
import { openLitert } from "../tflite/litert.ts";
import type { TfliteRunner } from "../tflite/tflite-runner.ts";
import { caseInput } from "./case-builder.ts";
import { FAMILIES, type FamilyName, integerCase } from "./cases.ts";
import { compileCase, runCase } from "./run-case.ts";

/** LiteRT's own 16-bit logistic and tanh are other functions, and here it takes no variable tensors. */
const OTHERS: readonly FamilyName[] = ["LOGISTIC_16", "TANH_16", "UNIDIRECTIONAL_SEQUENCE_LSTM"];
const CASES = 6;
const RUNS = 2;

let litert: TfliteRunner;
beforeAll(async () => {
  litert = await openLitert();
});

describe("the profile xnnpack", () => {
  for (const family of (Object.keys(FAMILIES) as FamilyName[]).filter((name) => !OTHERS.includes(name))) {
    it(`gives the same bytes as LiteRT for ${family}`, async () => {
      const wrong: string[] = [];
      for (let i = 0; i < CASES; i++) {
        const test = integerCase(family, i);
        const program = compileCase(test, "xnnpack");
        const file = test.file();
        for (let run = 0; run < RUNS; run++) {
          const [theirs] = await litert.run(file, (k) => caseInput(test, test.spec.feeds[k] as string, run).bytes);
          if (theirs === undefined || Buffer.compare(runCase(test, program, run).bytes, theirs) !== 0)
            wrong.push(`${test.id} ${run}`);
        }
      }
      expect(wrong).toEqual([]);
    });
  }
});
