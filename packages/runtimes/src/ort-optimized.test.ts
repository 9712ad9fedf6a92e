import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { readOnnx } from "@tessera/core/formats/onnx/read";
import { makeNode } from "@tessera/core/graph/node";
import { f32, sameTensor, type Tensor } from "@tessera/core/graph/tensor";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ortNodeRuntime } from "./ort-node.ts";
import { convertToOrt, optimizedGraph } from "./ort-optimized.ts";
import { ortWebRuntime } from "./ort-web.ts";

const BYTES = onnxFile({
  inputs: { x: ["float32", ["N", 8]] },
  outputs: { y: ["float32", ["N", 3]] },
  nodes: [
    makeNode("MatMul", { inputs: ["x", "w"], outputs: ["m"] }),
    makeNode("Add", { inputs: ["m", "b"], outputs: ["a"] }),
    makeNode("Relu", { inputs: ["a"], outputs: ["y"] }),
  ],
  constants: {
    w: f32(
      [8, 3],
      Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    ),
    b: f32([3], [0.1, 0.2, 0.3]),
  },
});
const FEEDS = new Map([
  [
    "x",
    f32(
      [2, 8],
      Array.from({ length: 16 }, (_, i) => Math.cos(i)),
    ),
  ],
]);

function left(names: readonly string[]): string[] {
  return names.filter((n) => n.startsWith("tessera-optimize-"));
}

describe("ONNX Runtime's own optimised graph", () => {
  let before: string[] = [];
  beforeAll(async () => {
    before = left(await readdir(tmpdir()));
  });
  afterAll(async () => {
    expect(left(await readdir(tmpdir())).filter((n) => !before.includes(n))).toEqual([]);
  });

  const ops = async (options: Parameters<typeof optimizedGraph>[1]): Promise<unknown> =>
    readOnnx(await optimizedGraph(BYTES, options)).graph?.node?.map((n) => n.opType);

  test("goes as far as the level says", async () => {
    expect(await ops({ optimization: "none" })).toEqual(["MatMul", "Add", "Relu"]);
    expect(await ops({ optimization: "basic" })).toEqual(["Gemm", "Relu"]);
    expect(await ops({})).toEqual(["FusedGemm"]);
  });

  test("in either format computes what the model computes", async () => {
    const native = await ortNodeRuntime({ worker: false });
    const web = await ortWebRuntime({ worker: false });
    const ort = await convertToOrt(BYTES);
    expect(String.fromCharCode(...ort.subarray(4, 8))).toBe("ORTM");
    for (const runtime of [native, web]) {
      const outputs = await Promise.all(
        [BYTES, await optimizedGraph(BYTES), ort].map(async (bytes) => {
          const session = await runtime.load(bytes);
          const y = (await session.run(FEEDS)).get("y") as Tensor;
          await session.close();
          return y;
        }),
      );
      for (const y of outputs) expect(sameTensor(y, outputs[0] as Tensor)).toBe(true);
      expect(outputs[0]?.shape).toEqual([2, 3]);
    }
  });

  test("fixes symbolic dimensions on request, so that their arithmetic folds", async () => {
    const bytes = onnxFile({
      inputs: { x: ["float32", ["N", 4]] },
      outputs: { y: ["int64", [2]] },
      nodes: [makeNode("Shape", { inputs: ["x"], outputs: ["s"] }), makeNode("Neg", { inputs: ["s"], outputs: ["y"] })],
    });
    const left = async (options: Parameters<typeof optimizedGraph>[1]) =>
      readOnnx(await optimizedGraph(bytes, options)).graph?.node?.map((n) => n.opType) ?? [];
    expect(await left({})).toEqual(["Shape", "Neg"]);
    expect(await left({ dims: new Map([["N", 5]]) })).not.toContain("Shape");
  });

  test("is refused for what is no model", async () => {
    await expect(optimizedGraph(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
      message: expect.stringMatching(/^Cannot optimise the model: /),
    });
    await expect(convertToOrt(new Uint8Array(0))).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
  });
});
