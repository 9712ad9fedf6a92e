import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import { createHistogram, observe } from "@tessera/core/quant/histogram";
import { placeIntegers } from "@tessera/core/quant/placement";
import { planFromJson, planToJson } from "@tessera/core/quant/plan-json";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { unitPlan } from "@tessera/core/quant/unit-plan";
import { checkPlan } from "@tessera/core/targets/check-plan";
import { type SchemeName, withScheme } from "@tessera/core/targets/scheme";
import { TARGETS, targetById } from "@tessera/core/targets/table";
import { describe, expect, test } from "vitest";
import { RULE_MODELS } from "./rule-models.ts";

const MODELS = RULE_MODELS.map((rule, index) => ({ name: `${index} ${rule.op} ${rule.says}`, ...rule }));

function schemesOf(target: (typeof TARGETS)[number]): readonly SchemeName[] {
  return target.wide === undefined ? ["int8"] : ["int8", "int16x8"];
}

describe("every target with integers", () => {
  for (const row of TARGETS.filter((t) => t.noIntegers === undefined)) {
    for (const scheme of schemesOf(row)) {
      test(`${row.id} in ${scheme}: a plan for every rule model passes its own check, survives its file, and is written`, () => {
        const target = withScheme(row, scheme);
        let integers = 0;
        for (const { name, model: source } of MODELS) {
          const { model, plan } = unitPlan(source, target);
          expect(
            checkPlan(model, plan, target).map((p) => p.what),
            name,
          ).toEqual([]);
          const read = planFromJson(planToJson(plan));
          expect(read.tensors, name).toEqual(new Map([...plan.tensors].sort(([a], [b]) => (a < b ? -1 : 1))));
          integers += [...plan.nodes.values()].filter((n) => n.precision !== "float32").length;
          const bytes = row.format === "onnx" ? modelToOnnx(applyPlan(model, plan)) : modelToTflite(model, { plan });
          if (row.format === "onnx") expect(modelFromOnnx(bytes).graph.nodes.length, name).toBeGreaterThan(0);
          else expect(bytes.length, name).toBeGreaterThan(0);
        }
        expect(integers).toBeGreaterThan(20);
      });
    }
  }
});

describe("what is particular to a target", () => {
  const residual = MODELS.find((m) => m.op === "Conv") as (typeof MODELS)[number];

  test("jetson-nano: no zero points anywhere, and biases in float", () => {
    for (const { name, model: source } of MODELS) {
      const { plan } = unitPlan(source, targetById("jetson-nano"));
      for (const [tensor, e] of plan.tensors) {
        expect(e.dtype, `${name} ${tensor}`).toBe("int8");
        expect(
          e.zeroPoint.every((z) => z === 0),
          `${name} ${tensor}`,
        ).toBe(true);
      }
    }
  });

  test("snapdragon-htp: 16-bit activations are unsigned, with 32-bit biases, and only convolutions have scales per channel", () => {
    const target = withScheme(targetById("snapdragon-htp"), "int16x8");
    const dtypes = new Set<string>();
    for (const { name, model: source } of MODELS) {
      const { model, plan } = unitPlan(source, target);
      for (const [tensor, e] of plan.tensors) {
        dtypes.add(e.dtype);
        if (e.axis === undefined || e.dtype === "int32") continue;
        const [user] = model.graph.nodes.filter((n) => n.inputs.includes(tensor));
        expect(["Conv", "ConvTranspose"], `${name} ${tensor}`).toContain(user?.op);
      }
    }
    expect([...dtypes].sort()).toEqual(["int32", "int8", "uint16"]);
  });

  test("snapdragon-htp: no range is narrower than the tools take", () => {
    const target = targetById("snapdragon-htp");
    const model = prepareForIntegers(residual.model, target);
    const placement = placeIntegers(model, target);
    const histogram = createHistogram();
    observe(histogram, Float32Array.of(0, 1e-6));
    const observations = { samples: 1, histograms: new Map(placement.activations.map((name) => [name, histogram] as const)) };
    const { tensors } = staticPlan(model, target, placement, observations);
    const grids = placement.activations.map((name) => tensors.get(name)?.scale[0] as number);
    expect(grids.length).toBeGreaterThan(0);
    for (const scale of grids) expect(scale * 255).toBeGreaterThanOrEqual(0.9999e-4);
  });

  test("ort-x64-novnni: weights keep to 7 bits wherever the file is made", () => {
    const target = targetById("ort-x64-novnni");
    expect(target.weights.reducedRange).toBe("always");
    const { plan } = unitPlan(residual.model, target, { reducedRange: true });
    const weights = [...plan.tensors.values()].filter((e) => e.dtype === "int8");
    expect(weights.length).toBeGreaterThan(0);
    for (const e of weights) expect(e.range).toEqual([-64, 64]);
  });

  test("litert-xnnpack: no operator is left that XNNPACK computes in float only", () => {
    for (const { name, model: source } of MODELS) {
      const { model, plan } = unitPlan(source, targetById("litert-xnnpack"));
      for (const node of model.graph.nodes)
        if (["PRelu", "HardSwish", "Softmax", "Tanh", "AveragePool"].includes(node.op))
          expect(plan.nodes.get(node.name)?.precision, `${name} ${node.op}`).toBe("float32");
    }
  });

  test("apple-ane: integers are refused with the scheme to use instead", () => {
    for (const scheme of ["int8", "int16x8"] as const)
      expect(() => withScheme(targetById("apple-ane"), scheme)).toThrowError(
        expect.objectContaining({ code: "TARGET_RULE", hint: "Use --scheme fp16" }),
      );
    expect(() => unitPlan(residual.model, targetById("apple-ane"))).toThrowError(
      expect.objectContaining({ code: "TARGET_RULE" }),
    );
  });
});
