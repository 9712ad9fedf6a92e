import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32, toNumbers } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { nodeGroups } from "@tessera/core/quant/search/groups";
import { measureSensitivity } from "@tessera/core/quant/sensitivity/measure";
import { restrictPlan } from "@tessera/core/quant/sensitivity/restrict-plan";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";

const file = join(sharedDir() ?? "", "models/face-embedding/mobilefacenet-foamliu-128.onnx");
const target = ORT_X64;

/** Smooth random pictures: a network sees more of itself in them than in plain noise. */
function pictures(input: string, count: number): readonly Feeds[] {
  const random = seededRandom(12);
  return Array.from({ length: count }, () => {
    const waves = Array.from({ length: 9 }, () => [random.normal() / 9, random.normal() / 9, 6 * random.next()] as const);
    const pixels = Array.from({ length: 3 * 112 * 112 }, (_, i) => {
      const [c, y, x] = [Math.floor(i / 12544), Math.floor(i / 112) % 112, i % 112];
      return waves.reduce((sum, [a, b, phase], k) => sum + (k % 3 === c ? 2 : 0.4) * Math.sin(a * y + b * x + phase), 0) / 2;
    });
    return new Map([[input, f32([1, 3, 112, 112], pixels)]]);
  });
}

describe.skipIf(!existsSync(file))("sensitivity of a MobileFaceNet (skipped where ../shared is absent)", () => {
  test("restricted plans are those of the placement, and suffixes give what whole networks give on ONNX Runtime", async () => {
    const runtime = await ortNodeRuntime({ worker: false });
    const open = (model: Model) => runtime.load(modelToOnnx(model), { threads: 1 });
    const { model: plain } = await simplifyModel(modelFromOnnx(new Uint8Array(readFileSync(file))), { target });
    const model = prepareForIntegers(inferTypes(plain), target);
    const samples = pictures(model.graph.inputs[0]?.name as string, 6);
    const channelScales = equalizingScales(
      model,
      await observeLargest(model, equalizablePlaces(model, target), samples, { open }),
    );
    const scaled = scaleChannels(model, channelScales);
    const placement = placeIntegers(scaled, target);
    const observations = await observeTensors(scaled, placement.activations, samples, { open });
    const planOf = (kept: readonly string[]): QuantPlan =>
      staticPlan(
        model,
        target,
        placeIntegers(scaled, target, { keepFloat: new Map(kept.map((name) => [name, "kept"] as const)) }),
        observations,
        { channelScales },
      );
    const plan = planOf([]);
    const groups = nodeGroups(scaled, placement);
    expect(groups).toHaveLength(63);
    const keptFor = (group: (typeof groups)[number], mode: "alone" | "reverted"): readonly string[] =>
      mode === "reverted" ? group.nodes : groups.flatMap((g) => (g === group ? [] : g.nodes));
    const restrictedTo = (kept: readonly string[]): QuantPlan =>
      restrictPlan(scaled, plan, { target, keepFloat: new Map(kept.map((name) => [name, "kept"] as const)) });
    for (const group of groups)
      for (const mode of ["alone", "reverted"] as const) {
        const kept = keptFor(group, mode);
        expect(new Map([...restrictedTo(kept).tensors].sort())).toEqual(new Map([...planOf(kept).tensors].sort()));
      }

    const looked = groups.filter((_, i) => i % 9 === 1);
    const found = await measureSensitivity(model, plan, {
      target,
      apply: applyPlan,
      open,
      samples: () => samples,
      count: samples.length,
      judge: ({ data }) => Array.from(data),
      groups,
    });
    const whole = async (planned: Model): Promise<number[]> => {
      const session = await open(planned);
      const rows: number[] = [];
      for (const feeds of samples)
        for (const value of (await session.run(feeds)).values()) rows.push(...Array.from(toNumbers(value)));
      await session.close();
      return rows;
    };
    for (const group of looked)
      for (const mode of ["alone", "reverted"] as const) {
        const wanted = await whole(applyPlan(model, restrictedTo(keptFor(group, mode))));
        const row = found.groups.find((g) => g.name === group.name)?.[mode] as readonly number[];
        const [worst, largest] = wanted.reduce(
          ([d, l], v, i) => [Math.max(d, Math.abs(v - (row[i] as number))), Math.max(l, Math.abs(v))],
          [0, 0],
        );
        // Integers cross a cut unchanged. Floats are added in another order where a residual sum was part of a convolution.
        expect(worst / largest, `${mode} ${group.name}`).toBeLessThan(mode === "alone" ? 2e-3 : 1e-6);
      }
  });
});
