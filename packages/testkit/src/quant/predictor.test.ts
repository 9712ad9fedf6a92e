import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import { unitPlan } from "@tessera/core/quant/unit-plan";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { predict } from "@tessera/core/targets/predictor/predict";
import { checkFusion, type FusionReport } from "@tessera/runtimes/fusion-check";
import { describe, expect, test } from "vitest";
import { RULE_MODELS } from "./rule-models.ts";

/** Operators of a runtime's own graph that compute in integers, without their domains. */
function integersOf({ operators }: FusionReport): Readonly<Record<string, number>> {
  const kernels = new Set(Object.values(ORT_X64.integerKernels).flat());
  const plain = Object.entries(operators).map(([op, n]) => [op.replace(/^.*\./, ""), n] as const);
  return Object.fromEntries(plain.filter(([op]) => kernels.has(op)));
}

async function both(source: Model) {
  const integer = unitPlan(source, ORT_X64);
  const { integer: expected } = predict({ float: source, integer }, ORT_X64);
  const found = await checkFusion(modelToOnnx(applyPlan(integer.model, integer.plan)), ORT_X64);
  return { expected, found };
}

describe("the predictor against ONNX Runtime's own optimised graph", () => {
  for (const [index, { op, says, model }] of RULE_MODELS.entries()) {
    test(`${index}: ${op} ${says}: integer kernels by name, and conversions left`, async () => {
      const { expected, found } = await both(model);
      expect(expected?.integerOperators).toEqual(integersOf(found));
      expect([expected?.quantize, expected?.dequantize]).toEqual([found.quantizeLeft, found.dequantizeLeft]);
    });
  }
});
