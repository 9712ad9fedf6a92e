import { describe, expect, test } from "vitest";
import { type Graph, tensorType, type ValueInfo } from "../graph/model.ts";
import { attributes, graphAttribute, makeNode } from "../graph/node.ts";
import { f32, fromNumbers, i64, type Tensor, toNumbers } from "../graph/tensor.ts";
import { canInterpret, interpret } from "./run.ts";

function input(name: string, shape: readonly (number | string)[], dtype: "float32" | "int64" | "bool" = "float32"): ValueInfo {
  return { name, type: tensorType(dtype, shape) };
}

function graph(parts: Partial<Graph>): Graph {
  return { name: "g", inputs: [], outputs: [], nodes: [], constants: new Map(), types: new Map(), ...parts };
}

/** y = (x + 1) * 2, with a dead node that would need a value nobody feeds. */
const chain = graph({
  inputs: [input("x", ["N", 2]), input("unused", [1])],
  outputs: [input("y", ["N", 2])],
  constants: new Map([
    ["one", f32([], [1])],
    ["two", f32([], [2])],
  ]),
  nodes: [
    makeNode("Add", { inputs: ["x", "one"], outputs: ["a"] }),
    makeNode("Neg", { inputs: ["unused"], outputs: ["dead"] }),
    makeNode("Mul", { inputs: ["a", "two"], outputs: ["y"] }),
  ],
});

const x = f32([1, 2], [1, 2]);

function numbers(t: Tensor | undefined): number[] {
  return t === undefined ? [] : Array.from(toNumbers(t));
}

describe("interpret", () => {
  test("computes the outputs and runs only what they need", () => {
    const ran: string[] = [];
    const result = interpret(chain, new Map([["x", x]]), { onNode: (node) => ran.push(node.name) });
    expect(numbers(result.get("y"))).toEqual([4, 6]);
    expect([...result.keys()]).toEqual(["y"]);
    expect(ran).toEqual(["a", "y"]);
  });

  test("gives inner values on request, constants and inputs included", () => {
    const result = interpret(chain, new Map([["x", x]]), { outputs: ["a", "one", "x"] });
    expect(numbers(result.get("a"))).toEqual([2, 3]);
    expect(numbers(result.get("one"))).toEqual([1]);
    expect(result.get("x")).toBe(x);
  });

  test("runs only the rest of a graph when values are cached", () => {
    const seen: string[] = [];
    const result = interpret(chain, new Map(), {
      cache: new Map([["a", f32([1, 2], [10, 20])]]),
      onValue: (name) => seen.push(name),
    });
    expect(numbers(result.get("y"))).toEqual([20, 40]);
    expect(seen).toEqual(["y"]);
  });

  test("takes the constant of an input as its default, and a feed before it", () => {
    const defaults = { ...chain, inputs: [...chain.inputs, input("two", [])] };
    expect(numbers(interpret(defaults, new Map([["x", x]])).get("y"))).toEqual([4, 6]);
    expect(
      numbers(
        interpret(
          defaults,
          new Map([
            ["x", x],
            ["two", f32([], [3])],
          ]),
        ).get("y"),
      ),
    ).toEqual([6, 9]);
  });

  test("refuses feeds that contradict the declared inputs", () => {
    const run = (feeds: [string, Tensor][]) => () => interpret(chain, new Map(feeds));
    expect(run([])).toThrow(expect.objectContaining({ code: "DATA_MISSING" }));
    expect(run([["z", x]])).toThrow(expect.objectContaining({ code: "DATA_MISSING" }));
    expect(run([["x", i64([1, 2], [1, 2])]])).toThrow(expect.objectContaining({ code: "DTYPE_MISMATCH" }));
    expect(run([["x", f32([1, 3], [1, 2, 3])]])).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    expect(run([["x", f32([2], [1, 2])]])).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
  });

  test("refuses two sizes for one name", () => {
    const two = graph({ inputs: [input("p", ["N"]), input("q", ["N"])], outputs: [input("p", ["N"])] });
    const feeds = (n: number) =>
      new Map([
        ["p", f32([2], [1, 2])],
        ["q", f32([n], new Float32Array(n))],
      ]);
    expect(() => interpret(two, feeds(3))).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    expect(numbers(interpret(two, feeds(2)).get("p"))).toEqual([1, 2]);
  });

  test("refuses a wanted value that nothing makes", () => {
    expect(() => interpret(chain, new Map([["x", x]]), { outputs: ["nowhere"] })).toThrow(
      expect.objectContaining({ code: "DATA_MISSING" }),
    );
  });

  test("names node, operator and domain of an operator it does not know", () => {
    const strange = graph({
      inputs: [input("x", [1, 2])],
      outputs: [input("y", [1, 2])],
      nodes: [{ ...makeNode("Blur", { inputs: ["x"], outputs: ["y"] }, { name: "blur_1" }), domain: "com.acme" }],
    });
    expect(() => interpret(strange, new Map([["x", x]]))).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_OP", message: expect.stringMatching(/com\.acme\.Blur "blur_1"/) }),
    );
  });

  test("does not take properties of every object for operators", () => {
    const hostile = graph({
      inputs: [input("x", [1, 2])],
      outputs: [input("y", [1, 2])],
      nodes: [makeNode("constructor", { inputs: ["x"], outputs: ["y"] })],
    });
    expect(() => interpret(hostile, new Map([["x", x]]))).toThrow(expect.objectContaining({ code: "UNSUPPORTED_OP" }));
  });

  test("says which node failed when a kernel refuses", () => {
    const bad = graph({
      inputs: [input("x", [1, 2])],
      outputs: [input("y", [1, 2])],
      nodes: [makeNode("MatMul", { inputs: ["x", "x"], outputs: ["y"] }, { name: "product" })],
    });
    expect(() => interpret(bad, new Map([["x", x]]))).toThrow(
      expect.objectContaining({ code: "SHAPE_MISMATCH", at: expect.objectContaining({ node: "product" }) }),
    );
  });

  test("lets a subgraph see outer values, and hide them behind its own", () => {
    const branch = (constants: ReadonlyMap<string, Tensor>): Graph =>
      graph({ outputs: [input("b", [1, 2])], nodes: [makeNode("Mul", { inputs: ["a", "two"], outputs: ["b"] })], constants });
    const outer = (constants: ReadonlyMap<string, Tensor>): Graph => ({
      ...chain,
      inputs: [input("x", ["N", 2]), input("cond", [], "bool")],
      nodes: [
        makeNode("Add", { inputs: ["x", "one"], outputs: ["a"] }),
        makeNode(
          "If",
          { inputs: ["cond"], outputs: ["y"] },
          {
            attributes: new Map([
              ["then_branch", graphAttribute(branch(constants))],
              ["else_branch", graphAttribute(branch(new Map()))],
            ]),
          },
        ),
      ],
    });
    const run = (constants: ReadonlyMap<string, Tensor>, cond: number) =>
      numbers(
        interpret(
          outer(constants),
          new Map([
            ["x", x],
            ["cond", fromNumbers("bool", [], [cond])],
          ]),
        ).get("y"),
      );
    const own = new Map([["two", f32([], [5])]]);
    expect(run(new Map(), 1)).toEqual([4, 6]);
    expect(run(own, 1)).toEqual([10, 15]);
    expect(run(own, 0)).toEqual([4, 6]);
  });

  test("stops before the next node when it is interrupted", () => {
    const abort = new AbortController();
    const ran: string[] = [];
    const onNode = (node: { name: string }): void => {
      ran.push(node.name);
      abort.abort();
    };
    expect(() => interpret(chain, new Map([["x", x]]), { onNode, signal: abort.signal })).toThrow();
    expect(ran).toEqual(["a"]);
  });

  test("gives a value that is an output and also read by a node", () => {
    const both = { ...chain, outputs: [input("a", ["N", 2]), input("y", ["N", 2])] };
    const result = interpret(both, new Map([["x", x]]));
    expect(numbers(result.get("a"))).toEqual([2, 3]);
    expect(numbers(result.get("y"))).toEqual([4, 6]);
  });
});

describe("canInterpret", () => {
  test("lists what is missing, inside subgraphs too", () => {
    expect(canInterpret(chain)).toEqual({ ok: true, reasons: [] });
    const inner = graph({
      outputs: [input("r", [1])],
      nodes: [makeNode("RandomNormal", { inputs: [], outputs: ["r"] }, { attributes: attributes({ shape: [1] }) })],
    });
    const outer = graph({
      nodes: [
        makeNode(
          "If",
          { inputs: ["c"], outputs: ["y"] },
          {
            attributes: new Map([
              ["then_branch", graphAttribute(inner)],
              ["else_branch", graphAttribute(inner)],
            ]),
          },
        ),
        makeNode("Blur", { inputs: ["y"], outputs: ["z"] }),
      ],
    });
    const { ok, reasons } = canInterpret(outer);
    expect(ok).toBe(false);
    expect(reasons).toHaveLength(2);
    expect(reasons.join("\n")).toMatch(/RandomNormal: .*random/);
    expect(reasons.join("\n")).toMatch(/Blur: the operator is not known/);
  });
});
