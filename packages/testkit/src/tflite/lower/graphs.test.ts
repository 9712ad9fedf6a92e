import type { Tensor } from "@tessera/core/graph/tensor";
import { printGraph } from "@tessera/core/graph/text-print";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { plannedFor, roundedOutputs, stepsApart } from "./planned.ts";
import { arbRecipe, type GraphRecipe, randomGraph } from "./random-graph.ts";
import { loweredFile, proveLoweredModel, runLowered } from "./run-lowered.ts";

describe("a graph lowered to TFLite", () => {
  test("computes the same whatever layouts its operators want", async () => {
    let transposes = 0;
    let exact = 0;
    const property = fc.asyncProperty(arbRecipe, fc.constantFrom("nhwc", "nchw"), async (recipe, layout) => {
      const model = randomGraph(recipe);
      if (model.graph.outputs.length === 0) return;
      const feeds = new Map([["x", seededTensor("float32", recipe.size, { seed: 1, min: -1, max: 1 })]]);
      const report = await proveLoweredModel(model, feeds, {
        layout,
        runtimes: ["litert"],
        tolerance: { absolute: 2e-4, relative: 2e-4 },
        says: () => printGraph(model.graph),
      });
      transposes += report.transposes.length;
      if (report.layoutExact) exact++;
    });
    await fc.assert(property, { numRuns: 60, seed: 4 });
    expect(transposes).toBeGreaterThan(20);
    expect(exact).toBeGreaterThan(30);
  });

  // An odd seed puts element-wise nodes between the flattening and the product.
  for (const seed of [2, 3]) {
    const recipe: GraphRecipe = {
      size: [2, 3, 8, 6],
      steps: ["Conv", "Dense"].map((kind) => ({ kind, back: 0, other: 0, seed })),
      outputs: [0],
    };
    const feeds = new Map([["x", seededTensor("float32", recipe.size, { seed: 1, min: -1, max: 1 })]]);

    test(`needs no TRANSPOSE where channels are flattened before a product, seed ${seed}`, async () => {
      const model = randomGraph(recipe);
      const report = await proveLoweredModel(model, feeds, { tolerance: { absolute: 1e-4, relative: 1e-4 } });
      expect(report.transposes).toEqual([]);
    });

    test(`moves the scales of such a product's weights with them, seed ${seed}`, async () => {
      const planned = plannedFor(randomGraph(recipe), feeds, "int8");
      const lowered = loweredFile(planned.model, { plan: planned.plan });
      expect([lowered.report.transposes, lowered.report.floatIslands]).toEqual([[], []]);
      const [[name, want]] = [...roundedOutputs(planned, feeds)] as [[string, Tensor]];
      const got = (await runLowered(lowered, feeds, "litert")).get(name) as Tensor;
      expect(stepsApart(got, want, planned.plan.tensors.get(name)?.scale[0] as number)).toBeLessThanOrEqual(2.01);
    });
  }

  for (const scheme of ["int8", "int16x8"] as const) {
    test(`computes in ${scheme} what its plan says, but for roundings that add up`, async () => {
      let integers = 0;
      const property = fc.asyncProperty(arbRecipe, async (recipe) => {
        const source = randomGraph(recipe);
        if (source.graph.outputs.length === 0) return;
        const feeds = new Map([["x", seededTensor("float32", recipe.size, { seed: 1, min: -1, max: 1 })]]);
        const planned = plannedFor(source, feeds, scheme);
        const lowered = loweredFile(planned.model, { plan: planned.plan });
        const want = roundedOutputs(planned, feeds);
        const got = await runLowered(lowered, feeds, "litert");
        for (const [name, tensor] of want) {
          const encoding = planned.plan.tensors.get(name);
          if (encoding !== undefined) integers++;
          const apart = stepsApart(got.get(name) as Tensor, tensor, encoding?.scale[0] ?? 1e-2);
          // A dozen operators may each be one step off.
          if (!(apart <= 8)) throw new Error(`${printGraph(planned.model.graph)}\n${name}: ${apart} steps apart`);
        }
      });
      await fc.assert(property, { numRuns: 25, seed: 21 });
      expect(integers).toBeGreaterThan(15);
    });
  }
});
