import { smallModel } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../base/random.ts";
import { applyPlan } from "../convert/onnx/apply-plan.ts";
import type { Model } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import type { Encoding, QuantPlan } from "../graph/plan.ts";
import { dequantizeTensor, quantizeTensor } from "../graph/quantize.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, sameTensor, type Tensor, toNumbers } from "../graph/tensor.ts";
import { interpret } from "../interp/run.ts";
import { ORT_X64 } from "../targets/ort.ts";
import { channelMeans } from "./channel-means.ts";
import { correctBiases } from "./correct-bias.ts";
import { exposeValues, observeTensors } from "./observe.ts";
import { placeIntegers } from "./placement.ts";
import { staticPlan } from "./static-plan.ts";

const random = seededRandom(21);
const noise = (shape: readonly number[], size = 1, shift = 0): Tensor =>
  f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => shift + size * random.normal()),
  );

/** Conv, then two branches that meet in an Add, a Conv around which the first value goes too, and a Gemm: four levels. */
const nodes = [
  makeNode("Conv", { inputs: ["x", "w1", "b1"], outputs: ["a"] }, { name: "first" }),
  makeNode("Relu", { inputs: ["a"], outputs: ["h"] }, { name: "relu" }),
  makeNode("Conv", { inputs: ["h", "w2", "b2"], outputs: ["p"] }, { name: "left", attributes: { group: 6, pads: [1, 1, 1, 1] } }),
  makeNode("Conv", { inputs: ["h", "w3", "b3"], outputs: ["q"] }, { name: "right" }),
  makeNode("Add", { inputs: ["p", "q"], outputs: ["s"] }, { name: "sum" }),
  makeNode("Conv", { inputs: ["s", "w6", "b6"], outputs: ["m"] }, { name: "middle" }),
  makeNode("Add", { inputs: ["m", "h"], outputs: ["r"] }, { name: "around" }),
  makeNode("Conv", { inputs: ["r", "w4"], outputs: ["t"] }, { name: "unbiased" }),
  makeNode("Flatten", { inputs: ["t"], outputs: ["f"] }, { name: "flatten" }),
  makeNode("Gemm", { inputs: ["f", "w5", "b5"], outputs: ["y"] }, { name: "last", attributes: { transB: 1 } }),
];
const model: Model = smallModel({
  x: [1, 3, 5, 5],
  nodes,
  constants: Object.fromEntries(
    new Map(
      Object.entries({
        w1: noise([6, 3, 1, 1]),
        b1: noise([6], 0.2),
        w2: noise([6, 1, 3, 3], 0.5),
        b2: noise([6], 0.2),
        w3: noise([6, 6, 1, 1], 0.5),
        b3: noise([6], 0.2),
        w4: noise([2, 6, 1, 1]),
        w6: noise([6, 6, 1, 1], 0.5),
        b6: noise([6], 0.2),
        w5: noise([4, 50], 0.3),
        b5: noise([4]),
      }),
    ),
  ),
});
const samples: readonly Feeds[] = Array.from({ length: 24 }, () => new Map([["x", noise([1, 3, 5, 5], 1, 0.7)]]));
let opened = 0;
const open = async (of: Model) => {
  opened++;
  return {
    inputs: [],
    outputs: [],
    run: async (feeds: Feeds) => interpret(of.graph, feeds),
    time: async () => ({ wallMs: [], cpuMs: 0 }),
    close: async () => {},
  };
};
const placement = placeIntegers(model, ORT_X64);
const observations = await observeTensors(model, placement.activations, samples, { open });
const plan = staticPlan(model, ORT_X64, placement, observations, { weightBits: 4 });
const options = { open, apply: applyPlan, samples: () => samples };

/** Root mean square over channels of the mean error of a node's output, and the largest step of its bias. */
async function meanError(of: QuantPlan, node: string): Promise<number> {
  const written = applyPlan(model, of);
  const output = (m: Model): string => m.graph.nodes.find((n) => n.name === node)?.outputs[0] as string;
  const mean = async (m: Model) => {
    const sums = new Map<number, number>();
    let count = 0;
    for (const feeds of samples) {
      const value = interpret(exposeValues(m, [output(m)]).graph, feeds).get(output(m)) as Tensor;
      const channels = value.shape[1] as number;
      const inner = value.shape.slice(2).reduce((a, b) => a * b, 1);
      toNumbers(value).forEach((v, i) => {
        const c = Math.floor(i / inner) % channels;
        sums.set(c, (sums.get(c) ?? 0) + v / inner);
      });
      count++;
    }
    return [...sums.values()].map((v) => v / count);
  };
  const [a, b] = [await mean(model), await mean(written)];
  return Math.sqrt(a.reduce((sum, v, c) => sum + (v - (b[c] as number)) ** 2, 0) / a.length);
}

describe("sequential bias correction", () => {
  test("takes the mean error out of every corrected node, right to a step of its bias", async () => {
    const { plan: corrected, nodes: done, skipped } = await correctBiases(model, plan, options);
    expect(done.map((n) => n.node)).toEqual(["first", "left", "right", "middle", "last"]);
    expect([...skipped]).toEqual([["unbiased", "it has no bias that could be corrected"]]);
    for (const { node, bias, meanError: was } of done) {
      const step = Math.max(...(plan.tensors.get(bias) as Encoding).scale);
      if (node !== "first") expect(await meanError(plan, node)).toBeGreaterThan(5 * step);
      expect(was).toBeGreaterThan(0);
      expect(await meanError(corrected, node)).toBeLessThan(2 * step + 1e-5);
    }
  });

  test("keeps corrected biases on the plan's grid, and everything else as it was", async () => {
    const { plan: corrected } = await correctBiases(model, plan, options);
    expect([...(corrected.constants ?? [])].map(([name]) => name).sort()).toEqual(["b1", "b2", "b3", "b5", "b6"]);
    for (const [name, tensor] of corrected.constants ?? []) {
      const encoding = plan.tensors.get(name) as Encoding;
      expect(sameTensor(dequantizeTensor(quantizeTensor(tensor, encoding), encoding), tensor)).toBe(true);
    }
    expect({ ...corrected, constants: undefined }).toEqual({ ...plan, constants: undefined });
  });

  test("looks at nodes without a path between them in one pass, and says how many passes it took", async () => {
    const passes: [number, number][] = [];
    opened = 0;
    const result = await correctBiases(model, plan, { ...options, onPass: (pass, of) => passes.push([pass, of]) });
    // One in float; then the first Conv, both branches together, the Conv in the middle, the Gemm.
    expect(result.passes).toBe(5);
    expect(opened).toBe(5);
    expect(passes).toEqual([1, 2, 3, 4, 5].map((pass) => [pass, 5]));
  });

  test("runs between two levels only what lies between them, and comes to the same biases as from the inputs", async () => {
    const counted = async (memoryBytes: number) => {
      const ran: (readonly string[])[] = [];
      const spy = async (of: Model) => {
        ran.push(of.graph.nodes.map((n) => n.name).filter((name) => nodes.some((n) => n.name === name)));
        return open(of);
      };
      return { ran, ...(await correctBiases(model, plan, { ...options, open: spy, memoryBytes })) };
    };
    const [staged, whole] = [await counted(1 << 24), await counted(0)];
    expect(staged.ran.slice(1)).toEqual([
      ["first"],
      ["first", "left", "right"],
      ["left", "right", "sum", "middle"],
      ["middle", "around", "unbiased", "flatten", "last"],
    ]);
    expect(whole.ran.slice(1).map((r) => r.length)).toEqual([1, 3, 5, 9]);
    expect(staged.plan).toEqual(whole.plan);
  });

  test("corrects only the nodes that it is told to", async () => {
    const { plan: corrected, nodes: done } = await correctBiases(model, plan, { ...options, nodes: new Set(["right"]) });
    expect(done.map((n) => n.node)).toEqual(["right"]);
    expect([...(corrected.constants ?? new Map()).keys()]).toEqual(["b3"]);
    await expect(correctBiases(model, plan, { ...options, nodes: new Set(["relu"]) })).rejects.toMatchObject({
      code: "PLAN_INVALID",
    });
  });

  test("starts from the biases that the plan carries already", async () => {
    const once = await correctBiases(model, plan, options);
    const twice = await correctBiases(model, once.plan, options);
    // Only what rounding to the bias' grid had left: right to the steps of the nodes in front.
    for (const [i, { meanError: left }] of twice.nodes.entries())
      expect(left).toBeLessThan(0.25 * (once.nodes[i]?.meanError as number));
  });
});

describe("means by channel", () => {
  test("run nothing that they do not need, and name the value that is not finite", async () => {
    let ran: readonly string[] = [];
    const spy = async (of: Model) => {
      ran = of.graph.nodes.map((n) => n.op);
      return open(of);
    };
    await channelMeans(model, [{ tensor: "a", rank: 4 }], samples, { open: spy });
    expect(ran).toEqual(["Conv", "ReduceMean"]);
    const bad: Feeds[] = [new Map([["x", f32([1, 3, 5, 5], new Float32Array(75).fill(Number.POSITIVE_INFINITY))]])];
    await expect(channelMeans(model, [{ tensor: "a", rank: 4 }], bad, { open })).rejects.toMatchObject({
      code: "CALIBRATION_NONFINITE",
    });
  });
});
