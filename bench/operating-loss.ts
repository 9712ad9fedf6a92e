/**
 * How far the search's loss can be trusted on few people: a MobileFaceNet quantized in several ways, judged on both halves of the people of LFW, over and over.
 * Beside it the plain difference of TAR. Run from the root, with crops that `tessera evaluate --aligned-out DIR` wrote:
 *
 *   npx tsx --conditions=source bench/operating-loss.ts --crops DIR [--shared ../shared] [--far 0.0001] [--faces 1500] [--splits 5]
 *
 * A table goes to stderr, one JSON object to stdout.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";
import { compareAll, rankScores } from "@tessera/core/biometrics/compare";
import { allPairs, numberSubjects } from "@tessera/core/biometrics/design";
import { type OperatingPoint, operatingPoint } from "@tessera/core/biometrics/rates";
import { type Embeddings, normaliseRows, selectEmbeddings, stackEmbeddings } from "@tessera/core/biometrics/similarity";
import { operatingLoss, smoothedReference } from "@tessera/core/biometrics/smoothed";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32, view } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { type StaticPlanOptions, staticPlan } from "@tessera/core/quant/static-plan";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";

const { values: flags } = parseArgs({
  options: {
    crops: { type: "string", default: "crops" },
    shared: { type: "string", default: "../shared" },
    far: { type: "string", default: "0.0001" },
    faces: { type: "string", default: "1500" },
    splits: { type: "string", default: "5" },
  },
});
const far = Number(flags.far);
const say = (text: string): void => void process.stderr.write(`${text}\n`);

interface CropIndex {
  readonly shape: readonly [number, number, number];
  readonly subjects: readonly string[];
}
const index = JSON.parse(readFileSync(join(flags.crops, "index.json"), "utf8")) as CropIndex;
const size = index.shape.reduce((a, b) => a * b, 1);
const file = openSync(join(flags.crops, "crops.f32"), "r");

const runtime = await ortNodeRuntime({ worker: false });
const open = (model: Model) => runtime.load(modelToOnnx(model), { threads: 1 });
const source = modelFromOnnx(readFileSync(join(flags.shared, "models/face-embedding/mobilefacenet-foamliu-128.onnx")));
const { model: plain } = await simplifyModel(source, { target: ORT_X64 });
const model = prepareForIntegers(inferTypes(plain), ORT_X64);
const input = model.graph.inputs[0]?.name as string;
const output = model.graph.outputs[0]?.name as string;

function* feedsOf(rows: readonly number[]): Generator<Feeds> {
  for (const row of rows) {
    const crop = new Float32Array(size);
    readSync(file, new Uint8Array(crop.buffer), 0, size * 4, row * size * 4);
    yield new Map([[input, f32([1, ...index.shape], crop)]]);
  }
}

// Every second person is judged; of the others, some calibrate.
const order = [...new Set(index.subjects)];
const judgedPeople = new Set(order.filter((_, i) => i % 2 === 0));
const rowsWhere = (judged: boolean): number[] =>
  [...index.subjects.keys()].filter((i) => judgedPeople.has(at(index.subjects, i)) === judged);
const rows = rowsWhere(true).slice(0, Number(flags.faces));
const calibration = rowsWhere(false).filter((_, i) => i % 13 === 0);
const { subjects, people } = numberSubjects(rows.map((row) => at(index.subjects, row)));

async function embed(network: Model): Promise<Embeddings> {
  const session = await open(network);
  const made: Float32Array[] = [];
  for (const feeds of feedsOf(rows)) {
    const values = await session.run(feeds);
    made.push(Float32Array.from(view(values.get(output) as NonNullable<ReturnType<typeof values.get>>, "float32")));
  }
  await session.close();
  return normaliseRows(stackEmbeddings(made));
}

async function planner(channelScales: ReadonlyMap<string, readonly number[]>) {
  const scaled = scaleChannels(model, channelScales);
  const placement = placeIntegers(scaled, ORT_X64);
  const seen = await observeTensors(scaled, placement.activations, feedsOf(calibration), { open });
  return (options: StaticPlanOptions): QuantPlan => staticPlan(model, ORT_X64, placement, seen, { ...options, channelScales });
}

const places = equalizablePlaces(model, ORT_X64);
const asTheyCame = await planner(new Map());
const equalized = await planner(equalizingScales(model, await observeLargest(model, places, feedsOf(calibration), { open })));
const ways: readonly (readonly [string, QuantPlan])[] = [
  ["one scale a weight, min-max", asTheyCame({ range: { method: "min-max" }, perChannel: false })],
  ["per channel, min-max", asTheyCame({ range: { method: "min-max" } })],
  ["per channel, mse", asTheyCame({ range: { method: "mse" } })],
  ["equalized, min-max", equalized({ range: { method: "min-max" } })],
  ["equalized, mse", equalized({ range: { method: "mse" } })],
];
const float = await embed(model);
const variants: Embeddings[] = [];
for (const [name, plan] of ways) {
  variants.push(await embed(applyPlan(model, plan)));
  say(`embedded ${rows.length} faces: ${name}`);
}
closeSync(file);

interface Figures {
  readonly plain: number;
  readonly smoothed: number;
  readonly loss: number;
}

function judge(items: Uint32Array): readonly Figures[] {
  const design = allPairs(Int32Array.from(items, (i) => at(subjects, i)));
  const base = compareAll(selectEmbeddings(float, items), design);
  const ranked = rankScores(base);
  const reference = smoothedReference(base, { fars: [far], ranked });
  const { tar } = operatingPoint(ranked, far) as OperatingPoint;
  return variants.map((variant) => {
    const scores = compareAll(selectEmbeddings(variant, items), design);
    const { value, points } = operatingLoss(reference, scores);
    const own = operatingPoint(rankScores(scores), far) as OperatingPoint;
    return { plain: 100 * (tar - own.tar), smoothed: points[0]?.smoothed.value ?? Number.NaN, loss: value };
  });
}

const all = Uint32Array.from(subjects.keys());
const whole = judge(all);
const random = seededRandom(5);
const kinds = ["plain", "smoothed", "loss"] as const;
const squares = { plain: 0, smoothed: 0, loss: 0 };
const right = { plain: 0, smoothed: 0, loss: 0 };
const splits = Number(flags.splits);
for (let split = 0; split < splits; split++) {
  const side = people.map(() => random.int(2));
  const halves = [0, 1].map((which) => judge(all.filter((i) => side[at(subjects, i)] === which)));
  for (const kind of kinds) {
    const of = (half: readonly Figures[]): number[] => half.map((figures) => figures[kind]);
    const inOrder = ([worst, minMax, mse, better, best]: readonly number[]): boolean =>
      (worst as number) > Math.max(minMax as number, mse as number) &&
      (minMax as number) > (better as number) &&
      (mse as number) > (best as number);
    if (halves.every((half) => inOrder(of(half)))) right[kind]++;
    // Without the first: it is so far off that its own spread hides that of the rest.
    for (let n = 1; n < ways.length; n++) squares[kind] += (at(of(halves[0] ?? []), n) - at(of(halves[1] ?? []), n)) ** 2 / 2;
  }
}
const spread = Object.fromEntries(kinds.map((kind) => [kind, Math.sqrt(squares[kind] / splits / (ways.length - 1))] as const));
say(`FAR ${far}, ${rows.length} faces of ${people.length} people; losses in TAR points`);
ways.forEach(([name], n) => {
  const { plain: raw, smoothed, loss } = at(whole, n);
  say(`${name.padEnd(30)} TAR difference ${raw.toFixed(3)}  smoothed ${smoothed.toFixed(3)}  loss ${loss.toFixed(3)}`);
});
for (const kind of kinds)
  say(
    `${kind.padEnd(9)} standard deviation of a half ${(spread[kind] ?? 0).toFixed(3)}, right order on both halves ${right[kind]} of ${splits}`,
  );
process.stdout.write(
  `${JSON.stringify({ far, faces: rows.length, people: people.length, ways: ways.map(([name], n) => ({ name, ...at(whole, n) })), spread, right, splits })}\n`,
);
