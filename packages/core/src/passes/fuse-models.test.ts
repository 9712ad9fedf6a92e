import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTesseraError } from "../base/error.ts";
import type { Graph, Model } from "../graph/model.ts";
import type { Feeds } from "../graph/runtime.ts";
import { f32, type Tensor, toNumbers } from "../graph/tensor.ts";
import { parseGraph } from "../graph/text-parse.ts";
import { printGraph } from "../graph/text-print.ts";
import { verifyModel } from "../graph/verify.ts";
import { interpret } from "../interp/run.ts";
import { type FusedModel, type FuseOptions, type FusePart, fuseModels } from "./fuse-models.ts";
import { randomFeeds } from "./proof-inputs.ts";

function modelOf(text: string): Model {
  return { kind: "model", graph: parseGraph(text), domains: new Map(), metadata: new Map(), producer: { name: "", version: "" } };
}

/** Weights differ from model to model: the text form fills constants without values with something of its own. */
const FACE = `x: f32[N, 3]
h = Gemm(x, w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
y = Relu(h)
return y`;
const VOICE = `x: f32[batch, 2]
w = Neg(x)
y = Mul(w, scale: f32[1] = [3.0])
return y`;
const OTHER = `sound: f32[1, 2]
louder = Mul(sound, gain: f32[1] = [3.0])
return louder`;

function part(name: string, text: string, more: Partial<FusePart> = {}): FusePart {
  return { name, model: modelOf(text), ...more };
}

/** Feeds for the fused graph, and for each part under its own names, of the very same values. */
function feedsOf({ model, parts }: FusedModel, trial: number): { readonly whole: Feeds; readonly each: readonly Feeds[] } {
  const whole = randomFeeds(model, { seed: 5, trial });
  const each = parts.map(({ inputs }) => new Map([...inputs].map(([own, now]) => [own, whole.get(now) as Tensor])));
  return { whole, each };
}

/** Runs both ways; every output of every part must come out the same. Returns the outputs of the whole. */
function agree(fused: FusedModel, trial = 0): Feeds {
  verifyModel(fused.model);
  const { whole, each } = feedsOf(fused, trial);
  const got = interpret(fused.model.graph, whole);
  fused.parts.forEach(({ model, outputs }, i) => {
    const own = interpret(model.graph, each[i] as Feeds);
    for (const [name, now] of outputs) {
      if (!fused.model.graph.outputs.some((o) => o.name === now)) continue;
      expect(got.get(now)).toEqual(own.get(name));
    }
  });
  return got;
}

function fused(parts: readonly FusePart[], options: Partial<FuseOptions> = {}): FusedModel {
  return fuseModels(parts, { head: { kind: "none" }, ...options });
}

describe("fuseModels without a head", () => {
  it("keeps every name of parts that clash with nobody", () => {
    const both = fused([part("face", FACE), part("voice", OTHER)]);
    expect(printGraph(both.model.graph)).toBe(`x: f32[N, 3]
sound: f32[1, 2]
h = Gemm(x, w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
y = Relu(h)
louder = Mul(sound, gain: f32[1] = [3.0])
return y, louder`);
    agree(both);
  });

  it("puts the part before a name that both have, in both, and before no other", () => {
    const both = fused([part("face", FACE), part("voice", VOICE)]);
    // "w" is a constant here and a value there: one realm.
    expect(printGraph(both.model.graph)).toBe(`face/x: f32[N, 3]
voice/x: f32[batch, 2]
h = Gemm(face/x, face/w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
face/y = Relu(h)
voice/w = Neg(voice/x)
voice/y = Mul(voice/w, scale: f32[1] = [3.0])
return face/y, voice/y`);
    expect(both.parts[1]?.inputs).toEqual(new Map([["x", "voice/x"]]));
    agree(both);
  });

  it("does not depend on the order of the parts, but for theirs", () => {
    const names = (parts: readonly FusePart[]): unknown =>
      fused(parts)
        .model.graph.nodes.map((n) => n.outputs[0])
        .sort();
    expect(names([part("face", FACE), part("voice", VOICE)])).toEqual(names([part("voice", VOICE), part("face", FACE)]));
  });

  it("takes the same model twice, with its weights once", () => {
    const weights = f32(
      [4, 8],
      Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
    );
    const one = modelOf("x: f32[N, 4]\ny = MatMul(x, w: f32[4, 8])\nreturn y");
    const withWeights = (bytes: Tensor): Model => ({ ...one, graph: { ...one.graph, constants: new Map([["w", bytes]]) } });
    // Equal, not the same: as two files of one network.
    const twin = { ...weights, bytes: weights.bytes.slice() };
    const both = fused([
      { name: "left", model: withWeights(weights) },
      { name: "right", model: withWeights(twin) },
    ]);
    expect(printGraph(both.model.graph)).toBe(`left/x: f32[left/N, 4]
right/x: f32[right/N, 4]
left/y = MatMul(left/x, left/w: f32[4, 8])
right/y = MatMul(right/x, left/w)
return left/y, right/y`);
    expect([...both.model.graph.constants.keys()]).toEqual(["left/w"]);
    expect(both.notes).toEqual(["1 constants are the same as others and were stored once"]);
    agree(both);
  });

  it("keeps a constant that two nodes of a part share, once", () => {
    const shares = "a: f32[1, 2]\nb = Add(a, c: f32[2] = [1.0, 2.0])\nd = Mul(b, c)\nreturn d";
    const both = fused([part("face", shares), part("voice", OTHER)]);
    expect([...both.model.graph.constants.keys()].sort()).toEqual(["c", "gain"]);
    agree(both);
  });

  it("renames inside subgraphs, captured values and their own alike", () => {
    const branch = (inner: string): Graph => parseGraph(`${inner} = Add(h, x)\nreturn ${inner}`);
    const branching = (op: string): Model => {
      const base = modelOf(`x: f32[2]\nc: bool[]\nh = ${op}(x)\ny = Identity(h)\nreturn y`);
      const [h] = base.graph.nodes;
      const choose = {
        name: "choose",
        op: "If",
        domain: "",
        inputs: ["c"],
        outputs: ["y"],
        attributes: new Map([
          ["then_branch", { kind: "graph", value: branch("inner") }],
          ["else_branch", { kind: "graph", value: branch("other") }],
        ] as const),
      };
      return { ...base, graph: { ...base.graph, nodes: [h, choose] as never } };
    };
    const both = fused([
      { name: "a", model: branching("Neg") },
      { name: "b", model: branching("Abs") },
    ]);
    expect(printGraph(both.model.graph)).toContain("b/inner = Add(b/h, b/x)");
    for (const trial of [0, 1, 2]) agree(both, trial);
  });

  it("gives sizes of the same name that mean two things two names", () => {
    const both = fused([part("face", FACE.replace("[N,", "[size,")), part("voice", VOICE.replace("[batch,", "[size,"))]);
    const shapes = both.model.graph.inputs.map((i) => (i.type.kind === "tensor" ? i.type.shape : undefined));
    expect(shapes).toEqual([
      ["face/size", 3],
      ["voice/size", 2],
    ]);
    agree(both);
  });

  it("finds another name where the prefixed one is taken", () => {
    const taken = "x: f32[1, 2]\nface/x = Neg(x)\nreturn face/x";
    const both = fused([part("face", FACE), part("voice", taken)]);
    expect(both.model.graph.inputs.map((i) => i.name)).toEqual(["face/x_", "voice/x"]);
    agree(both);
  });

  it("refuses parts that cannot be told apart, one part, and two versions of a domain", () => {
    const code = (parts: readonly FusePart[]): string => {
      try {
        fused(parts);
        return "none";
      } catch (error) {
        return isTesseraError(error) ? error.code : String(error);
      }
    };
    expect(code([part("face", FACE)])).toBe("GRAPH_INVALID");
    expect(code([part("face", FACE), part("face", VOICE)])).toBe("GRAPH_INVALID");
    expect(code([part("a/b", FACE), part("voice", VOICE)])).toBe("GRAPH_INVALID");
    const [one, two] = [1, 2].map((version) => ({ ...modelOf(FACE), domains: new Map([["com.microsoft", version]]) }));
    expect(
      code([
        { name: "a", model: one as Model },
        { name: "b", model: two as Model },
      ]),
    ).toBe("UNSUPPORTED_OPSET");
    const calls = { ...modelOf(FACE), carried: { kind: "onnx", functions: [{}] } };
    expect(code([{ name: "a", model: calls }, part("b", VOICE)])).toBe("GRAPH_INVALID");
  });
});

describe("fuseModels with a head", () => {
  const parts = (weights?: readonly [number, number]): readonly FusePart[] => [
    part("face", FACE, weights === undefined ? {} : { weight: weights[0] }),
    part("voice", OTHER, weights === undefined ? {} : { weight: weights[1] }),
  ];

  it("puts unit embeddings side by side, and fixes an open batch to that of a part that has a number", () => {
    const both = fuseModels(parts(), { head: { kind: "concat" } });
    expect(printGraph(both.model.graph)).toBe(`x: f32[1, 3]
sound: f32[1, 2]
h = Gemm(x, w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
y = Relu(h)
louder = Mul(sound, gain: f32[1] = [3.0])
y/unit = LpNormalization(y) {axis: -1, p: 2}
y/share = Mul(y/unit, y/root_weight: f32[1] = [0.70710677])
louder/unit = LpNormalization(louder) {axis: -1, p: 2}
louder/share = Mul(louder/unit, louder/root_weight: f32[1] = [0.70710677])
fused = Concat(y/share, louder/share) {axis: -1}
return fused, y, louder`);
    expect(both.notes).toEqual(["face: batch N became 1"]);
    expect(both.head).toEqual({ output: "fused", dimension: 4 });
    expect(both.parts.map((p) => p.embedding)).toEqual([
      { output: "y", offset: 0, dimension: 2, weight: 0.5 },
      { output: "louder", offset: 2, dimension: 2, weight: 0.5 },
    ]);
    agree(both);
  });

  it("gives a vector whose cosine is the weighted sum of the cosines", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 100, noNaN: true }), fc.integer({ min: 0, max: 1000 }), (ratio, seed) => {
        const both = fuseModels([part("face", FACE.replace("Relu", "Neg"), { weight: ratio }), part("voice", OTHER)], {
          head: { kind: "concat" },
          branches: true,
        });
        const [a, b] = [seed, seed + 1].map((s) => interpret(both.model.graph, randomFeeds(both.model, { seed: s, trial: 0 })));
        const cosine = (name: string): number => {
          const [x, y] = [toNumbers(a?.get(name) as Tensor), toNumbers(b?.get(name) as Tensor)];
          const dot = (p: ArrayLike<number>, q: ArrayLike<number>): number =>
            Array.from(p).reduce((sum, v, i) => sum + v * (q[i] as number), 0);
          return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
        };
        const share = ratio / (ratio + 1);
        expect(cosine("fused")).toBeCloseTo(share * cosine("y") + (1 - share) * cosine("louder"), 5);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it("leaves the batch open where all parts do, under one name", () => {
    const both = fuseModels([part("face", FACE), part("voice", VOICE)], { head: { kind: "concat" }, branches: false });
    expect(both.model.graph.outputs.map((o) => [o.name, o.type.kind === "tensor" && o.type.shape])).toEqual([
      ["fused", ["batch", 4]],
    ]);
    const { whole } = feedsOf(both, 1);
    const got = interpret(both.model.graph, whole).get("fused");
    expect(got?.shape[0]).toBe(whole.get("face/x")?.shape[0]);
  });

  it("brings a part of a larger batch to 1, or all to what is asked for", () => {
    const pair = part("face", FACE.replace("N", "2"));
    expect(fuseModels([pair, part("voice", OTHER)]).notes).toEqual(["face: batch 2 became 1"]);
    const open = fuseModels([pair, part("voice", OTHER)], { batch: "many" });
    expect(open.notes).toEqual(["face: batch 2 became many", "voice: batch 1 became many"]);
    expect(open.model.graph.outputs[0]?.type).toMatchObject({ shape: ["many", 4] });
  });

  it("flattens an embedding that comes with sizes of 1 behind it", () => {
    const deep = "x: f32[1, 4, 2, 2]\ny = GlobalAveragePool(x)\nreturn y";
    const both = fuseModels([part("face", deep), part("voice", OTHER)]);
    expect(both.head?.dimension).toBe(6);
    expect(agree(both).get("fused")?.shape).toEqual([1, 6]);
  });

  it("runs layers over the concatenation and ends at length 1", () => {
    const layers = [
      {
        weight: f32(
          [5, 4],
          Float32Array.from({ length: 20 }, (_, i) => Math.cos(i)),
        ),
        bias: f32([5], [1, 2, 3, 4, 5]),
        activation: "relu",
      },
      {
        weight: f32(
          [3, 5],
          Float32Array.from({ length: 15 }, (_, i) => Math.sin(i + 1)),
        ),
        activation: "none",
      },
    ] as const;
    const both = fuseModels(parts([3, 1]), { head: { kind: "mlp", layers }, output: "person" });
    expect(both.head).toEqual({ output: "person", dimension: 3 });
    const got = agree(both);
    const unit = (name: string, weight: number): readonly number[] => {
      const values = [...toNumbers(got.get(name) as Tensor)];
      const length = Math.hypot(...values);
      return values.map((v) => (length === 0 ? 0 : (v / length) * Math.sqrt(weight)));
    };
    let now = [...unit("y", 0.75), ...unit("louder", 0.25)];
    for (const layer of layers) {
      const w = toNumbers(layer.weight);
      const b = "bias" in layer ? toNumbers(layer.bias) : undefined;
      const size = now.length;
      const next = Array.from({ length: layer.weight.shape[0] as number }, (_, o) =>
        now.reduce((sum, v, i) => sum + v * (w[o * size + i] as number), b?.[o] ?? 0),
      );
      now = layer.activation === "relu" ? next.map((v) => Math.max(0, v)) : next;
    }
    const length = Math.hypot(...now);
    [...toNumbers(got.get("person") as Tensor)].forEach((v, i) => {
      expect(v).toBeCloseTo((now[i] as number) / length, 5);
    });
  });

  it("refuses embeddings and layers that do not fit, saying which", () => {
    const two = "x: f32[1, 2]\ny = Neg(x)\nz = Abs(x)\nreturn y, z";
    expect(() => fuseModels([part("face", two), part("voice", OTHER)])).toThrow(/which output of face.*y, z/);
    expect(fuseModels([part("face", two, { embedding: "z" }), part("voice", OTHER)]).parts[0]?.embedding?.output).toBe("z");
    expect(() => fuseModels([part("face", two, { embedding: "q" }), part("voice", OTHER)])).toThrow(/output q of face/);
    const scalar = "x: f32[1]\ny = Neg(x)\nreturn y";
    expect(() => fuseModels([part("face", scalar), part("voice", OTHER)])).toThrow(/it is float32\[1\]/);
    const layers = [{ weight: f32([2, 9], new Float32Array(18)), activation: "none" as const }];
    expect(() => fuseModels(parts(), { head: { kind: "mlp", layers } })).toThrow(/layer 0.*4 numbers come in/);
    expect(() => fuseModels(parts([0, 1]))).toThrow(/weight 0/);
  });
});
