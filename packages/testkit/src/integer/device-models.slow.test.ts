import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { deviceFaults, lowerToDevice } from "@tessera/core/codegen/device/lower";
import { removeDeadChannels } from "@tessera/core/codegen/prune/remove-dead";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model, TensorType } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, f32 } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { observeTensors } from "@tessera/core/quant/observe";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { targetById } from "@tessera/core/targets/table";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";
import { deviceLists, integerLists, randomFeeds } from "./run-both.ts";

/** Models, with the kinds of steps that move elements about: all other reshapes and transposes are views. */
const MODELS: Readonly<Record<string, readonly string[]>> = {
  "face-liveness/minifasnet-v2-2.7-80.onnx": [],
  "voice/tinysv-dvector-256.onnx": [],
  "face-embedding/mobilefacenet-foamliu-128.onnx": [],
  // Nearest resizing, and boxes joined.
  "face-detection/yunet-n-320.onnx": ["copy"],
  "face-detection/ultralight-rfb-320.onnx": ["copy"],
};

const shared = sharedDir();
const runtime = await ortNodeRuntime({ worker: false });
const target = targetById("cortex-m");

/** A model with a plan from what it made of noise: the figures do not matter to equality. */
async function quantized(path: string): Promise<{ readonly model: Model; readonly plan: QuantPlan }> {
  const source = modelFromOnnx(new Uint8Array(readFileSync(path)));
  const { model: simple } = await simplifyModel(source);
  const model = prepareForIntegers(inferTypes(simple), target);
  const random = seededRandom(1);
  const noise = (): Feeds =>
    new Map(
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
  const placement = placeIntegers(model, target);
  const open = (exposed: Model) => runtime.load(modelToOnnx(exposed), { threads: 1 });
  const observations = await observeTensors(model, placement.activations, [noise(), noise()], { open });
  return { model, plan: staticPlan(model, target, placement, observations) };
}

describe.skipIf(shared === undefined)("quantized models on a device (needs the shared models)", () => {
  for (const [file, moving] of Object.entries(MODELS)) {
    const path = join(shared ?? "", "models", file);
    test.skipIf(!existsSync(path))(
      `${file} gives what the integer interpreter gives, with and without its dead channels`,
      async () => {
        const { model, plan } = await quantized(path);
        const program = compileInteger(model, plan);
        expect(deviceFaults(program)).toEqual([]);
        const device = lowerToDevice(program);
        const moves = device.steps.map((step) => step.kind).filter((kind) => ["copy", "gather", "fill"].includes(kind));
        expect([...new Set(moves)]).toEqual(moving);
        const pruned = removeDeadChannels(model, plan);
        const small = compileInteger(pruned.model, pruned.plan);
        for (let run = 0; run < 2; run++) {
          const feeds = randomFeeds(program, run);
          const wanted = integerLists(program, feeds);
          expect(integerLists(small, feeds)).toEqual(wanted);
          if (run === 0) expect(deviceLists(device, feeds)).toEqual(wanted);
        }
      },
    );
  }
});
