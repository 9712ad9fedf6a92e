import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { parseCard } from "@tessera/core/modality/read-card";
import { cardPath } from "@tessera/testkit/cards";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { type CommandDef, runCommand } from "citty";
import { describe, expect, it, vi } from "vitest";
import { sha256, writeFile } from "../io/files.ts";
import { convert } from "./convert.ts";
import { fuse } from "./fuse.ts";
import { quantize } from "./quantize.ts";

vi.setConfig({ testTimeout: 600_000 });

const shared = sharedDir();
const models = join(shared ?? "", "models");
const FACE = join(models, "face-embedding/mobilefacenet-foamliu-128.onnx");
const VOICE = join(models, "voice/tinysv-dvector-256.onnx");

describe.skipIf(shared === undefined)("tessera fuse on trained networks (needs the shared folder)", () => {
  const sandbox = commandSandbox("tessera-fuse-slow-");
  const at = (name: string): string => join(sandbox.folder, name);

  // biome-ignore lint/suspicious/noExplicitAny: reports are looked into field by field
  async function json(command: CommandDef, ...args: readonly string[]): Promise<any> {
    const { out } = await printedBy(() => runCommand(command, { rawArgs: [...args, "--json", "--quiet"] }));
    expect(process.exitCode).toBe(0);
    return JSON.parse(out);
  }

  it("gives what face and voice give by themselves, quantizes as one with inputs of both, and converts", async () => {
    const cards = join(cardPath("tinysv-dvector-256"), "..");
    const fused = await json(fuse, FACE, VOICE, "--cards", cards, "-o", at("fused.onnx"));
    expect(fused.proof).toMatchObject({ kind: "proved", inputs: 4 });
    expect(fused.proof.worst.relative).toBeLessThan(1e-5);
    expect(fused.head).toMatchObject({ output: "fused", dimension: 384 });
    const card = parseCard(readFileSync(at("fused.voice.card.json")));
    expect(card.modelSha256).toBe(sha256(readFileSync(at("fused.onnx"))));

    const random = seededRandom(4);
    for (const [name, size] of [
      ["input0", 3 * 112 * 112],
      ["mfcc", 49 * 40],
    ] as const)
      for (let i = 0; i < 16; i++) {
        const values = Float32Array.from({ length: size }, () => random.normal());
        writeFile(join(sandbox.folder, "inputs", name, `${i + 10}.f32`), new Uint8Array(values.buffer));
      }
    const int8 = await json(quantize, at("fused.onnx"), "--inputs", at("inputs"), "-o", at("fused.int8.onnx"));
    expect(int8.output.sizeBytes).toBeLessThan(0.4 * fused.output.sizeBytes);
    expect(int8.outputs.map((o: { output: string }) => o.output).sort()).toEqual(["dvector", "fused", "output0"]);
    for (const output of int8.outputs) expect(output.cosine).toBeGreaterThan(0.97);

    const lite = await json(convert, at("fused.onnx"), "-o", at("fused.tflite"));
    expect(lite.parity.worstRelative).toBeLessThan(1e-4);
  });
});
