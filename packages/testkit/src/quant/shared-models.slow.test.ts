import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model, TensorType } from "@tessera/core/graph/model";
import { channelPlaces, scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { verifyModel } from "@tessera/core/graph/verify";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { quantizeDynamic } from "@tessera/core/quant/dynamic";
import { equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { planFromJson, planToJson } from "@tessera/core/quant/plan-json";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { quantizeWeights } from "@tessera/core/quant/weight-only";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { checkFusion } from "@tessera/runtimes/fusion-check";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";

/** Models, with the layout changes that are allowed at most. */
const MODELS: Readonly<Record<string, { readonly layout?: number }>> = {
  "face-embedding/mobilefacenet-foamliu-128.onnx": { layout: 2 },
  "face-detection/yunet-n-320.onnx": {},
  "face-detection/ultralight-rfb-320.onnx": {},
  "face-liveness/minifasnet-v2-2.7-80.onnx": {},
  "voice/tinysv-dvector-256.onnx": {},
};

const shared = sharedDir();
const runtime = await ortNodeRuntime({ worker: false });

function feedsOf(model: Model, seed: number): Feeds {
  const random = seededRandom(seed);
  return new Map(
    model.graph.inputs.map((input) => {
      const shape = ((input.type as TensorType).shape ?? []).map((d) => (typeof d === "number" ? d : 1));
      return [
        input.name,
        f32(
          shape,
          Array.from({ length: countOf(shape) }, () => random.normal()),
        ),
      ] as const;
    }),
  );
}

async function outputsOf(model: Model, feeds: Feeds): Promise<Feeds> {
  const session = await runtime.load(modelToOnnx(model), { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

function cosine(a: Tensor, b: Tensor): number {
  const [x, y] = [toNumbers(a), toNumbers(b)];
  let [dot, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    dot += (x[i] as number) * (y[i] as number);
    xx += (x[i] as number) ** 2;
    yy += (y[i] as number) ** 2;
  }
  return dot / Math.sqrt(xx * yy);
}

describe.skipIf(shared === undefined)("the shared models, quantized (skipped where ../shared is absent)", () => {
  for (const [file, wanted] of Object.entries(MODELS)) {
    const path = join(shared ?? "", "models", file);
    const ready = async (): Promise<Model> => {
      const source = modelFromOnnx(new Uint8Array(readFileSync(path)));
      const { model } = await simplifyModel(source, { target: ORT_X64 });
      return prepareForIntegers(inferTypes(model), ORT_X64);
    };

    test.skipIf(!existsSync(path))(`${file} runs in integers where the plan says so, and keeps names and types`, async () => {
      const model = await ready();
      const feeds = [1, 2].map((seed) => feedsOf(model, seed));
      const open = (exposed: Model) => runtime.load(modelToOnnx(exposed), { threads: 1 });
      const channelScales = equalizingScales(model, await observeLargest(model, channelPlaces(model), feeds, { open }));
      const scaled = scaleChannels(model, channelScales);
      const placement = placeIntegers(scaled, ORT_X64);
      const observations = await observeTensors(scaled, placement.activations, feeds, { open });
      const plan = staticPlan(model, ORT_X64, placement, observations, { range: { method: "min-max" }, channelScales });
      const quantized = applyPlan(model, planFromJson(planToJson(plan)));
      verifyModel(quantized);
      expect(quantized.graph.inputs).toEqual(model.graph.inputs);
      expect(quantized.graph.outputs.map((o) => o.name)).toEqual(model.graph.outputs.map((o) => o.name));

      const bytes = modelToOnnx(quantized);
      const report = await checkFusion(bytes, ORT_X64);
      const count = (op: string): number =>
        model.graph.nodes.filter((n) => n.op === op && plan.nodes.get(n.name)?.precision === "int8").length;
      for (const op of ["Conv", "Gemm", "MatMul", "Add"])
        expect(
          report.coverage[op]?.integer ?? 0,
          `${op}: ${JSON.stringify(report.islands.filter((i) => /Conv|Gemm|MatMul|Add/.test(i.op)))}`,
        ).toBe(count(op));
      const all = model.graph.nodes.filter((n) => n.op === "Conv").length;
      expect(report.coverage["Conv"] ?? { integer: 0, float: 0 }).toEqual({ integer: all, float: 0 });
      if (wanted.layout !== undefined) {
        expect(report.coverage).toEqual({ Conv: { integer: 51, float: 0 }, Add: { integer: 12, float: 0 } });
        expect(report.layout.length).toBeLessThanOrEqual(wanted.layout);
        expect(bytes.length / modelToOnnx(model).length).toBeLessThanOrEqual(0.32);
      }

      const [fed] = feeds as [Feeds];
      const [before, after] = [await outputsOf(model, fed), await outputsOf(quantized, fed)];
      for (const [name, tensor] of before) {
        const other = after.get(name) as Tensor;
        expect([other.dtype, other.shape]).toEqual([tensor.dtype, tensor.shape]);
        expect(cosine(tensor, other), name).toBeGreaterThan(0.9);
      }
    });

    test.skipIf(!existsSync(path))(`${file} stays close with int8 weights alone and with ranges taken at run time`, async () => {
      const model = await ready();
      const feeds = feedsOf(model, 3);
      const before = await outputsOf(model, feeds);
      for (const made of [quantizeWeights(model).model, quantizeDynamic(model).model]) {
        verifyModel(made);
        const after = await outputsOf(made, feeds);
        for (const [name, tensor] of before) expect(cosine(tensor, after.get(name) as Tensor), name).toBeGreaterThan(0.9);
      }
    });
  }
});
