import { readFileSync } from "node:fs";
import { join } from "node:path";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import { removeDeadChannels } from "@tessera/core/codegen/prune/remove-dead";
import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { verifyModel } from "@tessera/core/graph/verify";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import type { IntegerProgram } from "@tessera/core/interp/integer/program";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";
import { INTEGER_MODELS } from "./model-runs.ts";
import { randomNetwork } from "./random-network.ts";
import { deviceLists, integerLists, type Lists, randomFeeds } from "./run-both.ts";

describe("removing dead channels", () => {
  it("changes no output integer of networks with planted dead channels", () => {
    let removed = 0;
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { model, plan } = randomNetwork(seed, { dead: true });
        const before = compileInteger(model, plan);
        const pruned = removeDeadChannels(model, plan);
        const after = compileInteger(pruned.model, pruned.plan);
        const [from, to] = pruned.report.channels;
        if (to < from) removed++;
        verifyModel(pruned.model);
        for (let run = 0; run < 3; run++) {
          const feeds = randomFeeds(before, seed + run);
          expect(integerLists(after, feeds)).toEqual(integerLists(before, feeds));
        }
      }),
      { numRuns: 150, seed: 5 },
    );
    expect(removed).toBeGreaterThan(20);
  });

  it("finds nothing more the second time", () => {
    for (let seed = 0; seed < 30; seed++) {
      const { model, plan } = randomNetwork(seed, { dead: true });
      const once = removeDeadChannels(model, plan);
      const twice = removeDeadChannels(once.model, once.plan);
      expect(twice.report.channels, `${seed}`).toEqual([once.report.channels[1], once.report.channels[1]]);
    }
  });
});

const shared = sharedDir();

describe.skipIf(shared === undefined)("VWW without its dead channels (needs the shared models)", () => {
  const open = () => {
    const file = new Uint8Array(readFileSync(join(shared as string, INTEGER_MODELS.vww)));
    const { model, plan } = raiseTflite(readTflite(file));
    return { model, plan: plan as QuantPlan };
  };

  /** The program with its last sums as a further output: they tell more than a softmax of two. */
  const withSums = (program: IntegerProgram): IntegerProgram => {
    const sums = program.steps.find((step) => step.kind === "fullyConnected")?.output as string;
    return { ...program, outputs: [...program.outputs, sums] };
  };

  it("gives the same outputs on a device, with half of the multiplications", () => {
    const { model, plan } = open();
    const pruned = removeDeadChannels(model, plan);
    const { channels, macs, bytes, refused } = pruned.report;
    expect({ channels, macs, refused }).toEqual({ channels: [2738, 1014], macs: [7489664, 3727313], refused: [] });
    expect(bytes[1] / bytes[0]).toBeLessThan(0.16);
    const before = withSums(compileInteger(model, plan));
    const after = withSums(compileInteger(pruned.model, pruned.plan));
    const [full, small] = [lowerToDevice(before), lowerToDevice(after)];
    const seen = new Set<string>();
    for (let run = 0; run < 20; run++) {
      const feeds = randomFeeds(before, run);
      const wanted: Lists = integerLists(before, feeds);
      seen.add(String(wanted[1]));
      expect(integerLists(after, feeds)).toEqual(wanted);
      if (run > 1) continue;
      expect(deviceLists(full, feeds)).toEqual(wanted);
      expect(deviceLists(small, feeds)).toEqual(wanted);
    }
    expect(seen.size).toBeGreaterThan(3);
  });
});
