import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { planToJson } from "@tessera/core/quant/plan-json";
import { buildPoint } from "@tessera/core/quant/search/build-point";
import { type SearchResult, searchPlan } from "@tessera/core/quant/search/engine";
import { nodeReasons } from "@tessera/core/quant/search/reasons";
import { beforeAll, describe, expect, test } from "vitest";
import { smallSearch } from "./small-search.ts";

const OPTIONS = {
  depth: { tensors: 2, groups: 2, tries: 2, reverted: true },
  without: { secondOrder: true, correctBias: true },
} as const;

describe("a search on a small network, run by the interpreter", () => {
  let search: Awaited<ReturnType<typeof smallSearch>>;
  let result: SearchResult;
  beforeAll(async () => {
    search = await smallSearch();
    result = await searchPlan(search.bench, OPTIONS);
  }, 120_000);

  test("loses less than plain quantization, and shifts scores less", () => {
    const [best] = result.chain;
    expect(best?.judgement.loss).toBeLessThan(result.plain.judgement.loss);
    expect(best?.judgement.spread).toBeLessThan(result.plain.judgement.spread);
    expect(best?.judgement.cosineMean).toBeGreaterThan(result.plain.judgement.cosineMean);
  });

  test("groups in float gain, each point of the chain on the one before", () => {
    const gaining = result.chain.filter((c, i) => i === 0 || c.gains);
    expect(gaining.length).toBeGreaterThan(1);
    for (let i = 1; i < gaining.length; i++)
      expect(gaining[i]?.judgement.spread).toBeLessThan(gaining[i - 1]?.judgement.spread ?? 0);
    expect(result.sensitivity.map((g) => g.nodes)).toEqual([["c1", "r1"], ["c2", "r2"], ["c3"], ["y"]]);
  });

  test("a point builds the same bytes each time, and every node of a searched group says why it is what it is", async () => {
    const last = result.chain.at(-1) ?? expect.fail("a chain");
    const reasons = nodeReasons(last, result.sensitivity, "int8");
    const [a, b] = [
      await buildPoint(last.point, search.material, reasons),
      await buildPoint(last.point, (await smallSearch()).material, reasons),
    ];
    expect(planToJson(a.plan)).toBe(planToJson(b.plan));
    expect(modelToOnnx(applyPlan(a.model, a.plan))).toEqual(modelToOnnx(applyPlan(b.model, b.plan)));
    for (const node of ["c1", "r1", "c2", "r2", "c3", "y"]) {
      const choice = a.plan.nodes.get(node);
      const kept = Object.hasOwn(last.point.keep, node);
      expect(choice?.precision).toBe(kept ? "float32" : "int8");
      expect(choice?.reason).toMatch(
        kept ? /^float: in int8 alone it flips \d+ of [\d,]+ near-threshold pairs/ : /^int8: alone it flips/,
      );
    }
  });

  test("refuses to build what it was given no method for", async () => {
    const [best] = result.chain;
    const point = { ...(best ?? expect.fail("a chain")).point, rounding: "second-order" as const };
    await expect(buildPoint(point, search.material)).rejects.toThrow("no method was given");
  });
});
