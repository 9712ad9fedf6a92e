import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sketchTflite } from "@tessera/testkit/runtime-tflite";
import { sharedDir } from "@tessera/testkit/shared";
import { expect, test } from "vitest";
import { litertDelegation } from "./litert-delegation.ts";

const INT8 = { dtype: "int8", scale: [0.5], zeroPoint: [0], reason: "" } as const;

/** y = relu(x + x). */
function rectifiedSum(type: "FLOAT32" | "INT8"): Uint8Array {
  const tensor = { type, shape: [1, 8], ...(type === "INT8" && { encoding: INT8 }) };
  return sketchTflite({
    tensors: { x: tensor, sum: tensor, y: tensor },
    inputs: ["x"],
    outputs: ["y"],
    calls: [
      { op: "ADD", version: 2, inputs: ["x", "x"], outputs: ["sum"], options: { kind: "AddOptions" } },
      { op: "RELU", version: 2, inputs: ["sum"], outputs: ["y"] },
    ],
  });
}

test("LiteRT tells which operators its XNNPACK takes", async () => {
  expect(await litertDelegation(rectifiedSum("FLOAT32"))).toMatchObject({ whole: true, fallback: [], refused: [] });
  expect(await litertDelegation(rectifiedSum("INT8"))).toEqual({
    whole: false,
    delegated: [{ index: 0, op: "ADD", output: "sum", type: "INT8" }],
    fallback: [{ index: 1, op: "RELU", output: "y", type: "INT8" }],
    refused: [],
  });
});

const shared = sharedDir();
test.skipIf(shared === undefined)(
  "of a real int8 network all but the mean and the softmax (skipped without the shared models)",
  async () => {
    const file = readFileSync(join(shared ?? "", "models/mcu/mlperf-tiny-vww-mobilenet-int8.tflite"));
    const { whole, delegated, fallback, refused } = await litertDelegation(new Uint8Array(file));
    expect(fallback.map(({ op }) => op)).toEqual(["AVERAGE_POOL_2D", "SOFTMAX"]);
    expect({ whole, delegated: delegated.length, refused }).toEqual({ whole: false, delegated: 29, refused: [] });
  },
);
