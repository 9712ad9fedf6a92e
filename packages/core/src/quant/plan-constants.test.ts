import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Encoding, QuantPlan } from "../graph/plan.ts";
import { dequantizeTensor } from "../graph/quantize.ts";
import { f32, fromNumbers, sameTensor, type Tensor } from "../graph/tensor.ts";
import { constantFromJson, constantToJson } from "./plan-constants.ts";
import { planFromJson, planToJson } from "./plan-json.ts";

const INT8: Encoding = {
  dtype: "int8",
  scale: [Math.fround(0.013), Math.fround(1.7e-3)],
  zeroPoint: [0, 0],
  axis: 0,
  reason: "",
};
const on = (integers: readonly number[]): Tensor =>
  dequantizeTensor(fromNumbers("int8", [2, integers.length / 2], integers), INT8);

describe("a constant of a plan as JSON", () => {
  test("is the integers of its encoding when it lies on their grid, and comes back bit by bit", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -127, max: 127 }), { minLength: 2, maxLength: 2 }), (integers) => {
        const json = constantToJson(on(integers), INT8);
        expect(json.dtype).toBe("int8");
        expect(sameTensor(constantFromJson("w", json, INT8), on(integers))).toBe(true);
      }),
    );
  });

  test("is float32 when it lies beside the grid, or has no encoding, and comes back bit by bit", () => {
    const beside = f32([2, 1], [0.0131, 1e-3]);
    for (const encoding of [INT8, undefined]) {
      const json = constantToJson(beside, encoding);
      expect(json.dtype).toBe("float32");
      expect(sameTensor(constantFromJson("w", json, encoding), beside)).toBe(true);
    }
  });

  test("goes through the plan's file with the rest of the plan", () => {
    const plan: QuantPlan = {
      kind: "quant-plan",
      version: 1,
      target: "t",
      tensors: new Map([["w", INT8]]),
      nodes: new Map(),
      constants: new Map([
        ["w", on([3, -127])],
        ["b", f32([2], [0.1, -7e5])],
      ]),
    };
    const back = planFromJson(planToJson(plan));
    for (const [name, constant] of plan.constants ?? [])
      expect(sameTensor(back.constants?.get(name) as Tensor, constant)).toBe(true);
    expect(planToJson(back)).toBe(planToJson(plan));
  });

  const good = { dtype: "float32", shape: [1], data: "AACAPw==" };
  test.each([
    ["no object", 3],
    ["another type", { ...good, dtype: "float64" }],
    ["a shape that is none", { ...good, shape: [-1] }],
    ["a shape of other size", { ...good, shape: [2] }],
    ["a size no memory holds", { ...good, shape: [1e9, 1e9] }],
    ["no text", { ...good, data: 5 }],
    ["text that is no base64", { ...good, data: "§" }],
    ["NaN", { ...good, data: "AADAfw==" }],
    ["integers without an encoding", { dtype: "int8", shape: [1], data: "AQ==" }],
  ])("is refused with %s", (_, json) => {
    expect(() => constantFromJson("c", json, undefined)).toThrowError(expect.objectContaining({ code: "PLAN_INVALID" }));
  });
});
