import { describe, expect, test } from "vitest";
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from "../../formats/onnx/records.ts";
import { toNumbers } from "../../graph/tensor.ts";
import { raiseOnnx, raiseOnnxReported } from "./raise.ts";

const value = (name: string, dims: readonly (number | string)[] = ["N", 4]): ValueInfoProto => ({
  name,
  type: {
    tensorType: { elemType: 1, shape: { dim: dims.map((d) => (typeof d === "number" ? { dimValue: d } : { dimParam: d })) } },
  },
});
const scalar = (name: string, x: number): TensorProto => ({ name, dims: [], dataType: 1, floatData: Float32Array.of(x) });
const node = (opType: string, input: readonly string[], output: readonly string[], rest: Partial<NodeProto> = {}): NodeProto => ({
  opType,
  input,
  output,
  ...rest,
});
const ints = (name: string, list: readonly number[]): AttributeProto => ({ name, type: 7, ints: list });

function model(graph: Partial<GraphProto>, rest: Partial<ModelProto> & { readonly opset?: number } = {}): ModelProto {
  const { opset = 21, ...fields } = rest;
  return {
    irVersion: 8,
    opsetImport: [{ version: opset }],
    graph: { name: "g", input: [value("x")], output: [value("y")], ...graph },
    ...fields,
  };
}

const code = (wanted: string) => expect.objectContaining({ code: wanted });

describe("opsets", () => {
  const graph = { node: [node("Relu", ["x"], ["y"])] };

  test("from 7 to the newest known are raised, others refused", () => {
    for (const opset of [7, 21, 28]) expect(raiseOnnx(model(graph, { opset })).source?.opset).toBe(opset);
    for (const opset of [0, 6, 29, -1, 2 ** 40])
      expect(() => raiseOnnx(model(graph, { opset }))).toThrow(code("UNSUPPORTED_OPSET"));
  });

  test("of the standard domain are found under both of its names, and of others kept", () => {
    const opsetImport = [
      { domain: "com.microsoft", version: 1 },
      { domain: "ai.onnx", version: 9 },
    ];
    const raised = raiseOnnx(model({ node: [node("Relu", ["x"], ["y"], { domain: "ai.onnx" })] }, { opsetImport }));
    expect(raised.source?.opset).toBe(9);
    expect([...raised.domains]).toEqual([["com.microsoft", 1]]);
    expect(raised.graph.nodes[0]?.domain).toBe("");
  });

  test("are not needed by a model without standard operators", () => {
    const raised = raiseOnnx(
      model(
        { node: [node("Gelu", ["x"], ["y"], { domain: "com.microsoft" })] },
        { opsetImport: [{ domain: "com.microsoft", version: 1 }] },
      ),
    );
    expect(raised.graph.nodes[0]).toMatchObject({ op: "Gelu", domain: "com.microsoft" });
    expect(() => raiseOnnx(model(graph, { opsetImport: [] }))).toThrow(code("UNSUPPORTED_OPSET"));
  });
});

describe("names", () => {
  test("of nodes are filled from what the node makes and made unique, and a given name is never taken away", () => {
    const graph = {
      node: [
        node("Relu", ["x"], ["a"]),
        node("Relu", ["a"], ["b"], { name: "a" }),
        node("Relu", ["b"], ["c"], { name: "same" }),
        node("Relu", ["c"], ["y"], { name: "same" }),
      ],
    };
    const { model: raised, report } = raiseOnnxReported(model(graph));
    expect(raised.graph.nodes.map((n) => n.name)).toEqual(["a_1", "a", "same", "same_1"]);
    expect(report.renamedNodes).toBe(1);
  });

  test("are the same each time", () => {
    const record = model({ node: [node("Softmax", ["x"], ["a"]), node("Softmax", ["a"], ["y"])] }, { opset: 9 });
    expect(raiseOnnx(record)).toEqual(raiseOnnx(record));
  });
});

describe("order", () => {
  test("is made topological and reported", () => {
    const { model: raised, report } = raiseOnnxReported(model({ node: [node("Abs", ["a"], ["y"]), node("Relu", ["x"], ["a"])] }));
    expect(raised.graph.nodes.map((n) => n.op)).toEqual(["Relu", "Abs"]);
    expect(report.sortedGraphs).toEqual(["g"]);
  });

  test("that does not exist is refused with the nodes of the cycle", () => {
    const graph = {
      node: [node("Abs", ["b"], ["a"], { name: "one" }), node("Abs", ["a"], ["b"], { name: "two" }), node("Relu", ["x"], ["y"])],
    };
    expect(() => raiseOnnx(model(graph))).toThrow(/one -> two|two -> one/);
    expect(() => raiseOnnx(model(graph))).toThrow(code("GRAPH_INVALID"));
  });
});

describe("values", () => {
  test("that are defined twice, or never, are refused with the node", () => {
    const twice = { node: [node("Abs", ["x"], ["y"], { name: "n1" }), node("Relu", ["x"], ["y"], { name: "n2" })] };
    expect(() => raiseOnnx(model(twice))).toThrow(expect.objectContaining({ code: "GRAPH_INVALID", at: { node: "n2" } }));
    const never = { node: [node("Abs", ["z"], ["y"], { name: "n1" })] };
    expect(() => raiseOnnx(model(never))).toThrow(expect.objectContaining({ code: "GRAPH_INVALID", at: { node: "n1" } }));
    expect(() => raiseOnnx(model({ initializer: [scalar("c", 1), scalar("c", 2)], node: [node("Abs", ["x"], ["y"])] }))).toThrow(
      code("GRAPH_INVALID"),
    );
    expect(() => raiseOnnx(model({ node: [] }))).toThrow(code("GRAPH_INVALID"));
  });

  test("that are input and initializer become constants, unless the caller wants the default kept", () => {
    const record = model({
      input: [value("x"), value("c", [])],
      initializer: [scalar("c", 2)],
      node: [node("Mul", ["x", "c"], ["y"])],
    });
    const { model: raised, report } = raiseOnnxReported(record);
    expect(raised.graph.inputs.map((i) => i.name)).toEqual(["x"]);
    expect(report.defaultInputs).toEqual(["c"]);
    const kept = raiseOnnx(record, { keepDefaultInputs: true });
    expect(kept.graph.inputs.map((i) => i.name)).toEqual(["x", "c"]);
    expect(kept.graph.constants.has("c")).toBe(true);
  });

  test("of Constant nodes become constants in every form, but for graph outputs", () => {
    const constant = (output: string, attribute: AttributeProto): NodeProto =>
      node("Constant", [], [output], { attribute: [attribute] });
    const raised = raiseOnnx(
      model({
        output: [value("y"), value("given", [])],
        node: [
          constant("tensor", { name: "value", type: 4, t: scalar("", 3) }),
          constant("float", { name: "value_float", type: 1, f: 0.5 }),
          constant("floats", { name: "value_floats", type: 6, floats: Float32Array.of(1, 2) }),
          constant("int", { name: "value_int", type: 2, i: 2n ** 60n }),
          constant("ints", { name: "value_ints", type: 7, ints: [1, -1] }),
          constant("string", { name: "value_string", type: 3, s: Uint8Array.of(65) }),
          constant("strings", { name: "value_strings", type: 8, strings: [Uint8Array.of(66)] }),
          constant("given", { name: "value_float", type: 1, f: 7 }),
          node("Relu", ["x"], ["y"]),
        ],
      }),
    );
    const { constants, nodes } = raised.graph;
    expect([...constants].map(([name, t]) => [name, t.dtype, t.shape])).toEqual([
      ["tensor", "float32", []],
      ["float", "float32", []],
      ["floats", "float32", [2]],
      ["int", "int64", []],
      ["ints", "int64", [2]],
      ["string", "string", []],
      ["strings", "string", [1]],
    ]);
    expect(new BigInt64Array((constants.get("int")?.bytes ?? new Uint8Array(8)).slice().buffer)[0]).toBe(2n ** 60n);
    const given = nodes.find((n) => n.outputs[0] === "given");
    expect([...(given?.attributes.keys() ?? [])]).toEqual(["value"]);
  });

  test("keep the types that the file declares; a size of -1 is an unknown one", () => {
    const raised = raiseOnnx(
      model({ node: [node("Relu", ["x"], ["a"]), node("Abs", ["a"], ["y"])], valueInfo: [value("a", ["N", -1])] }),
    );
    expect(raised.graph.types.get("a")).toEqual({ kind: "tensor", dtype: "float32", shape: ["N", "?"] });
  });
});

describe("what is not understood", () => {
  test("passes: operators of other domains, unknown operators, sparse and other attributes", () => {
    const opaque: AttributeProto = { name: "tp", type: 13, tp: { tensorType: { elemType: 1 } } };
    const raised = raiseOnnx(
      model(
        {
          node: [
            node("NoSuchOp", ["x"], ["a"], { attribute: [opaque] }),
            node("Thing", ["a"], ["y"], { domain: "my.own", attribute: [ints("axes", [1])] }),
          ],
        },
        { opset: 9 },
      ),
    );
    expect(raised.graph.nodes.map((n) => n.op)).toEqual(["NoSuchOp", "Thing"]);
    expect(raised.graph.nodes[0]?.attributes.get("tp")).toEqual({ kind: "opaque", record: opaque });
    expect(raised.graph.nodes[1]?.attributes.get("axes")).toEqual({ kind: "ints", value: [1] });
  });

  test("an operator of another domain with a known name is not upgraded", () => {
    const raised = raiseOnnx(
      model({ node: [node("Squeeze", ["x"], ["y"], { domain: "my.own", attribute: [ints("axes", [1])] })] }, { opset: 9 }),
    );
    expect(raised.graph.nodes[0]?.attributes.has("axes")).toBe(true);
  });

  test("a node that makes nothing is dropped and reported", () => {
    const { model: raised, report } = raiseOnnxReported(
      model({ node: [node("Print", ["x"], [], { name: "p" }), node("Relu", ["x"], ["y"])] }),
    );
    expect(raised.graph.nodes.length).toBe(1);
    expect(report.droppedNodes).toEqual(["p"]);
  });

  test("a sparse initializer becomes a Constant node that keeps it", () => {
    const sparse = {
      values: { name: "s", dims: [1], dataType: 1, floatData: Float32Array.of(1) },
      indices: { dims: [1], dataType: 7, int64Data: BigInt64Array.of(3n) },
      dims: [4],
    };
    const raised = raiseOnnx(model({ sparseInitializer: [sparse], node: [node("Mul", ["x", "s"], ["y"])] }));
    expect(raised.graph.nodes[0]).toMatchObject({ op: "Constant", outputs: ["s"] });
    expect(raised.graph.nodes[0]?.attributes.get("sparse_value")).toMatchObject({
      kind: "opaque",
      record: { sparseTensor: sparse },
    });
  });
});

describe("subgraphs", () => {
  const branch = (name: string, nodes: readonly NodeProto[]): AttributeProto => ({
    name,
    type: 5,
    g: { name, node: nodes, output: [value(`${name}_y`)] },
  });

  test("are upgraded with what is known about the values around them", () => {
    const raised = raiseOnnx(
      model(
        {
          initializer: [{ name: "c", dims: [], dataType: 9, int32Data: Int32Array.of(1) }],
          node: [
            node("Relu", ["x"], ["a"]),
            node("If", ["c"], ["y"], {
              attribute: [
                branch("then_branch", [node("Softmax", ["a"], ["then_branch_y"])]),
                branch("else_branch", [node("Clip", ["a"], ["else_branch_y"], { attribute: [{ name: "min", type: 1, f: -1 }] })]),
              ],
            }),
          ],
        },
        { opset: 7 },
      ),
    );
    const attribute = (name: string) => {
      const a = raised.graph.nodes[1]?.attributes.get(name);
      return a?.kind === "graph" ? a.value : undefined;
    };
    // Rank 2 is known from outside: the default axis is the last one, and nothing has to be flattened.
    expect(attribute("then_branch")?.nodes.map((n) => n.op)).toEqual(["Softmax"]);
    const clip = attribute("else_branch");
    expect(clip?.nodes.map((n) => n.op)).toEqual(["Clip"]);
    expect([...toNumbers(clip?.constants.get(clip.nodes[0]?.inputs[1] ?? "") as never)]).toEqual([-1]);
  });
});

describe("an upgrade", () => {
  test("without a successor is refused with the node's name", () => {
    const training = node("BatchNormalization", ["x", "c", "c", "c", "c"], ["y", "", "", "saved"], { name: "bn" });
    const graph = {
      initializer: [{ name: "c", dims: [4], dataType: 1, floatData: new Float32Array(4) }],
      output: [value("y"), value("saved")],
      node: [training],
    };
    expect(() => raiseOnnx(model(graph, { opset: 9 }))).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_OP", at: { node: "bn" } }),
    );
  });

  test("drops training outputs that nobody reads", () => {
    const bn = node("BatchNormalization", ["x", "c", "c", "c", "c"], ["y", "m", "v", "sm", "sv"]);
    const graph = { initializer: [{ name: "c", dims: [4], dataType: 1, floatData: new Float32Array(4) }], node: [bn] };
    const { model: raised, report } = raiseOnnxReported(model(graph, { opset: 9 }));
    expect(raised.graph.nodes[0]?.outputs).toEqual(["y"]);
    expect([...report.upgraded]).toEqual([["BatchNormalization@9", 1]]);
  });

  test("takes the form of the canonical opset even where runtimes would forgive the old one", () => {
    const split = raiseOnnx(model({ node: [node("Split", ["x"], ["y", "z"])] }, { opset: 13 }));
    expect(split.graph.nodes[0]?.attributes.get("num_outputs")).toEqual({ kind: "int", value: 2 });
    const text = (name: string, s: string): AttributeProto => ({ name, type: 3, s: new TextEncoder().encode(s) });
    const empty: TensorProto = { name: "none", dims: [0], dataType: 1 };
    const sizes: TensorProto = { name: "sizes", dims: [2], dataType: 7, int64Data: BigInt64Array.of(2n, 4n) };
    const attribute = [text("coordinate_transformation_mode", "tf_half_pixel_for_nn"), text("nearest_mode", "floor")];
    const resize = raiseOnnx(
      model(
        { initializer: [empty, sizes], node: [node("Resize", ["x", "none", "none", "sizes"], ["y"], { attribute })] },
        { opset: 11 },
      ),
    );
    const [raised] = resize.graph.nodes;
    expect(raised?.inputs).toEqual(["x", "", "", "sizes"]);
    expect([...(raised?.attributes.values() ?? [])].map((a) => a.kind === "string" && a.value)).toEqual([
      "half_pixel",
      "round_prefer_ceil",
    ]);
  });

  test("adds names that are not used anywhere, not even inside subgraphs", () => {
    const graph = {
      node: [
        node("Squeeze", ["x"], ["a"], { attribute: [ints("axes", [1])] }),
        node("Relu", ["a"], ["a/axes"]),
        node("Abs", ["a/axes"], ["y"]),
      ],
    };
    const raised = raiseOnnx(model(graph, { opset: 11 }));
    expect([...raised.graph.constants.keys()]).toEqual(["a/axes_1"]);
  });
});
