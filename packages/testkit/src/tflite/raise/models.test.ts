import { readFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import type { RaisedTflite } from "@tessera/core/convert/tflite/raise";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { Model } from "@tessera/core/graph/model";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import { f32, type Tensor, toNumbers, view } from "@tessera/core/graph/tensor";
import { rebatch } from "@tessera/core/passes/rebatch";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { describe, expect, it } from "vitest";
import { sharedDir } from "../../shared.ts";
import { realRuntimes } from "./check.ts";
import { movedAxis } from "./one-operator.ts";

const shared = sharedDir();
const runtimes = realRuntimes();

const SIRIUS = "face-embedding/mobilefacenet-sirius-192-batch2.tflite";
const ULTRALIGHT = "face-detection/ultralight-rfb-320.tflite";
const DEEPTREE = "face-liveness/deeptree-antispoof-256-fp16.tflite";
const KWS_DYNAMIC = "mcu/mlperf-tiny-kws-dscnn-float32.tflite";
const KWS = "mcu/mlperf-tiny-kws-dscnn-int8.tflite";
const VWW_FLOAT = "mcu/mlperf-tiny-vww-mobilenet-float32.tflite";
const VWW = "mcu/mlperf-tiny-vww-mobilenet-int8.tflite";
const LSTM_FLOAT = "mcu/tflm-mnist-lstm-float32.tflite";
const LSTM = "mcu/tflm-mnist-lstm-int8.tflite";

function load(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(shared ?? "", "models", name)));
}

const nodes = (model: Model, op: string): number => model.graph.nodes.filter((node) => node.op === op).length;

/** Seeded input in the layout of the file, in -1..1. */
function inputOf({ model, moved }: RaisedTflite, seed: number): Tensor {
  const [input] = model.graph.inputs;
  if (input?.type.kind !== "tensor") throw new Error("the model has no input");
  const shape = input.type.shape as readonly number[];
  const [n = 0, c = 0, ...rest] = shape;
  const own = moved.includes(input.name) ? [n, ...rest, c] : shape;
  const random = seededRandom(seed);
  return f32(
    own,
    Float32Array.from({ length: own.reduce((a, b) => a * b, 1) }, () => 2 * random.next() - 1),
  );
}

/** What ONNX Runtime makes of a raised model, outputs in order. */
async function onOrt(model: Model, raised: RaisedTflite, x: Tensor): Promise<readonly Tensor[]> {
  const runtime = await ortNodeRuntime();
  const session = await runtime.load(modelToOnnx(model));
  const [input] = model.graph.inputs;
  const name = input?.name ?? "";
  const made = await session.run(new Map([[name, raised.moved.includes(name) ? movedAxis(x, x.shape.length - 1, 1) : x]]));
  await session.close();
  return model.graph.outputs.map((output) => made.get(output.name) as Tensor);
}

interface Distance {
  readonly worst: number;
  readonly cosine: number;
}

function distance(a: ArrayLike<number>, b: ArrayLike<number>): Distance {
  expect(a.length).toBe(b.length);
  let [worst, ab, aa, bb] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    worst = Math.max(worst, Math.abs(x - y));
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return { worst, cosine: ab / Math.sqrt(aa * bb) };
}

const floats = (bytes: Uint8Array): Float32Array => new Float32Array(bytes.slice().buffer);

describe.skipIf(shared === undefined)("real TFLite files, raised (skipped without the shared models)", () => {
  it("the face network for pairs becomes 33 PRelu, runs for one picture, and gives the embeddings of LiteRT", async () => {
    const file = load(SIRIUS);
    const raised = modelFromTflite(file);
    expect(nodes(raised.model, "Transpose")).toBe(0);
    expect(raised.plan).toBeUndefined();
    // No proof on random inputs here: LiteRT is the proof.
    const { model: simple } = await simplifyModel(raised.model, { prove: false });
    expect([nodes(simple, "PRelu"), nodes(simple, "Conv"), nodes(simple, "Abs"), nodes(simple, "Mul")]).toEqual([33, 52, 0, 0]);
    const single = rebatch(simple, { batch: 1 });
    for (const seed of [1, 2]) {
      const pair = inputOf(raised, seed);
      const [theirs] = await runtimes.litert().run(file, () => pair.bytes);
      const both = floats(theirs as Uint8Array);
      const [ours] = (await onOrt(simple, raised, pair)) as [Tensor];
      expect(distance(view(ours, "float32"), both).cosine).toBeGreaterThan(0.999999);
      const half = view(pair, "float32").slice(0, view(pair, "float32").length / 2);
      const [first] = (await onOrt(single, raised, f32([1, 112, 112, 3], half))) as [Tensor];
      expect(distance(view(first, "float32"), both.slice(0, 192)).cosine).toBeGreaterThan(0.999999);
    }
  });

  it("the face detector with wrong declared shapes agrees with tfjs-tflite, and transposes only before its heads are flattened", async () => {
    const file = load(ULTRALIGHT);
    const raised = modelFromTflite(file);
    expect(nodes(raised.model, "Transpose")).toBe(8);
    expect(raised.notes.join("\n")).toContain("Identity [1,1,4] is [1,4420,4]");
    const dilated = raised.model.graph.nodes.filter((n) => {
      const dilations = n.attributes.get("dilations");
      return dilations?.kind === "ints" && dilations.value.some((d) => d !== 1);
    });
    expect(dilated.length).toBe(3);
    const x = inputOf(raised, 3);
    const theirs = await runtimes.tfjs().run(file, () => x.bytes);
    const ours = await onOrt(raised.model, raised, x);
    for (const [i, tensor] of ours.entries())
      expect(distance(view(tensor, "float32"), floats(theirs[i] as Uint8Array)).worst).toBeLessThan(1e-4);
    // Its twin in the other format has scores first, and batch normalization that was folded elsewhere.
    const twin = modelFromOnnx(load(ULTRALIGHT.replace(".tflite", ".onnx")));
    const [scores, boxes] = (await onOrt(twin, { ...raised, moved: [twin.graph.inputs[0]?.name ?? ""] }, x)) as [Tensor, Tensor];
    for (const [i, tensor] of [boxes, scores].entries())
      expect(distance(view(ours[i] as Tensor, "float32"), view(tensor, "float32")).worst).toBeLessThan(1e-3);
  });

  it("the anti-spoofing tree with float16 weights agrees with LiteRT, without a Transpose", async () => {
    const file = load(DEEPTREE);
    const raised = modelFromTflite(file);
    expect(nodes(raised.model, "Transpose")).toBe(0);
    expect(raised.notes).toContain("211 float16 constants became float32");
    expect([...raised.model.graph.constants.values()].some((t) => t.dtype === "float16")).toBe(false);
    const x = inputOf(raised, 4);
    const theirs = await runtimes.litert().run(file, () => x.bytes);
    const ours = await onOrt(raised.model, raised, x);
    for (const [i, tensor] of ours.entries())
      expect(distance(view(tensor, "float32"), floats(theirs[i] as Uint8Array)).worst).toBeLessThan(1e-4);
  });

  it.each([
    [VWW_FLOAT, "litert", 1e-5],
    [LSTM_FLOAT, "tfjs", 1e-5],
    // Its kernels quantize activations as they come: the float graph is the exact form.
    [KWS_DYNAMIC, "litert", 0.03],
  ] as const)("%s agrees with %s", async (name, judge, bound) => {
    const file = load(name);
    const raised = modelFromTflite(file);
    for (const seed of [5, 6, 7]) {
      const x = inputOf(raised, seed);
      const [theirs] = await runtimes[judge]().run(file, () => x.bytes);
      const [ours] = (await onOrt(raised.model, raised, x)) as [Tensor];
      expect(distance(view(ours, "float32"), floats(theirs as Uint8Array)).worst).toBeLessThan(bound);
    }
  });

  it("dynamic-range weights are in the plan, and computed in float", () => {
    const { plan, model } = modelFromTflite(load(KWS_DYNAMIC));
    const encoded = [...(plan?.tensors ?? [])];
    expect(encoded.length).toBeGreaterThan(0);
    for (const [name, encoding] of encoded) {
      expect([encoding.dtype, model.graph.constants.get(name)?.dtype]).toEqual(["int8", "float32"]);
    }
    expect(new Set([...(plan?.nodes.values() ?? [])].map((c) => c.precision))).toEqual(new Set(["float32"]));
  });

  it.each([KWS, VWW])(
    "%s: the plan applied to the float graph gives the integers of LiteRT, but for a step or two",
    async (name) => {
      const file = load(name);
      const raised = modelFromTflite(file);
      const { model, plan } = raised;
      const [input, output] = [model.graph.inputs[0]?.name ?? "", model.graph.outputs[0]?.name ?? ""];
      const [from, to] = [plan?.tensors.get(input), plan?.tensors.get(output)];
      if (plan === undefined || from === undefined || to === undefined) throw new Error("the ends are not encoded");
      const quantized = applyPlan(model, plan);
      for (const seed of [11, 12, 13]) {
        const x = inputOf(raised, seed);
        // Over the whole range that the integers of the input have.
        const wide = f32(
          x.shape,
          view(x, "float32").map((v) => v * 128 * (from.scale[0] as number)),
        );
        const fed = quantizeTensor(wide, from);
        const [theirs] = await runtimes.litert().run(file, () => fed.bytes);
        const [ours] = (await onOrt(quantized, raised, wide)) as [Tensor];
        const own = view(quantizeTensor(ours, to), "int8");
        const real = new Int8Array((theirs as Uint8Array).slice().buffer);
        expect(distance(own, real).worst).toBeLessThanOrEqual(3);
      }
    },
  );

  it.each([
    [KWS, KWS_DYNAMIC],
    [VWW, VWW_FLOAT],
    [LSTM, LSTM_FLOAT],
  ])("%s becomes a float graph close to %s, and a plan with every integer tensor of the file", async (name, twin) => {
    const raised = modelFromTflite(load(name));
    const { model, plan } = raised;
    const [graph] = readTflite(load(name)).subgraphs ?? [];
    const used = new Set([...(graph?.operators ?? []).flatMap((o) => [...(o.inputs ?? []), ...(o.outputs ?? [])])]);
    const integers = (graph?.tensors ?? []).filter((t, i) => used.has(i) && (t.quantization?.scale?.length ?? 0) > 0);
    // The four gates of an LSTM are one tensor each of weights, recurrent weights and biases in ONNX.
    const merged = name === LSTM ? 9 : 0;
    expect(plan?.tensors.size).toBeGreaterThanOrEqual(integers.length - merged);
    const values = new Set([
      ...model.graph.inputs.map((i) => i.name),
      ...model.graph.nodes.flatMap((n) => n.outputs),
      ...model.graph.constants.keys(),
    ]);
    expect([...(plan?.tensors.keys() ?? [])].filter((tensor) => !values.has(tensor))).toEqual([]);
    // Nothing between a layer and the activation that it absorbs.
    for (const node of model.graph.nodes) {
      if (node.op === "Relu")
        expect([plan?.tensors.has(node.inputs[0] ?? ""), plan?.tensors.has(node.outputs[0] ?? "")]).toEqual([false, true]);
    }
    // Constants are what the integers of the file stand for: they come back as the same integers.
    const byName = new Map((graph?.tensors ?? []).map((t) => [t.name ?? "", t]));
    let compared = 0;
    for (const [tensor, encoding] of plan?.tensors ?? []) {
      const constant = model.graph.constants.get(tensor);
      const source = byName.get(tensor);
      if (constant === undefined || source === undefined || encoding.dtype !== "int8") continue;
      const bytes = readTflite(load(name)).buffers?.[source.buffer]?.data ?? new Uint8Array(0);
      const ours = [...view(quantizeTensor(constant, encoding), "int8")].sort((a, b) => a - b);
      expect(ours).toEqual([...new Int8Array(bytes.slice().buffer)].sort((a, b) => a - b));
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
    const x = inputOf(raised, 8);
    const other = modelFromTflite(load(twin));
    const [a] = (await onOrt(model, raised, x)) as [Tensor];
    const [b] = (await onOrt(other.model, other, x)) as [Tensor];
    expect(distance(toNumbers(a), toNumbers(b)).cosine).toBeGreaterThan(0.97);
  });
});
