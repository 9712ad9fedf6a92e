import { seededRandom } from "@tessera/core/base/random";
import { lowerOnnx } from "@tessera/core/convert/onnx/lower";
import { raiseOnnx, raiseOnnxReported } from "@tessera/core/convert/onnx/raise";
import type { AttributeProto, FunctionProto, ModelProto, NodeProto, ValueInfoProto } from "@tessera/core/formats/onnx/records";
import { writeOnnx } from "@tessera/core/formats/onnx/write";
import type { Tensor } from "@tessera/core/graph/tensor";
import { describe, expect, test } from "vitest";
import { randomFloats } from "./old-file.ts";
import { largestDifference, runPlain } from "./run-plain.ts";

const value = (name: string): ValueInfoProto => ({
  name,
  type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 3 }, { dimValue: 4 }] } } },
});
const float = (name: string, f: number): AttributeProto => ({ name, type: 1, f });
const reference = (name: string, refAttrName: string): AttributeProto => ({ name, refAttrName, type: 1 });
const call = (
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attribute: readonly AttributeProto[] = [],
): NodeProto => ({ opType, domain: "my.own", input, output, attribute });

/** leaky(x) = LeakyRelu with the caller's slope, or 0.25; the inner value has the name of an outer one. */
const leaky: FunctionProto = {
  name: "Leaky",
  domain: "my.own",
  input: ["x"],
  output: ["out"],
  attributeProto: [float("slope", 0.25)],
  node: [
    { opType: "LeakyRelu", input: ["x"], output: ["h"], attribute: [reference("alpha", "slope")], name: "inner" },
    { opType: "Identity", input: ["h"], output: ["out"] },
  ],
  opsetImport: [{ version: 17 }],
};

/** two(a, b) = leaky(a) + leaky(b), and b itself. */
const two: FunctionProto = {
  name: "Two",
  domain: "my.own",
  input: ["a", "b"],
  output: ["sum", "same"],
  attribute: ["slope"],
  node: [
    call("Leaky", ["a"], ["p"], [reference("slope", "slope")]),
    call("Leaky", ["b"], ["q"]),
    { opType: "Add", input: ["p", "q"], output: ["sum"] },
    { opType: "Identity", input: ["b"], output: ["same"] },
  ],
  opsetImport: [{ version: 17 }, { domain: "my.own", version: 1 }],
};

function model(node: readonly NodeProto[], functions: readonly FunctionProto[]): ModelProto {
  return {
    irVersion: 8,
    opsetImport: [{ version: 17 }, { domain: "my.own", version: 1 }],
    graph: { name: "g", node, input: [value("x"), value("h")], output: [value("y"), value("z")] },
    functions,
  };
}

const nested = model(
  [call("Two", ["x", "h"], ["s", "z"], [float("slope", 0.1)]), call("Leaky", ["s"], ["y"], [float("slope", 0.75)])],
  [leaky, two],
);

describe("functions of a model", () => {
  test("put in the place of their calls compute what onnxruntime makes of them", async () => {
    const random = seededRandom(3);
    const feeds = new Map([
      ["x", randomFloats(random, [3, 4])],
      ["h", randomFloats(random, [3, 4])],
    ]);
    const { model: raised, report } = raiseOnnxReported(nested);
    const before = await runPlain(writeOnnx(nested), feeds);
    const after = await runPlain(writeOnnx(lowerOnnx(raised)), feeds);
    for (const [name, tensor] of before) expect(largestDifference(tensor, after.get(name) as Tensor), name).toBe(0);
    expect([...report.inlined]).toEqual([
      ["Two", 1],
      ["Leaky", 3],
    ]);
    expect(raised.graph.nodes.every((n) => n.domain === "")).toBe(true);
  });

  test("are carried, and their calls with them, when asked", async () => {
    const raised = raiseOnnx(nested, { inlineFunctions: false });
    expect(raised.graph.nodes.map((n) => n.op)).toEqual(["Two", "Leaky"]);
    expect(lowerOnnx(raised).functions).toEqual([leaky, two]);
  });

  test("of an older opset are raised from theirs, in subgraphs too", () => {
    const old: FunctionProto = {
      name: "Old",
      domain: "my.own",
      input: ["x"],
      output: ["out"],
      node: [{ opType: "Squeeze", input: ["x"], output: ["out"], attribute: [{ name: "axes", type: 7, ints: [0] }] }],
      opsetImport: [{ version: 11 }],
    };
    const raised = raiseOnnx(model([call("Old", ["x"], ["y"]), { opType: "Relu", input: ["h"], output: ["z"] }], [old]));
    expect(raised.graph.nodes[0]?.inputs.length).toBe(2);
    expect(raised.graph.nodes[0]?.attributes.size).toBe(0);
  });

  test("that give one value out twice, or an input, get nodes that copy it", async () => {
    const twins: FunctionProto = {
      name: "Twins",
      domain: "my.own",
      input: ["x"],
      output: ["x", "x"],
      node: [],
      opsetImport: [{ version: 17 }],
    };
    const raised = raiseOnnx(model([call("Twins", ["x"], ["y", "z"])], [twins]));
    expect(raised.graph.nodes.map((n) => [n.op, n.inputs, n.outputs])).toEqual([
      ["Identity", ["x"], ["y"]],
      ["Identity", ["x"], ["z"]],
    ]);
  });

  test("that call themselves, or grow beyond the limit, are refused", () => {
    const self: FunctionProto = { ...leaky, name: "Self", node: [call("Self", ["x"], ["out"])] };
    expect(() => raiseOnnx(model([call("Self", ["x"], ["y"])], [self]))).toThrow(
      expect.objectContaining({ code: "GRAPH_INVALID" }),
    );
    const bombs = Array.from({ length: 31 }, (_, i): FunctionProto => {
      const next = (input: string, output: string): NodeProto =>
        i === 30 ? { opType: "Relu", input: [input], output: [output] } : call(`Bomb${i + 1}`, [input], [output]);
      return {
        name: `Bomb${i}`,
        domain: "my.own",
        input: ["x"],
        output: ["out"],
        node: [next("x", "m"), next("m", "out")],
        opsetImport: [{ version: 17 }],
      };
    });
    expect(() => raiseOnnx(model([call("Bomb0", ["x"], ["y"])], bombs))).toThrow(
      expect.objectContaining({ code: "LIMIT_EXCEEDED" }),
    );
  });
});
