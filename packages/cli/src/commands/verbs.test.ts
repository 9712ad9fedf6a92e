import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { makeNode } from "@tessera/core/graph/node";
import { f32, view } from "@tessera/core/graph/tensor";
import { planFromJson } from "@tessera/core/quant/plan-json";
import { onnxFile } from "@tessera/testkit/onnx-file";
import { type Printed, printedBy } from "@tessera/testkit/printed";
import { convFile, convInput } from "@tessera/testkit/runtime-models";
import { type CommandDef, runCommand } from "citty";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { sha256, writeFile } from "../io/files.ts";
import { bench } from "./bench.ts";
import { compare } from "./compare.ts";
import { convert } from "./convert.ts";
import { inspect } from "./inspect.ts";
import { profile } from "./profile.ts";
import { quantize } from "./quantize.ts";
import { simplify } from "./simplify.ts";

// Sessions start in threads and processes of their own, several for each verb.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let model: string;
const exitCode = process.exitCode;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-verbs-"));
  model = join(folder, "conv.onnx");
  writeFile(model, convFile());
  for (let i = 0; i < 12; i++) writeFile(join(folder, "samples", `${i}.f32`), convInput(i + 1).bytes);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});
beforeEach(() => {
  process.exitCode = undefined;
});
afterEach(() => {
  process.exitCode = exitCode;
});

/** Runs a verb in this process. What it printed, and the exit code that it set. */
async function run(command: CommandDef, ...args: readonly string[]): Promise<Printed & { readonly code: unknown }> {
  const printed = await printedBy(() => runCommand(command, { rawArgs: [...args] }));
  return { ...printed, code: process.exitCode };
}

// biome-ignore lint/suspicious/noExplicitAny: reports are looked into field by field
async function json(command: CommandDef, ...args: readonly string[]): Promise<any> {
  const { out, code } = await run(command, ...args, "--json");
  expect(code).toBe(0);
  return JSON.parse(out);
}

const coded = (code: string, words = "") => expect.objectContaining({ code, message: expect.stringContaining(words) });

const TARGETS = [
  "ort-x64",
  "ort-x64-novnni",
  "ort-arm",
  "ort-web",
  "litert",
  "litert-xnnpack",
  "rpi4",
  "jetson-nano",
  "snapdragon-htp",
  "apple-ane",
  "mediatek-neuropilot",
  "intel-openvino",
  "cortex-m",
  "cortex-m4",
  "cortex-m7",
  "cortex-m55",
];

describe("inspect", () => {
  test("counts a convolution exactly and says what each target makes of it", async () => {
    const report = await json(inspect, model);
    expect(report.kind).toBe("tessera-inspect-report");
    expect(report.model).toMatchObject({
      sizeBytes: readFileSync(model).length,
      opset: 21,
      inputs: ["x: f32[1, 8, 24, 24]"],
      outputs: ["y: f32[1, 16, 24, 24]"],
      nodes: 2,
      parameters: 16 * 8 * 9 + 16,
      macs: 16 * 8 * 9 * 24 * 24,
      // The convolution's output and the activation's live at the same time.
      peakActivationBytes: 2 * 16 * 24 * 24 * 4,
      hazards: [],
    });
    expect(report.operators).toEqual({ Conv: 1, Relu: 1 });
    expect(report.dearest[0].op).toBe("Conv");
    // A convolution and its Relu are integers wherever there are integers.
    expect(report.targets.map((t: { id: string; integer: number; float: number }) => [t.id, t.integer, t.float])).toEqual(
      TARGETS.map((id) => (id === "apple-ane" ? [id, 0, 2] : [id, 2, 0])),
    );
  });

  test("names exotic nodes, tiny weights, free sizes and contradictions instead of failing", async () => {
    const path = join(folder, "exotic.onnx");
    writeFile(
      path,
      onnxFile({
        inputs: { x: ["float32", ["N", 4]] },
        outputs: { y: ["float32", ["N", 5]], z: ["float32", ["?"]] },
        nodes: [
          makeNode("Mul", { inputs: ["x", "w"], outputs: ["m"] }),
          makeNode("PRelu", { inputs: ["m", "s"], outputs: ["y"] }),
          makeNode("Wonder", { inputs: ["x"], outputs: ["z"] }, { domain: "com.example" }),
        ],
        constants: { w: f32([4], [1e-40, 1e-20, 1e6, 0]), s: f32([4], [1, 2, 3, 4]) },
        domains: { "com.example": 1 },
      }),
    );
    const report = await json(inspect, path, "--target", "ort-x64");
    const hazards = report.model.hazards.join("\n");
    expect(hazards).toContain("2 weights below 1e-10 (1 of them subnormal)");
    expect(hazards).toContain("1 weights above 65,504");
    expect(hazards).toContain("1 PRelu");
    expect(hazards).toContain("sizes in x");
    expect(hazards).toContain("com.example.Wonder");
    expect(report.problems.map((p: { says: string }) => p.says).join()).toContain("it is declared [N,5] and is [N,4]");
    expect(report.costUnknown).toHaveLength(1);
    expect(report.targets).toHaveLength(1);
    const { out } = await run(inspect, path);
    expect(out).toContain("hazard: ");
    expect(out).not.toContain("undefined");
  });

  test("lists targets without a model, and asks for a model otherwise", async () => {
    const report = await json(inspect, "--targets");
    expect(report.targets.map((t: { id: string }) => t.id)).toEqual(TARGETS);
    await expect(run(inspect)).rejects.toThrow(coded("USAGE"));
    await expect(run(inspect, model, "--target", "toaster")).rejects.toThrow(coded("UNKNOWN_TARGET", "ort-x64"));
  });
});

describe("simplify and convert", () => {
  test("simplify proves and writes a file that the report describes", async () => {
    const out = join(folder, "simple.onnx");
    const report = await json(simplify, model, "-o", out);
    expect(report.proof.kind).toBe("proved");
    expect(report.output.sizeBytes).toBe(readFileSync(out).length);
  });

  test("convert writes .onnx and .ort that compute the same, and the digest of what it wrote", async () => {
    for (const name of ["out.onnx", "out.ort"]) {
      const path = join(folder, name);
      const report = await json(convert, model, "-o", path);
      expect(report.output).toMatchObject({ file: path, format: name.slice(4), sha256: sha256(readFileSync(path)) });
      expect(report.parity.inputs).toBe(3);
      expect(report.parity.worstRelative).toBeLessThan(1e-4);
    }
    expect(String.fromCharCode(...readFileSync(join(folder, "out.ort")).subarray(4, 8))).toBe("ORTM");
    const newer = await json(convert, model, "-o", join(folder, "newer.onnx"), "--opset", "23");
    expect(newer.output.opset).toBe(23);
  });

  test("convert says why it cannot, and leaves no file", async () => {
    for (const name of ["no.c", "no", "no.constructor"]) {
      await expect(run(convert, model, "-o", join(folder, name))).rejects.toThrow(coded("UNSUPPORTED_FORMAT"));
      expect(existsSync(join(folder, name))).toBe(false);
    }
    const old = join(folder, "old.onnx");
    await expect(run(convert, model, "-o", old, "--opset", "9")).rejects.toThrow(coded("UNSUPPORTED_OPSET"));
    expect(existsSync(old)).toBe(false);
  });
});

describe("quantize", () => {
  test("static needs samples, makes the convolution integer, and its plan gives the same bytes again", async () => {
    const out = join(folder, "static.onnx");
    await expect(run(quantize, model, "-o", out)).rejects.toThrow(coded("CALIBRATION_EMPTY"));
    const report = await json(quantize, model, "-o", out, "--inputs", join(folder, "samples"));
    expect(report.fusion.integer).toEqual([{ op: "Conv", integer: 1, total: 1 }]);
    expect(report.outputs[0].cosine).toBeGreaterThan(0.999);
    expect(report.outputs[0].cosine).toBeLessThan(1);
    const plan = planFromJson(readFileSync(report.plan, "utf8"));
    expect(plan.calibration).toMatchObject({ samples: 12, method: "mse" });
    const again = join(folder, "again.onnx");
    await json(quantize, model, "-o", again, "--plan", report.plan);
    expect(sha256(readFileSync(again))).toBe(sha256(readFileSync(out)));
  });

  test("a node that the plan is edited to keep in float stays in float", async () => {
    const out = join(folder, "edited.onnx");
    const { plan } = await json(quantize, model, "-o", out, "--inputs", join(folder, "samples"));
    const edited = JSON.parse(readFileSync(plan, "utf8"));
    for (const choice of Object.values(edited.nodes) as { precision: string }[]) choice.precision = "float32";
    writeFile(join(folder, "float.plan.json"), JSON.stringify(edited));
    await json(quantize, model, "-o", out, "--plan", join(folder, "float.plan.json"));
    expect(modelFromOnnx(readFileSync(out)).graph.nodes.map((n) => n.op)).toEqual(["Conv", "Relu"]);
    edited.target = "ort-arm";
    writeFile(join(folder, "other.plan.json"), JSON.stringify(edited));
    await expect(run(quantize, model, "-o", out, "--plan", join(folder, "other.plan.json"))).rejects.toThrow(
      coded("PLAN_INVALID", "ort-arm"),
    );
    writeFile(join(folder, "broken.plan.json"), "{");
    await expect(run(quantize, model, "-o", out, "--plan", join(folder, "broken.plan.json"))).rejects.toThrow(
      coded("PLAN_INVALID"),
    );
  });

  test("dynamic, weights and fp16 weights need no samples and stay near float", async () => {
    for (const [scheme, ratio] of [
      ["dynamic", 0.6],
      ["weights", 0.6],
      ["fp16-weights", 0.8],
    ] as const) {
      const out = join(folder, `${scheme}.onnx`);
      const report = await json(quantize, model, "-o", out, "--scheme", scheme);
      expect(report.output.sizeBytes / report.input.sizeBytes).toBeLessThan(ratio);
      expect(report.outputs[0].cosine).toBeGreaterThan(0.999);
      expect(report.plan).toBeUndefined();
    }
  });
});

describe("a calibration cache", () => {
  const inputsOf = (name: string) => ["--inputs", join(folder, name)];
  const at = (name: string) => join(folder, name);
  beforeAll(() => {
    for (let i = 0; i < 10; i++) writeFile(join(folder, "elsewhere", `${i}.f32`), convInput(i + 50).bytes);
    for (let i = 0; i < 3; i++) writeFile(join(folder, "few", `${i}.f32`), convInput(i + 1).bytes);
    for (let i = 0; i < 12; i++) writeFile(join(folder, "both", `a${i}.f32`), convInput(i + 1).bytes);
    for (let i = 0; i < 10; i++) writeFile(join(folder, "both", `b${i}.f32`), convInput(i + 50).bytes);
  });

  test("is written once, and stands for the samples: the same plan without them", async () => {
    const wrote = await json(quantize, model, "-o", at("a.onnx"), ...inputsOf("samples"), "--calibration-cache", at("a.json"));
    expect(wrote.calibrationCache).toEqual({ file: at("a.json"), did: "wrote" });
    const read = await json(quantize, model, "-o", at("b.onnx"), "--calibration-cache", at("a.json"));
    expect(read.calibrationCache.did).toBe("read");
    expect(read.calibration).toEqual(wrote.calibration);
    expect(read.output.sha256).toBe(wrote.output.sha256);
    expect(readFileSync(read.plan, "utf8")).toBe(readFileSync(wrote.plan, "utf8"));
  });

  test("of two sites, equalized alike, gives the file that all samples in one place give", async () => {
    const [one, other] = [at("one.json"), at("other.json")];
    await json(quantize, model, "-o", at("one.onnx"), ...inputsOf("samples"), "--calibration-cache", one);
    await json(
      quantize,
      model,
      "-o",
      at("other.onnx"),
      ...inputsOf("elsewhere"),
      "--calibration-cache",
      other,
      "--equalize-by",
      one,
    );
    const merged = await json(quantize, model, "-o", at("merged.onnx"), "--calibration-cache", `${one},${other}`);
    const whole = await json(quantize, model, "-o", at("whole.onnx"), ...inputsOf("both"));
    expect(merged.calibration.samples).toBe(22);
    expect(merged.output.sha256).toBe(whole.output.sha256);
    await expect(run(quantize, model, "-o", at("no.onnx"), "--calibration-cache", `${one},${one}`)).rejects.toThrow(
      coded("CALIBRATION_CACHE", "are in two of them"),
    );
  });

  test("of another network, or one that is damaged, is refused with the way on", async () => {
    await json(quantize, model, "-o", at("c.onnx"), ...inputsOf("samples"), "--calibration-cache", at("c.json"));
    const read = (...args: string[]) => run(quantize, ...args, "-o", at("no.onnx"), "--calibration-cache", at("c.json"));
    writeFile(at("c.json"), readFileSync(at("c.json"), "utf8").replace(/"network": "[0-9a-f]{4}/, '"network": "0000'));
    await expect(read(model)).rejects.toThrow(
      expect.objectContaining({ code: "CALIBRATION_CACHE", hint: expect.stringContaining("model that was calibrated") }),
    );
    writeFile(at("c.json"), "{}");
    await expect(read(model)).rejects.toThrow(coded("CALIBRATION_CACHE", "version 1"));
  });

  test("a handful of samples is refused, and a warning stays with those who insist", async () => {
    const few = ["-o", at("few.onnx"), ...inputsOf("few")];
    await expect(run(quantize, model, ...few)).rejects.toThrow(coded("CALIBRATION_FEW", "3 samples"));
    const report = await json(quantize, model, ...few, "--few-samples", "--calibration-cache", at("few.json"));
    expect(report.notes.join()).toContain("only 3 calibration samples");
    expect(report.calibration.digest).toMatch(/^[0-9a-f]{64}$/);
    await expect(run(quantize, model, "-o", at("few.onnx"), "--calibration-cache", at("few.json"))).rejects.toThrow(
      coded("CALIBRATION_FEW"),
    );
  });
});

test("without data quantize calibrates on made-up inputs, says so in plan and report, and measures the cost on real ones", async () => {
  const out = join(folder, "made-up.onnx");
  const made = await json(quantize, model, "-o", out, "--calib", "synthetic", "--inputs", join(folder, "samples"));
  expect(made.notes[0]).toContain("synthetic inputs");
  expect(made.compared).toContain("12 samples");
  expect(planFromJson(readFileSync(made.plan, "utf8")).calibration).toMatchObject({
    samples: 128,
    synthetic: expect.stringContaining("noise"),
  });
  expect(made.outputs[0].cosine).toBeGreaterThan(0.9);
  const again = await json(quantize, model, "-o", join(folder, "again.onnx"), "--calib", "synthetic");
  expect(again.output.sha256).toBe(made.output.sha256);
  const cached = ["--calib", "synthetic", "--calibration-cache", join(folder, "made-up.json")];
  await expect(run(quantize, model, "-o", out, ...cached)).rejects.toThrow(coded("USAGE"));
});

test("fp16 computes in halves, looks at samples where there are some, and keeps inputs and outputs in float32", async () => {
  const out = join(folder, "fp16.onnx");
  const report = await json(quantize, model, "-o", out, "--scheme", "fp16", "--inputs", join(folder, "samples"));
  expect(report.notes.join()).toContain("2 nodes compute in float16, 0 stay in float32, 2 casts");
  expect(report.notes.join()).toContain("12 samples");
  expect(report.outputs[0].cosine).toBeGreaterThan(0.99999);
  expect(modelFromOnnx(readFileSync(out)).graph.inputs[0]?.type).toMatchObject({ dtype: "float32" });
});

test("convert --batch frees or changes the batch, and proves it", async () => {
  const free = join(folder, "free.onnx");
  const report = await json(convert, model, "-o", free, "--batch", "N");
  expect(report.parity.worstRelative).toBeLessThan(1e-5);
  expect(modelFromOnnx(readFileSync(free)).graph.inputs[0]?.type).toMatchObject({ shape: ["N", 8, 24, 24] });
  const four = join(folder, "four.onnx");
  expect((await json(convert, model, "-o", four, "--batch", "4")).parity.inputs).toBe(6);
  expect(modelFromOnnx(readFileSync(four)).graph.outputs[0]?.type).toMatchObject({ shape: [4, 16, 24, 24] });
  await expect(run(convert, model, "-o", four, "--batch", "1.5")).rejects.toThrow(coded("USAGE"));
});

describe("bench, profile and compare", () => {
  test("bench times every file, the first as the baseline", async () => {
    const ort = join(folder, "bench.ort");
    await json(convert, model, "-o", ort);
    const report = await json(bench, model, ort, "--rounds", "3", "--runs", "2", "--quiet");
    expect(report.models.map((m: { file: string; baseline: boolean; runs: number }) => [m.file, m.baseline, m.runs])).toEqual([
      [model, true, 6],
      [ort, false, 6],
    ]);
    for (const row of report.models) {
      expect(row.p50Ms).toBeGreaterThan(0);
      expect(row.p99Ms).toBeGreaterThanOrEqual(row.p50Ms);
      expect(row.memory.loadMs).toBeGreaterThan(0);
    }
    expect(report.models[0].speedup.value).toBe(1);
  });

  test("profile gives each operator its share, and the shares add up", async () => {
    const report = await json(profile, model, "--runs", "5");
    expect(report.byOperator.map((o: { op: string }) => o.op).join()).toMatch(/Conv/);
    const sum = report.byOperator.reduce((total: number, o: { timeUs: number }) => total + o.timeUs, 0);
    expect(sum).toBeCloseTo(report.totalUs, 6);
    await expect(run(profile, model, "--runtime", "ort-web")).rejects.toThrow(coded("RUNTIME_FAILED"));
  });

  test("compare finds a file equal to itself, and names the layer that was changed by as much as it was", async () => {
    const same = await json(compare, model, model);
    expect(same.outputs).toEqual([{ output: "y", sqnrDb: 200, cosine: 1, maxAbs: 0, relative: 0 }]);
    const original = modelFromOnnx(readFileSync(model));
    const bias = view(original.graph.constants.get("b") ?? expect.fail("b"), "float32");
    const changed = join(folder, "changed.onnx");
    writeFile(
      changed,
      onnxFile({
        inputs: { x: ["float32", [1, 8, 24, 24]] },
        outputs: { y: ["float32", [1, 16, 24, 24]] },
        nodes: original.graph.nodes,
        constants: {
          w: original.graph.constants.get("w") ?? expect.fail("w"),
          b: f32(
            [16],
            Array.from(bias, (v, i) => (i === 3 ? v + 0.5 : v)),
          ),
        },
      }),
    );
    const report = await json(compare, model, changed, "--inputs", join(folder, "samples"));
    expect(report.inputs).toContain("12 samples");
    const conv = report.layers.find((l: { op: string }) => l.op === "Conv");
    expect(conv.maxAbs).toBeCloseTo(0.5, 4);
    expect(report.outputs[0].maxAbs).toBeLessThanOrEqual(conv.maxAbs + 1e-6);
    const { out } = await run(compare, model, changed);
    expect(out).toContain("worst: c (Conv)");
  });
});

test("no verb leaves a part of a file behind, and progress goes to stderr alone", async () => {
  const { out, err } = await run(convert, model, "-o", join(folder, "last.onnx"));
  expect(out).toContain("written: ");
  expect(err).toContain("comparing with the original");
  expect(out).not.toContain("comparing with");
  expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
});
