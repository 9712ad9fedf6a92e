import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { Model, TensorType } from "@tessera/core/graph/model";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { checkPlan } from "@tessera/core/targets/check-plan";
import { LITERT } from "@tessera/core/targets/litert";
import { litertRuntime } from "@tessera/runtimes/litert";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test, vi } from "vitest";
import { largestDifference } from "../conversion/run-plain.ts";
import { sharedDir } from "../shared.ts";

/** Models, with the largest value of a random input and the values whose channels are brought to one range. */
const MODELS = {
  "face-embedding/mobilefacenet-foamliu-128.onnx": { size: 1, equalized: 17 },
  "face-detection/yunet-n-320.onnx": { size: 255, equalized: 23 },
  "face-detection/ultralight-rfb-320.onnx": { size: 1, equalized: 11 },
  "face-liveness/minifasnet-v2-2.7-80.onnx": { size: 255, equalized: 17 },
  "voice/tinysv-dvector-256.onnx": { size: 1, equalized: 0 },
} as const;

const shared = sharedDir();
const ort = await ortNodeRuntime({ worker: false });

function feedsOf(model: Model, { seed, size }: { readonly seed: number; readonly size: number }): Feeds {
  const random = seededRandom(seed);
  return new Map(
    model.graph.inputs.map(({ name, type }) => {
      const shape = ((type as TensorType).shape ?? []).map((d) => (typeof d === "number" ? d : 1));
      const values = Array.from({ length: countOf(shape) }, () => (size > 1 ? size * random.next() : random.normal()));
      return [name, f32(shape, values)] as const;
    }),
  );
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

describe.skipIf(shared === undefined)("the shared models in int8 for LiteRT (skipped where ../shared is absent)", () => {
  for (const [file, { size, equalized }] of Object.entries(MODELS)) {
    const path = join(shared ?? "", "models", file);
    test.skipIf(!existsSync(path))(
      `${file} is integer from end to end, by a plan that its kernels take, and computes nearly the same`,
      async () => {
        const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
        const litert = await litertRuntime({ worker: false });
        warn.mockRestore();
        const { model: simple } = await simplifyModel(modelFromOnnx(new Uint8Array(readFileSync(path))));
        const model = prepareForIntegers(inferTypes(simple), LITERT);
        const feeds = [1, 2, 3].map((seed) => feedsOf(model, { seed, size }));
        const open = (exposed: Model) => ort.load(modelToOnnx(exposed), { threads: 1 });
        const channelScales = equalizingScales(
          model,
          await observeLargest(model, equalizablePlaces(model, LITERT), feeds, { open }),
        );
        expect(channelScales.size).toBe(equalized);
        const scaled = scaleChannels(model, channelScales);
        const placement = placeIntegers(scaled, LITERT);
        expect([...placement.choices].filter(([, c]) => c.precision !== "int8")).toEqual([]);
        const observations = await observeTensors(scaled, placement.activations, feeds, { open });
        const plan = staticPlan(model, LITERT, placement, observations, { range: { method: "min-max" }, channelScales });
        expect(checkPlan(model, plan, LITERT)).toEqual([]);
        const { records, report } = lowerTflite(model, { plan, layout: "nchw" });
        expect(report.floatIslands).toEqual([]);
        const [fed] = feeds as [Feeds];
        const float = await open(model);
        const quantized = await litert.load(writeTflite(records), { threads: 1 });
        const [before, after] = [await float.run(fed), await quantized.run(fed)];
        for (const [name, tensor] of before) {
          const other = after.get(name) as Tensor;
          // Scores near zero, as noise gets them, are below the one step that their kernel has: their direction says nothing.
          const isScore = plan.tensors.get(name)?.scale[0] === 1 / 256;
          if (isScore) expect(largestDifference(tensor, other), name).toBeLessThan(0.03);
          else expect(cosine(tensor, other), name).toBeGreaterThan(0.98);
        }
        await float.close();
        await quantized.close();
      },
    );
  }
});
