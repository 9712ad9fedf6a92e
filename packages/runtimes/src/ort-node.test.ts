import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { makeNode } from "@tessera/core/graph/node";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { runtimeSuite } from "@tessera/testkit/runtime-suite";
import { describe, expect, test, vi } from "vitest";
import { ortNodeRuntime } from "./ort-node.ts";

runtimeSuite({ name: "ort-node in the calling thread", make: () => ortNodeRuntime({ worker: false }) });

// A worker takes a good part of a second to start from sources, so that only what crosses threads is looked at again.
runtimeSuite({
  name: "ort-node in worker threads",
  make: () => ortNodeRuntime(),
  only: [
    "names inputs and outputs with type and shape, symbols kept",
    "takes another size for a symbolic dimension in each run",
    "takes and gives a tensor without elements",
    "passes every element type through unchanged",
    "reads feeds at any byte offset and leaves them as they are",
    "never touches outputs that it gave earlier",
    "computes the same with two threads",
    "reads external data from memory",
    "keeps sessions of several models apart while they work at once",
    "names the input that was not fed",
    "refuses bytes that are no model",
    "times each run",
    "profiles by operator, where it can",
    "refuses work after it was closed, and closing twice is fine",
  ],
});

const MUL = onnxFile({
  inputs: { x: ["float32", ["N"]], k: ["float32", [1]] },
  outputs: { y: ["float32", ["N"]] },
  nodes: [makeNode("Mul", { inputs: ["x", "k"], outputs: ["y"] })],
});

function feeds(x: readonly number[], k = 1): Feeds {
  return new Map([
    ["x", f32([x.length], x)],
    ["k", f32([1], [k])],
  ]);
}

function numbers(outputs: Feeds): number[] {
  return [...toNumbers(outputs.get("y") as Tensor)];
}

const BRANCHES = onnxFile({
  inputs: { x: ["float32", [64]], k: ["float32", [64]] },
  outputs: { y: ["float32", [64]], z: ["float32", [64]] },
  nodes: [
    makeNode("Sin", { inputs: ["x"], outputs: ["s"] }),
    makeNode("Mul", { inputs: ["s", "k"], outputs: ["y"] }),
    makeNode("Cos", { inputs: ["k"], outputs: ["c"] }),
    makeNode("Sub", { inputs: ["c", "k"], outputs: ["z"] }),
  ],
});

test.each([1, 2])("gives the same when branches run side by side (%s threads each)", async (threads) => {
  const runtime = await ortNodeRuntime({ worker: false });
  const [plain, parallel] = [
    await runtime.load(BRANCHES, { threads }),
    await runtime.load(BRANCHES, { threads, parallel: true }),
  ];
  for (let n = 0; n < 20; n++) {
    const given = new Map([
      [
        "x",
        f32(
          [64],
          Float32Array.from({ length: 64 }, (_, i) => i * n),
        ),
      ],
      [
        "k",
        f32(
          [64],
          Float32Array.from({ length: 64 }, (_, i) => i - n),
        ),
      ],
    ]);
    expect(await parallel.run(given)).toEqual(await plain.run(given));
  }
  expect((await parallel.time(branchFeeds(), { runs: 3 })).wallMs).toHaveLength(3);
  expect((await parallel.profile?.(branchFeeds(), 2))?.operators.length).toBeGreaterThan(0);
  await plain.close();
  await parallel.close();
});

function branchFeeds(): Feeds {
  return new Map(["x", "k"].map((name) => [name, f32([64], new Float32Array(64))]));
}

describe.each([true, false])("an ort-node session (worker: %s)", (worker) => {
  test("queues overlapping calls", async () => {
    const session = await (await ortNodeRuntime({ worker })).load(MUL);
    const runs = Array.from({ length: 30 }, (_, n) => session.run(feeds(Array(n + 1).fill(n), 2)));
    const timing = session.time(feeds([1]), { runs: 2 });
    const profile = session.profile?.(feeds([1]), 2);
    const results = await Promise.all(runs);
    results.forEach((y, n) => {
      expect(numbers(y)).toEqual(Array(n + 1).fill(2 * n));
    });
    expect((await timing).wallMs).toHaveLength(2);
    expect((await profile)?.operators.map((o) => o.op)).toEqual(["Mul"]);
    await session.close();
  });

  test("finishes what was asked before it closes", async () => {
    const session = await (await ortNodeRuntime({ worker })).load(MUL);
    const run = session.run(feeds([1, 2, 3], 3));
    const closed = session.close();
    expect(numbers(await run)).toEqual([3, 6, 9]);
    await closed;
  });

  test("flushes subnormal numbers on request only", async () => {
    const runtime = await ortNodeRuntime({ worker });
    for (const flushSubnormals of [true, false]) {
      const session = await runtime.load(MUL, { flushSubnormals });
      const [y] = numbers(await session.run(feeds([2e-38], 0.25)));
      await session.close();
      if (flushSubnormals) expect(y).toBe(0);
      else expect(y).toBeCloseTo(5e-39, 43);
    }
  });
});

test("a package that cannot be loaded is reported as missing, with what to install", async () => {
  vi.resetModules();
  vi.doMock("onnxruntime-node", () => {
    throw new Error("wrong architecture");
  });
  try {
    const fresh = await import("./ort-node.ts");
    await expect(fresh.ortNodeRuntime()).rejects.toMatchObject({ code: "RUNTIME_MISSING", hint: "npm install onnxruntime-node" });
  } finally {
    vi.doUnmock("onnxruntime-node");
    vi.resetModules();
  }
});

test("open sessions, with thread pools or without, do not keep a process alive", async () => {
  const module = (name: string): string => JSON.stringify(new URL(`./${name}.ts`, import.meta.url).href);
  const code = `
    (async () => {
      const { ortNodeRuntime } = await import(${module("ort-node")});
      const { ortWebRuntime } = await import(${module("ort-web")});
      const bytes = Uint8Array.from(Buffer.from("${Buffer.from(MUL).toString("base64")}", "base64"));
      const one = (n) => ({ dtype: "float32", shape: [1], bytes: new Uint8Array(Float32Array.of(n).buffer) });
      const feeds = new Map([["x", one(3)], ["k", one(4)]]);
      for (const make of [ortNodeRuntime, ortWebRuntime, () => ortNodeRuntime({ worker: false })]) {
        const session = await (await make()).load(bytes, { threads: 2 });
        const y = (await session.run(feeds)).get("y");
        process.stdout.write(new Float32Array(y.bytes.buffer)[0] + " ");
      }
    })();`;
  const tsx = createRequire(import.meta.url).resolve("tsx/cli");
  const child = spawn(process.execPath, [tsx, "--conditions=source", "--eval", code], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 28_000,
  });
  let out = "";
  let talk = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    talk += text;
  });
  const code2 = await new Promise((resolve) => child.once("close", resolve));
  expect({ out, talk, code: code2 }).toEqual({ out: "12 12 12 ", talk: "", code: 0 });
});
