import { aimetEncodings, ENCODINGS_VERSIONS } from "@tessera/core/convert/export/aimet-encodings";
import { planFromEncodings } from "@tessera/core/convert/export/plan-from-encodings";
import { isEncodings, readEncodings } from "@tessera/core/convert/export/read-encodings";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import type { Encoding, QuantPlan } from "@tessera/core/graph/plan";
import { encodedRange } from "@tessera/core/graph/quantize";
import { sameTensor, type Tensor } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { checkPlan } from "@tessera/core/targets/check-plan";
import { LITERT } from "@tessera/core/targets/litert";
import { ORT_ARM, ORT_X64 } from "@tessera/core/targets/ort";
import { SNAPDRAGON_HTP } from "@tessera/core/targets/qnn";
import { JETSON_NANO } from "@tessera/core/targets/tensorrt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fuzzReader } from "../reader-fuzz.ts";
import { BLOCK, BLOCK_FEEDS, plannedFor } from "./planned-block.ts";

const plan = plannedFor(BLOCK, SNAPDRAGON_HTP);
const encodingOf = (p: QuantPlan, name: string): Encoding => p.tensors.get(name) as Encoding;
const grid = ({ dtype, scale, zeroPoint, axis }: Encoding) => ({ dtype, scale, zeroPoint, axis });

describe("encodings as AIMET writes them", () => {
  test("of version 0.6.1 have an entry for each channel, texts for truth, and offsets from the lowest integer", () => {
    const file = JSON.parse(aimetEncodings(BLOCK, plan, { version: "0.6.1" }));
    expect(Object.keys(file.activation_encodings)).toEqual(["bounded", "kept", "narrow", "start", "x", "y"]);
    expect(Object.keys(file.param_encodings)).toEqual(["w0", "w1", "w2", "w3"]);
    const { scale, zeroPoint } = encodingOf(plan, "x");
    const { min, max } = encodedRange(encodingOf(plan, "x"));
    expect(file.activation_encodings.x).toEqual([
      { bitwidth: 8, dtype: "int", is_symmetric: "False", max, min, offset: -(zeroPoint[0] as number), scale: scale[0] },
    ]);
    const channels = file.param_encodings.w1;
    expect(channels).toHaveLength(8);
    for (const [c, entry] of channels.entries()) {
      const step = encodingOf(plan, "w1").scale[c] as number;
      expect(entry).toEqual({
        bitwidth: 8,
        dtype: "int",
        is_symmetric: "True",
        max: 127 * step,
        min: -128 * step,
        offset: -128,
        scale: step,
      });
    }
  });

  test("of version 1.0.0 list tensors with vectors, of 2.0.0 what QuantizeLinear takes", () => {
    const one = JSON.parse(aimetEncodings(BLOCK, plan));
    const { scale } = encodingOf(plan, "w2");
    expect(one.param_encodings.find((e: { name: string }) => e.name === "w2")).toEqual({
      name: "w2",
      bw: 8,
      dtype: "INT",
      enc_type: "PER_CHANNEL",
      is_sym: true,
      offset: scale.map(() => -128),
      scale,
    });
    const two = JSON.parse(aimetEncodings(BLOCK, plan, { version: "2.0.0", biases: true }));
    const of = (name: string) => two.encodings.find((e: { name: string }) => e.name === name);
    expect(of("w2")).toEqual({ name: "w2", output_dtype: "int8", y_scale: scale, axis: 0 });
    expect(of("b2").output_dtype).toBe("int32");
    const { zeroPoint } = encodingOf(plan, "x");
    expect(of("x")).toMatchObject({ output_dtype: "uint8", y_zero_point: zeroPoint[0] });
    expect(isEncodings(one) && isEncodings(two)).toBe(true);
    expect(isEncodings(JSON.parse('{"kind":"quant-plan","tensors":{}}'))).toBe(false);
  });

  test.each(ENCODINGS_VERSIONS)("of version %s come back as the plan that they were made of, biases and all", (version) => {
    const back = planFromEncodings(aimetEncodings(BLOCK, plan, { version }), BLOCK, { target: SNAPDRAGON_HTP });
    expect(back.ignored).toEqual([]);
    expect([...back.plan.tensors.keys()].sort()).toEqual([...plan.tensors.keys()].sort());
    for (const [name, encoding] of plan.tensors)
      expect([name, grid(encodingOf(back.plan, name))]).toEqual([name, grid(encoding)]);
    expect([...back.plan.nodes].map(([name, c]) => [name, c.precision])).toEqual(
      [...plan.nodes].map(([name, c]) => [name, c.precision]),
    );
  });

  test.each([ORT_X64, ORT_ARM, LITERT, JETSON_NANO])("become a plan that $id can compute, on the same grids", (target) => {
    const source = target === JETSON_NANO ? plannedFor(BLOCK, JETSON_NANO) : plan;
    const { plan: back } = planFromEncodings(aimetEncodings(BLOCK, source), BLOCK, { target });
    expect(checkPlan(BLOCK, back, target)).toEqual([]);
    expect([...back.nodes.values()].filter((c) => c.precision === "float32")).toEqual([]);
    expect(encodedRange(encodingOf(back, "kept"))).toEqual(encodedRange(encodingOf(source, "kept")));
    const feeds = BLOCK_FEEDS[0] as (typeof BLOCK_FEEDS)[number];
    const same = applyPlan(BLOCK, {
      ...source,
      tensors: new Map([...source.tensors].filter(([name]) => back.tensors.has(name))),
    });
    const [a, b] = [same, applyPlan(BLOCK, back)].map((m) => interpret(m.graph, feeds).get("y") as Tensor);
    expect(sameTensor(a as Tensor, b as Tensor)).toBe(true);
  });
});

describe("encodings of others", () => {
  const entry = { bitwidth: 8, is_symmetric: "False", max: 2, min: -0.55 };

  test("without a version and a scale are read by their ranges", () => {
    const { encodings, version } = readEncodings(JSON.stringify({ activation_encodings: { x: [entry] }, param_encodings: {} }));
    expect(version).toBe("0.4.0");
    expect(encodings).toEqual([
      { name: "x", dtype: "uint8", scale: [Math.fround(2.55 / 255)], zeroPoint: [55], perChannel: false },
    ]);
  });

  test("may name tensors that the model does not have, and leave nodes in float", () => {
    const text = JSON.stringify({
      version: "0.6.1",
      activation_encodings: { x: [entry], elsewhere: [entry] },
      param_encodings: {},
    });
    const { plan: partial, ignored, notes } = planFromEncodings(text, BLOCK, { target: ORT_X64 });
    expect(ignored).toEqual(["elsewhere"]);
    expect(notes.join("\n")).toContain("elsewhere");
    expect(new Set([...partial.nodes.values()].map((c) => c.precision))).toEqual(new Set(["float32"]));
    expect(() => planFromEncodings(JSON.stringify({ encodings: [] }), BLOCK, { target: ORT_X64 })).toThrow(
      /none of their 0 tensors/,
    );
  });

  test("on both sides of a bound, and of the bound itself, leave the bound to the range behind it", () => {
    // As AIMET 2.42 writes it for a convolution by channel before a Clip.
    const file = JSON.parse(aimetEncodings(BLOCK, plan, { version: "0.6.1" }));
    file.activation_encodings["wide"] = [{ ...entry, dtype: "int", offset: -128, scale: 0.25 }];
    file.param_encodings["six"] = [{ ...entry, dtype: "int", is_symmetric: "True", offset: -128, scale: 0.05 }];
    const { plan: back, notes } = planFromEncodings(JSON.stringify(file), BLOCK, { target: ORT_X64 });
    expect([back.tensors.has("wide"), back.tensors.has("six")]).toEqual([false, false]);
    expect([...back.nodes.values()].filter((c) => c.precision === "float32")).toEqual([]);
    expect(notes.slice(1)).toEqual([
      "1 values between a node and its bound are not rounded, which the file asks for",
      "1 bounds stay as they are, which the file rounds",
    ]);
  });

  test("are refused by name where a plan has no form for them", () => {
    const refused = (file: object, why: RegExp) => expect(() => readEncodings(JSON.stringify(file))).toThrow(why);
    const one = (e: object) => ({ version: "1.0.0", activation_encodings: [], param_encodings: [{ name: "w", ...e }] });
    refused(
      one({ dtype: "INT", bw: 4, enc_type: "PER_BLOCK", is_sym: true, scale: [1], offset: [-8], block_size: 2 }),
      /"w".*PER_BLOCK/,
    );
    refused(one({ dtype: "INT", bw: 3, enc_type: "PER_TENSOR", is_sym: true, scale: [1], offset: [-4] }), /3 bits/);
    refused(
      one({ dtype: "INT", bw: 8, enc_type: "PER_TENSOR", is_sym: true, scale: [0], offset: [-128] }),
      /no positive float32/,
    );
    refused(one({ dtype: "INT", bw: 8, enc_type: "PER_TENSOR", is_sym: false, scale: [1], offset: [-256] }), /offset outside/);
    refused({ version: "2.0.0", encodings: [{ name: "w", output_dtype: "int4", y_scale: [[1]], block_size: 1 }] }, /blocks/);
    refused({ version: "3.0.0" }, /version "3.0.0"/);
    refused(
      {
        version: "2.0.0",
        encodings: [
          { name: "x", output_dtype: "int8", y_scale: 1 },
          { name: "x", output_dtype: "int8", y_scale: 1 },
        ],
      },
      /named twice/,
    );
    expect(() => readEncodings("{")).toThrow(/not JSON/);
    const wrong = { version: "2.0.0", encodings: [{ name: "w1", output_dtype: "int8", y_scale: [1, 1, 1], axis: 0 }] };
    expect(() => planFromEncodings(JSON.stringify(wrong), BLOCK, { target: ORT_X64 })).toThrow(/3 scales for shape \[8,4,1,1\]/);
  });

  test("give an error with a code for any damaged file", () => {
    const decoder = new TextDecoder();
    const files = ENCODINGS_VERSIONS.map((version) => new TextEncoder().encode(aimetEncodings(BLOCK, plan, { version })));
    const report = fuzzReader({
      files,
      count: 1500,
      seed: 11,
      read: (bytes) => {
        const back = planFromEncodings(decoder.decode(bytes), BLOCK, { target: ORT_X64 }).plan;
        for (const { scale, zeroPoint } of back.tensors.values()) {
          expect(scale).toHaveLength(zeroPoint.length);
          expect(scale.every((s) => s > 0 && Number.isFinite(s))).toBe(true);
        }
      },
    });
    expect(report.read).toBeGreaterThan(20);
    expect(report.refused.MALFORMED).toBeGreaterThan(100);
  });

  test("give an error with a code for any JSON in the place of an entry", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom("0.6.1", "1.0.0", "2.0.0"), (value, version) => {
        const file = { version, activation_encodings: value, param_encodings: { w: value }, encodings: [value] };
        try {
          readEncodings(JSON.stringify(file));
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^(MALFORMED|PLAN_INVALID|LIMIT_EXCEEDED)$/);
        }
      }),
    );
  });
});
