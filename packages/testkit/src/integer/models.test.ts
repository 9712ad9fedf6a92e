import { describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";
import { modelGolden, wrongRuns } from "./model-golden.ts";
import { INPUT_SETS, INTEGER_MODELS, type InputSet, type IntegerModelName, openIntegerModel } from "./model-runs.ts";

const shared = sharedDir();
const RUNS = { kws: 20, vww: 3, lstm: 20 } as const;

describe.skipIf(shared === undefined)(`whole int8 models against ${modelGolden().recordedWith} (needs the shared models)`, () => {
  for (const name of Object.keys(INTEGER_MODELS) as IntegerModelName[]) {
    for (const set of Object.keys(INPUT_SETS) as InputSet[]) {
      it(`gives the same logits and outputs for ${name} on ${set} inputs`, () => {
        expect(wrongRuns(shared as string, name, { set, runs: RUNS[name] })).toEqual([]);
      });
    }

    it(`computes ${name} in integers from end to end`, () => {
      const { program } = openIntegerModel(shared as string, name, "tflm-double");
      expect(program.steps.filter((step) => step.kind === "float")).toEqual([]);
      expect(program.steps.length).toBeGreaterThan(5);
    });
  }
});
