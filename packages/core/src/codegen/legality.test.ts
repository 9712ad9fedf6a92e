import { textModel } from "@tessera/testkit/text-model";
import { describe, expect, test } from "vitest";
import type { Encoding, QuantPlan } from "../graph/plan.ts";
import { targetById } from "../targets/table.ts";
import { mcuFaults } from "./legality.ts";

const M4 = targetById("cortex-m4");

const int8 = (scale: number, zeroPoint = 0): Encoding => ({ dtype: "int8", scale: [scale], zeroPoint: [zeroPoint], reason: "" });

function planOf(tensors: Readonly<Record<string, Encoding>>, floats: Readonly<Record<string, string>> = {}): QuantPlan {
  return {
    kind: "quant-plan",
    version: 1,
    target: "litert",
    tensors: new Map(Object.entries(tensors)),
    nodes: new Map(Object.entries(floats).map(([name, reason]) => [name, { precision: "float32", reason }])),
  };
}

const RELU = `x : f32[1, 4]
y = Relu(x)
return y`;

describe("faults of a model for generated C", () => {
  test("are none for integers of known sizes, and then there is a program", () => {
    const { faults, program } = mcuFaults(textModel(RELU), planOf({ x: int8(0.5), y: int8(0.5) }), M4);
    expect(faults).toEqual([]);
    expect(program?.steps.map((s) => s.kind)).toEqual(["unary"]);
  });

  test("name the command that quantizes a model in floats", () => {
    for (const plan of [undefined, planOf({})])
      expect(mcuFaults(textModel(RELU), plan, M4).faults).toEqual([
        expect.objectContaining({
          severity: "error",
          suggestion: "tessera quantize MODEL --target cortex-m4 --io int8 --calib DATA",
        }),
      ]);
  });

  test("name open sizes with the option that closes them, which then does", () => {
    const model = textModel(RELU.replace("[1, 4]", "[1, T]"));
    const plan = planOf({ x: int8(0.5), y: int8(0.5) });
    const { faults, program } = mcuFaults(model, plan, M4);
    expect(faults.map((f) => [f.severity, f.says, f.suggestion])).toEqual([
      ["error", "input x leaves sizes open (T), and the C has literal sizes", "Give them: --dims T=1"],
    ]);
    expect(program).toBeUndefined();
    expect(mcuFaults(model, plan, M4, { dims: new Map([["T", 6]]) }).program?.values.get("y")?.shape).toEqual([1, 6]);
  });

  test("name a batch, and take a first size that outputs do not share for something else", () => {
    const plan = planOf({ x: int8(0.5), y: int8(0.5) });
    const batched = mcuFaults(textModel(RELU.replace("[1, 4]", "[3, 4]")), plan, M4);
    expect(batched.faults).toEqual([
      expect.objectContaining({ severity: "error", suggestion: expect.stringContaining("--batch 1") }),
    ]);
    const summed = textModel(`x : f32[3, 4]
y = ReduceMean(x, axes: i64[1] = [0])
return y`);
    expect(mcuFaults(summed, plan, M4).faults).toEqual([]);
  });

  test("do not send somebody back to quantize what is quantized but for a node", () => {
    const model = textModel(`x : f32[1, 4]
a = Relu(x)
b = Selu(a)
y = Relu(b)
return y`);
    const grids = Object.fromEntries(["x", "a", "b", "y"].map((name) => [name, int8(0.5)]));
    const suggestions = mcuFaults(model, planOf(grids, { b: "the target has none" }), M4).faults.map((f) => f.suggestion);
    expect(suggestions).toEqual([expect.stringMatching(/quantized already and this stayed in float/i)]);
  });

  test("group nodes that compute in float by operator, with the plan's reason and a way out", () => {
    const text = `x : f32[1, 4]
a = Exp(x)
b = Add(a, a)
c = Exp(b)
d = Add(c, c)
y = Div(d, k: f32[1] = [3])
return y`;
    const grids = Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, int8(0.25)]));
    const { faults, program } = mcuFaults(
      textModel(text),
      planOf({ x: int8(1), ...grids }, { a: "kept by the user", c: "", y: "" }),
      M4,
    );
    expect(faults.map((f) => [f.op, f.nodes])).toEqual(
      expect.arrayContaining([
        ["Exp", 2],
        ["Div", 1],
      ]),
    );
    expect(faults.find((f) => f.op === "Exp")?.says).toMatch(/^2 Exp \(a, c\): .*\(the plan: kept by the user\)$/);
    expect(faults.every((f) => f.severity === "error" && /^[A-Z]/.test(f.suggestion))).toBe(true);
    expect(program).toBeUndefined();
  });

  test("count values of 16 bits once, not each", () => {
    const wide: Encoding = { ...int8(0.001), dtype: "int16" };
    const { faults } = mcuFaults(textModel(RELU), planOf({ x: wide, y: wide }), M4);
    expect(faults).toEqual([
      expect.objectContaining({ severity: "error", nodes: 2, says: expect.stringContaining("2 values are int16 (x, y)") }),
    ]);
  });

  test("call a PRelu dear and not impossible", () => {
    const text = `x : f32[1, 4]
y = PRelu(x, s: f32[4] = [0.1, 0.2, 0.3, 0.4])
return y`;
    const { faults, program } = mcuFaults(textModel(text), planOf({ x: int8(0.5), y: int8(0.5), s: int8(0.01) }), M4);
    expect(faults).toEqual([
      expect.objectContaining({ severity: "cost", op: "PRelu", nodes: 1, suggestion: expect.stringContaining("Relu6") }),
    ]);
    expect(faults[0]?.says).toContain("about 20 instructions for each of 4 values, 80 in all");
    expect(program).toBeDefined();
    // In float it is refused, and nothing is said of what its integers would take.
    const inFloat = mcuFaults(textModel(text), planOf({ x: int8(0.5), s: int8(0.01) }, { y: "" }), M4).faults;
    expect(inFloat.map((f) => f.severity)).toContain("error");
    expect(inFloat.find((f) => f.severity === "cost")?.says).not.toContain("0 values");
  });

  test("keep what the compiler itself refuses, with its next step", () => {
    const text = `x : f32[1, 4]
y = Add(x, x)
return y`;
    const { faults } = mcuFaults(textModel(text), planOf({ x: int8(0.5), y: { ...int8(0.5), scale: [Number.NaN] } }), M4);
    expect(faults).toEqual([expect.objectContaining({ severity: "error", suggestion: expect.stringMatching(/./) })]);
  });
});
