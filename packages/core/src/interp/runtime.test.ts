import { expect, test } from "vitest";
import { type Model, tensorType } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { f32, toNumbers } from "../graph/tensor.ts";
import { interpRuntime } from "./runtime.ts";

const model: Model = {
  kind: "model",
  graph: {
    name: "g",
    inputs: [
      { name: "x", type: tensorType("float32", ["N"]) },
      { name: "w", type: tensorType("float32", []) },
    ],
    outputs: [{ name: "y", type: tensorType("float32", ["N"]) }],
    nodes: [makeNode("Mul", { inputs: ["x", "w"], outputs: ["m"] }), makeNode("Neg", { inputs: ["m"], outputs: ["y"] })],
    constants: new Map([["w", f32([], [3])]]),
    types: new Map(),
  },
  domains: new Map(),
  metadata: new Map(),
  producer: { name: "test", version: "0" },
};
const feeds = new Map([["x", f32([2], [1, 2])]]);

test("a session of the interpreter runs the model that the reader gives it", async () => {
  const session = await interpRuntime({ read: () => model }).load(new Uint8Array(0));
  const y = (await session.run(feeds)).get("y");
  expect(y && Array.from(toNumbers(y))).toEqual([-3, -6]);
  // An input with a default need not be fed, so it is not announced.
  expect(session.inputs.map((i) => i.name)).toEqual(["x"]);
});

test("without a clock it neither times nor profiles", async () => {
  const session = await interpRuntime({ read: () => model }).load(new Uint8Array(0));
  await expect(session.time(feeds, { runs: 1 })).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
  expect(session.profile).toBeUndefined();
});

test("with a clock it reports each run and each operator", async () => {
  let now = 0;
  const session = await interpRuntime({ read: () => model, nowMs: () => now++ }).load(new Uint8Array(0));
  expect((await session.time(feeds, { runs: 3, warmup: 1 })).wallMs).toEqual([1, 1, 1]);
  const profile = await session.profile?.(feeds, 2);
  expect(profile?.operators.map(({ name, op, calls, outputBytes }) => ({ name, op, calls, outputBytes }))).toEqual([
    { name: "m", op: "Mul", calls: 1, outputBytes: 8 },
    { name: "y", op: "Neg", calls: 1, outputBytes: 8 },
  ]);
});
