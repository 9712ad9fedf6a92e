import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseFusion, printFusion } from "@tessera/core/biometrics/fusion";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import { float, makeNode } from "@tessera/core/graph/node";
import { f32 } from "@tessera/core/graph/tensor";
import type { ModelCard } from "@tessera/core/modality/card";
import { parseCard, printCard } from "@tessera/core/modality/read-card";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { type Printed, printedBy } from "@tessera/testkit/printed";
import { convFile } from "@tessera/testkit/runtime-models";
import { runCommand } from "citty";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { sha256, writeFile } from "../io/files.ts";
import { convert } from "./convert.ts";
import { fuse } from "./fuse.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const sandbox = commandSandbox("tessera-fuse-");
const at = (name: string): string => join(sandbox.folder, name);

async function run(...args: readonly string[]): Promise<Printed & { readonly code: unknown }> {
  const printed = await printedBy(() => runCommand(fuse, { rawArgs: [...args, "--quiet"] }));
  return { ...printed, code: process.exitCode };
}

// biome-ignore lint/suspicious/noExplicitAny: reports are looked into field by field
async function json(...args: readonly string[]): Promise<any> {
  const { out, code } = await run(...args, "--json");
  expect(code).toBe(0);
  return JSON.parse(out);
}

const coded = (code: string, words = "") => expect.objectContaining({ code, message: expect.stringContaining(words) });

/** Opset 7, where Clip has its bounds as attributes. */
function faceFile(): Uint8Array {
  return onnxFile({
    opset: 7,
    inputs: { x: ["float32", [1, 4]] },
    outputs: { y: ["float32", [1, 3]] },
    constants: {
      w: f32(
        [4, 3],
        Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
      ),
    },
    nodes: [
      makeNode("MatMul", { inputs: ["x", "w"], outputs: ["h"] }),
      makeNode("Clip", { inputs: ["h"], outputs: ["y"] }, { attributes: { min: float(-0.5), max: float(0.5) } }),
    ],
  });
}

/** Opset 21, where they are inputs; the same names for other things. */
function voiceFile(): Uint8Array {
  return onnxFile({
    inputs: { x: ["float32", ["batch", 5]] },
    outputs: { y: ["float32", ["batch", 2]] },
    constants: {
      w: f32(
        [5, 2],
        Float32Array.from({ length: 10 }, (_, i) => Math.cos(i)),
      ),
      low: f32([], [-1]),
    },
    nodes: [
      makeNode("MatMul", { inputs: ["x", "w"], outputs: ["h"] }),
      makeNode("Clip", { inputs: ["h", "low"], outputs: ["y"] }),
    ],
  });
}

function card(modality: "face" | "voice"): ModelCard {
  const input =
    modality === "face"
      ? ({
          kind: "image",
          tensor: "x",
          width: 2,
          height: 2,
          layout: "NCHW",
          colour: "GREY",
          scale: 1,
          mean: [0],
          std: [1],
          placement: { kind: "stretch" },
        } as const)
      : ({ kind: "features", tensor: "x", shape: [5], features: "mfcc" } as const);
  return {
    kind: "card",
    version: 1,
    name: modality,
    modality,
    task: "embedding",
    input,
    output: { kind: "embedding", tensor: "y", dimension: modality === "face" ? 3 : 2, metric: "cosine", normalised: false },
    embeddingSpace: `${modality}-space`,
    thresholds: [],
    licence: "none",
    provenance: "test",
  };
}

beforeAll(() => {
  writeFile(at("face.onnx"), faceFile());
  writeFile(at("voice.onnx"), voiceFile());
  writeFile(at("cards/face.card.json"), printCard(card("face")));
  writeFile(at("cards/voice.card.json"), printCard(card("voice")));
});

describe("tessera fuse", () => {
  it("merges files of different opsets and clashing names, and proves it", async () => {
    const report = await json(
      at("face.onnx"),
      at("voice.onnx"),
      "-o",
      at("both.onnx"),
      "--cards",
      at("cards"),
      "--weights",
      "3,1",
    );
    expect(report.proof).toMatchObject({ kind: "proved", inputs: 4 });
    expect(report.proof.worst.relative).toBeLessThan(1e-5);
    expect(report.head).toEqual({ kind: "concat", output: "fused", dimension: 5, metric: "cosine" });
    expect(report.parts[1]).toMatchObject({
      name: "voice",
      inputs: { x: "voice/x" },
      outputs: { y: "voice/y" },
      embedding: { output: "y", offset: 3, dimension: 2, weight: 0.25 },
    });
    const bytes = readFileSync(at("both.onnx"));
    expect(report.output.sha256).toBe(sha256(bytes));
    expect(readOnnx(bytes).opsetImport?.map((o) => o.domain ?? "")).toEqual([""]);
    expect(modelFromOnnx(bytes).graph.outputs.map((o) => o.name)).toEqual(["fused", "face/y", "voice/y"]);
  });

  it("writes a card for each branch, in the names of the fused file", async () => {
    await run(at("face.onnx"), at("voice.onnx"), "-o", at("cards.onnx"), "--cards", at("cards"));
    const voice = parseCard(readFileSync(at("cards.voice.card.json")));
    expect(voice).toEqual({
      ...card("voice"),
      input: { ...card("voice").input, tensor: "voice/x" },
      output: { ...card("voice").output, tensor: "voice/y" },
      modelSha256: sha256(readFileSync(at("cards.onnx"))),
    });
    // Without its output there is nothing that a branch's card could speak of.
    await run(at("face.onnx"), at("voice.onnx"), "-o", at("alone.onnx"), "--cards", at("cards"), "--no-branches");
    expect(modelFromOnnx(readFileSync(at("alone.onnx"))).graph.outputs.map((o) => o.name)).toEqual(["fused"]);
    expect(existsSync(at("alone.voice.card.json"))).toBe(false);
  });

  it("ends with 1 and writes nothing where the fused file gives something else", async () => {
    const { code, out } = await run(at("face.onnx"), at("voice.onnx"), "-o", at("wrong.onnx"), "--tolerance", "0");
    expect(code).toBe(1);
    expect(out).toContain("proof: refuted");
    expect(out).toContain("nothing was written");
    expect(existsSync(at("wrong.onnx"))).toBe(false);
  });

  it("takes more than two, also the same file twice, and leaves their outputs as they are without a head", async () => {
    const report = await json(
      at("face.onnx"),
      at("voice.onnx"),
      at("face.onnx"),
      "--head",
      "none",
      "-o",
      at("three.onnx"),
      "--tolerance",
      "0",
    );
    expect(report.parts.map((p: { name: string }) => p.name)).toEqual(["face", "voice", "face-3"]);
    expect(report.head).toEqual({ kind: "none" });
    expect(report.proof).toMatchObject({ kind: "proved", worst: { relative: 0 } });
  });

  it("takes a TFLite file through its canonical model, and holds that against the file itself", async () => {
    writeFile(at("conv.onnx"), convFile());
    await printedBy(() => runCommand(convert, { rawArgs: [at("conv.onnx"), "-o", at("conv.tflite"), "--quiet"] }));
    const report = await json(at("conv.tflite"), at("voice.onnx"), "--head", "none", "-o", at("mixed.onnx"));
    expect(report.proof.kind).toBe("proved");
    expect(report.parity).toHaveLength(1);
    expect(report.parity[0].worstRelative).toBeLessThan(1e-4);
  });

  it("builds layers from a file over the concatenation", async () => {
    const layers = [
      { weight: [1, 2, 3, 4].map((r) => [r, -1, 0.5, 2, -r]), bias: [0.1, 0.2, 0.3, 0.4], activation: "relu" },
      {
        weight: [
          [1, 1, 1, 1],
          [1, -1, 1, -1],
        ],
      },
    ];
    writeFile(at("head.json"), JSON.stringify({ layers }));
    const report = await json(
      at("face.onnx"),
      at("voice.onnx"),
      "--head",
      "mlp",
      "--head-weights",
      at("head.json"),
      "-o",
      at("mlp.onnx"),
    );
    expect(report.head).toMatchObject({ kind: "mlp", dimension: 2 });
    expect(report.proof.kind).toBe("proved");
  });

  it("takes shares from a fusion of scores, with what makes a likelihood ratio of the fused cosine", async () => {
    const seen = { scores: { low: -1, high: 1 } };
    const model = parseFusion(
      JSON.stringify({
        kind: "fusion",
        version: 1,
        method: "logistic",
        modalities: [
          { name: "face", ...seen },
          { name: "voice", ...seen },
        ],
        rules: [{ modalities: ["face", "voice"], intercept: -8, weights: [15, 5] }],
        trials: { genuine: 1, impostor: 1 },
      }),
    );
    writeFile(at("fusion.json"), printFusion(model));
    const args = [at("face.onnx"), at("voice.onnx"), "--fusion", at("fusion.json")];
    const report = await json(...args, "--names", "face,voice", "-o", at("shares.onnx"));
    expect(report.head).toMatchObject({ intercept: -8, slope: 20 });
    expect(report.parts.map((p: { embedding: { weight: number } }) => p.embedding.weight)).toEqual([0.75, 0.25]);
    await expect(run(...args, "--names", "face,gait", "-o", at("no.onnx"))).rejects.toEqual(coded("USAGE", "face, gait"));
  });

  it("refuses what cannot be, saying why", async () => {
    const two = [at("face.onnx"), at("voice.onnx")];
    const refused = (...args: readonly string[]) => expect(run(...two, "-o", at("no.onnx"), ...args)).rejects;
    await refused("--head", "mlp").toEqual(coded("USAGE", "go together"));
    await refused("--names", "one").toEqual(coded("USAGE", "2 models need 2"));
    await refused("--weights", "1").toEqual(coded("USAGE", "2 models"));
    await refused("--embeddings", "y,q").toEqual(coded("DATA_MISSING", "output q"));
    await expect(run(...two, "-o", at("no.tflite"))).rejects.toEqual(coded("USAGE", ".onnx"));
    rmSync(at("no.onnx"), { force: true });
  });
});
