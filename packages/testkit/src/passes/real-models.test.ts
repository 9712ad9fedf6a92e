import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import { countOf, f32, fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import { countNodes } from "@tessera/core/graph/walk";
import { outputsDifference } from "@tessera/core/passes/proof";
import { randomFeeds } from "@tessera/core/passes/proof-inputs";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { targetById } from "@tessera/core/targets/table";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sharedDir } from "../shared.ts";

/** The most nodes that a simplified file may have, all graphs counted: ours are held; the best of the other simplifiers reached `peers`. */
const MODELS = [
  { file: "face-detection/ultralight-rfb-320.onnx", nodes: 110, peers: 110 },
  { file: "face-detection/yunet-n-320.onnx", nodes: 109, peers: 109 },
  { file: "face-embedding/mobilefacenet-foamliu-128.onnx", nodes: 98, peers: 98 },
  { file: "face-liveness/minifasnet-v2-2.7-80.onnx", nodes: 97, peers: 98 },
  { file: "keystroke/typenet-triplet-m50-128.onnx", nodes: 10, peers: 13 },
  { file: "voice/silero-vad-16k-op15.onnx", nodes: 34, peers: 76 },
  { file: "voice/tinysv-dvector-256.onnx", nodes: 13, peers: 13 },
] as const;

/** Largest difference from the original in onnxruntime, as a share of an output's magnitude. */
const TOLERANCE = 1e-4;

const shared = sharedDir();

function zeros(feeds: Feeds): Feeds {
  return new Map(
    [...feeds].map(([name, t]) => [name, fromNumbers(t.dtype, t.shape, new Float64Array(countOf(t.shape)))] as const),
  );
}

describe.skipIf(shared === undefined)("simplified real models (skipped where ../shared is absent)", () => {
  let runtime: Awaited<ReturnType<typeof ortNodeRuntime>>;
  const open: Session[] = [];
  const load = async (bytes: Uint8Array): Promise<Session> => {
    const session = await runtime.load(bytes, { threads: 1 });
    open.push(session);
    return session;
  };
  beforeAll(async () => {
    runtime = await ortNodeRuntime({ worker: false });
  });
  afterAll(async () => {
    for (const session of open) await session.close();
  });

  for (const { file, nodes, peers } of MODELS) {
    it(`${file} has at most ${nodes} nodes, is proved, and gives what the file gives in onnxruntime`, async () => {
      const bytes = readFileSync(join(shared as string, "models", file));
      const original = modelFromOnnx(bytes);
      const { model, report } = await simplifyModel(original, { proof: { trials: 1 } });
      expect(report.proof?.kind).toBe("proved");
      expect(report.dropped).toEqual([]);
      expect(countNodes(model.graph, true)).toBeLessThanOrEqual(nodes);
      expect(nodes).toBeLessThanOrEqual(peers);
      expect(model.graph.inputs.map((i) => i.name)).toEqual(original.graph.inputs.map((i) => i.name));
      expect(model.graph.outputs.map((o) => o.name)).toEqual(original.graph.outputs.map((o) => o.name));
      const again = await simplifyModel(model, { prove: false });
      expect(again.report.passes.flatMap((p) => p.changes)).toEqual([]);
      expect(again.model).toBe(model);
      if (file.includes("silero")) return;
      const [before, after] = [await load(bytes), await load(modelToOnnx(model))];
      for (let trial = 0; trial < 3; trial++) {
        const random = randomFeeds(original, { seed: 17, trial });
        for (const feeds of trial === 0 ? [random, zeros(random)] : [random]) {
          const difference = outputsDifference(await before.run(feeds), await after.run(feeds));
          expect(difference?.relative, difference?.output).toBeLessThanOrEqual(TOLERANCE);
        }
      }
    }, 120_000);
  }

  it("Silero says the same over chunks with its state fed back, at 16 and 8 kHz, and refuses what it refused", async () => {
    const bytes = readFileSync(join(shared as string, "models/voice/silero-vad-16k-op15.onnx"));
    const { model } = await simplifyModel(modelFromOnnx(bytes), { prove: false });
    const [before, after] = [await load(bytes), await load(modelToOnnx(model))];
    for (const rate of [16_000, 8000]) {
      for (const [batch, samples] of [
        [1, 512],
        [1, 576],
        [3, 256],
      ] as const) {
        let [state, otherState]: Tensor[] = [
          f32([2, batch, 128], new Float32Array(256 * batch)),
          f32([2, batch, 128], new Float32Array(256 * batch)),
        ];
        for (let chunk = 0; chunk < 4; chunk++) {
          const wave = Float32Array.from(
            { length: batch * samples },
            (_, i) => 0.4 * Math.sin((i + chunk * samples) * (0.05 + 0.03 * chunk)),
          );
          const input = f32([batch, samples], wave);
          const sr = i64([], [rate]);
          const a = await before.run(
            new Map([
              ["input", input],
              ["state", state as Tensor],
              ["sr", sr],
            ]),
          );
          const b = await after.run(
            new Map([
              ["input", input],
              ["state", otherState as Tensor],
              ["sr", sr],
            ]),
          );
          const difference = outputsDifference(a, b);
          expect(difference?.relative, difference?.output).toBeLessThanOrEqual(TOLERANCE);
          [state, otherState] = [a.get("stateN") as Tensor, b.get("stateN") as Tensor];
        }
      }
    }
    // A second window of the encoder leaves the LSTM with one axis too many: an error before, an error after.
    const long = new Map([
      ["input", f32([1, 2048], new Float32Array(2048))],
      ["state", f32([2, 1, 128], new Float32Array(256))],
      ["sr", i64([], [16_000])],
    ]);
    await expect(before.run(long)).rejects.toThrow();
    await expect(after.run(long)).rejects.toThrow();
  }, 120_000);

  it("MiniFASNetV2 for ort-x64 has no PRelu left and stays within 1e-4", async () => {
    const bytes = readFileSync(join(shared as string, "models/face-liveness/minifasnet-v2-2.7-80.onnx"));
    const original = modelFromOnnx(bytes);
    const { model, report } = await simplifyModel(original, { target: targetById("ort-x64"), proof: { trials: 1 } });
    expect(report.proof?.kind).toBe("proved");
    expect(model.graph.nodes.filter((n) => n.op === "PRelu")).toEqual([]);
    const [before, after] = [await load(bytes), await load(modelToOnnx(model))];
    for (let trial = 0; trial < 4; trial++) {
      const feeds = randomFeeds(original, { seed: 23, trial });
      expect(outputsDifference(await before.run(feeds), await after.run(feeds))?.relative).toBeLessThanOrEqual(TOLERANCE);
    }
  }, 120_000);
});
