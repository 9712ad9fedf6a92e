import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { printedBy } from "@tessera/testkit/printed";
import { convFile, convInput } from "@tessera/testkit/runtime-models";
import { type CommandDef, runCommand } from "citty";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { sha256, writeFile } from "../io/files.ts";
import { bench } from "./bench.ts";
import { compare } from "./compare.ts";
import { convert } from "./convert.ts";
import { inspect } from "./inspect.ts";
import { models } from "./models.ts";
import { profile } from "./profile.ts";
import { quantize } from "./quantize.ts";
import { simplify } from "./simplify.ts";

// Sessions of two runtimes start in threads and processes of their own, several for each verb.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

let folder: string;
const exitCode = process.exitCode;
const at = (name: string): string => join(folder, name);

async function run(command: CommandDef, ...args: readonly string[]): Promise<string> {
  return (await printedBy(() => runCommand(command, { rawArgs: [...args, "--quiet"] }))).out;
}

// biome-ignore lint/suspicious/noExplicitAny: reports are looked into field by field
async function json(command: CommandDef, ...args: readonly string[]): Promise<any> {
  const out = await run(command, ...args, "--json");
  expect(process.exitCode).toBe(0);
  return JSON.parse(out);
}

const coded = (code: string, words = "") => expect.objectContaining({ code, message: expect.stringContaining(words) });
const layoutOf = (file: string) => modelFromTflite(readFileSync(file), { inputLayout: "keep" }).model.graph.inputs[0]?.type;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tessera-tflite-"));
  writeFile(at("conv.onnx"), convFile());
  for (let i = 0; i < 12; i++) writeFile(join(folder, "samples", `${i}.f32`), convInput(i + 1).bytes);
  process.exitCode = undefined;
  await run(convert, at("conv.onnx"), "-o", at("conv.tflite"));
  const calibrated = ["--target", "litert", "--inputs", at("samples")];
  await run(quantize, at("conv.onnx"), ...calibrated, "--io", "int8", "-o", at("int8.tflite"));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  process.exitCode = undefined;
});
afterEach(() => {
  process.exitCode = exitCode;
});

describe("convert, any to any", () => {
  test("ONNX to TFLite and on to ONNX and ORT, each proved on both runtimes", async () => {
    const there = await json(convert, at("conv.onnx"), "-o", at("there.tflite"), "--side-by-side", "--trials", "2");
    expect(there.output).toMatchObject({ format: "tflite", opset: 0, sha256: sha256(readFileSync(at("there.tflite"))) });
    expect(there.parity.inputs).toBe(2);
    expect(there.parity.runtime).toMatch(/^ort-node .* and litert /);
    expect(there.parity.worstRelative).toBeLessThan(1e-5);
    expect(there.sideBySide.outputs).toEqual([expect.objectContaining({ output: "y", cosine: expect.closeTo(1, 6) })]);
    expect(there.sideBySide.ratio.low).toBeGreaterThan(0);
    expect(there.sideBySide.reference.runtime).toContain("ort-node");
    expect(layoutOf(at("there.tflite"))).toMatchObject({ shape: [1, 24, 24, 8] });
    for (const name of ["back.onnx", "back.ort"]) {
      const back = await json(convert, at("there.tflite"), "-o", at(name));
      expect(back.input).toMatchObject({ format: "tflite", opset: 0 });
      expect(back.parity.worstRelative).toBeLessThan(1e-5);
      expect(back.output.opset).toBeGreaterThan(0);
    }
    const { graph } = modelFromOnnx(readFileSync(at("back.onnx")));
    expect(graph.inputs[0]).toMatchObject({ name: "x", type: { shape: [1, 8, 24, 24] } });
    expect(graph.nodes.map((n) => n.op)).toEqual(["Conv", "Relu"]);
  });

  test("layout, weights and slimness are what was asked for, and are smaller where they should be", async () => {
    const size = async (...args: readonly string[]): Promise<number> =>
      (await json(convert, at("conv.onnx"), "-o", at("option.tflite"), ...args)).output.sizeBytes;
    const plain = readFileSync(at("conv.tflite")).length;
    await size("--layout", "nchw");
    expect(layoutOf(at("option.tflite"))).toMatchObject({ shape: [1, 8, 24, 24] });
    expect(await size("--slim")).toBeLessThan(plain);
    expect(await size("--weights", "float16")).toBeLessThan(plain * 0.8);
    expect(await size("--weights", "dynamic-int8")).toBeLessThan(plain * 0.7);
    await expect(run(convert, at("conv.onnx"), "-o", at("option.tflite"), "--io", "int8")).rejects.toThrow(
      coded("USAGE", "floats"),
    );
  });

  test("weights that a TFLite file stores as float16 stay so, unless something else is asked for", async () => {
    await json(convert, at("conv.onnx"), "-o", at("half.tflite"), "--weights", "float16");
    const sizes = { half: readFileSync(at("half.tflite")).length, float: readFileSync(at("conv.tflite")).length };
    const again = await json(convert, at("half.tflite"), "-o", at("again.tflite"));
    expect(again.output.sizeBytes).toBeLessThan((sizes.half + sizes.float) / 2);
    const grown = await json(convert, at("half.tflite"), "-o", at("again.tflite"), "--weights", "float32");
    expect(grown.output.sizeBytes).toBeGreaterThan((sizes.half + sizes.float) / 2);
  });

  test("another batch is proved against the file that came in, run by run", async () => {
    const report = await json(convert, at("conv.tflite"), "-o", at("four.onnx"), "--batch", "4");
    expect(report.parity.worstRelative).toBeLessThan(1e-5);
    expect(modelFromOnnx(readFileSync(at("four.onnx"))).graph.outputs[0]?.type).toMatchObject({ shape: [4, 16, 24, 24] });
  });

  test("a quantized file stays quantized: to QDQ within a step of the grid, and to TFLite bit by bit", async () => {
    const same = await json(convert, at("int8.tflite"), "-o", at("same.tflite"), "--io", "int8");
    expect(same.parity.steps).toMatchObject({ worst: 0, equalShare: 1 });
    const qdq = await json(convert, at("int8.tflite"), "-o", at("qdq.onnx"));
    expect(qdq.parity.steps.worst).toBeLessThanOrEqual(1);
    expect(qdq.parity.steps.equalShare).toBeGreaterThan(0.99);
    expect(modelFromOnnx(readFileSync(at("qdq.onnx"))).graph.nodes.map((n) => n.op)).toContain("QuantizeLinear");
    const back = await json(convert, at("qdq.onnx"), "-o", at("back.tflite"), "--io", "int8");
    expect(back.parity.steps.worst).toBeLessThanOrEqual(1);
    const [first, last] = ["int8.tflite", "back.tflite"].map((name) => modelFromTflite(readFileSync(at(name))).plan?.tensors);
    expect([...(last?.values() ?? [])].map((e) => [e.dtype, e.scale, e.zeroPoint])).toEqual(
      [...(first?.values() ?? [])].map((e) => [e.dtype, e.scale, e.zeroPoint]),
    );
    expect(layoutOf(at("back.tflite"))).toMatchObject({ shape: [1, 24, 24, 8] });
  });
});

describe("quantize for LiteRT", () => {
  test("static int8 has float or integer borders, all of it in integers, and its plan gives the same bytes again", async () => {
    const out = at("static.tflite");
    const report = await json(quantize, at("conv.tflite"), "--target", "litert", "--inputs", at("samples"), "-o", out);
    expect(report.fusion.integer).toEqual([{ op: "CONV_2D", integer: 1, total: 1 }]);
    expect(report.fusion.quantizeNodes).toBe(2);
    expect(report.fusion.delegation).toMatchObject({ delegated: 3, total: 3, fallback: [] });
    expect(report.outputs[0].cosine).toBeGreaterThan(0.999);
    expect(report.outputs[0].cosine).toBeLessThan(1);
    await json(quantize, at("conv.tflite"), "--target", "litert", "--plan", report.plan, "-o", at("again.tflite"));
    expect(sha256(readFileSync(at("again.tflite")))).toBe(report.output.sha256);
    const integer = ["--target", "litert", "--plan", report.plan, "--io", "int8", "-o", at("integer.tflite")];
    expect((await json(quantize, at("conv.tflite"), ...integer)).fusion.quantizeNodes).toBe(0);
  });

  test("one node has 16-bit activations or stays in float as asked, and the plan gives the same bytes again", async () => {
    const made = (name: string, ...more: string[]) =>
      json(quantize, at("conv.onnx"), "--target", "litert", "-o", at(`${name}.tflite`), ...more);
    const calibrated = ["--inputs", at("samples")];
    const plain = JSON.parse(readFileSync((await made("plain", ...calibrated)).plan, "utf8"));
    const [conv = ""] = Object.keys(plain.nodes);
    const wide = await made("wide", ...calibrated, "--wide", conv);
    expect(JSON.parse(readFileSync(wide.plan, "utf8")).nodes[conv].precision).toBe("int16x8");
    expect((await made("wide-again", "--plan", wide.plan)).output.sha256).toBe(wide.output.sha256);
    const kept = await made("kept", ...calibrated, "--keep-float", conv);
    expect(JSON.parse(readFileSync(kept.plan, "utf8")).nodes[conv]).toMatchObject({
      precision: "float32",
      reason: "kept in float as asked",
    });
    await expect(made("no", ...calibrated, "--wide", "nowhere")).rejects.toThrow(coded("USAGE", "nowhere"));
    await expect(made("no", "--plan", wide.plan, "--wide", conv)).rejects.toThrow(coded("USAGE"));
  });

  test("int16x8, fp16 and dynamic are schemes of their own", async () => {
    const made = async (scheme: string, ...args: readonly string[]) =>
      json(quantize, at("conv.onnx"), "--target", "litert", "--scheme", scheme, "-o", at(`${scheme}.tflite`), ...args);
    const wide = await made("int16x8", "--inputs", at("samples"));
    expect(wide.scheme).toBe("static-int16x8");
    expect(wide.outputs[0].sqnrDb).toBeGreaterThan(42);
    expect((await made("fp16")).scheme).toBe("float16");
    expect((await made("dynamic")).outputs[0].cosine).toBeGreaterThan(0.999);
    const inspected = async (scheme: string): Promise<string> =>
      (await json(inspect, at(`${scheme}.tflite`), "--target", "litert")).tflite.quantization.kind;
    expect([await inspected("int16x8"), await inspected("fp16"), await inspected("dynamic")]).toEqual([
      "int16x8",
      "float16 weights",
      "dynamic-range int8",
    ]);
  });

  test("what a target has no form for is refused before any work", async () => {
    const forLitert = ["--target", "litert", "-o", at("no.tflite")];
    await expect(run(quantize, at("conv.onnx"), ...forLitert, "--scheme", "weights")).rejects.toThrow(coded("TARGET_RULE"));
    await expect(run(quantize, at("conv.onnx"), "--scheme", "int16x8", "-o", at("no.onnx"))).rejects.toThrow(
      coded("TARGET_RULE"),
    );
    await expect(run(quantize, at("conv.onnx"), "-o", at("no.tflite"))).rejects.toThrow(coded("USAGE", "ort-x64"));
    await expect(run(quantize, at("conv.onnx"), ...forLitert, "--scheme", "dynamic", "--io", "int8")).rejects.toThrow(
      coded("USAGE"),
    );
  });
});

describe("the other verbs on TFLite", () => {
  test("inspect says what stands in the file, and what the model in it is", async () => {
    const report = await json(inspect, at("int8.tflite"));
    expect(report.model).toMatchObject({ format: "tflite", opset: 0, inputs: ["x: f32[1, 8, 24, 24]"] });
    expect(report.tflite.inputs[0]).toMatch(/^x: i8\[1, 24, 24, 8\], scale /);
    expect(report.tflite.operators).toEqual([expect.objectContaining({ op: "CONV_2D", count: 1, integer: 1 })]);
    expect(report.tflite.quantization).toMatchObject({ kind: "int8", perChannel: 2 });
    expect(report.tflite.delegation).toMatchObject({ delegated: 1, total: 1 });
    const said = await run(inspect, at("int8.tflite"));
    expect(said).toContain("XNNPACK takes 1 of 1 operators");
    expect(said).not.toContain("undefined");
  });

  test("simplify writes either format, proves passes and files, and refuses what is quantized", async () => {
    for (const name of ["simple.tflite", "simple.onnx"]) {
      const report = await json(simplify, at("conv.tflite"), "-o", at(name));
      expect(report.proof.kind).toBe("proved");
      expect(report.parity.worstRelative).toBeLessThan(1e-5);
    }
    expect(modelFromOnnx(readFileSync(at("simple.onnx"))).graph.nodes.map((n) => n.op)).toEqual(["Conv", "Relu"]);
    expect(modelFromTflite(readFileSync(at("simple.tflite"))).model.graph.nodes).toHaveLength(2);
    await expect(run(simplify, at("int8.tflite"))).rejects.toThrow(coded("UNSUPPORTED_FORMAT", "quantized"));
  });

  test("compare holds files of two formats against each other, outputs on their runtimes and layers by name", async () => {
    const equal = await json(compare, at("conv.onnx"), at("conv.tflite"));
    expect(equal.outputs).toEqual([expect.objectContaining({ output: "y", cosine: expect.closeTo(1, 6) })]);
    expect(equal.runtime).toMatch(/ort-node .* and litert /);
    expect(equal.layersRuntime).toContain("ort-node");
    const coarse = await json(compare, at("conv.tflite"), at("int8.tflite"), "--inputs", at("samples"));
    expect(coarse.outputs[0].sqnrDb).toBeGreaterThan(30);
    expect(coarse.outputs[0].sqnrDb).toBeLessThan(60);
    expect(coarse.layers.map((l: { tensor: string }) => l.tensor)).toContain("y");
  });

  test("bench times files of two formats in turns, each on its runtime", async () => {
    const report = await json(bench, at("conv.onnx"), at("int8.tflite"), "--rounds", "2", "--runs", "2");
    expect(report.models.map((m: { runtime: string }) => m.runtime.split(" ")[0])).toEqual(["ort-node", "litert"]);
    for (const row of report.models) expect(row.p50Ms).toBeGreaterThan(0);
    expect(report.models[1].memory.growthBytes).toBeGreaterThan(0);
    expect(report.machine.runtimes).toHaveLength(2);
    await expect(run(bench, at("conv.tflite"), "--runtime", "ort-node")).rejects.toThrow(coded("USAGE", "litert"));
    const other = await json(bench, at("conv.tflite"), "--runtime", "tfjs-tflite", "--rounds", "1", "--runs", "1", "--no-memory");
    expect(other.models[0].runtime).toContain("tfjs-tflite");
  });

  test("profile asks the runtime that can tell operators apart", async () => {
    const report = await json(profile, at("conv.tflite"), "--runs", "3");
    expect(report.machine.runtimes[0].id).toBe("tfjs-tflite");
    expect(report.byOperator.length).toBeGreaterThan(0);
    const sum = report.byOperator.reduce((total: number, o: { timeUs: number }) => total + o.timeUs, 0);
    expect(sum).toBeCloseTo(report.totalUs, 6);
    await expect(run(profile, at("conv.tflite"), "--runtime", "litert")).rejects.toThrow(coded("RUNTIME_FAILED", "litert"));
  });

  test("models lists the TFLite network with its licence", async () => {
    const rows = await json(models, "list");
    expect(rows).toContainEqual(expect.objectContaining({ name: "mobilefacenet-sirius", licence: "MIT", sizeBytes: 5_233_396 }));
  });
});
