import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { unitPlan } from "@tessera/core/quant/unit-plan";
import { predict } from "@tessera/core/targets/predictor/predict";
import { TARGETS, targetById } from "@tessera/core/targets/table";
import { RULE_MODELS } from "@tessera/testkit/quant/rule-models";
import { describe, expect, test } from "vitest";
import { qdqFusion } from "./qdq-fusion.ts";

const SIMULATED = TARGETS.filter((t) => t.here === "simulated" && t.format === "onnx" && t.noIntegers === undefined);

describe("what a QDQ file asks of a device that is not here", () => {
  for (const target of SIMULATED)
    test(`${target.id}: counted from the file as the predictor counts from the plan`, () => {
      let integers = 0;
      for (const { op, says, model: source } of RULE_MODELS) {
        const integer = unitPlan(source, target);
        const { integer: expected } = predict({ float: source, integer }, target);
        const found = qdqFusion(modelToOnnx(applyPlan(integer.model, integer.plan)), target);
        const counted = Object.fromEntries(found.integer.filter((r) => r.integer > 0).map((r) => [r.op, r.integer]));
        const rules = Object.entries(expected?.integerOperators ?? {});
        for (const [name, n] of rules) expect(counted[name], `${op} ${says}: ${name}`).toBe(n);
        expect(found.quantizeNodes, `${op} ${says}`).toBe((expected?.quantize ?? 0) + (expected?.dequantize ?? 0));
        integers += rules.length;
      }
      expect(integers).toBeGreaterThan(15);
    });

  test("jetson-nano: PRelu is an island with its reason", () => {
    const target = targetById("jetson-nano");
    const { model: source } = RULE_MODELS.find((m) => m.op === "PRelu") as (typeof RULE_MODELS)[number];
    const { model, plan } = unitPlan(source, target);
    const { islands } = qdqFusion(modelToOnnx(applyPlan(model, plan)), target);
    expect(islands.map((i) => i.op)).toEqual(["PRelu"]);
    expect(islands[0]?.why).toMatch(/int8 chain breaks/);
  });
});
