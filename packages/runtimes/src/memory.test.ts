import { makeNode } from "@tessera/core/graph/node";
import { f32 } from "@tessera/core/graph/tensor";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { describe, expect, test } from "vitest";
import { measureMemory } from "./memory.ts";

const MIB = 2 ** 20;

/** A product with a weight of `rows * 1024` numbers. */
function productFile(rows: number, external = false): { bytes: Uint8Array; weight: Uint8Array } {
  const w = f32([rows, 1024], new Float32Array(rows * 1024).fill(0.5));
  const bytes = onnxFile({
    inputs: { x: ["float32", [1, rows]] },
    outputs: { y: ["float32", [1, 1024]] },
    nodes: [makeNode("MatMul", { inputs: ["x", "w"], outputs: ["y"] })],
    constants: { w },
    ...(external ? { external: { w: "w.bin" } } : {}),
  });
  return { bytes, weight: w.bytes };
}

function feeds(rows: number) {
  return new Map([["x", f32([1, rows], new Float32Array(rows).fill(1))]]);
}

describe("measureMemory", () => {
  test("sees the weights of a model, in the file or beside it, and not what this process holds", async () => {
    const ballast = new Uint8Array(300 * MIB).fill(1);
    const small = await measureMemory(productFile(4).bytes, feeds(4));
    const { bytes, weight } = productFile(16 * 1024, true);
    const big = await measureMemory(bytes, feeds(16 * 1024), { load: { externalData: new Map([["w.bin", weight]]) } });
    expect(ballast[1]).toBe(1);
    expect(weight.length).toBe(64 * MIB);
    expect(big.growthBytes - small.growthBytes).toBeGreaterThan(48 * MIB);
    expect(small.growthBytes).toBeLessThan(48 * MIB);
    expect(small.peakRssBytes).toBeLessThan(300 * MIB);
    for (const report of [small, big]) {
      expect(report.growthBytes).toBe(report.peakRssBytes - report.baselineRssBytes);
      expect(report.loadMs).toBeGreaterThan(0);
      expect(report.firstRunMs).toBeGreaterThan(0);
    }
  });

  test("weighs the WebAssembly build as well", async () => {
    const report = await measureMemory(productFile(4).bytes, feeds(4), { runtime: "ort-web", runs: 1 });
    expect(report.growthBytes).toBeGreaterThan(0);
  });

  test("passes on why it could not", async () => {
    await expect(measureMemory(Uint8Array.of(1, 2, 3), new Map())).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
      message: expect.stringMatching(/Protobuf parsing failed/),
    });
    await expect(measureMemory(productFile(4).bytes, new Map())).rejects.toMatchObject({
      message: expect.stringMatching(/x was not fed/),
    });
    await expect(measureMemory(productFile(4).bytes, feeds(4), { timeoutMs: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(/SIGKILL/),
    });
    const outside = new Map([["../w.bin", new Uint8Array(4)]]);
    await expect(measureMemory(productFile(4).bytes, feeds(4), { load: { externalData: outside } })).rejects.toMatchObject({
      code: "EXTERNAL_DATA",
    });
  });
});
