import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openInterpreted } from "@tessera/testkit/interpreted";
import { sharedDir } from "@tessera/testkit/shared";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { applyPlan } from "../convert/onnx/apply-plan.ts";
import { modelFromTflite } from "../convert/tflite/bytes.ts";
import type { Model } from "../graph/model.ts";
import type { QuantPlan } from "../graph/plan.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { inferTypes } from "../ops/infer-types.ts";
import { simplifyModel } from "../passes/simplify.ts";
import { ORT_X64 } from "../targets/ort.ts";
import { correctBiases } from "./correct-bias.ts";
import { observeCovariances } from "./covariance.ts";
import { exposeValues, observeTensors } from "./observe.ts";
import { placeIntegers } from "./placement.ts";
import { prepareForIntegers } from "./prepare.ts";
import { covariancePlaces, roundWeights } from "./round-weights.ts";
import { staticPlan } from "./static-plan.ts";

const shared = sharedDir();

/** Sums that rise and fall slowly over time, as cepstra do. */
function cepstra(
  count: number,
  seed: number,
  input: { readonly name: string; readonly shape: readonly number[] },
): readonly Feeds[] {
  const random = seededRandom(seed);
  const size = input.shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, () => {
    const data = new Float32Array(size);
    for (let i = 0; i < size; i++) data[i] = 0.9 * (data[i - 10] ?? 0) + 8 * random.normal();
    return new Map([[input.name, f32(input.shape, data)]]);
  });
}

describe.skipIf(shared === undefined)("a keyword spotter with weights of four bits (needs the shared models)", () => {
  test("keeps more of its logits with chosen rounding, and still more with corrected biases", async () => {
    const bytes = readFileSync(join(shared as string, "models/mcu/mlperf-tiny-kws-dscnn-float32.tflite"));
    const { model: simple } = await simplifyModel(modelFromTflite(bytes).model);
    const model = prepareForIntegers(inferTypes(simple), ORT_X64);
    const [port] = model.graph.inputs;
    const shape = (port?.type.kind === "tensor" ? port.type.shape : undefined)?.map((d) => (typeof d === "number" ? d : 1)) ?? [];
    const input = { name: port?.name as string, shape };
    const samples = cepstra(8, 1, input);
    const held = cepstra(6, 2, input);
    const logits = model.graph.nodes.find((n) => n.op === "Softmax")?.inputs[0] as string;
    const outputs = (of: Model) =>
      held.map((feeds) => toNumbers(interpret(exposeValues(of, [logits]).graph, feeds).get(logits) as Tensor));
    const float = outputs(model);
    const error = (plan: QuantPlan): number => {
      const rows = outputs(applyPlan(model, plan));
      const [off, all] = [0, 1].map((kind) =>
        rows.reduce((sum, row, r) => {
          const exact = float[r] as Float64Array;
          return sum + row.reduce((s, v, i) => s + ((kind === 0 ? v : 0) - (exact[i] as number)) ** 2, 0);
        }, 0),
      ) as [number, number];
      return off / all;
    };
    const placement = placeIntegers(model, ORT_X64);
    const observations = await observeTensors(model, placement.activations, samples, { open: openInterpreted });
    const plan = staticPlan(model, ORT_X64, placement, observations, { weightBits: 4 });
    const covariances = await observeCovariances(model, covariancePlaces(model, plan, model), samples, { open: openInterpreted });
    const rounded = roundWeights(model, plan, covariances);
    expect(new Set(rounded.nodes.map((n) => n.how))).toEqual(new Set(["enumerated", "second-order"]));
    for (const node of rounded.nodes) expect(node.after).toBeLessThan(node.before);
    const corrected = await correctBiases(model, rounded.plan, {
      open: openInterpreted,
      apply: applyPlan,
      samples: () => samples,
    });
    const errors = [plan, rounded.plan, corrected.plan].map(error) as [number, number, number];
    expect(errors[1]).toBeLessThan(0.6 * errors[0]);
    expect(errors[2]).toBeLessThan(errors[1]);
  });
});
