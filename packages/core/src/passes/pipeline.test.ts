import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Model } from "../graph/model.ts";
import { makeNode } from "../graph/node.ts";
import { f32 } from "../graph/tensor.ts";
import { parseGraph } from "../graph/text-parse.ts";
import { printGraph } from "../graph/text-print.ts";
import { countNodes } from "../graph/walk.ts";
import { defaultPasses } from "./default-passes.ts";
import { graphPass, type Pass } from "./pass.ts";
import { runPipeline } from "./pipeline.ts";
import { prove } from "./proof.ts";

function modelOf(text: string): Model {
  return { kind: "model", graph: parseGraph(text), domains: new Map(), metadata: new Map(), producer: { name: "", version: "" } };
}

/** Lines of a graph over f32[2, 3] values; each takes earlier values by number. */
const STEPS: readonly ((a: string, b: string, out: string) => string)[] = [
  (a, _b, y) => `${y} = Relu(${a})`,
  (a, b, y) => `${y} = Add(${a}, ${b})`,
  (a, b, y) => `${y} = Mul(${a}, ${b})`,
  (a, _b, y) => `${y} = Mul(${a}, ${y}c: f32[3] = [1.0, -2.0, 0.5])`,
  (a, _b, y) => `${y} = Add(${a}, ${y}z: f32[] = [0.0])`,
  (a, _b, y) => `${y} = Gemm(${a}, ${y}w: f32[3, 3])`,
  (a, _b, y) => `${y} = MatMul(${a}, ${y}w: f32[3, 3])`,
  (a, _b, y) => `${y}t = Transpose(${a}) {perm: [1, 0]}\n${y}r = Abs(${y}t)\n${y} = Transpose(${y}r) {perm: [1, 0]}`,
  (a, _b, y) => `${y}q = Reshape(${a}, ${y}s: i64[3] = [3, 1, 2])\n${y} = Reshape(${y}q, ${y}u: i64[2] = [2, 3])`,
  (a, _b, y) => `${y}l = Clip(${a}, ${y}lo: f32[] = [-1.0], ${y}hi: f32[] = [0.75])\n${y} = Max(${y}l, ${y}m: f32[1] = [0.0])`,
  (a, _b, y) => `${y} = Identity(${a})`,
  (a, _b, y) => `${y}n = Neg(${a})\n${y} = Neg(${y}n)`,
  (a, _b, y) =>
    `${y}sh = Shape(${a})\n${y}g = Gather(${y}sh, ${y}i: i64[1] = [0]) {axis: 0}\n${y}k = Concat(${y}g, ${y}o: i64[1] = [-1]) {axis: 0}\n${y} = Reshape(${a}, ${y}k)`,
  (a, b, y) =>
    `${y} = If(c) {else_branch: {\n${y}e = Add(${a}, ${b})\nreturn ${y}e\n}, then_branch: {\n${y}f = Identity(${a})\n${y}h = Relu(${y}f)\nreturn ${y}h\n}}`,
  (a, _b, y) =>
    `${y} = If(${y}c: bool[] = [1]) {else_branch: {\nreturn ${a}\n}, then_branch: {\n${y}f = Neg(${a})\nreturn ${y}f\n}}`,
  (a, b, y) =>
    `${y}j = Concat(${a}, ${b}) {axis: 1}\n${y} = Slice(${y}j, ${y}0: i64[1] = [1], ${y}1: i64[1] = [4], ${y}2: i64[1] = [-1])`,
  (a, _b, y) =>
    `${y} = BatchNormalization(${a}, ${y}g: f32[3] = [1.0, 0.5, 2.0], ${y}b: f32[3], ${y}m: f32[3], ${y}v: f32[3] = [1.0, 2.0, 0.5])`,
  (a, _b, y) => `${y}d, ${y}k = Dropout(${a})\n${y} = PRelu(${y}d, ${y}s: f32[3] = [0.25, -0.5, 1.5])`,
];

const arbGraph = fc
  .record({
    steps: fc.array(fc.record({ kind: fc.nat(STEPS.length - 1), a: fc.nat(), b: fc.nat() }), { minLength: 1, maxLength: 9 }),
    symbolic: fc.boolean(),
    extra: fc.nat(),
  })
  .map(({ steps, symbolic, extra }) => {
    const values = ["x"];
    // Step 8 moves elements between the rows, which needs both sizes.
    const lines = steps
      .filter((s) => !symbolic || s.kind !== 8)
      .map(({ kind, a, b }, i) => {
        const pick = (n: number): string => values[n % values.length] as string;
        const line = (STEPS[kind] as (typeof STEPS)[number])(pick(a), pick(b), `v${i}`);
        values.push(`v${i}`);
        return line;
      });
    const last = values.at(-1) === "x" ? "v" : (values.at(-1) as string);
    if (last === "v") lines.push("v = Relu(x)");
    const second = values[extra % values.length] as string;
    const outputs = second === "x" || second === last ? last : `${last}, ${second}`;
    return [`c: bool[]`, `x: f32[${symbolic ? "N" : 2}, 3]`, ...lines, `return ${outputs}`].join("\n");
  });

describe("the default passes", () => {
  it("keep what random graphs compute, never add nodes, and change nothing the second time", async () => {
    await fc.assert(
      fc.asyncProperty(arbGraph, async (text) => {
        const before = modelOf(text);
        const { model, report } = await runPipeline(before, defaultPasses(), { prove: false });
        expect(report.dropped).toEqual([]);
        const proof = await prove(before, model, { trials: 3, tolerance: 1e-4 });
        expect(proof.kind, proof.worst?.why).toBe("proved");
        expect(countNodes(model.graph, true)).toBeLessThanOrEqual(countNodes(before.graph, true));
        expect(model.graph.outputs.map((o) => o.name)).toEqual(before.graph.outputs.map((o) => o.name));
        const again = await runPipeline(model, defaultPasses(), { prove: false });
        expect(printGraph(again.model.graph)).toBe(printGraph(model.graph));
        expect(again.model).toBe(model);
      }),
      { numRuns: 150 },
    );
  });
});

/** Turns Neg into Abs, but only at values whose name starts with "bad". */
function wrongPass(): Pass {
  return graphPass("wrong", "a planted mistake", (draft, log) => {
    for (const old of draft.nodes()) {
      const node = draft.current(old);
      if (node === undefined || (node.op !== "Neg" && node.op !== "Identity")) continue;
      if (!log.may("rule", node)) continue;
      if (node.op === "Identity") draft.bypass(node, node.outputs[0] as string, node.inputs[0] as string);
      else if (node.name.startsWith("bad")) draft.replace(node, { ...node, op: "Abs" });
      else {
        const minus = draft.addConstant(`${node.name}_minus`, f32([], [-1]));
        draft.replace(node, { ...node, op: "Mul", inputs: [node.inputs[0] as string, minus] });
      }
      log.changed("rule", node);
    }
  });
}

const LONG = `x: f32[4]
i1 = Identity(x)
good1 = Neg(i1)
r = Sigmoid(good1)
bad = Neg(r)
e = Exp(bad)
good2 = Neg(e)
i2 = Identity(good2)
y = Tanh(i2)
return y`;

describe("a planted mistake", () => {
  it("is refuted, found among the other rewrites, and the only one that is taken back", async () => {
    const { model, report } = await runPipeline(modelOf(LONG), [wrongPass()]);
    expect(report.dropped.map((d) => d.site)).toEqual(["rule@bad"]);
    expect(report.proof?.kind).toBe("proved");
    expect(model.graph.nodes.map((n) => n.op)).toEqual(["Mul", "Sigmoid", "Neg", "Exp", "Mul", "Tanh"]);
    expect(report.passes[0]?.changes.map((c) => c.site)).toEqual(["rule@i1", "rule@good1", "rule@good2", "rule@i2"]);
  });

  it("leaves the smallest pair of graphs that still differ", async () => {
    const { report } = await runPipeline(modelOf(LONG), [wrongPass()]);
    const failing = report.dropped[0]?.failing;
    expect(failing?.before.graph.nodes.map((n) => n.op)).toEqual(["Neg"]);
    expect(failing?.after.graph.nodes.map((n) => n.op)).toEqual(["Abs"]);
    const proof = await prove(failing?.before as Model, failing?.after as Model, { trials: 0, feeds: [failing?.feeds as never] });
    expect(proof.kind).toBe("refuted");
  });

  it("is found inside a branch, and several are taken back one after the other", async () => {
    const text = `c: bool[]
x: f32[4]
bad1 = Neg(x)
y = If(c) {else_branch: {
bad2 = Neg(bad1)
return bad2
}, then_branch: {
g = Neg(bad1)
return g
}}
return y`;
    // Trial 0 draws one condition and trial 1 another, so that both branches are taken.
    const { report } = await runPipeline(modelOf(text), [wrongPass()], { proof: { trials: 8 } });
    expect(report.dropped.map((d) => d.site).sort()).toEqual(["rule@bad1", "rule@y.else_branch/bad2"]);
    expect(report.proof?.kind).toBe("proved");
    expect(report.passes[0]?.changes.map((c) => c.site)).toEqual(["rule@y.then_branch/g"]);
  });

  it("goes through when the proof is switched off", async () => {
    const { report } = await runPipeline(modelOf(LONG), [wrongPass()], { prove: false });
    expect(report.dropped).toEqual([]);
    expect(report.proof).toBeUndefined();
  });
});

describe("a pass that breaks the graph", () => {
  const cutting = (break_: (name: string) => string): Pass =>
    graphPass("cutting", "breaks structure", (draft, log) => {
      for (const node of draft.nodes()) {
        if (!node.name.startsWith("bad") || !log.may("cut", node)) continue;
        draft.replace(node, makeNode("Relu", { inputs: [break_(node.name)], outputs: node.outputs }));
        log.changed("cut", node);
      }
    });

  it("is caught by name when it reads what nobody makes", async () => {
    const { model, report } = await runPipeline(modelOf(LONG), [cutting(() => "nowhere"), wrongPass()], {});
    expect(report.dropped.map((d) => d.site)).toEqual(["cut@bad", "rule@bad"]);
    expect(report.dropped[0]?.why).toMatch(/breaks the graph: .*nowhere/);
    expect(model.graph.nodes.map((n) => n.op)).toEqual(["Mul", "Sigmoid", "Neg", "Exp", "Mul", "Tanh"]);
  });

  it("is caught when it makes a cycle, which the draft refuses", async () => {
    const { model, report } = await runPipeline(modelOf(LONG), [cutting(() => "e")], {});
    expect(report.dropped.map((d) => d.site)).toEqual(["cut@bad"]);
    expect(report.dropped[0]?.why).toMatch(/cycle/);
    expect(printGraph(model.graph)).toBe(LONG);
  });
});

describe("prove", () => {
  it("is undecided, and says why, when the model itself cannot be run", async () => {
    const model = modelOf("x: f32[2]\ny = some.domain::Secret(x)\nreturn y");
    const proof = await prove(model, model);
    expect(proof).toMatchObject({ kind: "undecided", inputs: 0 });
    expect(proof.why).toMatch(/Secret/);
  });

  it("is undecided when the model gives nothing but NaN", async () => {
    const before = modelOf("x: f32[2]\nn = Abs(x)\nm = Neg(n)\nk = Sub(m, one: f32[] = [1.0])\ny = Sqrt(k)\nreturn y");
    const after = modelOf("x: f32[2]\nn = Abs(x)\nm = Neg(n)\nk = Sub(m, two: f32[] = [2.0])\ny = Sqrt(k)\nreturn y");
    expect(await prove(before, after)).toMatchObject({ kind: "undecided" });
  });

  it("tries further sizes and settings when a model refuses the first ones", async () => {
    const text = (op: string): string => `x: f32[N, L]
u = Unsqueeze(x, a: i64[1] = [1])
p = Conv(u, w: f32[2, 1, 200]) {strides: [100]}
y = ${op}(p)
return y`;
    expect(await prove(modelOf(text("Relu")), modelOf(text("Relu")))).toMatchObject({ kind: "proved", inputs: 2 });
    expect(await prove(modelOf(text("Relu")), modelOf(text("Neg")))).toMatchObject({ kind: "refuted" });
  });

  it("counts another shape, type or a missing output as refuted", async () => {
    const before = modelOf("x: f32[2]\ny = Relu(x)\nreturn y");
    for (const other of [
      "x: f32[2]\na = Relu(x)\ny = Unsqueeze(a, k: i64[1] = [0])\nreturn y",
      "x: f32[2]\na = Relu(x)\ny = Cast(a) {to: 11}\nreturn y",
      "x: f32[2]\nz = Relu(x)\nreturn z",
    ]) {
      expect((await prove(before, modelOf(other))).kind).toBe("refuted");
    }
  });
});
