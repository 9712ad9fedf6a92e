/**
 * What each range and weight method does to a face network: calibrated on some calibration people, measured on others. Run from the root:
 *
 *   npx tsx --conditions=source bench/quant-methods.ts --shared ../shared [--model foamliu|sirius] [--cache DIR] [--only WORD,WORD] [--calibrate 200]
 *
 * A table goes to stderr, one JSON object to stdout. Plans run as QDQ files on ONNX Runtime, whatever their target. All pairs of the measured people are
 * impostors: each has one picture.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { parseManifest } from "@tessera/core/biometrics/dataset";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32, view } from "@tessera/core/graph/tensor";
import { type FaceEmbeddingCard, faceDetectorCard, faceEmbeddingCard } from "@tessera/core/modality/card";
import { acquireFaces } from "@tessera/core/modality/face/acquire";
import { cropAt, type FaceCrops } from "@tessera/core/modality/face/crops";
import { batchShape } from "@tessera/core/modality/face/embed";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { correctBiases } from "@tessera/core/quant/correct-bias";
import { type InputCovariance, observeCovariances } from "@tessera/core/quant/covariance";
import { embeddingTensor, observeEmbeddingRange } from "@tessera/core/quant/embedding-scale";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeSaturation, relaxClips } from "@tessera/core/quant/equalize-relax";
import { type Observations, observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { type Placement, placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import type { RangeChoice } from "@tessera/core/quant/range";
import { covariancePlaces, roundWeights } from "@tessera/core/quant/round-weights";
import { type StaticPlanOptions, staticPlan } from "@tessera/core/quant/static-plan";
import { writePixels } from "@tessera/core/signal/pixels";
import { LITERT } from "@tessera/core/targets/litert";
import { ORT_X64 } from "@tessera/core/targets/ort";
import type { Target } from "@tessera/core/targets/target";
import { readImage } from "@tessera/media/images";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardOf } from "@tessera/testkit/cards";

const { values: flags } = parseArgs({
  options: {
    shared: { type: "string", default: "../shared" },
    model: { type: "string", default: "foamliu" },
    cache: { type: "string" },
    only: { type: "string" },
    calibrate: { type: "string", default: "200" },
    people: { type: "string", default: "300" },
  },
});

const NETWORKS = {
  foamliu: { card: "mobilefacenet-foamliu-128", file: "mobilefacenet-foamliu-128.onnx", target: ORT_X64 },
  sirius: { card: "mobilefacenet-sirius-192", file: "mobilefacenet-sirius-192-batch2.tflite", target: LITERT },
} as const;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const network = NETWORKS[flags.model as keyof typeof NETWORKS];
if (network === undefined) throw fail("USAGE", `Cannot measure "${flags.model}": known are ${Object.keys(NETWORKS).join(", ")}`);
const target: Target = network.target;
const card: FaceEmbeddingCard = faceEmbeddingCard(cardOf(network.card));
// Dozens of short sessions: a thread for each would take longer to start than what it runs.
const runtime = await ortNodeRuntime({ worker: false });
const open = (model: Model) => runtime.load(modelToOnnx(model), { threads: 1 });

async function calibrationFaces(): Promise<FaceCrops> {
  const folder = join(flags.shared, "data/lfw");
  const manifest = parseManifest(readFileSync(join(folder, "manifest.csv"), "utf8"), { file: "manifest.csv" });
  const roles = manifest.columns.get("role") ?? [];
  const names = manifest.paths.filter((_, row) => roles[row] === "calib").slice(0, Number(flags.people));
  const { width, height } = card.input;
  const path = flags.cache === undefined ? undefined : join(flags.cache, `calib-${names.length}-${width}x${height}.u8`);
  const size = width * height * 3;
  if (path !== undefined && existsSync(path)) {
    const data = new Uint8Array(readFileSync(path));
    const count = data.length / size;
    return { kind: "crops", width, height, count, data, names, acquired: new Uint8Array(count).fill(1), failures: [] };
  }
  const detector = {
    session: await runtime.load(readFileSync(join(flags.shared, "models/face-detection/yunet-n-320.onnx"))),
    card: faceDetectorCard(cardOf("yunet-n-320")),
  };
  const sources = names.map((name) => ({ name, load: () => readImage(join(folder, name)) }));
  const crops = await acquireFaces({ detector, card }, sources, { choice: "central", onNoFace: "centre-crop" });
  if (path !== undefined) {
    mkdirSync(flags.cache as string, { recursive: true });
    writeFileSync(path, crops.data);
  }
  return crops;
}

async function floatModel(): Promise<Model> {
  const bytes = readFileSync(join(flags.shared, "models/face-embedding", network.file));
  const raised = network.file.endsWith(".onnx") ? modelFromOnnx(bytes) : modelFromTflite(bytes).model;
  const { model } = await simplifyModel(raised);
  return prepareForIntegers(inferTypes(model), target);
}

const crops = await calibrationFaces();
const model = await floatModel();
const [input] = model.graph.inputs;
const [output] = model.graph.outputs;
if (input === undefined || output === undefined || input.type.kind !== "tensor")
  throw fail("GRAPH_INVALID", "Cannot measure a model without input and output");
const batch = typeof input.type.shape?.[0] === "number" ? input.type.shape[0] : 1;

/** Batches of faces, in the layout of the model: always NCHW here. */
function feedsOf(first: number, end: number): readonly Feeds[] {
  const pixels = { ...card.input, layout: "NCHW" } as const;
  const shape = batchShape(pixels, batch);
  const size = card.input.width * card.input.height * 3;
  const feeds: Feeds[] = [];
  for (let row = first; row < end; row += batch) {
    const data = new Float32Array(batch * size);
    for (let i = 0; i < batch; i++)
      writePixels(cropAt(crops, Math.min(row + i, end - 1)), pixels, { out: data, offset: i * size });
    feeds.push(new Map([[at(model.graph.inputs, 0).name, f32(shape, data)]]));
  }
  return feeds;
}

const split = Math.min(Number(flags.calibrate), crops.count - 2);
const calibration = feedsOf(0, split);
const held = feedsOf(split, crops.count);
const heldCount = crops.count - split;

/** f64[people][dim], of length one. */
async function embeddings(of: Model): Promise<readonly Float64Array[]> {
  const session = await open(of);
  const rows: Float64Array[] = [];
  for (const feeds of held) {
    const result = (await session.run(feeds)).get(at(of.graph.outputs, 0).name);
    if (result === undefined) throw fail("DATA_MISSING", "Cannot measure: the model gave no embedding");
    const data = view(result, "float32");
    const dim = data.length / batch;
    for (let i = 0; i < batch && rows.length < heldCount; i++) rows.push(unit(data.subarray(i * dim, (i + 1) * dim)));
  }
  await session.close();
  return rows;
}

function unit(row: Float32Array): Float64Array {
  const length = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0));
  return Float64Array.from(row, (v) => v / length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += at(a, i) * at(b, i);
  return sum;
}

interface Measured {
  readonly meanCosine: number;
  readonly leastCosine: number;
  readonly pairShiftRms: number;
  readonly pairShiftLargest: number;
  readonly impostorMeanShift: number;
}

function measure(rows: readonly Float64Array[]): Measured {
  const cosines = rows.map((row, i) => dot(row, at(float, i)));
  let [sum, squares, largest, pairs] = [0, 0, 0, 0];
  for (let i = 0; i < rows.length; i++) {
    for (let j = 0; j < i; j++) {
      const shift = dot(at(rows, i), at(rows, j)) - dot(at(float, i), at(float, j));
      sum += shift;
      squares += shift * shift;
      largest = Math.max(largest, Math.abs(shift));
      pairs++;
    }
  }
  return {
    meanCosine: cosines.reduce((a, b) => a + b, 0) / cosines.length,
    leastCosine: Math.min(...cosines),
    pairShiftRms: Math.sqrt(squares / pairs),
    pairShiftLargest: largest,
    impostorMeanShift: sum / pairs,
  };
}

/** A float model with what calibration saw of it. */
interface Ready {
  readonly model: Model;
  readonly channelScales: ReadonlyMap<string, readonly number[]>;
  readonly placement: Placement;
  readonly observations: Observations;
}

async function ready(
  of: Model,
  { equalize, keepFloat }: { readonly equalize: boolean | number; readonly keepFloat?: ReadonlyMap<string, string> },
): Promise<Ready> {
  const places = equalize === false ? [] : equalizablePlaces(of, target);
  const channelScales =
    places.length === 0
      ? new Map<string, readonly number[]>()
      : equalizingScales(of, await observeLargest(of, places, calibration, { open }), {
          ...(typeof equalize === "number" ? { strength: equalize } : {}),
        });
  const scaled = scaleChannels(of, channelScales);
  const placement = placeIntegers(scaled, target, keepFloat === undefined ? {} : { keepFloat });
  return {
    model: of,
    channelScales,
    placement,
    observations: await observeTensors(scaled, placement.activations, calibration, { open }),
  };
}

function planOf(calibrated: Ready, options: Omit<StaticPlanOptions, "channelScales"> = {}): QuantPlan {
  const { model: of, channelScales, placement, observations } = calibrated;
  return staticPlan(of, target, placement, observations, { ...options, channelScales });
}

type Source = "float" | "quantized";
/** Calibration samples whose inputs are collected for rounding: some thousand positions a layer. */
const INPUT_SAMPLES = 100;
/** Calibration samples that biases are corrected on, a pass for each layer. */
const BIAS_SAMPLES = 50;
const floatInputs = new Map<Ready, Promise<ReadonlyMap<string, InputCovariance>>>();

async function rounded(
  calibrated: Ready,
  plan: QuantPlan,
  { source = "float", ...options }: { readonly source?: Source; readonly centred?: boolean; readonly damping?: number } = {},
): Promise<QuantPlan> {
  const scaled = scaleChannels(calibrated.model, calibrated.channelScales);
  const look = (runs: Model) =>
    observeCovariances(runs, covariancePlaces(scaled, plan, runs), calibration.slice(0, Math.ceil(INPUT_SAMPLES / batch)), {
      open,
    });
  const seen = source === "float" ? (floatInputs.get(calibrated) ?? look(scaled)) : look(applyPlan(calibrated.model, plan));
  // What a plan's own errors do to inputs is looked at anew for each plan; float inputs are the same for all.
  if (source === "float") floatInputs.set(calibrated, seen);
  const covariances = await seen;
  const result = roundWeights(calibrated.model, plan, covariances, options);
  const share = (pick: "before" | "after") => result.nodes.reduce((sum, n) => sum + n[pick], 0) / result.nodes.length;
  note = `output error ${share("before").toExponential(2)} -> ${share("after").toExponential(2)} over ${result.nodes.length} nodes`;
  return result.plan;
}

async function corrected(
  calibrated: Ready,
  plan: QuantPlan,
  { count = BIAS_SAMPLES }: { readonly count?: number } = {},
): Promise<QuantPlan> {
  const result = await correctBiases(calibrated.model, plan, {
    open,
    apply: applyPlan,
    samples: () => calibration.slice(0, Math.ceil(count / batch)),
  });
  note = `${result.nodes.length} nodes in ${result.passes} passes`;
  return result.plan;
}

const memo = new Map<string, Promise<Ready>>();
function once(key: string, make: () => Promise<Ready>): Promise<Ready> {
  const made = memo.get(key) ?? make();
  memo.set(key, made);
  return made;
}
const plain = () => once("plain", () => ready(model, { equalize: false }));
const equal = () => once("equal", () => ready(model, { equalize: true }));
const stem = (count: number) =>
  once(`stem ${count}`, async () => {
    const calibrated = await equal();
    const convs = model.graph.nodes.filter((n) => n.op === "Conv").slice(0, count);
    const keepFloat = new Map(convs.map((n) => [n.name, "stem"]));
    return { ...calibrated, placement: placeIntegers(scaleChannels(model, calibrated.channelScales), target, { keepFloat }) };
  });
const relaxed = (atMost: number) =>
  once(`relaxed ${atMost}`, async () => {
    const shares = await observeSaturation(model, calibration, { open });
    const result = relaxClips(model, shares, { atMost });
    const sorted = [...shares.values()].sort((a, b) => a - b);
    // What the change costs before anything is rounded.
    const alone = 1 - measure(await embeddings(result.model)).meanCosine;
    note = `${result.relaxed.size} of ${shares.size} clips, in float 1 - cosine ${alone.toExponential(1)}; shares at the bound ${at(sorted, 0).toExponential(1)} .. ${at(sorted, sorted.length - 1).toExponential(1)}`;
    return ready(result.model, { equalize: true });
  });

async function embeddingScaled(calibrated: Ready): Promise<ReadonlyMap<string, RangeChoice>> {
  const name = embeddingTensor(calibrated.placement, at(model.graph.outputs, 0).name);
  if (name === undefined) return new Map();
  const scaled = scaleChannels(calibrated.model, calibrated.channelScales);
  const chosen = await observeEmbeddingRange(scaled, name, calibration, { open, ...target.activations });
  note = `rounding alone 1 - cosine ${chosen.angularErrorMinMax.toExponential(2)} -> ${chosen.angularError.toExponential(2)}`;
  return new Map([[name, chosen.range]]);
}

interface Row {
  readonly name: string;
  readonly make: () => Promise<readonly [Model, QuantPlan]>;
}

/** A recipe on one calibration. */
function row(name: string, base: () => Promise<Ready>, make: (r: Ready) => QuantPlan | Promise<QuantPlan>): Row {
  return {
    name,
    make: async () => {
      const calibrated = await base();
      return [calibrated.model, await make(calibrated)];
    },
  };
}

const W4 = { weightBits: 4 } as const;
const W4MSE = { weightBits: 4, weights: "mse" } as const;
const rows: readonly Row[] = [
  row("W8 plain min-max", plain, (r) => planOf(r, { range: { method: "min-max" } })),
  row("W8 plain", plain, (r) => planOf(r)),
  row("W8 plain bias", plain, (r) => corrected(r, planOf(r))),
  row("W8 equalized", equal, (r) => planOf(r)),
  row("W8 equalized weights mse", equal, (r) => planOf(r, { weights: "mse" })),
  row("W8 equalized embedding scale", equal, async (r) => planOf(r, { rangeOf: await embeddingScaled(r) })),
  row(
    "W8 equalized float 1st conv",
    () => stem(1),
    (r) => planOf(r),
  ),
  row(
    "W8 equalized float 1st two",
    () => stem(2),
    (r) => planOf(r),
  ),
  row(
    "W8 equalized float 1st three",
    () => stem(3),
    (r) => planOf(r),
  ),
  row("W8 round float", equal, (r) => rounded(r, planOf(r))),
  row("W8 round quantized", equal, (r) => rounded(r, planOf(r), { source: "quantized" })),
  row("W8 bias", equal, (r) => corrected(r, planOf(r))),
  row("W8 bias 200 samples", equal, (r) => corrected(r, planOf(r), { count: 200 })),
  row("W8 round+bias", equal, async (r) => corrected(r, await rounded(r, planOf(r)))),
  row("W8 round centred+bias", equal, async (r) => corrected(r, await rounded(r, planOf(r), { centred: true }))),
  row(
    "W8 round+bias float 1st two",
    () => stem(2),
    async (r) => corrected(r, await rounded(r, planOf(r))),
  ),
  row("W4 equalized", equal, (r) => planOf(r, W4)),
  row("W4 mse", equal, (r) => planOf(r, W4MSE)),
  row("W4 round float", equal, (r) => rounded(r, planOf(r, W4))),
  row("W4 mse round float", equal, (r) => rounded(r, planOf(r, W4MSE))),
  row("W4 mse round quantized", equal, (r) => rounded(r, planOf(r, W4MSE), { source: "quantized" })),
  row("W4 mse round damping 0.1", equal, (r) => rounded(r, planOf(r, W4MSE), { damping: 0.1 })),
  row("W4 mse bias", equal, (r) => corrected(r, planOf(r, W4MSE))),
  row("W4 mse round+bias", equal, async (r) => corrected(r, await rounded(r, planOf(r, W4MSE)))),
  row("W4 mse round centred+bias", equal, async (r) => corrected(r, await rounded(r, planOf(r, W4MSE), { centred: true }))),
  row(
    "W8 relaxed 1e-4 at bound",
    () => relaxed(1e-4),
    (r) => planOf(r),
  ),
  row(
    "W8 relaxed 1e-2 at bound",
    () => relaxed(1e-2),
    (r) => planOf(r),
  ),
  row(
    "W8 equalized strength 0.3",
    () => once("s3", () => ready(model, { equalize: 0.3 })),
    (r) => planOf(r),
  ),
];

let note = "";
const float = await embeddings(model);
const only = flags.only?.split(",");
const results: (Measured & { readonly name: string; readonly seconds: number; readonly note: string })[] = [];
say(
  `${network.card} by the rules of ${target.id}: calibrated on ${split}, measured on ${heldCount} people (${(heldCount * (heldCount - 1)) / 2} impostor pairs)`,
);
say(`${"method".padEnd(32)} 1-cos     least cos  pair rms  pair max  impostor  making`);
for (const { name, make } of rows) {
  if (only !== undefined && !only.some((word) => name.includes(word))) continue;
  note = "";
  const start = performance.now();
  const [of, plan] = await make();
  const seconds = (performance.now() - start) / 1000;
  const m = measure(await embeddings(applyPlan(of, plan)));
  results.push({ name, ...m, seconds, note });
  const signed = `${m.impostorMeanShift < 0 ? "-" : "+"}${Math.abs(m.impostorMeanShift).toFixed(4)}`;
  say(
    `${name.padEnd(32)} ${(1 - m.meanCosine).toFixed(6)}  ${m.leastCosine.toFixed(5)}    ${m.pairShiftRms.toFixed(4)}    ${m.pairShiftLargest.toFixed(4)}    ${signed}   ${seconds.toFixed(1)} s  ${note}`,
  );
}
const report = { kind: "quant-methods", model: network.card, target: target.id, calibrated: split, measured: heldCount, results };
process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
