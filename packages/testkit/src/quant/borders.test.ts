import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import { type Model, type Node, tensorType } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { planBorders } from "@tessera/core/graph/plan-borders";
import { countOf, f32, type Tensor, toNumbers, view } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { runInteger } from "@tessera/core/interp/integer/run";
import { interpret } from "@tessera/core/interp/run";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { createHistogram, observe } from "@tessera/core/quant/histogram";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { widenNodes } from "@tessera/core/quant/widen";
import { checkPlan } from "@tessera/core/targets/check-plan";
import { LITERT } from "@tessera/core/targets/litert";
import { ORT_X64 } from "@tessera/core/targets/ort";
import type { Target } from "@tessera/core/targets/target";
import { fusionGraph } from "@tessera/runtimes/fusion-graph";
import { litertRuntime } from "@tessera/runtimes/litert";
import { optimizedGraph } from "@tessera/runtimes/ort-optimized";
import { beforeAll, describe, expect, test, vi } from "vitest";

let litert: Awaited<ReturnType<typeof litertRuntime>>;
beforeAll(async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  litert = await litertRuntime({ worker: false });
  warn.mockRestore();
});

const random = seededRandom(5);
const noise = (...shape: number[]): Tensor =>
  f32(
    shape,
    Array.from({ length: countOf(shape) }, () => random.normal() * 0.4),
  );

const node = (op: string, inputs: readonly string[], output: string, attributes = {}): Node =>
  makeNode(op, { inputs, outputs: [output] }, { name: output, attributes });

/** A convolution of 4 channels to 4, its weight and bias called after it. */
const conv = (input: string, output: string): Node =>
  node("Conv", [input, `${output}.w`, `${output}.b`], output, { pads: [1, 1, 1, 1] });

function built(nodes: readonly Node[], outputs: readonly string[] = ["y"]): Model {
  const constants = nodes
    .filter((n) => n.op === "Conv")
    .flatMap((n) => [[`${n.name}.w`, noise(4, 4, 3, 3)] as const, [`${n.name}.b`, noise(4)] as const]);
  return inferTypes({
    kind: "model",
    graph: {
      name: "g",
      inputs: [{ name: "x", type: tensorType("float32", [1, 4, 6, 6]) }],
      outputs: outputs.map((name) => ({ name, type: tensorType("float32", undefined) })),
      nodes,
      constants: new Map(constants),
      types: new Map(),
    },
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  });
}

const x = noise(1, 4, 6, 6);
const feeds = new Map([["x", x]]);

function planned(
  source: Model,
  target: Target,
  floats: readonly string[],
  wide: readonly string[] = [],
): { readonly model: Model; readonly plan: QuantPlan } {
  const ready = prepareForIntegers(source, target);
  const { model, wideNodes } =
    wide.length === 0 ? { model: ready, wideNodes: new Set<string>() } : widenNodes(ready, target, new Set(wide));
  const keepFloat = new Map(floats.map((name) => [name, "kept by the test"] as const));
  const placement = placeIntegers(model, target, { keepFloat, wideNodes });
  const values = interpret(model.graph, feeds, { outputs: placement.activations });
  const histograms = new Map(
    placement.activations.map((name) => {
      const h = createHistogram();
      observe(h, view((values.get(name) ?? feeds.get(name)) as Tensor, "float32"));
      return [name, h] as const;
    }),
  );
  const plan = staticPlan(model, target, placement, { samples: 1, histograms }, { range: { method: "min-max" } });
  return { model, plan };
}

/** The conversions that are left in ONNX Runtime's own graph. */
async function leftInOrt(bytes: Uint8Array): Promise<{ readonly quantize: number; readonly dequantize: number }> {
  const { nodes } = fusionGraph(await optimizedGraph(bytes));
  const count = (op: string): number => nodes.filter((n) => n.op === op).length;
  return { quantize: count("QuantizeLinear"), dequantize: count("DequantizeLinear") };
}

interface Case {
  readonly says: string;
  readonly nodes: readonly Node[];
  readonly outputs?: readonly string[];
  readonly floats: readonly string[];
  readonly borders: { readonly quantize: number; readonly dequantize: number };
  /** What ONNX Runtime makes of it, where it differs: it copies a DequantizeLinear for each reader, whatever the file says. */
  readonly inOrt?: { readonly quantize: number; readonly dequantize: number };
}

const CASES: readonly Case[] = [
  { says: "a chain in integers", nodes: [conv("x", "a"), conv("a", "y")], floats: [], borders: { quantize: 1, dequantize: 1 } },
  {
    says: "a chain with its first convolution in float",
    nodes: [conv("x", "a"), node("Relu", ["a"], "r"), conv("r", "y")],
    floats: ["a"],
    borders: { quantize: 1, dequantize: 1 },
  },
  {
    says: "a chain with an island in the middle",
    nodes: [conv("x", "a"), conv("a", "b"), conv("b", "c"), conv("c", "y")],
    floats: ["b", "c"],
    borders: { quantize: 2, dequantize: 2 },
  },
  {
    says: "a float value that two integer nodes read",
    nodes: [conv("x", "a"), conv("a", "b"), conv("a", "c"), node("Add", ["b", "c"], "y")],
    floats: ["a"],
    borders: { quantize: 1, dequantize: 1 },
  },
  {
    says: "an integer value that two float nodes read",
    nodes: [conv("x", "a"), conv("a", "b"), conv("a", "c"), node("Sub", ["b", "c"], "y")],
    floats: ["b", "c", "y"],
    borders: { quantize: 1, dequantize: 1 },
    inOrt: { quantize: 1, dequantize: 2 },
  },
  {
    says: "a residual join whose skip comes from float, and is read in float too",
    nodes: [conv("x", "a"), conv("a", "b"), node("Add", ["a", "b"], "s"), conv("s", "y"), conv("a", "z")],
    outputs: ["y", "z"],
    floats: ["a", "z"],
    borders: { quantize: 1, dequantize: 1 },
  },
  {
    says: "an input that float and integer nodes read",
    nodes: [conv("x", "a"), conv("x", "b"), conv("a", "y"), conv("b", "z")],
    outputs: ["y", "z"],
    floats: ["b", "z"],
    borders: { quantize: 1, dequantize: 1 },
  },
  {
    says: "a branch that is an output besides",
    nodes: [conv("x", "a"), conv("a", "b"), conv("b", "y")],
    outputs: ["a", "b", "y"],
    floats: ["a"],
    borders: { quantize: 1, dequantize: 2 },
  },
];

describe("borders between floats and integers", () => {
  for (const { says, nodes, outputs, floats, borders, inOrt = borders } of CASES) {
    test(`${says}: each value is converted once, in ONNX Runtime's own graph`, async () => {
      const { model, plan } = planned(built(nodes, outputs), ORT_X64, floats);
      expect(planBorders(model, plan)).toEqual({ ...borders, cast: 0 });
      expect(checkPlan(model, plan, ORT_X64)).toEqual([]);
      const written = applyPlan(model, plan);
      const rounded = written.graph.nodes.filter((n) => n.op === "QuantizeLinear").map((n) => n.inputs[0]);
      expect(new Set(rounded).size).toBe(rounded.length);
      const back = written.graph.nodes.filter((n) => n.op === "DequantizeLinear").map((n) => n.inputs[0]);
      expect(new Set(back).size).toBe(back.length);
      expect(await leftInOrt(modelToOnnx(written))).toEqual(inOrt);
    });

    test(`${says}: each value is converted once in the .tflite file, and LiteRT computes what the plan says`, async () => {
      const { model, plan } = planned(built(nodes, outputs), LITERT, floats);
      expect(planBorders(model, plan)).toEqual({ ...borders, cast: 0 });
      expect(checkPlan(model, plan, LITERT)).toEqual([]);
      const { records, report } = lowerTflite(model, { plan, layout: "nchw" });
      expect(report.meetings).toEqual({ ...borders, cast: 0, requantize: 0 });
      expect(new Set(report.floatIslands.map((i) => i.node))).toEqual(new Set(floats));
      const session = await litert.load(writeTflite(records), { threads: 1 });
      const got = await session.run(feeds);
      await session.close();
      const exact = interpret(applyPlan(model, plan).graph, feeds);
      const ours = runInteger(compileInteger(model, plan, { profile: "xnnpack" }), feeds);
      for (const { name } of model.graph.outputs) {
        const step = plan.tensors.get(name)?.scale[0] ?? 0.02;
        const [a, b, c] = [got, exact, ours].map((values) => toNumbers(values.get(name) as Tensor)) as [
          Float64Array,
          Float64Array,
          Float64Array,
        ];
        a.forEach((v, i) => {
          expect(Math.abs(v - (b[i] as number)), name).toBeLessThanOrEqual(3.01 * step);
          expect(Math.abs(v - (c[i] as number)), name).toBeLessThanOrEqual(1.01 * step);
        });
      }
    });
  }
});

interface WideCase {
  readonly says: string;
  readonly nodes: readonly Node[];
  readonly outputs?: readonly string[];
  readonly wide: readonly string[];
  /** Nodes that turn out to have 16 bits, steps between types apart. */
  readonly made: readonly string[];
  readonly requantize: number;
  readonly quantize: number;
  readonly dequantize: number;
}

const pool = (input: string, output: string): Node =>
  node("MaxPool", [input], output, { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });

const WIDE_CASES: readonly WideCase[] = [
  {
    says: "a chain with 16 bits in the middle",
    nodes: [conv("x", "a"), conv("a", "b"), conv("b", "y")],
    wide: ["b"],
    made: ["b"],
    ...{ requantize: 2, quantize: 1, dequantize: 1 },
  },
  {
    says: "a stem with 16 bits, its Relu with it",
    nodes: [conv("x", "a"), node("Relu", ["a"], "r"), conv("r", "y")],
    wide: ["a"],
    made: ["a", "r"],
    ...{ requantize: 1, quantize: 1, dequantize: 1 },
  },
  {
    says: "a 16-bit value that two 8-bit nodes read",
    nodes: [conv("x", "a"), conv("a", "b"), conv("a", "c"), node("Add", ["b", "c"], "y")],
    wide: ["a"],
    made: ["a"],
    ...{ requantize: 1, quantize: 1, dequantize: 1 },
  },
  {
    says: "a join of 16 bits between 8-bit branches, and a pool that follows it",
    nodes: [conv("x", "a"), conv("a", "b"), node("Add", ["a", "b"], "s"), pool("s", "p"), conv("p", "y")],
    wide: ["s"],
    made: ["s", "p"],
    ...{ requantize: 3, quantize: 1, dequantize: 1 },
  },
  {
    says: "a 16-bit end",
    nodes: [conv("x", "a"), conv("a", "y")],
    wide: ["y"],
    made: ["y"],
    ...{ requantize: 1, quantize: 1, dequantize: 1 },
  },
];

describe("islands of 16-bit activations among 8-bit ones", () => {
  for (const { says, nodes, outputs, wide, made, requantize, quantize, dequantize } of WIDE_CASES) {
    test(`${says}: integers change their type once at the border, and the interpreter has LiteRT's bits`, async () => {
      const { model, plan } = planned(built(nodes, outputs), LITERT, [], wide);
      expect(checkPlan(model, plan, LITERT)).toEqual([]);
      const own = new Set(nodes.map((n) => n.name));
      const found = [...plan.nodes].filter(([name, choice]) => own.has(name) && choice.precision === "int16x8");
      expect(found.map(([name]) => name)).toEqual(made);
      const { records, report } = lowerTflite(model, { plan, layout: "nchw" });
      expect(report.meetings).toEqual({ quantize, dequantize, requantize, cast: 0 });
      expect(report.floatIslands).toEqual([]);
      const session = await litert.load(writeTflite(records), { threads: 1 });
      const program = compileInteger(model, plan, { profile: "xnnpack" });
      for (let i = 0; i < 20; i++) {
        const fed = new Map([["x", noise(1, 4, 6, 6)]]);
        const got = await session.run(fed);
        const ours = runInteger(program, fed);
        for (const { name } of model.graph.outputs)
          expect(Array.from(toNumbers(ours.get(name) as Tensor))).toEqual(Array.from(toNumbers(got.get(name) as Tensor)));
      }
      await session.close();
    });

    test(`${says}: no farther from float than 8 bits alone`, () => {
      const source = built(nodes, outputs);
      const narrow = planned(source, LITERT, []);
      const mixed = planned(source, LITERT, [], wide);
      const float = toNumbers(interpret(source.graph, feeds).get("y") as Tensor);
      const errorOf = ({ model, plan }: typeof narrow): number => {
        const made = toNumbers(interpret(applyPlan(model, plan).graph, feeds).get("y") as Tensor);
        return float.reduce((sum, v, i) => sum + (v - (made[i] as number)) ** 2, 0);
      };
      // Between two 8-bit nodes 16 bits change nothing: what comes in and what goes out has 8.
      expect(errorOf(mixed)).toBeLessThanOrEqual(errorOf(narrow));
    });
  }

  test("are refused where the target has no kernels for them", () => {
    const source = prepareForIntegers(built([conv("x", "a"), conv("a", "y")]), ORT_X64);
    expect(() => widenNodes(source, ORT_X64, new Set(["a"]))).toThrow(expect.objectContaining({ code: "TARGET_RULE" }));
    const swish = prepareForIntegers(built([conv("x", "a"), node("HardSwish", ["a"], "h"), conv("h", "y")]), LITERT);
    expect(() => widenNodes(swish, LITERT, new Set(["h"]))).toThrow(/HARD_SWISH/);
  });
});
