import { isTesseraError } from "@tessera/core/base/error";
import { calibrationCache, readCalibrationCache } from "@tessera/core/convert/export/calibration-cache";
import { tensorrtModel } from "@tessera/core/convert/export/tensorrt";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import type { Encoding } from "@tessera/core/graph/plan";
import { sameTensor, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { verifyModel } from "@tessera/core/graph/verify";
import { interpret } from "@tessera/core/interp/run";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { JETSON_NANO } from "@tessera/core/targets/tensorrt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fuzzReader } from "../reader-fuzz.ts";
import { BLOCK, BLOCK_FEEDS, plannedFor } from "./planned-block.ts";

const plan = plannedFor(BLOCK, JETSON_NANO);
const { model, notes } = tensorrtModel(BLOCK, plan);

describe("explicit quantization for TensorRT", () => {
  test("has zero point 0 of int8 in every pair, and no integers but those", () => {
    verifyModel(model);
    const pairs = model.graph.nodes.filter((n) => n.op === "QuantizeLinear" || n.op === "DequantizeLinear");
    expect(pairs.length).toBeGreaterThan(0);
    for (const pair of pairs) {
      const zero = model.graph.constants.get(pair.inputs[2] ?? "") as Tensor;
      expect(zero.dtype).toBe("int8");
      expect(toNumbers(zero).every((z) => z === 0)).toBe(true);
    }
    // The parser takes a DequantizeLinear of activations and weights only: no integer constant is in the file but zero points.
    const zeros = new Set(pairs.map((n) => n.inputs[2]));
    for (const [name, { dtype }] of model.graph.constants) expect(zeros.has(name) ? "float32" : dtype).toBe("float32");
  });

  test("leaves biases in float and pairs every weight by channel", () => {
    for (const conv of model.graph.nodes.filter((n) => n.op === "Conv")) {
      expect(model.graph.constants.get(conv.inputs[2] as string)?.dtype).toBe("float32");
      const second = model.graph.nodes.find((n) => n.outputs[0] === conv.inputs[1]);
      expect(second?.op).toBe("DequantizeLinear");
      expect(second?.attributes.get("axis")).toEqual({ kind: "int", value: 0 });
    }
  });

  test("puts a pair on the residual side of a sum and none between convolution and sum", () => {
    const add = model.graph.nodes.find((n) => n.op === "Add");
    const makers = (add?.inputs ?? []).map((name) => model.graph.nodes.find((n) => n.outputs[0] === name)?.op);
    expect(makers).toEqual(["Conv", "DequantizeLinear"]);
    expect(plan.tensors.has("narrow")).toBe(true);
    expect(notes.join("\n")).toContain("1 convolutions have no pair between them and the sum");
  });

  test("computes what the same integers compute where weights are stored as int8", () => {
    const tensors = new Map([...plan.tensors].filter(([name]) => name !== "narrow" && !/^b\d$/.test(name)));
    const plain = applyPlan(BLOCK, { ...plan, tensors });
    for (const feeds of BLOCK_FEEDS) {
      const ours = interpret(model.graph, feeds).get("y") as Tensor;
      expect(sameTensor(ours, interpret(plain.graph, feeds).get("y") as Tensor)).toBe(true);
      expect(sameTensor(ours, interpret(BLOCK.graph, feeds).get("y") as Tensor)).toBe(false);
    }
  });

  test("is refused for a plan with zero points", () => {
    expect(() => tensorrtModel(BLOCK, plannedFor(BLOCK, ORT_X64))).toThrow(
      /uint8 with zero point .*takes int8 with zero point 0/,
    );
  });
});

describe("a calibration cache", () => {
  // Lines as TensorRT wrote them, from published caches: pictures of 0..255 as they are, and divided by 255.
  const published =
    "TRT-7202-EntropyCalibration2\ndata: 3c008912\n(Unnamed Layer* 4) [Fully Connected]_output: 3d65992f\nip1: 3d65ff18\n";

  test("reads as TensorRT writes it: a scale is the largest magnitude over 127", () => {
    const { header, scales } = readCalibrationCache(published);
    expect(header).toBe("TRT-7202-EntropyCalibration2");
    expect([...scales.keys()]).toEqual(["data", "(Unnamed Layer* 4) [Fully Connected]_output", "ip1"]);
    expect((scales.get("data") ?? 0) * 127).toBeCloseTo(0.996, 3);
    expect(
      (readCalibrationCache("TRT-7103-EntropyCalibration2\ndata_0: 4000889d\n").scales.get("data_0") ?? 0) * 127,
    ).toBeCloseTo(255, 0);
  });

  test("holds the scales of the plan's activations and no weights, whatever the names", () => {
    const text = calibrationCache(BLOCK, plan);
    const { header, scales } = readCalibrationCache(text);
    expect(header).toBe("TRT-8201-EntropyCalibration2");
    expect([...scales.keys()].sort()).toEqual(["bounded", "kept", "narrow", "start", "x", "y"]);
    for (const [name, scale] of scales) expect(scale).toBe(plan.tensors.get(name)?.scale[0]);
  });

  test("covers with symmetric scales what a plan with zero points covers", () => {
    const asymmetric = plannedFor(BLOCK, ORT_X64);
    const { scales } = readCalibrationCache(calibrationCache(BLOCK, asymmetric, { version: [10, 3, 0] }));
    const { scale, zeroPoint } = asymmetric.tensors.get("bounded") as Encoding;
    expect(scales.get("bounded")).toBeCloseTo(((255 - (zeroPoint[0] as number)) * (scale[0] as number)) / 127, 6);
    expect(calibrationCache(BLOCK, asymmetric, { version: [10, 3, 0] })).toMatch(/^TRT-100300-EntropyCalibration2\n/);
  });

  test("comes back for any positive scale and any name in one line", () => {
    const name = fc.string({ minLength: 1, maxLength: 20 }).filter((s) => !/[\r\n]/.test(s) && s.trim() === s && s !== "");
    const scale = fc.float({ noNaN: true, min: Math.fround(1e-30), max: Math.fround(1e30) });
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, scale), { selector: ([n]) => n, minLength: 1, maxLength: 5 }), (pairs) => {
        const bits = new DataView(new ArrayBuffer(4));
        const lines = pairs.map(([n, s]) => {
          bits.setFloat32(0, s);
          return `${n}: ${bits.getUint32(0).toString(16)}`;
        });
        expect([...readCalibrationCache(`TRT-8601-MinMaxCalibration\n${lines.join("\n")}\n`).scales]).toEqual(pairs);
      }),
    );
  });

  test("is refused with the line when it is not one", () => {
    for (const [text, why] of [
      ["", "line 1"],
      ["TRT-8601\nx: 3c008912\n", "line 1"],
      ["TRT-8601-EntropyCalibration2\nx 3c008912\n", "line 2"],
      ["TRT-8601-EntropyCalibration2\nx: 3c008912\nx: 3c008912\n", "line 3"],
      ["TRT-8601-EntropyCalibration2\nx: 7f800000\n", "no positive float32"],
      ["TRT-8601-EntropyCalibration2\nx: bf800000\n", "no positive float32"],
      ["TRT-8601-EntropyCalibration2\nx: 3c0089123\n", "line 2"],
    ] as const)
      expect(() => readCalibrationCache(text)).toThrow(why);
  });

  test("gives an error with a code for any damaged cache", () => {
    const decoder = new TextDecoder();
    const report = fuzzReader({
      files: [published, calibrationCache(BLOCK, plan)].map((text) => new TextEncoder().encode(text)),
      count: 2000,
      seed: 7,
      read: (bytes) => {
        for (const scale of readCalibrationCache(decoder.decode(bytes)).scales.values()) expect(scale).toBeGreaterThan(0);
      },
    });
    expect(report.read).toBeGreaterThan(50);
    expect(report.refused.MALFORMED).toBeGreaterThan(50);
    expect(() => readCalibrationCache(`TRT-8601-X\n${"a".repeat(17 * 1024 * 1024)}`)).toThrow(expect.toSatisfy(isTesseraError));
  });
});
