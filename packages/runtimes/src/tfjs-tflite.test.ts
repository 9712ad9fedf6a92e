import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { sketchTflite, TFLITE_FILES, tfliteFiles } from "@tessera/testkit/runtime-tflite";
import { expect, test } from "vitest";
import { tfjsTfliteRuntime } from "./tfjs-tflite.ts";
import { tfliteDelegation } from "./tfjs-tflite-delegation.ts";

const FILES = tfliteFiles({ without: ["float16", "uint16", "int64", "uint64"] });

runtimeSuite({
  name: "tfjs-tflite in the calling thread",
  make: () => tfjsTfliteRuntime({ worker: false }),
  files: FILES,
  skip: {
    "fixes a symbolic dimension": "a TFLite file gives its open sizes no names",
    "reads external data from memory": "a TFLite file has its data inside",
    "computes the same with two threads": "it has one",
  },
});

runtimeSuite({
  name: "tfjs-tflite in worker threads",
  make: () => tfjsTfliteRuntime(),
  files: FILES,
  only: ["passes every element type through unchanged", "profiles by operator, where it can", "names the input that was not fed"],
});

test("elements that its interface cannot pass, and more threads than one, are refused when the model is loaded", async () => {
  const runtime = await tfjsTfliteRuntime({ worker: false });
  await expect(runtime.load(TFLITE_FILES.identity())).rejects.toMatchObject({
    code: "RUNTIME_FAILED",
    message: expect.stringMatching(/no access to the elements of x_float16/),
  });
  await expect(runtime.load(FILES.add(), { threads: 2 })).rejects.toThrow(/one thread, not 2/);
});

const INT8 = { dtype: "int8", scale: [0.5], zeroPoint: [0], reason: "" } as const;

/** y = relu(x + x) + x. */
function chain(type: "FLOAT32" | "INT8"): Uint8Array {
  const tensor = { type, shape: [1, 8], ...(type === "INT8" && { encoding: INT8 }) };
  return sketchTflite({
    tensors: { x: tensor, sum: tensor, rectified: tensor, y: tensor },
    inputs: ["x"],
    outputs: ["y"],
    calls: [
      { op: "ADD", version: 2, inputs: ["x", "x"], outputs: ["sum"], options: { kind: "AddOptions" } },
      { op: "RELU", version: 2, inputs: ["sum"], outputs: ["rectified"] },
      { op: "ADD", version: 2, inputs: ["rectified", "x"], outputs: ["y"], options: { kind: "AddOptions" } },
    ],
  });
}

test("tells which operators XNNPACK takes: all of float, sums of int8 but not a rectifier between them", async () => {
  const float = await tfliteDelegation(chain("FLOAT32"));
  expect(float.fallback).toEqual([]);
  expect(float.delegated.map(({ op }) => op)).toEqual(["ADD", "RELU", "ADD"]);
  expect(await tfliteDelegation(chain("INT8"))).toEqual({
    delegated: [
      { index: 0, op: "ADD", output: "sum", type: "INT8" },
      { index: 2, op: "ADD", output: "y", type: "INT8" },
    ],
    fallback: [{ index: 1, op: "RELU", output: "rectified", type: "INT8" }],
  });
});

test("profiles a built-in kernel before the part of XNNPACK that follows it", async () => {
  const tensor = { type: "INT8", shape: [1, 8], encoding: INT8 } as const;
  const bytes = sketchTflite({
    tensors: { x: tensor, rectified: tensor, sum: tensor, y: tensor },
    inputs: ["x"],
    outputs: ["y"],
    calls: [
      { op: "RELU", version: 2, inputs: ["x"], outputs: ["rectified"] },
      { op: "ADD", version: 2, inputs: ["rectified", "x"], outputs: ["sum"], options: { kind: "AddOptions" } },
      { op: "RELU", version: 2, inputs: ["sum"], outputs: ["y"] },
    ],
  });
  const session = await (await tfjsTfliteRuntime({ worker: false })).load(bytes);
  const profile = await session.profile?.(new Map([["x", { dtype: "int8", shape: [1, 8], bytes: new Uint8Array(8) }]]), 1);
  expect(profile?.operators.map(({ name }) => name)).toEqual(["rectified", "Add (ND, QS8):0", "TfLiteXNNPackDelegate", "y"]);
  await session.close();
});

test("profiles what XNNPACK and what the built-in kernels computed, in the order of the graph", async () => {
  const session = await (await tfjsTfliteRuntime({ worker: false })).load(chain("INT8"));
  const profile = await session.profile?.(new Map([["x", { dtype: "int8", shape: [1, 8], bytes: new Uint8Array(8) }]]), 2);
  expect(profile?.operators.map(({ op, by, calls, outputBytes = 0 }) => [op, by, calls, outputBytes])).toEqual([
    // Both sums have the same place in their part, and so one row in the runtime's table.
    ["Add (ND, QS8)", "xnnpack", 4, 0],
    ["XNNPACK overhead", "xnnpack", 4, 0],
    ["RELU", "builtin", 2, 8],
  ]);
  await session.close();
});
