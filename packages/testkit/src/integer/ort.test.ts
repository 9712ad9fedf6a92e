import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { countOf, f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { parseGraph } from "@tessera/core/graph/text-parse";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { runInteger } from "@tessera/core/interp/integer/run";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, it } from "vitest";

const TEXT = `x : f32[1, 4, 9, 9]
a0 = Conv(x, w1: f32[8, 4, 3, 3], b1: f32[8]) {pads: [1, 1, 1, 1]}
a = Relu(a0)
b0 = Conv(a, w2: f32[8, 1, 3, 3], b2: f32[8]) {pads: [1, 1, 1, 1], group: 8}
b = Relu(b0)
c = Conv(b, w3: f32[8, 8, 1, 1], b3: f32[8])
return c`;

const MODEL: Model = inferTypes({
  kind: "model",
  graph: parseGraph(TEXT),
  domains: new Map(),
  metadata: new Map(),
  producer: { name: "", version: "" },
});

const uint8 = (scale: number, zeroPoint: number): Encoding => ({
  dtype: "uint8",
  scale: [Math.fround(scale)],
  zeroPoint: [zeroPoint],
  reason: "",
});

/** Weights by channel, biases at the product of the scales, activations with room. */
function planOf(): QuantPlan {
  const grids = { x: uint8(0.02, 120), a: uint8(0.03, 0), b: uint8(0.02, 0), c: uint8(0.04, 131) };
  const tensors = new Map<string, Encoding>(Object.entries(grids));
  for (const [input, k] of [
    ["x", 1],
    ["a", 2],
    ["b", 3],
  ] as const) {
    const weight = MODEL.graph.constants.get(`w${k}`) as Tensor;
    const values = toNumbers(weight);
    const rows = weight.shape[0] as number;
    const size = values.length / rows;
    const scale = Array.from({ length: rows }, (_, r) =>
      Math.fround(Math.max(...values.subarray(r * size, (r + 1) * size).map(Math.abs)) / 127),
    );
    const zeroPoint = scale.map(() => 0);
    tensors.set(`w${k}`, { dtype: "int8", scale, zeroPoint, axis: 0, reason: "" });
    const biasScale = scale.map((s) => Math.fround(s * (grids[input].scale[0] as number)));
    tensors.set(`b${k}`, { dtype: "int32", scale: biasScale, zeroPoint, axis: 0, reason: "" });
  }
  return { kind: "quant-plan", version: 1, target: "ort", tensors, nodes: new Map() };
}

describe("the profile ort-float", () => {
  it("gives what ONNX Runtime gives for a chain of convolutions with unsigned activations", async () => {
    const plan = planOf();
    const program = compileInteger(MODEL, plan, { profile: "ort-float" });
    expect(program.steps.map((step) => step.kind)).toEqual(["conv", "depthwise", "conv"]);
    const runtime = await ortNodeRuntime();
    const session = await runtime.load(modelToOnnx(applyPlan(MODEL, plan)));
    const random = seededRandom(9);
    const shape = [1, 4, 9, 9];
    let different = 0;
    let values = 0;
    const levels = new Set<number>();
    for (let run = 0; run < 40; run++) {
      const x = f32(
        shape,
        Float32Array.from({ length: countOf(shape) }, () => random.normal()),
      );
      const ours = toNumbers(runInteger(program, new Map([["x", x]])).get("c") as Tensor);
      const theirs = toNumbers((await session.run(new Map([["x", x]]))).get("c") as Tensor);
      values += ours.length;
      for (let i = 0; i < ours.length; i++) {
        if (ours[i] !== theirs[i]) different++;
        levels.add(ours[i] as number);
      }
    }
    await session.close();
    expect(different).toBe(0);
    expect(values).toBe(40 * 8 * 81);
    expect(levels.size).toBeGreaterThan(50);
  });
});
