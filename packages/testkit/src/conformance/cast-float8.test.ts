import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { DTYPES } from "@tessera/core/graph/dtype";
import { type Model, tensorType } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import { f32, type Tensor } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test } from "vitest";
import { difference } from "../compare-tensors.ts";

const FLOAT8 = ["float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"] as const;

// onnxruntime's JavaScript binding has no 8-bit floats: they live between two Casts.
function thereAndBack(dtype: (typeof FLOAT8)[number], options: { readonly saturate: number; readonly count: number }): Model {
  const { saturate, count } = options;
  return {
    kind: "model",
    graph: {
      name: "casts",
      inputs: [{ name: "x", type: tensorType("float32", [count]) }],
      outputs: [{ name: "y", type: tensorType("float32", [count]) }],
      nodes: [
        makeNode("Cast", { inputs: ["x"], outputs: ["small"] }, { attributes: { to: DTYPES[dtype].onnx, saturate } }),
        makeNode("Cast", { inputs: ["small"], outputs: ["y"] }, { attributes: { to: DTYPES.float32.onnx } }),
      ],
      constants: new Map(),
      types: new Map(),
    },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "testkit", version: "0" },
  };
}

/** Every magnitude of the formats, their neighbourhoods and halves between, both signs, and the special values. */
function values(): number[] {
  const out = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-12, 1e10];
  for (let exponent = -20; exponent <= 17; exponent++) {
    for (let step = 16; step < 32; step++)
      for (const nudge of [-1e-3, 0, 1e-3]) out.push(2 ** exponent * (step / 16 + nudge / 16));
  }
  return [...out, ...out.map((v) => -v)];
}

// Without saturation onnxruntime 1.30 gives 448 for 480 and NaN for 61440 (which rounds to infinity): what lies between the largest number and
// the next power of two is left out there.
function compared(saturate: number): number[] {
  const between = (v: number): boolean =>
    [448, 57344].some((largest) => Math.abs(v) > largest && Math.abs(v) < largest * (8 / 7));
  return saturate === 1 ? values() : values().filter((v) => !between(v));
}

describe("Cast to 8-bit floats", () => {
  test.each(FLOAT8.flatMap((dtype) => [1, 0].map((saturate) => [dtype, saturate] as const)))(
    "%s with saturate %i is onnxruntime's",
    async (dtype, saturate) => {
      const list = compared(saturate);
      const x: Tensor = f32([list.length], list);
      const model = thereAndBack(dtype, { saturate, count: list.length });
      const runtime = await ortNodeRuntime({ worker: false });
      const session = await runtime.load(modelToOnnx(model), { optimization: "none" });
      const theirs = (await session.run(new Map([["x", x]]))).get("y") as Tensor;
      await session.close();
      const ours = interpret(model.graph, new Map([["x", x]])).get("y") as Tensor;
      expect(difference(ours, theirs)).toBeUndefined();
    },
  );
});
