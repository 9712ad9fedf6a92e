import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { f32, toNumbers } from "@tessera/core/graph/tensor";
import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { type Spec, sketchTflite, TFLITE_FILES } from "@tessera/testkit/runtime-tflite";
import { describe, expect, test } from "vitest";
import { litertRuntime } from "./litert.ts";
import { measureMemory } from "./memory.ts";

/** What no TFLite file has. */
const NO_SUCH = {
  "fixes a symbolic dimension": "a TFLite file gives its open sizes no names",
  "reads external data from memory": "a TFLite file has its data inside",
};

runtimeSuite({
  name: "litert in the calling thread",
  make: () => litertRuntime({ worker: false }),
  files: TFLITE_FILES,
  skip: { ...NO_SUCH, "takes and gives a tensor without elements": "LiteRT makes no such tensors" },
});

runtimeSuite({
  name: "litert in worker threads",
  make: () => litertRuntime(),
  files: TFLITE_FILES,
  only: [
    "names inputs and outputs with type and shape, symbols kept",
    "passes every element type through unchanged",
    "takes and gives integers and says what they stand for",
    "never touches outputs that it gave earlier",
    "refuses bytes that are no model",
    "times each run",
    "refuses work after it was closed, and closing twice is fine",
  ],
});

runtimeSuite({
  name: "litert with relaxed SIMD",
  make: () => litertRuntime({ worker: false, build: "relaxed" }),
  files: TFLITE_FILES,
  only: ["computes", "gives the convolution that a plain sum gives", "takes and gives integers and says what they stand for"],
});

/** y1 = -x1, y2 = -x2, of different lengths. */
const TWO = {
  tensors: {
    x1: { type: "FLOAT32", shape: [1] },
    x2: { type: "FLOAT32", shape: [2] },
    y1: { type: "FLOAT32", shape: [1] },
    y2: { type: "FLOAT32", shape: [2] },
  },
  inputs: ["x1", "x2"],
  outputs: ["y1", "y2"],
  calls: [
    { op: "NEG", inputs: ["x1"], outputs: ["y1"], options: { kind: "NegOptions" } },
    { op: "NEG", inputs: ["x2"], outputs: ["y2"], options: { kind: "NegOptions" } },
  ],
} as const;

/** The output is said to have one element, and has 100,000: LiteRT writes all of them into the place for one. */
const LYING = sketchTflite({
  tensors: {
    x: { type: "FLOAT32", shape: [1, 100_000] },
    y: { type: "FLOAT32", shape: [1, 1] },
  },
  inputs: ["x"],
  outputs: ["y"],
  calls: [{ op: "NEG", inputs: ["x"], outputs: ["y"], options: { kind: "NegOptions" } }],
});

describe("a litert session", () => {
  test.each([
    [undefined],
    [{ inputs: { a: "x1", b: "x2" }, outputs: { c: "y1", d: "y2" } }],
    [{ inputs: { b: "x2", a: "x1" }, outputs: { d: "y2", c: "y1" } }],
    [{ inputs: { x1: "x2", x2: "x1" }, outputs: { y1: "y2", y2: "y1" } }],
  ])("goes by the names of tensors, whatever signature the file has: %j", async (signature) => {
    const session = await (await litertRuntime({ worker: false })).load(
      sketchTflite({ ...TWO, ...(signature && { signature }) }),
    );
    expect(session.inputs.map(({ name }) => name)).toEqual(["x1", "x2"]);
    const feeds = new Map([
      ["x2", f32([2], [2, 3])],
      ["x1", f32([1], [1])],
    ]);
    const result = await session.run(feeds);
    expect(Array.from(result, ([name, y]) => [name, ...toNumbers(y)])).toEqual([
      ["y1", -1],
      ["y2", -2, -3],
    ]);
    await session.close();
  });

  test("says why LiteRT refuses a file, in its own words and without printing them", async () => {
    const state: Spec = { type: "FLOAT32", shape: [1], variable: true };
    const bytes = sketchTflite({ ...TWO, tensors: { ...TWO.tensors, state } });
    await expect((await litertRuntime({ worker: false })).load(bytes)).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
      message: "Cannot load the model: Failed to load model from buffer; Variable tensors not yet supported",
    });
  });

  test("refuses elements that cannot be passed", async () => {
    const tensors = { ...TWO.tensors, x1: { type: "STRING", shape: [1] } } as const;
    await expect((await litertRuntime({ worker: false })).load(sketchTflite({ ...TWO, tensors }))).rejects.toMatchObject({
      code: "RUNTIME_FAILED",
      at: { tensor: "x1" },
      message: expect.stringMatching(/x1 has elements of STRING/),
    });
  });

  test.each([false, true])("that fell over is an error, and works again on the next call (worker: %s)", async (worker) => {
    const runtime = await litertRuntime({ worker });
    const [lying, other] = await Promise.all([runtime.load(LYING), runtime.load(TFLITE_FILES.add())]);
    const x = new Map([["x", f32([1, 100_000], new Float32Array(100_000))]]);
    // What is written over first depends on the heap: the first run may get through.
    let error: unknown;
    for (let i = 0; i < 10 && error === undefined; i++) await lying.run(x).catch((e: unknown) => (error = e));
    expect(error).toMatchObject({ code: "RUNTIME_FAILED", message: expect.stringMatching(/^Cannot run the model: .+/) });
    expect((await lying.run(x)).get("y")?.shape).toEqual([1, 1]);
    const y = (await other.run(new Map([["x", f32([1, 3], [1, 2, 3])]]))).get("y");
    expect(y && [...toNumbers(y)]).toEqual([2, 3, 4]);
    await Promise.all([lying.close(), other.close()]);
  });

  test("with three threads computes bit for bit what one with two does, and what one thread does but for the order of sums", async () => {
    const runtime = await litertRuntime();
    const x = new Map([["x", TFLITE_FILES.conv.input()]]);
    const runs = [1, 2, 3].map(async (threads) => {
      const session = await runtime.load(TFLITE_FILES.conv.bytes(), { threads });
      const y = (await session.run(x)).get("y");
      await session.close();
      return y ? toNumbers(y) : new Float64Array();
    });
    const [one, two, three] = (await Promise.all(runs)) as [Float64Array, Float64Array, Float64Array];
    expect(three).toEqual(two);
    // Threads need relaxed SIMD, which fuses multiplication and addition where the processor can.
    expect(one.reduce((worst, v, i) => Math.max(worst, Math.abs(v - (two[i] ?? Number.NaN))), 0)).toBeLessThan(2e-5);
  });

  test("gives its memory back: 60 loads leave no more behind than 20", async () => {
    const runtime = await litertRuntime({ worker: false });
    const x = new Map([["x", TFLITE_FILES.conv.input()]]);
    async function loadMany(count: number): Promise<number> {
      for (let i = 0; i < count; i++) {
        const session = await runtime.load(TFLITE_FILES.conv.bytes());
        await session.run(x);
        await session.close();
      }
      return process.memoryUsage.rss();
    }
    const before = await loadMany(20);
    // An instance has a heap of 24 MB, of which it touches half.
    expect((await loadMany(40)) - before).toBeLessThan(150 * 2 ** 20);
  });
});

test("open sessions, with thread pools or without, do not keep a process alive and print nothing", async () => {
  const module = (name: string): string => JSON.stringify(new URL(`./${name}.ts`, import.meta.url).href);
  const code = `
    (async () => {
      const { litertRuntime } = await import(${module("litert")});
      const { tfjsTfliteRuntime } = await import(${module("tfjs-tflite")});
      const bytes = Uint8Array.from(Buffer.from("${Buffer.from(TFLITE_FILES.add(1)).toString("base64")}", "base64"));
      const feeds = new Map([["x", { dtype: "float32", shape: [1, 3], bytes: new Uint8Array(Float32Array.of(1, 2, 3).buffer) }]]);
      for (const [runtime, threads] of [[litertRuntime(), 2], [litertRuntime({ worker: false }), 1], [tfjsTfliteRuntime(), 1]]) {
        const session = await (await runtime).load(bytes, { threads });
        const y = (await session.run(feeds)).get("y");
        process.stdout.write(new Float32Array(y.bytes.buffer).join() + " ");
      }
    })();`;
  const tsx = createRequire(import.meta.url).resolve("tsx/cli");
  const child = spawn(process.execPath, [tsx, "--conditions=source", "--eval", code], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 28_000,
  });
  const said = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said.err += text;
  });
  const status = await new Promise((resolve) => child.once("close", resolve));
  expect({ ...said, status }).toEqual({ out: "2,3,4 2,3,4 2,3,4 ", err: "", status: 0 });
});

test("the memory of a TFLite model is measured in a process of its own", async () => {
  const feeds = new Map([["x", TFLITE_FILES.conv.input()]]);
  const report = await measureMemory(TFLITE_FILES.conv.bytes(), feeds, { runtime: "litert", runs: 1 });
  expect(report.growthBytes).toBeGreaterThan(0);
  expect(report.firstRunMs).toBeGreaterThan(0);
});
