import { smallModel, smallNode } from "@tessera/testkit/small-model";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import type { Model, Node } from "../graph/model.ts";
import { float, makeNode, REGRID_KEY } from "../graph/node.ts";
import type { Encoding, QuantPlan } from "../graph/plan.ts";
import { f32, fromNumbers, i64, type Tensor, view } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { dropNoopsPass } from "../passes/drop-noops.ts";
import { ALLOW_ALL } from "../passes/pass.ts";
import { checkPlan } from "../targets/check-plan.ts";
import { LITERT } from "../targets/litert.ts";
import { ORT_ARM, ORT_X64 } from "../targets/ort.ts";
import { withScheme } from "../targets/scheme.ts";
import type { Target } from "../targets/target.ts";
import { createHistogram, observe } from "./histogram.ts";
import { placeIntegers } from "./placement.ts";
import { prepareForIntegers } from "./prepare.ts";
import { staticPlan } from "./static-plan.ts";

const SHAPE = [1, 4, 4, 4];

/** One step of a random graph: which operator, and which earlier values it reads (counted from the last). */
interface Step {
  readonly op: string;
  readonly picks: readonly number[];
  readonly seed: number;
}

const OPS = [
  ...["Conv", "Conv", "Conv", "Gemm", "Relu", "Clip", "Relu6", "Add", "Mul", "Sub", "Sigmoid", "Tanh", "Softmax", "PRelu"],
  ...["LeakyRelu", "HardSwish", "Concat", "Concat", "Max", "Min", "Where", "MaxPool", "AveragePool", "Pad", "Transpose"],
  ...["Reshape", "Split", "Identity", "ReduceMean", "Div", "Exp", "LpNormalization", "AddConstant", "MaxConstant"],
];

const arbStep: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom(...OPS),
  picks: fc.array(fc.nat(6), { minLength: 3, maxLength: 3 }),
  seed: fc.nat(1e6),
});

const arbGraph = fc.record({
  steps: fc.array(arbStep, { minLength: 1, maxLength: 14 }),
  outputs: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }),
});

/** Every value has the one shape, so that any operator may follow any other. */
function build({ steps, outputs }: { readonly steps: readonly Step[]; readonly outputs: readonly number[] }): Model {
  const constants = new Map<string, Tensor>();
  const nodes: Node[] = [];
  const values = ["x"];
  steps.forEach((step, i) => {
    const random = seededRandom(step.seed);
    const [a, b, c] = step.picks.map((back) => values[Math.max(0, values.length - 1 - back)] as string) as [
      string,
      string,
      string,
    ];
    const constant = (hint: string, tensor: Tensor): string => {
      constants.set(`${hint}${i}`, tensor);
      return `${hint}${i}`;
    };
    const noise = (...shape: number[]): Tensor =>
      f32(
        shape,
        Array.from({ length: shape.reduce((x, y) => x * y, 1) }, () => random.normal()),
      );
    const put = (op: string, inputs: string[], attributes = {}, made = [`v${i}`]): void => {
      nodes.push(makeNode(op, { inputs, outputs: made }, { name: `${op}_${made[0]}`, attributes }));
    };
    const scalar = (value: number): Tensor => f32([], [value]);
    switch (step.op) {
      case "Conv":
        put("Conv", [a, constant("w", noise(4, 4, 1, 1)), ...(step.seed % 2 ? [constant("b", noise(4))] : [])]);
        break;
      case "Gemm":
        put("Reshape", [a, constant("r", i64([2], [16, 4]))], {}, [`m${i}`]);
        put("Gemm", [`m${i}`, constant("w", noise(4, 4)), constant("b", noise(4))], { transB: step.seed % 2 }, [`g${i}`]);
        put("Reshape", [`g${i}`, constant("s", i64([4], SHAPE))]);
        break;
      case "Clip":
        put("Clip", [a, constant("lo", scalar(-random.next())), constant("hi", scalar(3 * random.next()))]);
        break;
      case "Relu6":
        put("Clip", [a, constant("lo", scalar(0)), constant("hi", scalar(6))]);
        break;
      case "PRelu":
        put("PRelu", [a, constant("slope", noise(4, 1, 1))]);
        break;
      case "AddConstant":
        put("Add", [a, constant("k", noise(4, 1, 1))]);
        break;
      case "MaxConstant":
        put("Max", [a, constant("k", noise(4, 1, 1)), b]);
        break;
      case "Concat":
        put("Concat", step.seed % 2 ? [a, b] : [a, b, c], { axis: 1 }, [`c${i}`]);
        put("Slice", [`c${i}`, ...[2, 6, 1].map((n, k) => constant(`n${k}_`, i64([1], [n])))]);
        break;
      case "Split":
        put("Split", [a], { axis: 1, num_outputs: 2 }, [`p${i}`, `q${i}`]);
        put("Concat", [`q${i}`, `p${i}`], { axis: 1 });
        break;
      case "Where":
        put("Where", [constant("cond", fromNumbers("bool", [4, 1, 1], [1, 0, 0, 1])), a, b]);
        break;
      case "MaxPool":
      case "AveragePool":
        put(step.op, [a], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
        break;
      case "Pad":
        put("Pad", [a, constant("pads", i64([8], [0, 0, 1, 0, 0, 0, 0, 0]))], {}, [`d${i}`]);
        put("MaxPool", [`d${i}`], { kernel_shape: [2, 1] });
        break;
      case "Transpose":
        put("Transpose", [a], { perm: [0, 2, 1, 3] });
        break;
      case "Reshape":
        put("Reshape", [a, constant("r", i64([4], SHAPE))]);
        break;
      case "ReduceMean":
        put("ReduceMean", [a, constant("axes", i64([1], [1]))], { keepdims: 1 }, [`e${i}`]);
        put("Add", [`e${i}`, b]);
        break;
      case "LpNormalization":
        put("LpNormalization", [a], { axis: 1 });
        break;
      case "LeakyRelu":
        put("LeakyRelu", [a], { alpha: float(0.1) });
        break;
      case "Add":
      case "Mul":
      case "Sub":
      case "Div":
      case "Max":
      case "Min":
        put(step.op, [a, b]);
        break;
      default:
        put(step.op, [a]);
    }
    values.push(`v${i}`);
  });
  const names = new Set(outputs.map((back) => values[Math.max(1, values.length - 1 - back)] as string));
  return smallModel({ x: SHAPE, nodes, constants: Object.fromEntries(constants), outputs: [...names] });
}

function planned(source: Model, target: Target): { readonly model: Model; readonly plan: QuantPlan } {
  const model = prepareForIntegers(source, target);
  const placement = placeIntegers(model, target);
  const random = seededRandom(1);
  const x = f32(
    SHAPE,
    Array.from({ length: 64 }, () => random.normal()),
  );
  const histograms = new Map(placement.activations.map((name) => [name, createHistogram()] as const));
  const seen = interpret(model.graph, new Map([["x", x]]), { outputs: placement.activations });
  for (const [name, h] of histograms) {
    const values = view(seen.get(name) as Tensor, "float32");
    // Exp and Div of random graphs overflow: what is not finite is not what this is about.
    observe(h, values.map((v) => (Number.isFinite(v) ? Math.max(-1e9, Math.min(1e9, v)) : 0)) as Float32Array);
  }
  return { model, plan: staticPlan(model, target, placement, { samples: 1, histograms }) };
}

const SCHEMES = ["int8", "int16x8"] as const;

describe("the plan of any graph", () => {
  for (const scheme of SCHEMES) {
    const target = withScheme(LITERT, scheme);
    test(`satisfies every kernel of LiteRT in ${scheme}, and leaves nothing in float because of grids`, () => {
      let groups = 0;
      let moved = 0;
      fc.assert(
        fc.property(arbGraph, (graph) => {
          const { model, plan } = planned(build(graph), target);
          expect(checkPlan(model, plan, LITERT)).toEqual([]);
          const placement = placeIntegers(model, target);
          expect(placement.conflicts).toEqual([]);
          groups += placement.groups.length;
          const regrids = model.graph.nodes.filter((n) => n.metadata?.has(REGRID_KEY));
          for (const node of regrids) {
            // Each one does something: its two sides have different grids.
            const [from, to] = [node.inputs[0], node.outputs[0]].map((n) => plan.tensors.get(n as string) as Encoding);
            expect([from?.scale, from?.zeroPoint]).not.toEqual([to?.scale, to?.zeroPoint]);
          }
          moved += regrids.length;
        }),
        { numRuns: 150, seed: 7 },
      );
      expect(groups).toBeGreaterThan(50);
      expect(moved).toBeGreaterThan(5);
    });
  }

  for (const target of [ORT_X64, ORT_ARM]) {
    test(`satisfies every kernel of ${target.id} as well`, () => {
      fc.assert(
        fc.property(arbGraph, (graph) => {
          const { model, plan } = planned(build(graph), target);
          expect(checkPlan(model, plan, target)).toEqual([]);
        }),
        { numRuns: 100, seed: 7 },
      );
    });
  }

  test("is found out when any one of its grids is moved by hand", () => {
    let tried = 0;
    fc.assert(
      fc.property(arbGraph, fc.nat(), (graph, pick) => {
        const { model, plan } = planned(build(graph), LITERT);
        const tied = model.graph.nodes
          .filter((n) => plan.nodes.get(n.name)?.precision === "int8")
          .filter((n) => ["Concat", "Max", "MaxPool", "Transpose", "Sigmoid", "Softmax", "Tanh"].includes(n.op))
          .map((n) => n.outputs[0] as string);
        const name = tied[pick % Math.max(1, tied.length)];
        if (name === undefined) return;
        tried++;
        const encoding = plan.tensors.get(name) as Encoding;
        const scale = [Math.fround((encoding.scale[0] as number) * 1.5)];
        const edited = { ...plan, tensors: new Map(plan.tensors).set(name, { ...encoding, scale }) };
        expect(checkPlan(model, edited, LITERT).some((p) => p.tensors.includes(name))).toBe(true);
      }),
      { numRuns: 100, seed: 7 },
    );
    expect(tried).toBeGreaterThan(20);
  });
});

/** A network on the values of random graphs, with a convolution's weights at hand. */
function small(nodes: readonly Node[], constants: Readonly<Record<string, Tensor>> = {}): Model {
  return smallModel({ x: SHAPE, nodes, constants: { w: f32([4, 4, 1, 1], Array(16).fill(0.5)), ...constants } });
}

describe("values on grids that differ", () => {
  const regrids = (model: Model): string[] =>
    model.graph.nodes.filter((n) => n.metadata?.has(REGRID_KEY)).map((n) => n.inputs[0] as string);

  test("share one when the kernel fixes both alike, and the one that is fixed moves to the free one", () => {
    const alike = small([
      smallNode("Sigmoid", "x", "a"),
      smallNode("Softmax", "x", "b"),
      smallNode("Concat", "a b", "y", { axis: 1 }),
    ]);
    expect(regrids(prepareForIntegers(alike, LITERT))).toEqual([]);
    const mixed = small([
      smallNode("Sigmoid", "x", "a"),
      smallNode("Conv", "x w", "b"),
      smallNode("Concat", "a b", "y", { axis: 1 }),
    ]);
    expect(regrids(prepareForIntegers(mixed, LITERT))).toEqual(["a"]);
    const { plan } = planned(mixed, LITERT);
    expect(plan.tensors.get("a")?.scale).toEqual([1 / 256]);
    expect(plan.tensors.get("b")).toMatchObject({ scale: plan.tensors.get("y")?.scale });
  });

  test("move to the coarsest of two that are fixed, so that nothing is clipped", () => {
    const both = small([
      smallNode("Sigmoid", "x", "a"),
      smallNode("Tanh", "x", "b"),
      smallNode("Concat", "a b", "y", { axis: 1 }),
    ]);
    expect(regrids(prepareForIntegers(both, LITERT))).toEqual(["a"]);
    expect(planned(both, LITERT).plan.tensors.get("y")).toMatchObject({ scale: [1 / 128], zeroPoint: [0] });
  });

  test("keep the node that moves them through the pass that drops what does nothing", () => {
    const both = small([
      smallNode("Sigmoid", "x", "a"),
      smallNode("Tanh", "x", "b"),
      smallNode("Concat", "a b", "y", { axis: 1 }),
    ]);
    const ready = prepareForIntegers(both, LITERT);
    expect(regrids(dropNoopsPass().run(ready, ALLOW_ALL).model)).toEqual(["a"]);
  });
});

describe("an embedding", () => {
  const axes = { axes: i64([1], [1]), two: f32([], [2]), tiny: f32([], [1e-12]) };

  for (const [how, nodes] of [
    ["LpNormalization", [smallNode("LpNormalization", "e", "y", { axis: 1 })]],
    ["ReduceL2 and Div", [smallNode("ReduceL2", "e axes", "n"), smallNode("Max", "n tiny", "m"), smallNode("Div", "e m", "y")]],
    [
      "the root of summed squares",
      [
        smallNode("Mul", "e e", "s"),
        smallNode("ReduceSum", "s axes", "n"),
        smallNode("Sqrt", "n", "m"),
        smallNode("Div", "e m", "y"),
      ],
    ],
    [
      "the reciprocal of it",
      [
        smallNode("Pow", "e two", "s"),
        smallNode("ReduceSum", "s axes", "n"),
        smallNode("Sqrt", "n", "m"),
        smallNode("Reciprocal", "m", "r"),
        smallNode("Mul", "r e", "y"),
      ],
    ],
  ] as const) {
    test(`keeps its own scale, and is brought to unit length in float by ${how}`, () => {
      const model = small([smallNode("Conv", "x w", "e"), ...nodes], axes);
      const { plan } = planned(model, LITERT);
      expect(plan.tensors.get("e")?.dtype).toBe("int8");
      for (const n of nodes) {
        expect(plan.nodes.get(n.name)?.precision, n.name).toBe("float32");
        expect(plan.tensors.has(n.outputs[0] as string), n.name).toBe(false);
      }
      expect(plan.nodes.get("y")?.reason).toMatch(/unit-length/);
    });
  }

  test("may be normalised in integers where more integers follow", () => {
    const model = small([smallNode("LpNormalization", "x", "e", { axis: 1 }), smallNode("Conv", "e w", "y")]);
    expect(planned(model, LITERT).plan.tensors.get("e")).toMatchObject({ scale: [1 / 128], zeroPoint: [0] });
  });
});
