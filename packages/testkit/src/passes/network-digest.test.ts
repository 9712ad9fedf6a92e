import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite, modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { Model, Node } from "@tessera/core/graph/model";
import { f32, i64, type Tensor, view } from "@tessera/core/graph/tensor";
import { canonicalDigest, networkDigest } from "@tessera/core/passes/network-digest";
import { rebatch } from "@tessera/core/passes/rebatch";
import { simplifyModel } from "@tessera/core/passes/simplify";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sharedDir } from "../shared.ts";
import { smallModel, smallNode } from "../small-model.ts";

function floats(shape: readonly number[], seed: number): Tensor {
  const random = seededRandom(seed);
  return f32(
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
  );
}

/** Convolution, batch norm, addition around a skip, flattened: what converters spell in their own ways. */
function network(seed: number, batch: number | string = 1): Model {
  return smallModel({
    x: [batch, 3, 8, 8],
    constants: {
      w: floats([4, 3, 3, 3], seed),
      b: floats([4], seed + 1),
      scale: floats([4], seed + 2),
      shift: floats([4], seed + 3),
      mean: floats([4], seed + 4),
      variance: f32([4], [1, 2, 3, 4]),
      w2: floats([4, 1, 3, 3], seed + 5),
      to: i64([2], [-1, 64]),
    },
    nodes: [
      smallNode("Conv", "x w b", "c", { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] }),
      smallNode("BatchNormalization", "c scale shift mean variance", "n"),
      smallNode("Relu", "n", "r"),
      smallNode("Conv", "r w2", "d", { group: 4, pads: [1, 1, 1, 1] }),
      smallNode("Add", "r d", "s"),
      smallNode("Reshape", "s to", "y"),
    ],
  });
}

/** Every inner name exchanged for another, and constants in the opposite order. */
function renamed(model: Model): Model {
  const kept = new Set([...model.graph.inputs, ...model.graph.outputs].map(({ name }) => name));
  const name = (old: string) => (old === "" || kept.has(old) ? old : `other/${old}`);
  const { graph } = model;
  const nodes = graph.nodes.map(
    (node): Node => ({
      ...node,
      name: `n/${node.name}`,
      inputs: node.inputs.map(name),
      outputs: node.outputs.map(name),
      doc: "said",
    }),
  );
  const constants = new Map([...graph.constants].reverse().map(([key, value]) => [name(key), value] as const));
  return { ...model, graph: { ...graph, nodes, constants, types: new Map(), doc: "said" } };
}

function withConstant(model: Model, name: string, tensor: Tensor): Model {
  return { ...model, graph: { ...model.graph, constants: new Map([...model.graph.constants, [name, tensor]]) } };
}

describe("the digest of a network", () => {
  test("does not depend on names, on the order of constants, on notes, nor on what the output does not need", () => {
    const model = network(1);
    const digest = networkDigest(model, "y");
    expect(networkDigest(renamed(model), "y")).toBe(digest);
    const { graph } = model;
    const idle = { ...model, graph: { ...graph, nodes: [...graph.nodes, smallNode("Relu", "s", "unused")] } };
    expect(networkDigest(idle, "y")).toBe(digest);
    const swapped = graph.nodes.map((node) => (node.op === "Add" ? { ...node, inputs: [...node.inputs].reverse() } : node));
    expect(networkDigest({ ...model, graph: { ...graph, nodes: swapped } }, "y")).toBe(digest);
  });

  test("changes with any weight, by however little", () => {
    const model = network(2);
    const digest = networkDigest(model, "y");
    fc.assert(
      fc.property(
        fc.constantFrom("w", "b", "scale", "shift", "mean", "variance", "w2"),
        fc.nat(1000),
        fc.nat(31),
        (name, place, bit) => {
          const old = model.graph.constants.get(name);
          if (old === undefined) return;
          const bytes = Uint8Array.from(old.bytes);
          const at = (place % (bytes.length / 4)) * 4 + (bit >> 3);
          bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
          expect(networkDigest(withConstant(model, name, { ...old, bytes }), "y")).not.toBe(digest);
        },
      ),
      { numRuns: 60 },
    );
  });

  test("changes with what an operator does: its kind, its strides, pads that windows reach, which input comes first", () => {
    const model = network(3);
    const digests = new Set([networkDigest(model, "y")]);
    const { graph } = model;
    const with_ = (change: (node: Node) => Node): Model => ({
      ...model,
      graph: { ...graph, nodes: graph.nodes.map(change), types: new Map() },
    });
    const attribute = (node: Node, name: string, value: readonly number[]): Node => ({
      ...node,
      attributes: new Map([...node.attributes, [name, { kind: "ints", value }]]),
    });
    const variants = [
      with_((node) => (node.op === "Add" ? { ...node, op: "Sub" } : node)),
      with_((node) => (node.op === "Relu" ? { ...node, op: "Tanh" } : node)),
      with_((node) => (node.name === "d" ? attribute(node, "pads", [2, 1, 0, 1]) : node)),
      with_((node) => (node.name === "c" ? attribute(node, "pads", [0, 0, 1, 1]) : node)),
      with_((node) => (node.op === "Add" ? { ...node, op: "Sub", inputs: [...node.inputs].reverse() } : node)),
    ];
    for (const variant of variants) digests.add(networkDigest(variant, "y"));
    expect(digests.size).toBe(variants.length + 1);
  });

  test("refuses an output that is not there", () => {
    expect(() => networkDigest(network(1), "z")).toThrow(/"z"/);
  });
});

describe("the canonical digest of a network", () => {
  test("is one before and after simplification, through ONNX, through TFLite in both layouts, and for every batch size", async () => {
    const model = network(5);
    const digest = await canonicalDigest(model, "y");
    expect(await canonicalDigest(network(6), "y")).not.toBe(digest);
    const { model: simple } = await simplifyModel(model);
    const outputOf = (other: Model): string => other.graph.outputs[0]?.name ?? "";
    const raised = (layout: "nchw" | "nhwc") => modelFromTflite(modelToTflite(simple, { layout })).model;
    const same = {
      simple,
      onnx: modelFromOnnx(modelToOnnx(model)),
      nhwc: raised("nhwc"),
      nchw: raised("nchw"),
      pair: rebatch(model, { batch: 2 }),
      any: network(5, "N"),
    };
    for (const [how, other] of Object.entries(same))
      expect([how, await canonicalDigest(other, outputOf(other))]).toEqual([how, digest]);
  });

  const dir = sharedDir();
  test.skipIf(dir === undefined)("of MobileFaceNet is that of its own TFLite conversion (needs ../shared)", async () => {
    const file = join(dir ?? "", "models/face-embedding/mobilefacenet-foamliu-128.onnx");
    const model = modelFromOnnx(new Uint8Array(readFileSync(file)));
    const { model: simple } = await simplifyModel(model, { prove: false });
    const { model: back } = modelFromTflite(modelToTflite(simple));
    const [ours, theirs] = [model, back].map((m) => m.graph.outputs[0]?.name ?? "");
    const digest = await canonicalDigest(model, ours ?? "");
    expect(await canonicalDigest(back, theirs ?? "")).toBe(digest);
    const [name, weights] = [...simple.graph.constants].find(([, tensor]) => tensor.shape.length === 4) ?? [];
    if (name === undefined || weights === undefined) return expect.unreachable("a convolution has weights");
    const changed = Float32Array.from(view(weights, "float32"));
    changed[0] = (changed[0] ?? 0) * 1.0000002;
    const other = withConstant(simple, name, f32(weights.shape, changed));
    expect(await canonicalDigest(other, ours ?? "")).not.toBe(digest);
  });
});
