import { printGraph } from "@tessera/core/graph/text-print";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { arbRecipe, randomGraph } from "./random-graph.ts";
import { proveLoweredModel } from "./run-lowered.ts";

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
});
