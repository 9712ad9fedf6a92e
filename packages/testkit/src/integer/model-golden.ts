import { readFileSync } from "node:fs";
import { DIGITS, digestOf, type InputSet, type IntegerModelName, modelInput, openIntegerModel, runModel } from "./model-runs.ts";

interface Golden {
  readonly recordedWith: string;
  /** By model and set: the digests of all runs, one after another. */
  readonly digests: Readonly<Record<string, string>>;
}

/** What TensorFlow Lite for Microcontrollers computed; made by bench/integer-models.ts and bench/peers/tflm_golden.py. */
export function modelGolden(): Golden {
  const path = new URL("../../../core/cases/integer/tflm-models.json", import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as Golden;
}

/** Runs of a set whose logits and output are not those of the recording. */
export function wrongRuns(
  shared: string,
  name: IntegerModelName,
  how: { readonly set: InputSet; readonly runs: number },
): readonly number[] {
  const model = openIntegerModel(shared, name, "tflm-double");
  const digests = modelGolden().digests[`${name}-${how.set}`] ?? "";
  const wrong: number[] = [];
  for (let run = 0; run < how.runs; run++) {
    const made = digestOf(runModel(model, modelInput(model, how.set, run)));
    if (made !== digests.slice(run * DIGITS, (run + 1) * DIGITS)) wrong.push(run);
  }
  return wrong;
}
