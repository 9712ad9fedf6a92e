import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeOnnx } from "@tessera/core/formats/onnx/write";
import { makeNode } from "@tessera/core/graph/node";
import { f32, toNumbers } from "@tessera/core/graph/tensor";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { ONNX_FILES } from "@tessera/testkit/runtime-files";
import { afterAll, describe, expect, test } from "vitest";
import { readHardware } from "../hardware.ts";
import { ortNodeRuntime } from "../ort-node.ts";
import { startAgent } from "./agent.ts";
import { connectDevice } from "./connect.ts";
import { guardedOnnx } from "./model-guard.ts";

/** A model whose constant is in a file of that name. */
function withDataIn(location: string): Uint8Array {
  return onnxFile({
    inputs: { x: ["float32", [1, 3]] },
    outputs: { y: ["float32", [1, 3]] },
    nodes: [makeNode("Add", { inputs: ["x", "c"], outputs: ["y"] })],
    constants: { c: f32([3], [10, 20, 30]) },
    external: { c: location },
  });
}

const token = "Zm9yIHRlc3RzIG9ubHksIG5vdCBhIHNlY3JldA";
const folder = mkdtempSync(join(tmpdir(), "tessera-guard-"));
const agent = await startAgent({
  host: "127.0.0.1",
  port: 0,
  token,
  version: "1",
  hardware: await readHardware(),
  runtimes: [await ortNodeRuntime({ worker: false })],
});
const device = await connectDevice({ ...agent, token });
afterAll(async () => {
  await device.close();
  await agent.close();
  rmSync(folder, { recursive: true });
});

describe("a model from the network", () => {
  const refused = expect.objectContaining({ code: "EXTERNAL_DATA" });
  const secret = join(folder, "secret.bin");
  writeFileSync(secret, f32([3], [1, 2, 3]).bytes);

  test("never makes the device read a file of its own, whatever path it names", async () => {
    const runtime = device.runtime("ort-node");
    for (const location of [secret, "../secret.bin", "secret.bin", "/etc/hostname", "weights.bin"]) {
      await expect(runtime.load(withDataIn(location))).rejects.toThrow(refused);
      await expect(device.weigh(withDataIn(location), new Map(), { runtime: "ort-node" })).rejects.toThrow(refused);
    }
  });

  test("takes data that came with it by a plain name, and by no other", async () => {
    const data = f32([3], [10, 20, 30]).bytes;
    const runtime = device.runtime("ort-node");
    const session = await runtime.load(withDataIn("weights.bin"), { externalData: new Map([["weights.bin", data]]) });
    const y = (await session.run(new Map([["x", f32([1, 3], [1, 2, 3])]]))).get("y");
    expect(y && [...toNumbers(y)]).toEqual([11, 22, 33]);
    for (const name of ["../weights.bin", "/tmp/weights.bin", ".weights", "a/b", "..", ""])
      await expect(runtime.load(ONNX_FILES.add(), { externalData: new Map([[name, data]]) })).rejects.toThrow(refused);
  });

  test("is found out in attributes and inner graphs too", () => {
    const elsewhere = {
      dims: [3],
      dataType: 1,
      dataLocation: 1,
      externalData: [{ key: "location", value: "elsewhere.bin" }],
    };
    const places = [
      { attribute: [{ name: "value", type: 4, t: elsewhere }] },
      { attribute: [{ name: "body", type: 5, g: { initializer: [elsewhere] } }] },
      {
        attribute: [
          { name: "bodies", type: 10, graphs: [{}, { node: [{ attribute: [{ name: "v", type: 4, t: elsewhere }] }] }] },
        ],
      },
      { attribute: [{ name: "all", type: 9, tensors: [elsewhere] }] },
      { attribute: [{ name: "sparse", type: 11, sparseTensor: { values: elsewhere } }] },
    ].map((node) => ({ graph: { node: [{ opType: "Constant", ...node }] } }));
    const models = [
      ...places,
      { graph: { initializer: [elsewhere] } },
      { graph: { sparseInitializer: [{ indices: elsewhere }] } },
      { functions: [{ node: [{ opType: "Constant", attribute: [{ name: "value", type: 4, t: elsewhere }] }] }] },
    ];
    for (const model of models) {
      const bytes = writeOnnx(model);
      expect(() => guardedOnnx(bytes, new Set())).toThrow(refused);
      expect(() => guardedOnnx(bytes, new Set(["elsewhere.bin"]))).not.toThrow();
    }
    // Nothing to read: the very bytes.
    const plain = ONNX_FILES.add();
    expect(guardedOnnx(plain, new Set())).toBe(plain);
  });
});
