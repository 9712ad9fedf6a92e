import { describe, expect, test } from "vitest";
import { inferTypes } from "../ops/infer-types.ts";
import { type Model, tensorType } from "./model.ts";
import { makeNode } from "./node.ts";
import { plannedModel } from "./planned.ts";
import { f32, i64, type Tensor, toNumbers } from "./tensor.ts";

const conv = (name: string, input: string, output: string) =>
  makeNode("Conv", { inputs: [input, `w_${name}`], outputs: [output] }, { name });

const MODEL: Model = inferTypes({
  kind: "model",
  graph: {
    name: "g",
    inputs: [{ name: "x", type: tensorType("float32", [1, 2, 3, 3]) }],
    outputs: [{ name: "y", type: tensorType("float32", undefined) }],
    nodes: [conv("a", "x", "h"), makeNode("Relu", { inputs: ["h"], outputs: ["r"] }, { name: "relu" }), conv("b", "r", "y")],
    constants: new Map([
      ["w_a", f32([2, 2, 1, 1], [1, 2, 3, 4])],
      ["w_b", f32([2, 2, 1, 1], [5, 6, 7, 8])],
    ]),
    types: new Map(),
  },
  domains: new Map(),
  metadata: new Map(),
  producer: { name: "", version: "" },
});

const valuesOf = (model: Model, name: string): number[] => Array.from(toNumbers(model.graph.constants.get(name) as Tensor));

describe("the network a plan was made for", () => {
  test("is the model itself where the plan changes nothing", () => {
    expect(plannedModel(MODEL, {})).toBe(MODEL);
    expect(plannedModel(MODEL, { channelScales: new Map(), constants: new Map() })).toBe(MODEL);
  });

  test("has the plan's constants in place of those whose channels were scaled", () => {
    const planned = plannedModel(MODEL, {
      channelScales: new Map([["r", [2, 4]]]),
      constants: new Map([["w_b", f32([2, 2, 1, 1], [9, 9, 9, 9])]]),
    });
    expect(valuesOf(planned, "w_a")).toEqual([2, 4, 12, 16]);
    expect(valuesOf(planned, "w_b")).toEqual([9, 9, 9, 9]);
    expect(valuesOf(MODEL, "w_b")).toEqual([5, 6, 7, 8]);
  });

  test.each([
    ["a constant that the model does not have", "nowhere", f32([1], [1])],
    ["another shape", "w_a", f32([4], [1, 2, 3, 4])],
    ["another type", "w_a", i64([2, 2, 1, 1], [1, 2, 3, 4])],
  ])("is refused with %s", (_, name, constant) => {
    expect(() => plannedModel(MODEL, { constants: new Map([[name, constant]]) })).toThrowError(
      expect.objectContaining({ code: "PLAN_INVALID" }),
    );
  });
});
