import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Encoding, NodeChoice, QuantPlan } from "../graph/plan.ts";
import { LEVELS } from "../graph/quantize.ts";
import { planFromJson, planToJson } from "./plan-json.ts";

const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "constructor", "toString", "0", "10", "9", ""));
const scale = fc.float({ noNaN: true, min: Math.fround(1e-30), max: Math.fround(1e30) });
const encoding: fc.Arbitrary<Encoding> = fc
  .tuple(
    fc.constantFrom("int8", "uint8", "int32", "int64", "int4", "uint16"),
    fc.array(scale, { minLength: 1, maxLength: 4 }),
    fc.nat(3),
  )
  .chain(([dtype, scales, axis]) =>
    fc
      .record({
        zeroPoint: fc.array(fc.integer({ min: LEVELS[dtype as "int8"][0], max: LEVELS[dtype as "int8"][1] }), {
          minLength: scales.length,
          maxLength: scales.length,
        }),
        reason: fc.string(),
        ranged: fc.boolean(),
      })
      .map(({ zeroPoint, reason, ranged }) => ({
        dtype: dtype as "int8",
        scale: scales,
        zeroPoint: zeroPoint.map((z) => z + 0),
        ...(scales.length > 1 ? { axis } : {}),
        ...(ranged ? { range: [1, 5] as const } : {}),
        reason,
      })),
  );
const choice: fc.Arbitrary<NodeChoice> = fc.record({
  precision: fc.constantFrom("int8", "int16x8", "float16", "float32"),
  reason: fc.string(),
});
const plan: fc.Arbitrary<QuantPlan> = fc.record(
  {
    kind: fc.constant("quant-plan" as const),
    version: fc.constant(1 as const),
    target: fc.string(),
    tensors: fc.array(fc.tuple(name, encoding)).map((e) => new Map(e)),
    nodes: fc.array(fc.tuple(name, choice)).map((e) => new Map(e)),
    channelScales: fc.array(fc.tuple(name, fc.array(scale, { maxLength: 4 }))).map((e) => new Map(e)),
    calibration: fc.record({ samples: fc.nat(), digest: fc.string(), method: fc.string() }),
  },
  { requiredKeys: ["kind", "version", "target", "tensors", "nodes"] },
) as fc.Arbitrary<QuantPlan>;

describe("a plan as JSON", () => {
  test("comes back as it was, whatever its tensors are called", () => {
    fc.assert(
      fc.property(plan, (p) => {
        expect(planFromJson(planToJson(p))).toEqual(p);
      }),
    );
  });

  test("has the same bytes whatever the order its entries were made in", () => {
    fc.assert(
      fc.property(plan, (p) => {
        const turned = { ...p, tensors: new Map([...p.tensors].reverse()), nodes: new Map([...p.nodes].reverse()) };
        expect(planToJson(turned)).toBe(planToJson(p));
        expect(planToJson(planFromJson(planToJson(p)))).toBe(planToJson(p));
      }),
    );
  });

  test("lists its entries by name and ends with a newline", () => {
    const entry: Encoding = { dtype: "int8", scale: [1], zeroPoint: [0], reason: "" };
    const tensors = new Map(["b", "a", "__proto__"].map((n) => [n, entry] as const));
    const text = planToJson({ kind: "quant-plan", version: 1, target: "t", tensors, nodes: new Map() });
    const places = ['"__proto__"', '"a"', '"b"'].map((key) => text.indexOf(key));
    expect(places.every((at, i) => at > (places[i - 1] ?? 0))).toBe(true);
    expect(text.endsWith("}\n")).toBe(true);
  });
});

const good = { dtype: "int8", scale: [0.5], zeroPoint: [0], reason: "r" };
const withTensor = (entry: unknown) => ({ kind: "quant-plan", version: 1, target: "t", tensors: { x: entry }, nodes: {} });

describe("a bad plan is refused by name", () => {
  const bad: Readonly<Record<string, unknown>> = {
    "no object": [],
    "another kind": { ...withTensor(good), kind: "plan" },
    "another version": { ...withTensor(good), version: 2 },
    "no target": { ...withTensor(good), target: 1 },
    "tensors as list": { ...withTensor(good), tensors: [] },
    "null nodes": { ...withTensor(good), nodes: null },
    "unknown precision": { ...withTensor(good), nodes: { n: { precision: "int7" } } },
    "inherited type name": withTensor({ ...good, dtype: "toString" }),
    "float type": withTensor({ ...good, dtype: "float32" }),
    "no scale": withTensor({ ...good, scale: [], zeroPoint: [] }),
    "zero scale": withTensor({ ...good, scale: [0] }),
    "a scale that is zero in float32": withTensor({ ...good, scale: [1e-60] }),
    "a scale beyond float32": withTensor({ ...good, scale: [1e60] }),
    "a text for a scale": withTensor({ ...good, scale: ["1"] }),
    "a null scale (JSON for NaN)": withTensor({ ...good, scale: [null] }),
    "counts differ": withTensor({ ...good, zeroPoint: [0, 0] }),
    "zero point outside": withTensor({ ...good, zeroPoint: [128] }),
    "fractional zero point": withTensor({ ...good, zeroPoint: [0.5] }),
    "scales without axis": withTensor({ ...good, scale: [1, 1], zeroPoint: [0, 0] }),
    "negative axis": withTensor({ ...good, axis: -1 }),
    "range outside": withTensor({ ...good, range: [-129, 127] }),
    "range turned round": withTensor({ ...good, range: [5, 4] }),
    "fractional range": withTensor({ ...good, range: [0.5, 4] }),
    "a channel scale of zero": { ...withTensor(good), channelScales: { x: [1, 0] } },
    "channel scales as a number": { ...withTensor(good), channelScales: { x: 1 } },
    "calibration without digest": { ...withTensor(good), calibration: { samples: 3, method: "m" } },
  };
  for (const [what, json] of Object.entries(bad)) {
    test(what, () => {
      expect(() => planFromJson(JSON.stringify(json))).toThrowError(expect.objectContaining({ code: "PLAN_INVALID" }));
    });
  }

  test("anything that is not JSON", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          planFromJson(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "PLAN_INVALID" });
        }
      }),
    );
    expect(() => planFromJson(JSON.stringify(withTensor(good)))).not.toThrow();
  });
});
