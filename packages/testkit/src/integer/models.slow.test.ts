import { describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";
import { openLitert } from "../tflite/litert.ts";
import { modelGolden, wrongRuns } from "./model-golden.ts";
import {
  INPUT_SETS,
  INTEGER_MODELS,
  type InputSet,
  type IntegerModelName,
  modelInput,
  openIntegerModel,
  runModel,
} from "./model-runs.ts";

const shared = sharedDir();
const MINUTES = 60_000;

describe.skipIf(shared === undefined)("whole int8 models on all inputs (needs the shared models)", () => {
  for (const name of Object.keys(INTEGER_MODELS) as IntegerModelName[]) {
    for (const set of Object.keys(INPUT_SETS) as InputSet[]) {
      it(
        `gives what ${modelGolden().recordedWith} gives for ${name} on ${INPUT_SETS[set]} ${set} inputs`,
        () => {
          expect(wrongRuns(shared as string, name, { set, runs: INPUT_SETS[set] })).toEqual([]);
        },
        15 * MINUTES,
      );
    }
  }

  // LiteRT does not take files with variable tensors here, so the LSTM is not among them.
  for (const name of ["kws", "vww"] as const) {
    it(
      `gives what LiteRT gives for ${name} under the profile xnnpack`,
      async () => {
        const litert = await openLitert();
        const model = openIntegerModel(shared as string, name, "xnnpack");
        const wrong: string[] = [];
        for (const set of Object.keys(INPUT_SETS) as InputSet[]) {
          for (let run = 0; run < INPUT_SETS[set]; run++) {
            const input = modelInput(model, set, run);
            const [theirs] = await litert.run(model.file, () => new Uint8Array(input.buffer));
            if (theirs === undefined || Buffer.compare(runModel(model, input).output, theirs) !== 0) wrong.push(`${set} ${run}`);
          }
        }
        expect(wrong).toEqual([]);
      },
      20 * MINUTES,
    );
  }
});
