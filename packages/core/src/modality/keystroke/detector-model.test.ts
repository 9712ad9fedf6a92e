import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../../base/random.ts";
import { modelToOnnx } from "../../convert/onnx/bytes.ts";
import { f32, type Tensor, toNumbers } from "../../graph/tensor.ts";
import { verifyModel } from "../../graph/verify.ts";
import { inferTypes } from "../../ops/infer-types.ts";
import { DETECTOR_INPUT, DETECTOR_OUTPUT, detectorModel } from "./detector-model.ts";
import { DETECTOR_IDS, scoreSample, trainDetector } from "./detectors.ts";
import { stackRows } from "./samples.ts";

const FEATURES = 9;

function typed(seed: number, rows: number, scale: number): Float64Array[] {
  const random = seededRandom(seed);
  // Up-down times may be negative: the last feature often is.
  return Array.from({ length: rows }, () =>
    Float64Array.from(
      { length: FEATURES },
      (_, k) => (k === FEATURES - 1 ? 0.04 : 0.1 + 0.05 * k) * (1 + scale * random.normal()),
    ),
  );
}

const samples = stackRows(typed(1, 20, 0.2));
// Near the person, and farther off.
const probes = [...typed(2, 15, 0.2), ...typed(3, 15, 1.5)];

describe("a trained detector as a network", () => {
  it.each(DETECTOR_IDS)("%s gives the scores of the detector on ONNX Runtime", async (kind) => {
    const detector = trainDetector(kind, samples);
    const model = detectorModel(detector);
    verifyModel(inferTypes(model));
    const session = await (await ortNodeRuntime({ worker: false })).load(modelToOnnx(model));
    // Near and far: scores from below 1 to thousands, each within what float32 sums keep.
    for (const probe of probes) {
      const outputs = await session.run(new Map([[DETECTOR_INPUT, f32([1, FEATURES], Float32Array.from(probe))]]));
      const output = outputs.get(DETECTOR_OUTPUT) as Tensor;
      expect(output.shape).toEqual([1, 1]);
      const expected = scoreSample(detector, Float32Array.from(probe));
      expect(Math.abs((toNumbers(output)[0] as number) - expected)).toBeLessThan(2e-5 * Math.max(1, Math.abs(expected)));
    }
    await session.close();
  });

  it("is two layers for Manhattan (scaled)", () => {
    const { graph } = detectorModel(trainDetector("manhattan-scaled", samples));
    expect(graph.nodes.map((n) => n.op)).toEqual(["Reshape", "Conv", "Relu", "Reshape", "Gemm"]);
    expect(graph.inputs.map((i) => i.name)).toEqual([DETECTOR_INPUT]);
    expect(graph.outputs.map((o) => o.name)).toEqual([DETECTOR_OUTPUT]);
  });
});
