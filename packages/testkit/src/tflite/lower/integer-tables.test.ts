import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { describe, expect, test } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { roundedOutputs, stepsApart } from "./planned.ts";
import { caseFeeds, caseModel, type LowerCase } from "./prove.ts";
import { type LowerRuntime, loweredFile, runLowered } from "./run-lowered.ts";

/** Operators that our own plans leave in float, but files of other tools have in int8: what they read, and a grid that the kernel fixes. */
const KERNELS: readonly {
  readonly op: string;
  readonly attributes?: LowerCase["attributes"];
  readonly min?: number;
  readonly grid?: readonly [scale: number, zeroPoint: number];
  readonly runtimes?: readonly LowerRuntime[];
}[] = [
  { op: "Elu" },
  { op: "Gelu" },
  { op: "Gelu", attributes: { approximate: "tanh" } },
  { op: "LogSoftmax", attributes: { axis: -1 }, grid: [16 / 256, 127] },
  { op: "LpNormalization", attributes: { axis: -1 }, grid: [1 / 128, 0] },
  { op: "Abs" },
  { op: "Exp", runtimes: ["litert"] },
  { op: "Log", min: 0.2, runtimes: ["litert"] },
];

/** The int8 grid over all values and zero. */
function gridOf(t: Tensor): Encoding {
  const values = toNumbers(t);
  const low = Math.min(0, ...values);
  const scale = Math.fround((Math.max(0, ...values) - low) / 255);
  return { dtype: "int8", scale: [scale], zeroPoint: [Math.round(-128 - low / scale)], reason: "all that was seen" };
}

describe("an int8 operator of somebody else's file", () => {
  for (const { op, attributes = {}, min = -3, grid, runtimes = ["litert", "tfjs"] } of KERNELS) {
    test(`stays in integers and is right to the step: ${op} ${JSON.stringify(attributes)}`, async () => {
      for (const seed of [1, 2, 3]) {
        const c: LowerCase = { op, attributes, inputs: [seededTensor("float32", [2, 3, 8], { seed, min, max: 3 })] };
        const [model, feeds] = [caseModel(c), caseFeeds(c)];
        const fixed = grid && { dtype: "int8" as const, scale: [grid[0]], zeroPoint: [grid[1]], reason: "fixed by the kernel" };
        const y = fixed ?? gridOf(interpret(model.graph, feeds).get("y0") as Tensor);
        const tensors = new Map([
          ["x0", gridOf(c.inputs[0] as Tensor)],
          ["y0", y],
        ]);
        const plan: QuantPlan = { kind: "quant-plan", version: 1, target: "litert", nodes: new Map(), tensors };
        const lowered = loweredFile(model, { plan });
        expect(lowered.report.floatIslands).toEqual([]);
        const want = roundedOutputs({ model, plan }, feeds).get("y0") as Tensor;
        for (const runtime of runtimes as readonly LowerRuntime[]) {
          const got = (await runLowered(lowered, feeds, runtime)).get("y0") as Tensor;
          expect(stepsApart(got, want, y.scale[0] as number)).toBeLessThanOrEqual(1.01);
        }
      }
    });
  }
});
