import { makeNode } from "@tessera/core/graph/node";
import { f32 } from "@tessera/core/graph/tensor";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { describe, expect, test } from "vitest";
import { ortNodeRuntime } from "./ort-node.ts";
import { parseOrtProfile } from "./ort-profile.ts";

function run(ts: number, dur: number): object {
  return { cat: "Session", name: "model_run", ts, dur };
}

function kernel(name: string, op: string, time: { ts: number; dur: number }, output = 0): object {
  return { cat: "Node", name: `${name}_kernel_time`, ...time, args: { op_name: op, output_size: String(output) } };
}

const TRACE = [
  { cat: "Session", name: "session_initialization", ts: 5, dur: 50 },
  kernel("a", "Conv", { ts: 101, dur: 90 }, 64),
  run(100, 100),
  kernel("a", "Conv", { ts: 301, dur: 10 }, 64),
  { cat: "Node", name: "a_fence_before", ts: 300, dur: 500, args: { op_name: "Conv" } },
  kernel("b", "Loop", { ts: 320, dur: 3 }),
  kernel("b", "Loop", { ts: 325, dur: 4 }),
  run(300, 60),
  kernel("a", "Conv", { ts: 501, dur: 14 }, 64),
  kernel("b", "Loop", { ts: 520, dur: 5 }),
  run(500, 60),
  kernel("a", "Conv", { ts: 701, dur: 40 }, 64),
  kernel("b", "Loop", { ts: 750, dur: 6 }),
  run(700, 60),
];

describe("parseOrtProfile", () => {
  test("takes the median over runs, sums calls within a run, and leaves warm-up out", () => {
    expect(parseOrtProfile(JSON.stringify(TRACE), { runtime: "r", warmup: 1 })).toEqual({
      runtime: "r",
      runs: 3,
      operators: [
        { name: "a", op: "Conv", timeUs: 14, calls: 3, outputBytes: 64 },
        { name: "b", op: "Loop", timeUs: 6, calls: 4 },
      ],
      totalUs: 20,
    });
  });

  test("counts all runs without warm-up", () => {
    const { runs, operators } = parseOrtProfile(JSON.stringify(TRACE), { runtime: "r" });
    expect(runs).toBe(4);
    expect(operators[0]).toMatchObject({ timeUs: 27, calls: 4 });
  });

  test.each([
    ["text", "not json", /not JSON/],
    ["an object", "{}", /not a list/],
    ["no runs", "[]", /0 runs/],
    ["only warm-up", JSON.stringify([run(0, 1)]), /1 runs and 1 are warm-up/],
    [
      "a kernel without time",
      JSON.stringify([run(0, 1), run(2, 3), { cat: "Node", name: "x_kernel_time" }]),
      /x_kernel_time has no time/,
    ],
  ])("refuses %s", (_, text, why) => {
    expect(() => parseOrtProfile(text, { runtime: "r", warmup: 1 })).toThrowError(why);
    expect(() => parseOrtProfile(text, { runtime: "r", warmup: 1 })).toThrowError(expect.objectContaining({ code: "MALFORMED" }));
  });
});

test("a real trace names the fused operators that ran", async () => {
  const runtime = await ortNodeRuntime({ worker: false });
  const bytes = onnxFile({
    inputs: { x: ["float32", [4, 8]] },
    outputs: { y: ["float32", [4, 3]] },
    nodes: [
      makeNode("MatMul", { inputs: ["x", "w"], outputs: ["m"] }),
      makeNode("Add", { inputs: ["m", "b"], outputs: ["a"] }),
      makeNode("Softmax", { inputs: ["a"], outputs: ["y"] }),
    ],
    constants: { w: f32([8, 3], new Float32Array(24).fill(0.5)), b: f32([3], [1, 2, 3]) },
  });
  const session = await runtime.load(bytes);
  const profile = await session.profile?.(new Map([["x", f32([4, 8], new Float32Array(32).fill(1))]]), 5);
  await session.close();
  // MatMul and Add become one Gemm.
  expect(profile?.operators.map((o) => [o.op, o.calls, o.outputBytes])).toEqual([
    ["Gemm", 5, 48],
    ["Softmax", 5, 48],
  ]);
});
