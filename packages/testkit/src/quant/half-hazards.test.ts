import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { f32, fromNumbers, toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { computeHalf } from "@tessera/core/quant/half-compute";
import { halfHazards, observeHalf } from "@tessera/core/quant/hints-half";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";

const shared = sharedDir();

describe.skipIf(shared === undefined)("Silero's voice detector in float16 (needs ../shared)", () => {
  /** A tone of 16-bit samples, as they are or divided down to -1..1 as the network wants them. */
  const feeds = (scale: number) =>
    new Map([
      [
        "input",
        f32(
          [1, 512],
          Array.from({ length: 512 }, (_, i) => (12_000 * Math.sin(i / 5) + 6_000 * Math.sin(i / 17)) * scale),
        ),
      ],
      ["state", f32([2, 1, 128], new Float32Array(256))],
      ["sr", fromNumbers("int64", [], [16_000])],
    ]);

  test("overflows in its power spectrum when samples were not divided by 32,768, and not otherwise", async () => {
    const model = inferTypes(modelFromOnnx(readFileSync(join(shared ?? "", "models/voice/silero-vad-16k-op15.onnx"))));
    const runtime = await ortNodeRuntime({ worker: false });
    const open = (exposed: typeof model) => runtime.load(modelToOnnx(exposed), { optimization: "none", threads: 1 });
    const output = model.graph.outputs[0]?.name ?? expect.fail("an output");

    const quiet = halfHazards(model, await observeHalf(model, [feeds(1 / 32_768)], { open }));
    expect(quiet.filter((h) => h.over > 0)).toEqual([]);

    const loud = feeds(1);
    const seen = await observeHalf(model, [loud], { open });
    const hazards = halfHazards(model, seen).filter((h) => h.kind === "range");
    expect(hazards.map((h) => h.op)).toEqual(expect.arrayContaining(["Pow", "Add", "Sqrt"]));
    expect(Math.max(...hazards.filter((h) => h.op === "Pow").map((h) => h.over))).toBeGreaterThan(0.05);
    const run = (network: typeof model) => Number(toNumbers(interpret(network.graph, loud).get(output) ?? f32([0], []))[0]);
    expect(run(computeHalf(model).model)).toBeNaN();
    expect(run(computeHalf(model, { histograms: seen.histograms }).model)).toBeCloseTo(run(model), 3);
  });
});
