/**
 * Small networks under stress: 8-bit and 4-bit weights beside 8-bit activations, quantized plainly and with channels equalized, rounding chosen by the
 * second order, and biases corrected. How much of what plain quantization loses comes back. Run from the root:
 *
 *     npx tsx --conditions=source bench/stress-w4.ts [--shared ../shared] [--only vww,minifasnet] [--calibrate 200] [--judge 300]
 *
 * A table goes to stderr, one JSON object to stdout; exit code 1 when less than half comes back. Plans follow the rules of LiteRT and run as QDQ files
 * on ONNX Runtime with its own rewriting on, as the search runs them. VWW is fed photographs of LFW, whole and cut to a corner without a face, so that
 * both classes occur; MiniFASNet the faces of face-pad, stretched to its input. Loss: mean squared error of the outputs before their last Softmax,
 * as a share of the float outputs' power, and the share of inputs whose class changes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { GraphDraft } from "@tessera/core/graph/draft";
import { withGraph } from "@tessera/core/graph/edit";
import { type Model, tensorType } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32, view } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { correctBiases } from "@tessera/core/quant/correct-bias";
import { observeCovariances } from "@tessera/core/quant/covariance";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { covariancePlaces, roundWeights } from "@tessera/core/quant/round-weights";
import { type StaticPlanOptions, staticPlan } from "@tessera/core/quant/static-plan";
import type { Image } from "@tessera/core/signal/image";
import { resize } from "@tessera/core/signal/resize";
import { LITERT } from "@tessera/core/targets/litert";
import { readImage } from "@tessera/media/images";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";

const { values: flags } = parseArgs({
  options: {
    shared: { type: "string", default: "../shared" },
    only: { type: "string", default: "vww,minifasnet" },
    calibrate: { type: "string", default: "200" },
    judge: { type: "string", default: "300" },
  },
});

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const runtime = await ortNodeRuntime({ worker: false });
const open = (model: Model) => runtime.load(modelToOnnx(model), { threads: 1 });

/** Paths of a manifest whose last column has a value, or all. */
function rowsOf(folder: string, role?: string): readonly string[] {
  const [, ...lines] = readFileSync(join(flags.shared, "data", folder, "manifest.csv"), "utf8").split("\n");
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && (role === undefined || line.endsWith(`,${role}`)))
    .map((line) => join(flags.shared, "data", folder, at(line.split(","), 0)));
}

/** A share of the list, spread over all of it. */
function spread<T>(list: readonly T[], count: number): readonly T[] {
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => at(list, Math.floor((i * list.length) / count)));
}

/** The upper left corner of a photograph: no face is there. */
function corner(image: Image): Image {
  const side = 64;
  const data = new Uint8Array(side * side * image.channels);
  const row = side * image.channels;
  for (let y = 0; y < side; y++)
    data.set(image.data.subarray(y * image.width * image.channels, y * image.width * image.channels + row), y * row);
  return { ...image, width: side, height: side, data };
}

/** f32[1, 3, side, side]; values of bytes times `scale`, channels turned round where the network wants BGR. */
function planes(image: Image, side: number, { scale, isBgr }: { readonly scale: number; readonly isBgr: boolean }) {
  const small = resize(image, { width: side, height: side });
  const size = side * side;
  const out = new Float32Array(3 * size);
  for (let i = 0; i < size; i++)
    for (let c = 0; c < 3; c++) out[(isBgr ? 2 - c : c) * size + i] = (small.data[i * small.channels + c] as number) * scale;
  return f32([1, 3, side, side], out);
}

interface Network {
  readonly model: Model;
  readonly calibration: readonly Feeds[];
  readonly judged: readonly Feeds[];
}

async function feedsOf(
  model: Model,
  paths: readonly string[],
  how: { readonly side: number; readonly scale: number; readonly isBgr: boolean; readonly corners: boolean },
): Promise<readonly Feeds[]> {
  const name = at(model.graph.inputs, 0).name;
  const feeds: Feeds[] = [];
  for (const [i, path] of paths.entries()) {
    const image = await readImage(path);
    feeds.push(new Map([[name, planes(how.corners && i % 2 === 1 ? corner(image) : image, how.side, how)]]));
  }
  return feeds;
}

/** The network without the Softmax at its end: saturated shares hide what happened. */
function beforeSoftmax(model: Model): Model {
  const draft = new GraphDraft(model.graph);
  const [output] = model.graph.outputs;
  const last = output === undefined ? undefined : draft.producer(output.name);
  if (last === undefined || last.op !== "Softmax") return model;
  const name = last.inputs[0] as string;
  const graph = { ...model.graph, outputs: [{ name, type: tensorType("float32", undefined) }] };
  return withGraph(model, { ...graph, nodes: graph.nodes.filter((node) => node.name !== last.name) });
}

const NETWORKS: Readonly<Record<string, () => Promise<Network>>> = {
  vww: async () => {
    const file = readFileSync(join(flags.shared, "models/mcu/mlperf-tiny-vww-mobilenet-float32.tflite"));
    const { model } = await simplifyModel(beforeSoftmax(modelFromTflite(file).model));
    const how = { side: 96, scale: 1 / 255, isBgr: false, corners: true };
    return {
      model,
      calibration: await feedsOf(model, spread(rowsOf("lfw", "calib"), Number(flags.calibrate)), how),
      judged: await feedsOf(model, spread(rowsOf("lfw", "eval"), Number(flags.judge)), how),
    };
  },
  minifasnet: async () => {
    const file = readFileSync(join(flags.shared, "models/face-liveness/minifasnet-v2-2.7-80.onnx"));
    const { model } = await simplifyModel(beforeSoftmax(modelFromOnnx(file)));
    const how = { side: 80, scale: 1, isBgr: true, corners: false };
    const paths = rowsOf("face-pad");
    // Every other face calibrates, the others judge.
    const calibration = spread(
      paths.filter((_, i) => i % 2 === 0),
      Number(flags.calibrate),
    );
    const judged = spread(
      paths.filter((_, i) => i % 2 === 1),
      Number(flags.judge),
    );
    return { model, calibration: await feedsOf(model, calibration, how), judged: await feedsOf(model, judged, how) };
  },
};

async function outputsOf(model: Model, feeds: readonly Feeds[]): Promise<readonly Float32Array[]> {
  const session = await open(model);
  const rows: Float32Array[] = [];
  for (const feed of feeds) {
    const result = (await session.run(feed)).get(at(model.graph.outputs, 0).name);
    if (result === undefined) throw new Error("the model gave no output");
    rows.push(view(result, "float32").slice());
  }
  await session.close();
  return rows;
}

interface Loss {
  /** Power of the error over that of the float outputs, each less its mean. */
  readonly error: number;
  /** Share of inputs whose largest output is another one. */
  readonly changed: number;
}

function lossOf(rows: readonly Float32Array[], float: readonly Float32Array[]): Loss {
  const columns = at(float, 0).length;
  const means = Array.from({ length: columns }, (_, c) => float.reduce((sum, row) => sum + at(row, c), 0) / float.length);
  let error = 0;
  let power = 0;
  let changed = 0;
  rows.forEach((row, i) => {
    const wanted = at(float, i);
    for (let c = 0; c < columns; c++) {
      error += (at(row, c) - at(wanted, c)) ** 2;
      power += (at(wanted, c) - at(means, c)) ** 2;
    }
    if (row.indexOf(Math.max(...row)) !== wanted.indexOf(Math.max(...wanted))) changed++;
  });
  return { error: error / power, changed: changed / rows.length };
}

/** Samples whose inputs are collected for rounding, and those that biases are corrected on. */
const SAMPLES = { rounding: 100, bias: 50 } as const;

async function stress(name: string, network: Network) {
  const { calibration, judged } = network;
  const model = prepareForIntegers(inferTypes(network.model), LITERT);
  const float = await outputsOf(model, judged);
  const ready = async (isEqualized: boolean) => {
    const places = isEqualized ? equalizablePlaces(model, LITERT) : [];
    const channelScales: ReadonlyMap<string, readonly number[]> =
      places.length === 0 ? new Map() : equalizingScales(model, await observeLargest(model, places, calibration, { open }));
    const scaled = scaleChannels(model, channelScales);
    const placement = placeIntegers(scaled, LITERT);
    const observations = await observeTensors(scaled, placement.activations, calibration, { open });
    const planOf = (options: Omit<StaticPlanOptions, "channelScales">): QuantPlan =>
      staticPlan(model, LITERT, placement, observations, { ...options, channelScales });
    return { scaled, planOf };
  };
  const plain = await ready(false);
  const equal = await ready(true);
  const rounded = async (plan: QuantPlan, { scaled }: { readonly scaled: Model }): Promise<QuantPlan> => {
    const places = covariancePlaces(scaled, plan, scaled);
    const covariances = await observeCovariances(scaled, places, calibration.slice(0, SAMPLES.rounding), { open });
    return roundWeights(model, plan, covariances).plan;
  };
  const corrected = async (plan: QuantPlan): Promise<QuantPlan> => {
    const samples = (): readonly Feeds[] => calibration.slice(0, SAMPLES.bias);
    return (await correctBiases(model, plan, { open, apply: applyPlan, samples })).plan;
  };
  const rows: { readonly bits: 8 | 4; readonly method: string; readonly loss: Loss; readonly recovered: number }[] = [];
  for (const bits of [8, 4] as const) {
    const own = { weightBits: bits } as const;
    const full = { ...own, range: { method: "min-max" } } as const;
    const recipes: readonly (readonly [string, () => QuantPlan | Promise<QuantPlan>])[] = [
      ["plain", () => plain.planOf(full)],
      ["plain, ranges by error", () => plain.planOf(own)],
      ["equalized", () => equal.planOf(own)],
      ["rounded", () => rounded(plain.planOf(own), plain)],
      ["equalized, rounded", () => rounded(equal.planOf(own), equal)],
      ["equalized, biases", () => corrected(equal.planOf(own))],
      ["equalized, rounded, biases", async () => corrected(await rounded(equal.planOf(own), equal))],
    ];
    let first: Loss | undefined;
    for (const [method, make] of recipes) {
      const loss = lossOf(await outputsOf(applyPlan(model, await make()), judged), float);
      first ??= loss;
      const recovered = 1 - loss.error / first.error;
      rows.push({ bits, method, loss, recovered });
      say(
        `${name.padEnd(12)} W${bits}A8 ${method.padEnd(30)} error ${loss.error.toExponential(2)}  class changes ${(100 * loss.changed).toFixed(2).padStart(6)} %  ${method === "plain" ? "" : `recovered ${(100 * recovered).toFixed(0).padStart(4)} %`}`,
      );
    }
  }
  return { network: name, calibrated: calibration.length, judged: judged.length, rows };
}

const results: Awaited<ReturnType<typeof stress>>[] = [];
for (const name of flags.only.split(",")) {
  const make = NETWORKS[name];
  if (make === undefined) throw new Error(`Unknown network ${name}: known are ${Object.keys(NETWORKS).join(", ")}`);
  results.push(await stress(name, await make()));
}
process.stdout.write(`${JSON.stringify({ kind: "stress-w4", results }, null, 2)}\n`);
const isHalf = results.every(({ rows }) =>
  [8, 4].every((bits) => Math.max(...rows.filter((row) => row.bits === bits).map((row) => row.recovered)) >= 0.5),
);
process.exit(isHalf ? 0 : 1);
