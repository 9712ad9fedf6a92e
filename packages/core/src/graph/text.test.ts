import { describe, expect, it } from "vitest";
import { view } from "./tensor.ts";
import { parseGraph } from "./text-parse.ts";
import { printGraph } from "./text-print.ts";
import { verifyModel } from "./verify.ts";

const CONV = `x: f32[N, 3, 8, 8]
y = Conv(x, w: f32[4, 3, 3, 3], b: f32[4] = [0.5, -1.0, 1e-7, 0.1]) {auto_pad: "SAME_UPPER", group: 1, pads: [1, 1, 1, 1]}
z = com.microsoft::FusedConv(y, _, w) {alpha: 0.3, ends: [1.0, inf]}
return z`;

const BRANCHES = `c: bool[]
x: f32[N, 2*N + 1]
y = If(c) {else_branch: {
  a = Neg(x)
  return a
}, then_branch: {
  b = Relu(x)
  return b
}}
return y`;

describe("the text form of a graph", () => {
  it("prints what it parsed, with subgraphs, absent inputs, custom domains and symbolic sizes", () => {
    for (const text of [CONV, BRANCHES]) expect(printGraph(parseGraph(text))).toBe(text);
  });

  it("makes up the same values for a constant given by type only", () => {
    const [a, b] = [parseGraph(CONV), parseGraph(CONV)].map((g) => view(g.constants.get("w") as never, "float32"));
    expect(a).toEqual(b);
    expect(new Set(a).size).toBeGreaterThan(50);
  });

  it("names the line of a syntax error", () => {
    expect(() => parseGraph("x: f32[1]\ny = Relu(x\n")).toThrow(/line/);
    expect(() => parseGraph("x: f99[1]\nreturn x")).toThrow(/f99/);
  });

  it("parses to graphs that verify", () => {
    for (const text of [CONV, BRANCHES]) {
      verifyModel({
        kind: "model",
        graph: parseGraph(text),
        domains: new Map(),
        metadata: new Map(),
        producer: { name: "", version: "" },
      });
    }
  });
});
