import { legaliseModel } from "@tessera/core/convert/tflite/legalise/legalise";
import { LEGALISE_ROWS } from "@tessera/core/convert/tflite/legalise/table";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import type { Model } from "@tessera/core/graph/model";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { parseGraph } from "@tessera/core/graph/text-parse";
import { isOpName } from "@tessera/core/ops/table";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { PROOFS } from "./legalise-cases.ts";
import { expectCase, openRuntimes, type Runtimes } from "./on-runtimes.ts";
import { caseModel, proveLegal } from "./prove.ts";

describe("rewrites for TFLite", () => {
  for (const [name, proof] of Object.entries(PROOFS))
    it(`${name} computes the same once rewritten`, () => {
      const { tolerance = {}, gone } = proof;
      fc.assert(
        fc.property(proof.cases, (c) => {
          proveLegal(c, { tolerance, ...(gone !== undefined && { gone }) });
        }),
        { numRuns: 40 },
      );
    });

  it("look at operators that exist", () => {
    for (const row of LEGALISE_ROWS) for (const op of row.ops) expect(isOpName(op), `${row.name}: ${op}`).toBe(true);
    const names = LEGALISE_ROWS.map((r) => r.name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("take a spelled-out GELU as the operator, unless a plan speaks of the values in it", () => {
    const text =
      "x: f32[2, 3]\na = Div(x, root: f32[] = [1.4142135])\nb = Erf(a)\nc = Add(b, one: f32[] = [1.0])\nd = Mul(x, c)\ny = Mul(d, half: f32[] = [0.5])\nreturn y";
    const model: Model = {
      kind: "model",
      graph: parseGraph(text),
      domains: new Map(),
      metadata: new Map(),
      producer: { name: "testkit", version: "0" },
    };
    const ops = (plan?: QuantPlan): readonly string[] => legaliseModel(model, { plan }).model.graph.nodes.map((n) => n.op);
    expect(ops()).toEqual(["Gelu"]);
    expect(ops({ kind: "quant-plan", version: 1, target: "rpi4", tensors: new Map(), nodes: new Map() })).toContain("Exp");
  });

  it("leave what hands on its input where it rounds from one grid of a plan to another, and only there", () => {
    const graph = parseGraph("x: f32[2, 3]\na = Relu(x)\nb = Identity(a)\ny = Relu(b)\nreturn y");
    const model: Model = {
      kind: "model",
      graph,
      domains: new Map(),
      metadata: new Map(),
      producer: { name: "testkit", version: "0" },
    };
    const grid = (scale: number): Encoding => ({ dtype: "int8", scale: [scale], zeroPoint: [0], reason: "test" });
    const ops = (tensors: readonly (readonly [string, Encoding])[]): readonly string[] => {
      const plan: QuantPlan = { kind: "quant-plan", version: 1, target: "rpi4", tensors: new Map(tensors), nodes: new Map() };
      return legaliseModel(model, { plan }).model.graph.nodes.map((n) => n.op);
    };
    expect(
      ops([
        ["a", grid(0.5)],
        ["b", grid(0.25)],
        ["y", grid(0.25)],
      ]),
    ).toEqual(["Relu", "Identity", "Relu"]);
    expect(
      ops([
        ["a", grid(0.5)],
        ["b", grid(0.5)],
        ["y", grid(0.25)],
      ]),
    ).toEqual(["Relu", "Relu"]);
    expect(
      ops([
        ["a", grid(0.5)],
        ["b", grid(0.5)],
        ["y", grid(0.5)],
      ]),
    ).toEqual(["Relu"]);
  });

  it("list what cannot be said, with the reason and a way out, and leave the rest", () => {
    const x = seededTensor("float32", [3], { seed: 1 });
    const { refused, model } = legaliseModel(caseModel({ op: "NonZero", inputs: [x] }));
    expect(refused).toEqual([
      {
        node: "node",
        op: "NonZero",
        why: "the size of its result depends on the data",
        rewrite: "End the model before this operator and do this step on the host, as detectors' decoders do",
      },
    ]);
    expect(model.graph.nodes).toHaveLength(1);
    expect(() => lowerTflite(model)).toThrow(
      "1 node cannot be expressed\n  node (NonZero): the size of its result depends on the data; possible when you end the model before this operator",
    );
  });
});

describe("rewrites for TFLite on LiteRT and tfjs-tflite", () => {
  let runtimes: Runtimes;
  beforeAll(async () => {
    runtimes = await openRuntimes();
  });

  for (const [name, { cases, tolerance, refused }] of Object.entries(PROOFS))
    it(`${name} computes what the reference interpreter says of the operator itself`, async () => {
      // Runtimes sum in another order and approximate functions.
      const loose = { absolute: Math.max(1e-4, tolerance?.absolute ?? 0), relative: 1e-4 };
      await fc.assert(
        fc.asyncProperty(cases, async (c) => {
          fc.pre(refused?.(c) !== true);
          await expectCase(runtimes, c, { tolerance: loose });
        }),
        { numRuns: 6 },
      );
    }, 120_000);
});
