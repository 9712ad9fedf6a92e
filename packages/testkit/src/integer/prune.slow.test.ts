import { removeDeadChannels } from "@tessera/core/codegen/prune/remove-dead";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";
import { type InputSet, modelInput, openIntegerModel, runModel } from "./model-runs.ts";

const shared = sharedDir();
const RUNS = { noise: 500, smooth: 500 } as const satisfies Record<InputSet, number>;

describe.skipIf(shared === undefined)("VWW without its dead channels (needs the shared models)", () => {
  for (const set of Object.keys(RUNS) as InputSet[])
    it(`gives the same logits and outputs on ${RUNS[set]} ${set} inputs`, () => {
      const whole = openIntegerModel(shared as string, "vww", "tflm-double");
      const { model, plan } = modelFromTflite(whole.file);
      const pruned = removeDeadChannels(model, plan as QuantPlan);
      const small = { ...whole, program: compileInteger(pruned.model, pruned.plan) };
      const seen = new Set<string>();
      const wrong: number[] = [];
      for (let i = 0; i < RUNS[set]; i++) {
        const input = modelInput(whole, set, i);
        const [wanted, made] = [runModel(whole, input), runModel(small, input)];
        seen.add(String(wanted.logits));
        if (String(made.logits) !== String(wanted.logits) || String(made.output) !== String(wanted.output)) wrong.push(i);
      }
      expect(wrong).toEqual([]);
      expect(seen.size).toBeGreaterThan(10);
    });
});
