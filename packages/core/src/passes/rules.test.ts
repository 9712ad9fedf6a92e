import { describe, expect, it } from "vitest";
import type { Model } from "../graph/model.ts";
import { parseGraph } from "../graph/text-parse.ts";
import { printGraph } from "../graph/text-print.ts";
import { ALLOW_ALL } from "./pass.ts";
import { RECOGNISE_RULES } from "./recognise.ts";
import { type Rule, readyRules, rulePass } from "./rules.ts";

const DOUBLE: Rule = {
  name: "double-negation",
  says: "-(-x) -> x",
  match: "a = Neg(x)\ny = Neg(a)\nreturn y",
  replace: "return x",
};

function run(rules: readonly Rule[], text: string) {
  const model: Model = {
    kind: "model",
    graph: parseGraph(text),
    domains: new Map(),
    metadata: new Map(),
    producer: { name: "", version: "" },
  };
  const { model: after, report } = rulePass("test", "for the test", rules).run(model, ALLOW_ALL);
  return { text: printGraph(after.graph), declined: report.declined, changes: report.changes };
}

describe("a table of rules", () => {
  it("is checked when it is loaded: a name in the replacement that nothing binds is refused", () => {
    const unbound: Rule = { ...DOUBLE, name: "unbound", replace: "y = Relu(z)\nreturn y" };
    expect(() => readyRules([unbound])).toThrow(/unbound.*"z".*not bound/);
    expect(() => readyRules([{ ...unbound, makes: ["z"] }])).not.toThrow();
    expect(() => readyRules([{ ...DOUBLE, replace: "return a" }])).toThrow(/"a"/);
    expect(() => readyRules([{ ...DOUBLE, match: "a = Neg(x)\ny = Neg(a)\nreturn a" }])).toThrow(/last node/);
  });

  it("has rows of different names in the shipped table, and all of them load", () => {
    expect(readyRules(RECOGNISE_RULES)).toHaveLength(RECOGNISE_RULES.length);
    expect(new Set(RECOGNISE_RULES.map((r) => r.name)).size).toBe(RECOGNISE_RULES.length);
  });

  it("replaces a match by a value", () => {
    expect(run([DOUBLE], "x: f32[2]\nr = Relu(x)\na = Neg(r)\ny = Neg(a)\nreturn y").text).toBe(
      "x: f32[2]\ny = Relu(x)\nreturn y",
    );
  });

  it("leaves a match whose inner value has other readers or is a graph output, and says so", () => {
    for (const tail of ["z = Abs(a)\nreturn y, z", "return y, a"]) {
      const { changes, declined } = run([DOUBLE], `x: f32[2]\nr = Relu(x)\na = Neg(r)\ny = Neg(a)\n${tail}`);
      expect(changes).toEqual([]);
      expect(declined.map((d) => d.why)).toEqual(["a has other readers"]);
    }
  });

  it("declines where an input would have to become an output", () => {
    const { changes, declined } = run([DOUBLE], "x: f32[2]\na = Neg(x)\ny = Neg(a)\nreturn y");
    expect(changes).toEqual([]);
    expect(declined).toHaveLength(1);
  });

  it("tries the operands of commutative operators both ways, and a name twice means the same value", () => {
    const rule: Rule = {
      name: "square",
      says: "",
      match: "s = Sigmoid(x)\ny = Mul(x, s)\nreturn y",
      replace: "y = Neg(x)\nreturn y",
    };
    for (const mul of ["Mul(x, s)", "Mul(s, x)"])
      expect(run([rule], `x: f32[2]\ns = Sigmoid(x)\ny = ${mul}\nreturn y`).text).toBe("x: f32[2]\ny = Neg(x)\nreturn y");
    const text = "x: f32[2]\nz: f32[2]\ns = Sigmoid(x)\ny = Mul(z, s)\nreturn y";
    expect(run([rule], text).text).toBe(text);
  });

  it("matches attributes with their defaults, and others only where the rule names them", () => {
    const rule: Rule = { name: "leak", says: "", match: "y = LeakyRelu(x)\nreturn y", replace: "y = Neg(x)\nreturn y" };
    expect(run([rule], "x: f32[2]\ny = LeakyRelu(x) {alpha: 0.01}\nreturn y").changes).toHaveLength(1);
    expect(run([rule], "x: f32[2]\ny = LeakyRelu(x) {alpha: 0.2}\nreturn y").changes).toEqual([]);
    const any: Rule = { ...rule, match: 'y = LeakyRelu(x) {alpha: "*"}\nreturn y' };
    expect(run([any], "x: f32[2]\ny = LeakyRelu(x) {alpha: 0.2}\nreturn y").changes).toHaveLength(1);
  });

  it("matches a literal by value and type", () => {
    const rule: Rule = {
      name: "six",
      says: "",
      match: "y = Div(x, c: f32[] = [6.0])\nreturn y",
      replace: "y = Neg(x)\nreturn y",
    };
    expect(run([rule], "x: f32[2]\ny = Div(x, c: f32[1] = [6.0])\nreturn y").changes).toHaveLength(1);
    expect(run([rule], "x: f32[2]\ny = Div(x, c: f32[] = [6.1])\nreturn y").changes).toEqual([]);
    expect(run([rule], "x: i64[2]\ny = Div(x, c: i64[] = [6])\nreturn y").changes).toEqual([]);
    expect(run([rule], "x: f32[2]\nc: f32[]\ny = Div(x, c)\nreturn y").changes).toEqual([]);
  });
});
