import type { Model } from "@tessera/core/graph/model";
import { float, makeNode } from "@tessera/core/graph/node";
import type { Encoding } from "@tessera/core/graph/plan";
import { fromNumbers, i64, type Tensor } from "@tessera/core/graph/tensor";
import { parseGraph } from "@tessera/core/graph/text-parse";
import { interpret } from "@tessera/core/interp/run";
import type { SchemeName } from "@tessera/core/targets/scheme";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arbShape, seededTensor } from "../../op-arbitraries.ts";
import { plannedFor, roundedOutputs, stepsApart } from "./planned.ts";
import { caseFeeds, caseModel, describeLowerCase, type LowerCase } from "./prove.ts";
import { type LowerRuntime, loweredFile, runLowered } from "./run-lowered.ts";

interface Row {
  readonly cases: fc.Arbitrary<LowerCase>;
  /** TFLite operators that must be in the file. */
  readonly emits: readonly string[];
  /** Largest distance, in steps, from the result of the operator on the very numbers that the runtime gave it. */
  readonly steps: number;
  /** The same in 16 bits, where it is not as small. */
  readonly wideSteps?: number;
  readonly schemes?: readonly SchemeName[];
}

const seed = fc.nat();
const shapes = arbShape({ minRank: 2, minSize: 2, maxSize: 5 });
const picture = arbShape({ minRank: 4, maxRank: 4, minSize: 2, maxSize: 5 });

function data(shape: readonly number[], s: number): Tensor {
  return seededTensor("float32", shape, { seed: s, min: -3, max: 5 });
}

function ints(values: readonly number[]): Tensor {
  return i64([values.length], values);
}

function resize(mode: string, coordinates: string): fc.Arbitrary<LowerCase> {
  return fc.tuple(picture, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), seed).map(([shape, h, w, s]) => ({
    op: "Resize",
    attributes: { mode, coordinate_transformation_mode: coordinates, ...(mode === "nearest" && { nearest_mode: "floor" }) },
    inputs: [data(shape, s), undefined, undefined, ints([shape[0] as number, shape[1] as number, h, w])],
    constant: [3],
  }));
}

const INT8: readonly SchemeName[] = ["int8"];

const ROWS: Readonly<Record<string, Row>> = {
  ReduceMean: {
    cases: fc.tuple(shapes, seed, fc.nat(), fc.nat(1)).map(([shape, s, a, keepdims]) => ({
      op: "ReduceMean",
      attributes: { keepdims },
      inputs: [data(shape, s), ints([a % shape.length])],
      constant: [1],
    })),
    emits: ["MEAN"],
    steps: 1.01,
  },
  Slice: {
    cases: fc.tuple(shapes, seed).map(([shape, s]) => ({
      op: "Slice",
      inputs: [data(shape, s), ints([0]), ints([Math.max(1, (shape[1] as number) - 1)]), ints([1])],
      constant: [1, 2, 3],
    })),
    emits: ["SLICE"],
    steps: 0.01,
  },
  "Slice by steps": {
    cases: fc.tuple(shapes, seed).map(([shape, s]) => ({
      op: "Slice",
      inputs: [data(shape, s), ints([-1]), ints([-100]), ints([1]), ints([-2])],
      constant: [1, 2, 3, 4],
    })),
    emits: ["STRIDED_SLICE"],
    steps: 0.01,
  },
  Split: {
    cases: fc.tuple(shapes, seed).map(([shape, s]) => ({
      op: "Split",
      attributes: { axis: 0, num_outputs: 2 },
      inputs: [data([2 * (shape[0] as number), ...shape.slice(1)], s)],
      outputs: ["y0", "y1"],
    })),
    emits: ["SPLIT"],
    steps: 0.01,
  },
  Gather: {
    cases: fc.tuple(shapes, seed).map(([shape, s]) => ({
      op: "Gather",
      attributes: { axis: 1 },
      inputs: [data(shape, s), ints([0, -1])],
      constant: [1],
    })),
    emits: ["GATHER"],
    steps: 0.01,
  },
  Tile: {
    cases: fc.tuple(shapes, seed).map(([shape, s]) => ({
      op: "Tile",
      inputs: [data(shape, s), ints(shape.map((_, i) => 1 + (i & 1)))],
      constant: [1],
    })),
    emits: ["TILE"],
    steps: 0.01,
    // Of 16 bits LiteRT has none.
    schemes: INT8,
  },
  Expand: {
    cases: fc.tuple(shapes, seed).map(([shape, s]) => ({
      op: "Expand",
      inputs: [data([1, ...shape.slice(1)], s), ints([3, ...shape.slice(1)])],
      constant: [1],
    })),
    emits: ["BROADCAST_TO"],
    steps: 0.01,
  },
  "Resize to the nearest": { cases: resize("nearest", "asymmetric"), emits: ["RESIZE_NEAREST_NEIGHBOR"], steps: 0.01 },
  // The integer kernels place cells with 10 bits behind the point: of 65536 steps, each of two axes may cost 64.
  "Resize between": { cases: resize("linear", "half_pixel"), emits: ["RESIZE_BILINEAR"], steps: 1.01, wideSteps: 128 },
  DepthToSpace: {
    cases: fc.tuple(picture, seed).map(([shape, s]) => ({
      op: "DepthToSpace",
      attributes: { blocksize: 2 },
      inputs: [data([1, 4 * (shape[1] as number), ...shape.slice(2)], s)],
    })),
    emits: ["DEPTH_TO_SPACE"],
    steps: 0.01,
    schemes: INT8,
  },
  Where: {
    cases: fc.tuple(shapes, seed).map(([shape, s]) => ({
      op: "Where",
      inputs: [
        seededTensor("bool", shape, { seed: s }),
        data(shape, s + 1),
        seededTensor("float32", shape, { seed: s + 2, min: -9, max: 2 }),
      ],
      constant: [0],
    })),
    emits: ["SELECT_V2"],
    steps: 0.01,
  },
};

/** The case with a LeakyRelu before each float input that is fed, for there must be integers to move. What they give comes out too. */
function behindLeaky(c: LowerCase): Model {
  const model = caseModel(c);
  const { graph } = model;
  const slope = { attributes: { alpha: float(0.5) } };
  const fed = new Set(graph.inputs.map((i) => i.name));
  const before = [...fed].map((name) => makeNode("LeakyRelu", { inputs: [name], outputs: [`${name}_leaky`] }, slope));
  const nodes = graph.nodes.map((n) => ({ ...n, inputs: n.inputs.map((name) => (fed.has(name) ? `${name}_leaky` : name)) }));
  const seen = graph.inputs.map((i) => ({ name: `${i.name}_leaky`, type: i.type }));
  return { ...model, graph: { ...graph, nodes: [...before, ...nodes], outputs: [...graph.outputs, ...seen] } };
}

const RUNTIMES: readonly LowerRuntime[] = ["litert", "tfjs"];

describe("an operator that moves or mixes integers, lowered to TFLite", () => {
  for (const [sentence, row] of Object.entries(ROWS)) {
    for (const scheme of row.schemes ?? (["int8", "int16x8"] as const)) {
      test(`computes on real runtimes the integers that went in: ${sentence} in ${scheme}`, async () => {
        const property = fc.asyncProperty(row.cases, async (c) => {
          const feeds = caseFeeds(c);
          const planned = plannedFor(behindLeaky(c), feeds, scheme);
          const lowered = loweredFile(planned.model, { plan: planned.plan });
          expect(lowered.report.floatIslands, describeLowerCase(c)).toEqual([]);
          expect([...lowered.report.operators.keys()]).toEqual(expect.arrayContaining([...row.emits]));
          const step = (planned.plan.tensors.get("y0") as Encoding).scale[0] as number;
          for (const runtime of RUNTIMES) {
            const got = await runLowered(lowered, feeds, runtime);
            const given = new Map([...feeds.keys()].map((name) => [name, got.get(`${name}_leaky`) as Tensor]));
            const want = interpret(caseModel(c).graph, given).get("y0") as Tensor;
            const apart = stepsApart(got.get("y0") as Tensor, want, step);
            if (!(apart <= ((scheme === "int16x8" ? row.wideSteps : undefined) ?? row.steps)))
              throw new Error(`${describeLowerCase(c)}\non ${runtime}: ${apart} steps apart`);
          }
        });
        await fc.assert(property, { numRuns: 5, seed: 3 });
      }, 120_000);
    }
  }

  test("channels that DEPTH_TO_SPACE wants in another order are gathered where the weights before have scales of their own", async () => {
    const make = (name: string, shape: readonly number[], s: number) =>
      [name, seededTensor("float32", shape, { seed: s, min: -1, max: 1 })] as const;
    const graph = parseGraph(
      'x: f32[1, 2, 3, 3]\na = Conv(x, w: f32[8, 2, 1, 1])\ny0 = DepthToSpace(a) {blocksize: 2, mode: "CRD"}\nreturn y0',
    );
    const constants = new Map([make("w", [8, 2, 1, 1], 3)]);
    const model: Model = {
      kind: "model",
      graph: { ...graph, constants },
      domains: new Map(),
      metadata: new Map(),
      producer: { name: "testkit", version: "0" },
    };
    const feeds = new Map([make("x", [1, 2, 3, 3], 1)]);
    const planned = plannedFor(model, feeds, "int8");
    const lowered = loweredFile(planned.model, { plan: planned.plan });
    expect(lowered.report.floatIslands).toEqual([]);
    expect([...lowered.report.operators.keys()]).toEqual(expect.arrayContaining(["CONV_2D", "GATHER", "DEPTH_TO_SPACE"]));
    const want = roundedOutputs(planned, feeds).get("y0") as Tensor;
    const step = (planned.plan.tensors.get("y0") as Encoding).scale[0] as number;
    for (const runtime of RUNTIMES)
      expect(stepsApart((await runLowered(lowered, feeds, runtime)).get("y0") as Tensor, want, step)).toBeLessThan(1.01);
  });

  test("an index list is no tensor of the plan", () => {
    const c: LowerCase = { op: "Gather", inputs: [data([2, 3], 1), fromNumbers("int64", [1], [1])], constant: [1] };
    const planned = plannedFor(behindLeaky(c), caseFeeds(c), "int8");
    expect(planned.plan.tensors.has("x1")).toBe(false);
  });
});
