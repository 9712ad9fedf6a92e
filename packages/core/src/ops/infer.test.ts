import { describe, expect, test } from "vitest";
import type { Shape } from "../graph/dim.ts";
import type { DType } from "../graph/dtype.ts";
import { type Graph, type Node, tensorType, type ValueType } from "../graph/model.ts";
import { graphAttribute, makeNode, type NodeOptions } from "../graph/node.ts";
import { f32, i64, type Tensor } from "../graph/tensor.ts";
import { inferGraph } from "./infer.ts";
import { inferTypes } from "./infer-types.ts";

type Values = Readonly<Record<string, readonly [DType, Shape | undefined]>>;

interface GraphParts {
  readonly inputs?: Values;
  readonly outputs?: Values;
  readonly types?: Values;
  readonly constants?: Readonly<Record<string, Tensor>>;
}

function typesOf(values: Values = {}): { name: string; type: ValueType }[] {
  return Object.entries(values).map(([name, [dtype, shape]]) => ({ name, type: tensorType(dtype, shape) }));
}

function graphOf(nodes: readonly Node[], parts: GraphParts = {}): Graph {
  return {
    name: "g",
    inputs: typesOf(parts.inputs),
    outputs: typesOf(parts.outputs),
    nodes,
    constants: new Map(Object.entries(parts.constants ?? {})),
    types: new Map(typesOf(parts.types).map(({ name, type }) => [name, type])),
  };
}

function node(op: string, inputs: readonly string[], outputs: readonly string[], options: NodeOptions = {}): Node {
  return makeNode(op, { inputs, outputs }, options);
}

function shapeIn(graph: Graph, name: string): Shape | undefined {
  const type = inferGraph(graph).types.get(name);
  return type?.kind === "tensor" ? type.shape : undefined;
}

function messages(graph: Graph): string[] {
  return inferGraph(graph).problems.map((p) => `${p.node}: ${p.error.message}`);
}

describe("a Split", () => {
  test("into more parts than values are followed for has the sizes that it was given", () => {
    const sizes = Array.from({ length: 160 }, (_, i) => i % 2);
    const parts = sizes.map((_, i) => `part${i}`);
    const graph = graphOf([node("Split", ["x", "sizes"], parts)], {
      inputs: { x: ["float32", [80, 7]] },
      constants: { sizes: i64([160], sizes) },
    });
    expect(shapeIn(graph, "part0")).toEqual([0, 7]);
    expect(shapeIn(graph, "part159")).toEqual([1, 7]);
  });
});

describe("shape chains", () => {
  // x.view(x.size(0), -1), as PyTorch exports it.
  const view = [
    node("Shape", ["x"], ["s"]),
    node("Gather", ["s", "zero"], ["n"]),
    node("Unsqueeze", ["n", "axis"], ["n1"]),
    node("Concat", ["n1", "rest"], ["target"], { attributes: { axis: 0 } }),
    node("Reshape", ["x", "target"], ["y"]),
  ];
  const constants = { zero: i64([], [0]), axis: i64([1], [0]), rest: i64([1], [-1]) };

  test("a symbolic batch travels through Shape, Gather, Concat into Reshape", () => {
    expect(shapeIn(graphOf(view, { inputs: { x: ["float32", ["N", 3, 4]] }, constants }), "y")).toEqual(["N", 12]);
  });
  test("the free size divides the symbols that stay", () => {
    expect(shapeIn(graphOf(view, { inputs: { x: ["float32", ["N", "C", 4]] }, constants }), "y")).toEqual(["N", "4*C"]);
  });
  test("a size about which nothing is known stays unknown, and is not taken for another one", () => {
    expect(shapeIn(graphOf(view, { inputs: { x: ["float32", ["?", "?", 4]] }, constants }), "y")).toEqual(["?", "?"]);
  });
  test("0 in a reshape copies a size, also an unknown one, and divides it out", () => {
    const graph = graphOf([node("Reshape", ["x", "t"], ["y"])], {
      inputs: { x: ["float32", ["?", 6, 4]] },
      constants: { t: i64([3], [0, -1, 8]) },
    });
    expect(shapeIn(graph, "y")).toEqual(["?", 3, 8]);
  });
  test("arithmetic on sizes is symbolic", () => {
    const nodes = [
      node("Shape", ["x"], ["s"]),
      node("Mul", ["s", "two"], ["m"]),
      node("Add", ["m", "one"], ["a"]),
      node("Div", ["m", "two"], ["d"]),
      node("ConstantOfShape", ["a"], ["y"]),
      node("Expand", ["c", "d"], ["z"]),
    ];
    const graph = graphOf(nodes, {
      inputs: { x: ["float32", ["N", 5]] },
      constants: { two: i64([], [2]), one: i64([1], [1]), c: f32([1, 1], [0]) },
    });
    expect(shapeIn(graph, "y")).toEqual(["2*N + 1", 11]);
    expect(shapeIn(graph, "z")).toEqual(["N", 5]);
  });
  test("values of constants that are also graph inputs are not trusted, because the caller may feed others", () => {
    const graph = graphOf([node("Reshape", ["x", "t"], ["y"])], {
      inputs: { x: ["float32", [2, 6]], t: ["int64", [1]] },
      constants: { t: i64([1], [12]) },
    });
    expect(shapeIn(graph, "y")).toEqual(["?"]);
  });
  test("slices of symbolic sizes say what they are for every size", () => {
    const slice = (start: number, end: number): Shape | undefined =>
      shapeIn(
        graphOf([node("Slice", ["x", "s", "e"], ["y"])], {
          inputs: { x: ["float32", ["N"]] },
          constants: { s: i64([1], [start]), e: i64([1], [end]) },
        }),
        "y",
      );
    expect(slice(1, 2 ** 31 - 1)).toEqual(["N - 1"]);
    expect(slice(0, -1)).toEqual(["N - 1"]);
    expect(slice(-1, 2 ** 31 - 1)).toEqual([1]);
    expect(slice(3, 2 ** 31 - 1)).toEqual(["max(0, N - 3)"]);
    expect(slice(0, 7)).toEqual(["min(7, N)"]);
  });
  test("long integer constants are not followed", () => {
    const ids = i64([2000], new Array(2000).fill(1));
    expect(inferGraph(graphOf([node("Identity", ["ids"], ["y"])], { constants: { ids } })).values.size).toBe(0);
  });
});

describe("the walk over a graph", () => {
  test("declared types fill in behind operators that nobody knows, and inference goes on", () => {
    const graph = graphOf([node("Exotic", ["x"], ["e"], { domain: "com.example" }), node("Relu", ["e"], ["y"])], {
      inputs: { x: ["float32", [1]] },
      types: { e: ["float32", ["N", 7]] },
    });
    expect(shapeIn(graph, "y")).toEqual(["N", 7]);
    expect(messages(graph)).toEqual([]);
  });
  test("an operator of another domain is not mistaken for the standard one of that name", () => {
    const graph = graphOf([node("Relu", ["x"], ["y"], { domain: "com.example" })], { inputs: { x: ["float32", [1]] } });
    expect(inferGraph(graph).types.has("y")).toBe(false);
  });
  test("names from files that mean something to JavaScript are only names", () => {
    const graph = graphOf([node("constructor", ["x"], ["__proto__"]), node("toString", ["__proto__"], ["y"])], {
      inputs: { x: ["float32", [1]] },
    });
    expect(messages(graph)).toEqual([]);
    expect(inferGraph(graph).types.has("y")).toBe(false);
  });
  test("a declared shape that contradicts is reported and the inferred one wins", () => {
    const graph = graphOf([node("Relu", ["x"], ["y"])], {
      inputs: { x: ["float32", [2, 3]] },
      outputs: { y: ["float32", [2, 4]] },
    });
    expect(shapeIn(graph, "y")).toEqual([2, 3]);
    expect(messages(graph)).toEqual(["y: Cannot keep the declared type of y: it is declared [2,4] and is [2,3]"]);
  });
  test("a declared size stands in where inference knows nothing, and a less specific one is refined", () => {
    const graph = graphOf([node("NonZero", ["x"], ["y"]), node("Relu", ["x"], ["z"])], {
      inputs: { x: ["float32", [2, 3]] },
      outputs: { y: ["int64", ["?", 4]], z: ["float32", ["A", "B"]] },
    });
    expect(shapeIn(graph, "y")).toEqual([2, 4]);
    expect(shapeIn(graph, "z")).toEqual([2, 3]);
  });
  test("a node that cannot be is reported, and the others are still inferred", () => {
    const nodes = [node("Add", ["a", "b"], ["bad"]), node("Relu", ["a"], ["y"]), node("Concat", ["a", "b"], ["c"])];
    const graph = graphOf(nodes, { inputs: { a: ["float32", [2, 3]], b: ["float32", [4, 3]] } });
    expect(shapeIn(graph, "y")).toEqual([2, 3]);
    const found = messages(graph);
    expect(found[0]).toContain("Cannot broadcast [[2,3], [4,3]]: sizes 2 and 4 differ and neither is 1");
    expect(found.some((m) => m.includes("attribute axis"))).toBe(true);
  });
  test("wrong attributes are named", () => {
    const graph = graphOf([node("LeakyRelu", ["x"], ["y"], { attributes: { alpha: 1, beta: 2 } })], {
      inputs: { x: ["float32", [1]] },
    });
    expect(messages(graph)).toEqual([
      "y: Cannot read attribute alpha of LeakyRelu: expected float, found int",
      "y: Cannot use attribute beta: LeakyRelu has none of that name",
    ]);
  });
  test("symbols can be bound and input types replaced", () => {
    const graph = graphOf([node("Relu", ["x"], ["y"])], {
      inputs: { x: ["float32", ["N", 3]] },
      outputs: { y: ["float32", ["N", 3]] },
    });
    expect(inferGraph(graph, { bindings: new Map([["N", 5]]) }).types.get("y")).toEqual(tensorType("float32", [5, 3]));
    const wide = tensorType("float32", [2, 3]);
    expect(inferGraph(graph, { inputTypes: new Map([["x", wide]]) }).types.get("y")).toEqual(wide);
  });
  test("subgraphs see the values around them and are annotated themselves", () => {
    const branch = (op: string, name: string): Graph =>
      graphOf([node(op, ["x"], [name])], { outputs: { [name]: ["float32", undefined] } });
    const cond = node("If", ["c"], ["y"], {
      attributes: { then_branch: graphAttribute(branch("Relu", "t")), else_branch: graphAttribute(branch("Neg", "e")) },
    });
    const graph = graphOf([cond], {
      inputs: { c: ["bool", []], x: ["float32", ["N", 3]] },
      outputs: { y: ["float32", undefined] },
    });
    expect(shapeIn(graph, "y")).toEqual(["N", 3]);
    const model = { kind: "model", graph, domains: new Map(), metadata: new Map(), producer: { name: "", version: "" } } as const;
    const typed = inferTypes(model).graph;
    expect(typed.outputs[0]?.type).toEqual(tensorType("float32", ["N", 3]));
    const then = typed.nodes[0]?.attributes.get("then_branch");
    expect(then?.kind === "graph" && then.value.types.get("t")).toEqual(tensorType("float32", ["N", 3]));
    expect(graph.types.size).toBe(0);
  });
  test("a condition that the shapes decide leaves one branch of an If", () => {
    const then = graphOf([node("Squeeze", ["x", "one"], ["t"])], { outputs: { t: ["float32", undefined] } });
    const other = graphOf([node("Identity", ["x"], ["e"])], { outputs: { e: ["float32", undefined] } });
    const nodes = [
      node("Shape", ["x"], ["s"]),
      node("Gather", ["s", "one"], ["d"]),
      node("Equal", ["d", "one"], ["c"]),
      node("If", ["c"], ["y"], { attributes: { then_branch: graphAttribute(then), else_branch: graphAttribute(other) } }),
    ];
    const graph = (size: number): Graph =>
      graphOf(nodes, { inputs: { x: ["float32", ["N", size]] }, constants: { one: i64([1], [1]) } });
    expect(shapeIn(graph(1), "y")).toEqual(["N"]);
    expect(shapeIn(graph(4), "y")).toEqual(["N", 4]);
  });
});
