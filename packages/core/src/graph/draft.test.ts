import { describe, expect, it } from "vitest";
import { GraphDraft } from "./draft.ts";
import { makeNode } from "./node.ts";
import { parseGraph } from "./text-parse.ts";
import { printGraph } from "./text-print.ts";

function node(draft: GraphDraft, op: string) {
  const found = draft.nodes().find((n) => n.op === op);
  if (found === undefined) throw new Error(`no ${op}`);
  return found;
}

describe("GraphDraft", () => {
  it("leaves its source as it was and gives it back when nothing changed", () => {
    const graph = parseGraph("x: f32[2]\ny = Relu(x)\nreturn y");
    const draft = new GraphDraft(graph);
    expect(draft.finish()).toBe(graph);
    draft.replace(node(draft, "Relu"), makeNode("Neg", { inputs: ["x"], outputs: ["y"] }));
    expect(printGraph(draft.finish())).toBe("x: f32[2]\ny = Neg(x)\nreturn y");
    expect(printGraph(graph)).toContain("Relu");
  });

  it("bypasses an inner node by pointing its readers elsewhere, inside subgraphs too", () => {
    const draft = new GraphDraft(
      parseGraph(
        "c: bool[]\nx: f32[2]\ni = Identity(x)\ny = If(c) {then_branch: {\na = Neg(i)\nreturn a\n}, else_branch: {\nreturn i\n}}\nreturn y",
      ),
    );
    expect(draft.bypass(node(draft, "Identity"), "i", "x")).toBe(true);
    const text = printGraph(draft.finish());
    expect(text).not.toMatch(/\bi\b/);
    expect(text).toContain("a = Neg(x)");
  });

  it("keeps the name of a graph output when its last node is bypassed", () => {
    const draft = new GraphDraft(parseGraph("x: f32[2]\nr = Relu(x)\ny = Identity(r)\nz = Neg(r)\nreturn y, z"));
    expect(draft.bypass(node(draft, "Identity"), "y", "r")).toBe(true);
    expect(printGraph(draft.finish())).toBe("x: f32[2]\ny = Relu(x)\nz = Neg(y)\nreturn y, z");
  });

  it("refuses to bypass where an input or another output would have to change its name", () => {
    const direct = new GraphDraft(parseGraph("x: f32[2]\ny = Identity(x)\nreturn y"));
    expect(direct.bypass(node(direct, "Identity"), "y", "x")).toBe(false);
    expect(direct.isChanged).toBe(false);
    const twice = new GraphDraft(parseGraph("x: f32[2]\nr = Relu(x)\ny = Identity(r)\nreturn r, y"));
    expect(twice.bypass(node(twice, "Identity"), "y", "r")).toBe(false);
  });

  it("sorts what was added out of order and drops constants that nobody reads", () => {
    const draft = new GraphDraft(parseGraph("x: f32[2]\ny = Add(x, c: f32[2])\nreturn y"));
    draft.add(makeNode("Relu", { inputs: ["x"], outputs: ["r"] }));
    draft.replace(node(draft, "Add"), makeNode("Neg", { inputs: ["r"], outputs: ["y"] }));
    const graph = draft.finish();
    expect(graph.constants.size).toBe(0);
    expect(graph.nodes.map((n) => n.op)).toEqual(["Relu", "Neg"]);
  });

  it("names the nodes of a cycle instead of finishing", () => {
    const draft = new GraphDraft(parseGraph("x: f32[2]\na = Relu(x)\ny = Neg(a)\nreturn y"));
    draft.replace(node(draft, "Relu"), makeNode("Relu", { inputs: ["y"], outputs: ["a"] }));
    expect(() => draft.finish()).toThrow(/cycle/);
  });
});
