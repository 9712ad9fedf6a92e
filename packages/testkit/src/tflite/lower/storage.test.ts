import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import { lowerTflite } from "@tessera/core/convert/tflite/lower";
import { storeFloat16 } from "@tessera/core/convert/tflite/storage/float16";
import { slimTflite } from "@tessera/core/convert/tflite/storage/slim";
import { firstDifference } from "@tessera/core/formats/flatbuffer/difference";
import { builtinOperatorName } from "@tessera/core/formats/tflite/builtin-operators";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { TfliteDraft } from "@tessera/core/formats/tflite/schema";
import { writeTflite } from "@tessera/core/formats/tflite/write";
import type { Model, Node } from "@tessera/core/graph/model";
import { makeNode } from "@tessera/core/graph/node";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { interpret } from "@tessera/core/interp/run";
import { beforeAll, describe, expect, it } from "vitest";
import { seededTensor } from "../../op-arbitraries.ts";
import { sharedDir } from "../../shared.ts";
import { openRuntimes, type RuntimeName, type Runtimes, runFile } from "./on-runtimes.ts";
import { caseModel } from "./prove.ts";

const shared = sharedDir();

function load(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(shared ?? "", "models", name)));
}

let runtimes: Runtimes;
beforeAll(async () => {
  runtimes = await openRuntimes();
});

function eachRuntime(check: (name: RuntimeName) => Promise<void>): Promise<void> {
  return (["LiteRT", "tfjs-tflite"] as const).reduce((before, name) => before.then(() => check(name)), Promise.resolve());
}

function versionsOf(records: TfliteDraft): readonly string[] {
  return (records.operatorCodes ?? []).map((c) => `${builtinOperatorName(c.builtinCode ?? 0)}@${c.version}`);
}

function cosine(a: Tensor, b: Tensor): number {
  const [x, y] = [toNumbers(a), toNumbers(b)];
  const dot = (p: Float64Array, q: Float64Array): number => p.reduce((sum, v, i) => sum + v * (q[i] as number), 0);
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

describe("how weights are stored", () => {
  it("constants with numbers beyond float16 stay float32", () => {
    const w = new Float32Array(128).fill(1);
    w[3] = 1e6;
    const { records, report } = lowerTflite(
      caseModel({ op: "Mul", inputs: [seededTensor("float32", [128], { seed: 1 }), f32([128], w)], constant: [1] }),
      { weights: "float16" },
    );
    expect(report.storage?.changed).toBe(0);
    expect([...(report.storage?.kept.values() ?? [])]).toEqual(["it has numbers beyond float16"]);
    expect(storeFloat16(records).records).toBe(records);
  });

  it("float16 constants are read through DEQUANTIZE, as one rounding of the weights", async () => {
    const w = seededTensor("float32", [8, 4, 3, 3], { seed: 2, min: -1, max: 1 });
    const x = seededTensor("float32", [1, 4, 9, 9], { seed: 1 });
    const model = caseModel({ op: "Conv", inputs: [x, w], constant: [1], attributes: { kernel_shape: [3, 3] } });
    const { records, report } = lowerTflite(model, { weights: "float16", layout: "nchw" });
    expect(report.operators.get("DEQUANTIZE")).toBe(1);
    expect(versionsOf(records)).toContain("DEQUANTIZE@3");
    const want = interpret(model.graph, new Map([["x0", x]]));
    await eachRuntime(async (name) => {
      const got = await runFile(
        runtimes[name],
        { bytes: writeTflite(records), records },
        { feeds: new Map([["x0", x]]), like: want },
      );
      const [a, b] = [toNumbers(got.get("y0") as Tensor), toNumbers(want.get("y0") as Tensor)];
      // 36 products of numbers up to 10 and weights that are off by at most 2^-12.
      const worst = a.reduce((m, v, i) => Math.max(m, Math.abs(v - (b[i] as number))), 0);
      expect(worst).toBeLessThan((36 * 10) / 4096);
      expect(worst).toBeGreaterThan(0);
    });
  });

  it.each([
    ["Conv", [64, 16, 3, 3], 1, "CONV_2D@5"],
    ["Conv", [128, 1, 3, 3], 128, "DEPTHWISE_CONV_2D@6"],
  ] as const)("dynamic int8 weights of %s %s have a scale for each output channel", async (op, shape, group, version) => {
    const w = seededTensor("float32", shape, { seed: 2, min: -1, max: 1 });
    const x = seededTensor("float32", [1, group === 1 ? 16 : group, 8, 8], { seed: 1, min: -1, max: 1 });
    const model = caseModel({ op, inputs: [x, w], constant: [1], attributes: { group, kernel_shape: [3, 3] } });
    const { records } = lowerTflite(model, { weights: "dynamic-int8", layout: "nchw" });
    expect(versionsOf(records)).toContain(version);
    const want = interpret(model.graph, new Map([["x0", x]]));
    await eachRuntime(async (name) => {
      const got = await runFile(
        runtimes[name],
        { bytes: writeTflite(records), records },
        { feeds: new Map([["x0", x]]), like: want },
      );
      expect(cosine(got.get("y0") as Tensor, want.get("y0") as Tensor)).toBeGreaterThan(0.9999);
    });
  });

  /** Rows of three sizes, each 30 dB above the next. */
  const unequalRows = (rows: number, columns: number): Tensor => {
    const even = toNumbers(seededTensor("float32", [rows, columns], { seed: 2, min: -1, max: 1 }));
    return f32(
      [rows, columns],
      Float32Array.from(even, (v, i) => v * 0.03 ** (Math.floor(i / columns) % 3)),
    );
  };

  it("dynamic int8 weights whose rows are of unequal size keep the digits of the small ones, bias and activation too", async () => {
    const [x, w] = [seededTensor("float32", [3, 40], { seed: 1, min: -1, max: 1 }), unequalRows(48, 40)];
    // Biases as unequal as the rows: what is lost in small rows shows in their own cosine alone.
    const b = f32(
      [48],
      Float32Array.from({ length: 48 }, (_, r) => 0.3 * 0.03 ** (r % 3)),
    );
    const gemm = caseModel({ op: "Gemm", inputs: [x, w, b], constant: [1, 2], attributes: { transB: 1 } });
    const [node] = gemm.graph.nodes as readonly [Node];
    const model: Model = {
      ...gemm,
      graph: { ...gemm.graph, nodes: [{ ...node, outputs: ["sums"] }, makeNode("Relu", { inputs: ["sums"], outputs: ["y0"] })] },
    };
    const { records, report } = lowerTflite(model, { weights: "dynamic-int8" });
    expect([...report.operators]).toEqual([
      ["FULLY_CONNECTED", 1],
      ["MUL", 1],
    ]);
    const want = toNumbers(interpret(model.graph, new Map([["x0", x]])).get("y0") as Tensor);
    const every = (values: ArrayLike<number>, rest: number): Tensor => {
      const own = Array.from(values).filter((_, i) => i % 3 === rest);
      return f32([own.length], own);
    };
    await eachRuntime(async (name) => {
      const like = new Map([["y0", f32([3, 48], Float32Array.from(want))]]);
      const got = await runFile(runtimes[name], { bytes: writeTflite(records), records }, { feeds: new Map([["x0", x]]), like });
      const values = toNumbers(got.get("y0") as Tensor);
      for (const rest of [0, 1, 2]) expect(cosine(every(values, rest), every(want, rest))).toBeGreaterThan(0.999);
      expect(values.every((v) => v >= 0)).toBe(true);
    });
  });

  it("weights that steps of a recurrent layer share are stored once, in every storage", () => {
    const [inputs, hidden, steps] = [8, 32, 6];
    const random = (shape: readonly number[], seed: number): Tensor => seededTensor("float32", shape, { seed, min: -1, max: 1 });
    const model = caseModel({
      op: "LSTM",
      inputs: [random([steps, 1, inputs], 1), random([1, 4 * hidden, inputs], 2), random([1, 4 * hidden, hidden], 3)],
      constant: [1, 2],
      attributes: { hidden_size: hidden },
      outputs: ["y0"],
    });
    for (const weights of ["float32", "float16", "dynamic-int8"] as const) {
      const { records } = lowerTflite(model, { weights, recurrent: "unrolled" });
      const [graph] = records.subgraphs ?? [];
      const recurrent = (graph?.tensors ?? []).filter((t) => `${t.shape}` === `${4 * hidden},${hidden}` && t.buffer);
      expect(recurrent.length, weights).toBe(1);
      const size = (records.buffers ?? []).reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
      expect(size, weights).toBeLessThan(4 * 4 * hidden * (inputs + hidden + 4) + 2048);
    }
  });

  it("a small product of the model's own inputs stays float, a large one does not", () => {
    const product = (inputs: number, hidden: number): Model => {
      const first = caseModel({
        op: "Gemm",
        inputs: [seededTensor("float32", [1, inputs], { seed: 1 }), seededTensor("float32", [hidden, inputs], { seed: 2 })],
        constant: [1],
        attributes: { transB: 1 },
      });
      const [node] = first.graph.nodes as readonly [Node];
      const second = makeNode("Gemm", { inputs: ["h", "w2"], outputs: ["y0"] }, { attributes: { transB: 1 } });
      const constants = new Map([
        ...first.graph.constants,
        ["w2", seededTensor("float32", [hidden, hidden], { seed: 3 })] as const,
      ]);
      return { ...first, graph: { ...first.graph, constants, nodes: [{ ...node, outputs: ["h"] }, second] } };
    };
    const changed = (inputs: number, hidden: number): unknown =>
      lowerTflite(product(inputs, hidden), { weights: "dynamic-int8" }).report.storage?.changed;
    expect(changed(16, 256)).toBe(1);
    expect(changed(64, 256)).toBe(2);
  });

  it("dynamic int8 weights of a product have one scale, and small ones stay", async () => {
    const make = (n: number): Model =>
      caseModel({
        op: "Gemm",
        inputs: [seededTensor("float32", [1, 32], { seed: 1 }), seededTensor("float32", [n, 32], { seed: 2 })],
        constant: [1],
        attributes: { transB: 1 },
      });
    expect(lowerTflite(make(8), { weights: "dynamic-int8" }).report.storage?.changed).toBe(0);
    const model = make(64);
    const { records } = lowerTflite(model, { weights: "dynamic-int8" });
    expect(versionsOf(records)).toEqual(["FULLY_CONNECTED@3"]);
    const x = seededTensor("float32", [1, 32], { seed: 5 });
    const want = interpret(model.graph, new Map([["x0", x]]));
    await eachRuntime(async (name) => {
      const file = { bytes: writeTflite(records), records };
      const got = await runFile(runtimes[name], file, { feeds: new Map([["x0", x]]), like: want });
      expect(cosine(got.get("y0") as Tensor, want.get("y0") as Tensor)).toBeGreaterThan(0.999);
    });
  });

  it.skipIf(shared === undefined)("TinySV keeps its embedding in every storage (skipped without the shared models)", async () => {
    const model = modelFromOnnx(load("voice/tinysv-dvector-256.onnx"));
    const x = seededTensor("float32", [1, 1, 49, 40], { seed: 3 });
    const want = interpret(model.graph, new Map([["mfcc", x]]));
    const sizes: Record<string, number> = {};
    for (const weights of ["float32", "float16", "dynamic-int8"] as const) {
      const { records } = lowerTflite(model, { weights, slim: true, layout: "nchw" });
      const bytes = writeTflite(records, { share: true });
      sizes[weights] = bytes.length;
      await eachRuntime(async (name) => {
        const got = await runFile(runtimes[name], { bytes, records }, { feeds: new Map([["mfcc", x]]), like: want });
        const near = { float32: 0.9999999, float16: 0.99999, "dynamic-int8": 0.999 }[weights];
        expect(cosine(got.get("dvector") as Tensor, want.get("dvector") as Tensor)).toBeGreaterThan(near);
      });
    }
    expect(sizes["float16"]).toBeLessThan(0.55 * (sizes["float32"] as number));
    expect(sizes["dynamic-int8"]).toBeLessThan(0.33 * (sizes["float32"] as number));
  });
});

/** Files of other software, and how much of each goes. */
const SLIM = [
  ["mcu/mlperf-tiny-kws-dscnn-int8.tflite", 0.63],
  ["mcu/mlperf-tiny-vww-mobilenet-int8.tflite", 0.77],
  ["face-liveness/deeptree-antispoof-256-fp16.tflite", 0.99],
] as const;

describe("slim files", () => {
  it.skipIf(shared === undefined).each(SLIM)("%s computes the same bits without what nobody reads", async (name, share) => {
    const file = load(name);
    const records = slimTflite(readTflite(file));
    const slim = writeTflite(records, { share: true });
    expect(slim.length).toBeLessThan(share * file.length);
    expect(firstDifference(readTflite(slim), readTflite(writeTflite(records)))).toBeUndefined();
    const fill = (_: number, size: number): Uint8Array =>
      name.includes("int8")
        ? Uint8Array.from({ length: size }, (_v, i) => (37 * i) & 255)
        : new Uint8Array(seededTensor("float32", [size / 4], { seed: 1, min: 0, max: 1 }).bytes);
    await eachRuntime(async (runtime) => {
      const before = await runtimes[runtime].run(file, fill);
      expect(await runtimes[runtime].run(slim, fill)).toEqual(before);
    });
  });

  it("a list of zero points that is shorter than that of scales is refused by both runtimes, and so is none", async () => {
    if (shared === undefined) return;
    const records = slimTflite(readTflite(load(SLIM[0][0])));
    const [graph = {}] = records.subgraphs ?? [];
    for (const zeroPoint of [BigInt64Array.of(0n), undefined]) {
      const tensors = graph.tensors?.map((t) => {
        if ((t.quantization?.scale?.length ?? 0) < 2) return t;
        const { zeroPoint: _old, ...rest } = t.quantization as NonNullable<typeof t.quantization>;
        return { ...t, quantization: zeroPoint === undefined ? rest : { ...rest, zeroPoint } };
      });
      const file = writeTflite({ ...records, subgraphs: [{ ...graph, ...(tensors && { tensors }) }] });
      await eachRuntime(async (name) => {
        await expect(runtimes[name].run(file, (_, size) => new Uint8Array(size))).rejects.toThrow();
      });
    }
  });

  it("inputs, outputs and the signature keep their names; inner tensors have none", () => {
    const x = seededTensor("float32", [1, 4], { seed: 1 });
    const model = caseModel({ op: "Softplus", inputs: [x] });
    const file = readTflite(modelToTflite(model, { slim: true }));
    const [graph] = file.subgraphs ?? [];
    const io = new Set([...(graph?.inputs ?? []), ...(graph?.outputs ?? [])]);
    graph?.tensors?.forEach((t, i) => {
      expect(t.name === undefined).toBe(!io.has(i));
    });
    expect(file.description).toBeUndefined();
    expect(file.signatureDefs?.[0]?.inputs?.[0]).toMatchObject({ name: "x0", tensorIndex: graph?.inputs?.[0] });
    expect(file.signatureDefs?.[0]?.outputs?.[0]).toMatchObject({ name: "y0", tensorIndex: graph?.outputs?.[0] });
  });
});
