import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import type { Model } from "@tessera/core/graph/model";
import { planBorders } from "@tessera/core/graph/plan-borders";
import { f32 } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { observeTensors } from "@tessera/core/quant/observe";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { checkPlan } from "@tessera/core/targets/check-plan";
import { LITERT } from "@tessera/core/targets/litert";
import { ORT_X64 } from "@tessera/core/targets/ort";
import type { Target } from "@tessera/core/targets/target";
import { fusionGraph } from "@tessera/runtimes/fusion-graph";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { optimizedGraph } from "@tessera/runtimes/ort-optimized";
import { describe, expect, test, vi } from "vitest";
import { sharedDir } from "../shared.ts";

vi.setConfig({ testTimeout: 300_000 });

const shared = sharedDir();
const random = seededRandom(3);
const samples = Array.from(
  { length: 4 },
  () =>
    new Map([
      [
        "input0",
        f32(
          [1, 3, 112, 112],
          Float32Array.from({ length: 3 * 112 * 112 }, () => random.normal()),
        ),
      ],
    ]),
);

async function planned(source: Model, target: Target, floats: number) {
  const model = prepareForIntegers(inferTypes(source), target);
  const convs = model.graph.nodes.filter((node) => node.op === "Conv").slice(0, floats);
  const placement = placeIntegers(model, target, { keepFloat: new Map(convs.map((node) => [node.name, "the stem"])) });
  const runtime = await ortNodeRuntime();
  const open = (exposed: Model) => runtime.load(modelToOnnx(exposed), { threads: 1 });
  const observations = await observeTensors(model, placement.activations, samples, { open });
  return { model, plan: staticPlan(model, target, placement, observations, { range: { method: "min-max" } }) };
}

describe.skipIf(shared === undefined)("a MobileFaceNet with its first convolutions in float", () => {
  const file = join(shared ?? "", "models/face-embedding/mobilefacenet-foamliu-128.onnx");
  const simple = async (): Promise<Model> => (await simplifyModel(modelFromOnnx(new Uint8Array(readFileSync(file))))).model;

  for (const floats of [0, 2, 3]) {
    test(`${floats} of them: one conversion in, one out, in ONNX Runtime's graph and in the .tflite file`, async () => {
      const source = await simple();
      const onnx = await planned(source, ORT_X64, floats);
      expect(checkPlan(onnx.model, onnx.plan, ORT_X64)).toEqual([]);
      expect(planBorders(onnx.model, onnx.plan)).toEqual({ quantize: 1, dequantize: 1, cast: 0 });
      const { nodes } = fusionGraph(await optimizedGraph(modelToOnnx(applyPlan(onnx.model, onnx.plan))));
      const count = (op: string): number => nodes.filter((n) => n.op === op).length;
      expect([count("QuantizeLinear"), count("DequantizeLinear"), count("QLinearConv")]).toEqual([1, 1, 51 - floats]);

      const tflite = await planned(source, LITERT, floats);
      expect(checkPlan(tflite.model, tflite.plan, LITERT)).toEqual([]);
      const { report } = lowerTflite(tflite.model, { plan: tflite.plan });
      expect(report.meetings).toEqual({ quantize: 1, dequantize: 1, requantize: 0, cast: 0 });
    });
  }
});
