import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { f32, i64 } from "@tessera/core/graph/tensor";
import { printedBy } from "@tessera/testkit/printed";
import { smallModel, smallNode } from "@tessera/testkit/small-model";
import { type CommandDef, runCommand } from "citty";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { writeFile } from "../io/files.ts";
import type { CompareReport } from "../work/compare.ts";
import type { HalfReport } from "../work/half-hazards.ts";
import { compare } from "./compare.ts";
import { quantize } from "./quantize.ts";

// Sessions start in threads of their own, several for each run.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const SHAPE = [1, 8, 12, 12];
let folder: string;
const exitCode = process.exitCode;
const at = (name: string): string => join(folder, name);

async function run(command: CommandDef, ...args: readonly string[]): Promise<string> {
  return (await printedBy(() => runCommand(command, { rawArgs: [...args, "--quiet"] }))).out;
}

/** Three convolutions; the first one's third channel is forty times as loud as the others. */
function network() {
  const random = seededRandom(2);
  const noise = (shape: readonly number[], loud = 1) =>
    f32(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
        const channel = Math.floor(i / ((shape[1] as number) * (shape[2] ?? 1) * (shape[3] ?? 1)));
        return (random.normal() / 4) * (channel === 2 ? loud : 1);
      }),
    );
  return smallModel({
    x: SHAPE,
    nodes: [
      smallNode("Conv", "x w1", "a"),
      smallNode("Sigmoid", "a", "s"),
      smallNode("Mul", "a s", "swish"),
      smallNode("Conv", "swish w2", "c"),
      smallNode("Relu", "c", "d"),
      smallNode("Conv", "d w3", "y"),
    ],
    constants: { w1: noise([8, 8, 1, 1], 40), w2: noise([8, 8, 1, 1]), w3: noise([4, 8, 1, 1]) },
  });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-compare-"));
  const random = seededRandom(7);
  for (let i = 0; i < 20; i++) {
    // One sample is far louder than what the others are: it leaves the calibrated range.
    const loud = i === 5 ? 6 : 1;
    const values = f32(
      SHAPE,
      Array.from({ length: 8 * 12 * 12 }, () => loud * random.normal()),
    );
    writeFile(join(folder, i < 8 ? "all" : "calm", `face-${i}.f32`), values.bytes);
  }
  writeFile(at("net.onnx"), modelToOnnx(network()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  process.exitCode = exitCode;
});

describe("compare float with integers", () => {
  test("tells what each layer adds, names the input that leaves the calibrated range and measures what would help", async () => {
    await run(quantize, at("net.onnx"), "-o", at("int8.onnx"), "--inputs", at("calm"));
    const report: CompareReport = JSON.parse(
      await run(compare, at("net.onnx"), at("int8.onnx"), "--inputs", at("all"), "--json"),
    );
    const layer = (name: string) => report.layers.find((l) => l.tensor === name) ?? expect.fail(name);
    // The input was calibrated on calm samples: one of eight samples is cut off there, at both ends.
    const input = layer("x");
    expect(input.clippedLow).toBeGreaterThan(0.01);
    expect(input.clippedHigh).toBeGreaterThan(0.01);
    expect(input.rangeUse).toBeGreaterThan(0.9);
    // What is lost at the input is not the fault of the layers behind it: their own error is far smaller than what has piled up.
    expect(layer("s").localSqnrDb).toBeGreaterThan(layer("s").sqnrDb + 3);
    expect(report.worst[0]?.input).toBe("face-5.f32");
    expect(report.worst[0]?.cosine).toBeLessThan((report.worst[1]?.cosine ?? 0) - 0.01);
    expect(report.worst[0]?.firstWrong).toMatchObject({ tensor: "x" });
    const suspicion = report.hints.find((h) => h.rule === "input-beyond");
    expect(suspicion).toMatchObject({ at: "x", says: expect.stringContaining("pre-processing") });
    // Widening one range helps little, since the next layer cuts off the same numbers; widening all of them does.
    const gain = (rule: string): number => {
      const measured = report.hints.find((h) => h.rule === rule)?.measured ?? expect.fail(rule);
      return measured.sqnrDb - measured.sqnrDbBefore;
    };
    expect(gain("input-beyond")).toBeLessThan(2);
    expect(gain("clipped-together")).toBeGreaterThan(10);
  });

  test("asks for a second file", async () => {
    await expect(run(compare, at("net.onnx"))).rejects.toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

describe("compare --fp16", () => {
  test("finds the squares that overflow, says what to keep, and shows that it heals; exit code 1", async () => {
    const pooling = smallModel({
      x: [1, 4, 8],
      nodes: [
        smallNode("Mul", "x gain", "scaled"),
        smallNode("Mul", "scaled scaled", "squares"),
        smallNode("ReduceMean", "squares axes", "variance", { keepdims: 1 }),
        smallNode("Sqrt", "variance", "deviation"),
        smallNode("Div", "scaled deviation", "y"),
      ],
      constants: { gain: f32([], [300]), axes: i64([1], [2]) },
    });
    writeFile(at("pooling.onnx"), modelToOnnx(pooling));
    const report: HalfReport = JSON.parse(await run(compare, at("pooling.onnx"), "--fp16", "--trials", "4", "--json"));
    expect(process.exitCode).toBe(1);
    expect(report.hazards.map((h) => [h.node, h.kind])).toEqual([
      ["squares", "range"],
      ["variance", "range"],
      ["deviation", "range"],
    ]);
    expect(report.hazards[0]?.over).toBeGreaterThan(0);
    expect(report.worstInput?.overflows).toBeGreaterThan(0);
    // A row of squares with an infinity has an infinite deviation, by which all of it is divided: nothing is left.
    expect(report.tried?.everything.cosine).toBeLessThan(0.9);
    expect(report.tried?.kept.cosine).toBeGreaterThan(0.9999);
    expect(await run(compare, at("pooling.onnx"), "--fp16", "--trials", "4")).toMatch(/keep in float32[\s\S]*squares reaches/);
  });

  test("has nothing to say of a network that stays in range; exit code 0", async () => {
    const report: HalfReport = JSON.parse(await run(compare, at("net.onnx"), "--fp16", "--inputs", at("calm"), "--json"));
    expect(process.exitCode).toBe(0);
    expect(report).toMatchObject({ hazards: [], half: 6, nodes: 6 });
    expect(report.tried?.everything.cosine).toBeGreaterThan(0.9999);
  });
});
