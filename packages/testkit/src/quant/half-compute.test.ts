import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model, Node, TensorType } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import { countOf, f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { verifyModel } from "@tessera/core/graph/verify";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { computeHalf } from "@tessera/core/quant/half-compute";
import { createHistogram, observe } from "@tessera/core/quant/histogram";
import { observeTensors } from "@tessera/core/quant/observe";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";
import { smallModel } from "../small-model.ts";

const runtime = await ortNodeRuntime({ worker: false });
const random = seededRandom(4);
const node = (op: string, inputs: readonly string[], output: string, attributes = {}): Node =>
  makeNode(op, { inputs, outputs: [output] }, { name: `n:${output}`, attributes });

function built(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>>, outputs: readonly string[] = ["y"]): Model {
  return smallModel({ x: [1, 2, 4, 4], nodes, constants, outputs });
}

/** Casts stand between a float32 and a float16 value only, and no value is cast twice. */
function expectBorders(model: Model, casts: number): void {
  const found = model.graph.nodes.filter((n) => n.op === "Cast");
  expect(found.length).toBe(casts);
  expect(new Set(found.map((n) => n.inputs[0])).size).toBe(casts);
  for (const n of found) expect(found.some((other) => other.outputs[0] === n.inputs[0])).toBe(false);
  verifyModel(model);
  inferTypes(model);
}

function histogramsOf(values: Readonly<Record<string, readonly number[]>>) {
  return new Map(
    Object.entries(values).map(([name, list]) => {
      const h = createHistogram();
      observe(h, Float32Array.from(list));
      return [name, h] as const;
    }),
  );
}

const chain = built(
  [
    node("Conv", ["x", "w"], "a"),
    node("Relu", ["a"], "b"),
    node("Resize", ["b", "", "scales"], "c"),
    node("ReduceL2", ["c", "axes"], "y"),
  ],
  {
    w: f32([3, 2, 1, 1], [1, -2, 3, 0.5, 1e-9, 2]),
    scales: f32([4], [1, 1, 2, 2]),
    axes: { ...f32([1], [0]), dtype: "int64", bytes: new Uint8Array(8).fill(0, 0, 8).map((_, i) => (i === 0 ? 1 : 0)) },
  },
);

async function run(model: Model, feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
  const session = await runtime.load(modelToOnnx(model), { threads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.close();
  }
}

describe("a network in float16", () => {
  test("has casts at its ends only when every node may, and says what was lost", async () => {
    const { model, report } = computeHalf(chain);
    expect(report).toMatchObject({ half: 4, kept: [], casts: 2, underflowed: 1 });
    expectBorders(model, 2);
    expect([model.graph.inputs, model.graph.outputs]).toEqual([chain.graph.inputs, chain.graph.outputs]);
    const feeds = new Map([
      [
        "x",
        f32(
          [1, 2, 4, 4],
          Array.from({ length: 32 }, () => random.normal()),
        ),
      ],
    ]);
    const [before, after] = [await run(chain, feeds), await run(model, feeds)];
    const [a, b] = [before, after].map((o) => toNumbers(o.get("y") as Tensor)) as [Float64Array, Float64Array];
    a.forEach((v, i) => {
      expect(Math.abs(v - (b[i] as number))).toBeLessThan(0.01 * (1 + Math.abs(v)));
    });
  });

  test("leaves a node in float32 that calibration saw beyond float16, or whose squares would be, or drown", () => {
    const whyOf = (values: Readonly<Record<string, readonly number[]>>): readonly (readonly string[])[] => {
      const { model, report } = computeHalf(chain, { histograms: histogramsOf(values) });
      expectBorders(model, report.casts);
      return report.kept.map((k) => [k.op, k.why]);
    };
    expect(whyOf({ c: [1, 2, 3] })).toEqual([]);
    expect(whyOf({ c: [300] })).toEqual([["ReduceL2", expect.stringMatching(/squares of c may reach/)]]);
    expect(whyOf({ c: [0.003, -0.003] })).toEqual([["ReduceL2", expect.stringMatching(/squares of c average/)]]);
    expect(whyOf({ a: [70_000] })).toEqual([
      ["Conv", expect.stringMatching(/a reaches 70000/)],
      ["Relu", expect.stringMatching(/a reaches 70000/)],
    ]);
    expect(whyOf({ a: [1e-6] }).map(([op]) => op)).toEqual(["Conv", "Relu"]);
  });

  test("leaves operators without a float16 form, large constants and values that are outputs too", () => {
    const model = built([node("Mul", ["x", "k"], "a"), node("Add", ["a", "x"], "y")], { k: f32([1], [1e6]) }, ["y", "a"]);
    const { model: half, report } = computeHalf(model);
    expect(report.kept).toEqual([{ node: "n:a", op: "Mul", why: expect.stringMatching(/constant k exceeds 65504/) }]);
    expectBorders(half, report.casts);
    expect(half.graph.outputs).toEqual(model.graph.outputs);
    const range = built([node("Range", ["s", "l", "d"], "a"), node("Neg", ["a"], "y")], {
      s: f32([], [0]),
      l: f32([], [4]),
      d: f32([], [1]),
    });
    expect(computeHalf(range).report.kept.map((k) => k.op)).toEqual(["Range"]);
  });

  const shared = sharedDir();
  for (const file of [
    "face-embedding/mobilefacenet-foamliu-128.onnx",
    "face-detection/yunet-n-320.onnx",
    "voice/tinysv-dvector-256.onnx",
  ]) {
    const path = join(shared ?? "", "models", file);
    test.skipIf(shared === undefined || !existsSync(path))(
      `${file} stays close to float32 (skipped without ../shared)`,
      async () => {
        const model = inferTypes(modelFromOnnx(new Uint8Array(readFileSync(path))));
        const feeds = new Map(
          model.graph.inputs.map((input) => {
            const shape = ((input.type as TensorType).shape ?? []).map((d) => (typeof d === "number" ? d : 1));
            return [
              input.name,
              f32(
                shape,
                Array.from({ length: countOf(shape) }, () => random.normal()),
              ),
            ] as const;
          }),
        );
        // Values that float16 cannot hold on this very input: scores of a detector on noise are as small as 1e-7.
        const values = model.graph.nodes
          .flatMap((n) => n.outputs)
          .filter((name) => {
            const type = model.graph.types.get(name);
            return type?.kind === "tensor" && type.dtype === "float32";
          });
        const open = (exposed: Model) => runtime.load(modelToOnnx(exposed), { threads: 1 });
        const { histograms } = await observeTensors(model, values, [feeds], { open });
        const { model: half, report } = computeHalf(model, { histograms });
        expectBorders(half, report.casts);
        expect(report.half).toBeGreaterThan(0);
        const [before, after] = [await run(model, feeds), await run(half, feeds)];
        for (const [name, tensor] of before) {
          const [a, b] = [toNumbers(tensor), toNumbers(after.get(name) as Tensor)];
          const size = Math.sqrt(a.reduce((s, v) => s + v * v, 0));
          const error = Math.sqrt(a.reduce((s, v, i) => s + (v - (b[i] as number)) ** 2, 0));
          // A Sigmoid at -14 multiplies the relative error of its operand by 14, so scores on noise are off by more.
          expect(error, name).toBeLessThan((file.includes("yunet") ? 0.05 : 0.005) * size);
        }
      },
    );
  }
});
