import { seededRandom } from "@tessera/core/base/random";
import { makeNode } from "@tessera/core/graph/node";
import { f32, type Tensor } from "@tessera/core/graph/tensor";
import { runInteger } from "@tessera/core/interp/integer/run";
import { beforeAll, describe, expect, it } from "vitest";
import { openLitert } from "../tflite/litert.ts";
import type { TfliteRunner } from "../tflite/tflite-runner.ts";
import { buildCase, caseInput } from "./case-builder.ts";
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

  it("rounds floats to the same integers, at ties too", async () => {
    const random = seededRandom(12);
    let wrong = 0;
    for (let i = 0; i < 20; i++) {
      const scale = i % 2 === 0 ? 2 ** -(1 + (i % 5)) : Math.fround(0.01 + 0.2 * random.next());
      const shape = [1, 200];
      const test = buildCase({
        id: "border",
        operator: "QUANTIZE",
        version: 1,
        options: { kind: "QuantizeOptions" },
        tensors: [
          { name: "x", shape, dtype: "float32" },
          { name: "y", shape, dtype: "int8", scale: [scale], zeroPoint: [random.int(40) - 20] },
        ],
        inputs: ["x"],
        outputs: ["y"],
        feeds: ["x"],
        nodes: [makeNode("Identity", { inputs: ["x"], outputs: ["y"] })],
      });
      const x = f32(
        shape,
        Array.from({ length: 200 }, () => Math.fround((random.int(160) - 79.5) * scale)),
      );
      const [theirs] = await litert.run(test.file(), () => x.bytes);
      const ours = runInteger(compileCase(test, "xnnpack"), new Map([["x", x]]), { io: "integer" }).get("y");
      if (theirs === undefined || Buffer.compare((ours as Tensor).bytes, theirs) !== 0) wrong++;
    }
    expect(wrong).toBe(0);
  });
});
