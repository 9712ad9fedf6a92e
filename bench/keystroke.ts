/**
 * The fourteen detectors of Killourhy & Maxion 2009 on MEU-Mobile KSD, next to their published figures on the CMU set; TypeNet on the same attempts; and
 * Manhattan (scaled) as int8 C. Of MEU's 51 repetitions a detector learns from the first 25; impostors are the first 5 of each of the other 27 people, of
 * whom it knows nothing. Nothing is chosen on the result. Run from the root:
 *
 *   npx tsx --conditions=source bench/keystroke.ts [--table FILE|FOLDER] [--detectors a,b] [--features timing|all] [--typenet] [--int8] [--json FILE]
 *
 * `--int8` quantizes everybody's exported detector for a Cortex-M4, calibrated on their own training samples and those stretched, and scores all attempts
 * with the integer interpreter, which the generated C equals on every byte (`tessera mcu`). A table goes to stderr, JSON to stdout or FILE.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Matrix } from "@tessera/core/base/matrix";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import { deviceInput } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32 } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { calibrationSamples } from "@tessera/core/modality/keystroke/calibration";
import { DETECTOR_INPUT, detectorModel } from "@tessera/core/modality/keystroke/detector-model";
import { type TrainedDetector, trainDetector } from "@tessera/core/modality/keystroke/detectors";
import { evaluateEmbedder, keystrokeEmbeddingCard } from "@tessera/core/modality/keystroke/embed-keystrokes";
import { CMU_KEY_CODES, MEU_KEY_CODES } from "@tessera/core/modality/keystroke/key-sequence";
import {
  attemptsOf,
  evaluateDetector,
  type KeystrokeEvaluation,
  type KeystrokeProtocol,
  overUsers,
  summariseUsers,
} from "@tessera/core/modality/keystroke/protocol";
import { readKeystrokeSet } from "@tessera/core/modality/keystroke/read-set";
import { rowOf, selectFeatures, TIMING_KINDS } from "@tessera/core/modality/keystroke/samples";
import { parseCard } from "@tessera/core/modality/read-card";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { observeTensors } from "@tessera/core/quant/observe";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { staticPlan } from "@tessera/core/quant/static-plan";
import { targetById } from "@tessera/core/targets/table";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { cardPath } from "@tessera/testkit/cards";
import { sharedDir } from "@tessera/testkit/shared";
import { tessera } from "./lib/tessera.ts";

const { values: flags } = parseArgs({
  options: {
    table: { type: "string" },
    detectors: { type: "string" },
    features: { type: "string", default: "timing" },
    typenet: { type: "boolean", default: false },
    int8: { type: "boolean", default: false },
    json: { type: "string" },
  },
});
const shared = sharedDir();
const table = flags.table ?? join(shared ?? "../shared", "data/keystroke-meu");

interface Row {
  readonly detector: string;
  readonly published: { readonly eer: readonly [number, number]; readonly zeroMissFalseAlarm: readonly [number, number] };
  readonly eer: KeystrokeEvaluation["eer"];
  readonly zeroMissFalseAlarm: KeystrokeEvaluation["zeroMissFalseAlarm"];
}

interface Report {
  readonly set: { readonly file: string };
  readonly protocol: KeystrokeProtocol;
  readonly rows: readonly Row[];
}

const chosen = flags.detectors === undefined ? [] : ["--detector", flags.detectors];
const report = JSON.parse(tessera("keystroke", table, ...chosen, "--features", flags.features, "--json", "--quiet")) as Report;
const whole = readKeystrokeSet(readFileSync(report.set.file, "utf8"), { file: report.set.file });
const set = selectFeatures(whole, TIMING_KINDS);

const here = await ortNodeRuntime({ worker: false });

const rate = (value: number): string => value.toFixed(3);
function say(
  name: string,
  evaluation: Pick<KeystrokeEvaluation, "eer" | "zeroMissFalseAlarm">,
  published?: Row["published"],
): void {
  const { eer, zeroMissFalseAlarm } = evaluation;
  const cells = [
    name.padEnd(28),
    `${rate(eer.mean)} (${rate(eer.sd)})`,
    `${rate(eer.interval.low)}..${rate(eer.interval.high)}`,
    `${rate(zeroMissFalseAlarm.mean)} (${rate(zeroMissFalseAlarm.sd)})`,
    published === undefined ? "" : `${rate(published.eer[0])} (${rate(published.eer[1])})`,
  ];
  process.stderr.write(`${cells.join("   ")}\n`);
}

process.stderr.write(`${"detector".padEnd(28)}   EER (sd)        95 % (people)   zero-miss (sd)  published on CMU\n`);
for (const row of report.rows) say(row.detector, row, row.published);

/** TypeNet on the very attempts of the detectors, and with as many samples enrolled as its authors do. */
async function typenet(): Promise<readonly { readonly enrolled: number; readonly evaluation: KeystrokeEvaluation }[]> {
  const card = keystrokeEmbeddingCard(parseCard(readFileSync(cardPath("typenet-triplet-m50-128"))));
  const runtime = await ortNodeRuntime();
  const session = await runtime.load(readFileSync(join(shared ?? "../shared", "models/keystroke/typenet-triplet-m50-128.onnx")));
  const keyCodes = whole.name === "CMU" ? CMU_KEY_CODES : MEU_KEY_CODES;
  const results: { readonly enrolled: number; readonly evaluation: KeystrokeEvaluation }[] = [];
  for (const enrolled of [5, 10, report.protocol.train]) {
    const protocol = { ...report.protocol, train: enrolled };
    const evaluation = await evaluateEmbedder({ session, card }, whole, { keyCodes, protocol });
    say(`TypeNet, ${enrolled} enrolled`, evaluation);
    results.push({ enrolled, evaluation });
  }
  await session.close();
  return results;
}

/** A detector as `tessera quantize --target cortex-m4` makes it, without the files between. */
async function quantized(
  detector: TrainedDetector,
  calibration: Matrix,
): Promise<{ readonly model: Model; readonly plan: QuantPlan }> {
  const target = targetById("cortex-m4");
  const { model: simple } = await simplifyModel(detectorModel(detector));
  const model = prepareForIntegers(inferTypes(simple), target);
  const samples = Array.from({ length: calibration.rows }, (_, i) => feedsOf(rowOf(calibration, i)));
  const placement = placeIntegers(model, target);
  const open = (exposed: Model) => here.load(modelToOnnx(exposed), { threads: 1 });
  return {
    model,
    plan: staticPlan(model, target, placement, await observeTensors(model, placement.activations, samples, { open })),
  };
}

const feedsOf = (x: Float64Array): Feeds => new Map([[DETECTOR_INPUT, f32([1, x.length], Float32Array.from(x))]]);

/** Scores of a person's quantized Manhattan (scaled) for each list of samples. */
async function integerScores(train: Matrix, samples: readonly (readonly Float64Array[])[]): Promise<readonly Float64Array[]> {
  const { model, plan } = await quantized(trainDetector("manhattan-scaled", train), calibrationSamples(train));
  const program = lowerToDevice(compileInteger(model, plan));
  const [input, output] = [program.inputs[0] as string, program.outputs[0] as string];
  const grid = plan.tensors.get(DETECTOR_INPUT);
  if (grid === undefined) throw new Error("the input is not quantized");
  return samples.map((list) =>
    Float64Array.from(list, (x) => {
      const fed = deviceInput(program, input, quantizeTensor(f32([1, x.length], Float32Array.from(x)), grid));
      return (runDevice(program, new Map([[input, fed]])).get(output) as Int8Array)[0] as number;
    }),
  );
}

/** The same people's attempts on the float detector and on the integer one. */
async function integers(): Promise<object> {
  const people = attemptsOf(set, report.protocol);
  const scored: { readonly subject: string; readonly genuine: Float64Array; readonly impostor: Float64Array }[] = [];
  for (const { subject, train, genuine, impostor } of people) {
    const [g, i] = (await integerScores(train, [genuine, impostor])) as [Float64Array, Float64Array];
    scored.push({ subject, genuine: g, impostor: i });
  }
  const int8 = summariseUsers(report.protocol, scored);
  const float = evaluateDetector(set, "manhattan-scaled", { protocol: report.protocol });
  const change = overUsers(int8.users.map((user, k) => user.eer - (float.users[k]?.eer ?? Number.NaN)));
  say("manhattan-scaled, float", float);
  say("manhattan-scaled, int8 C", int8);
  process.stderr.write(
    `EER of int8 less that of float: ${rate(change.mean)}, ${rate(change.interval.low)}..${rate(change.interval.high)} over people\n`,
  );
  return { float, int8, change };
}

const networks = flags.typenet ? await typenet() : [];
const int8 = flags.int8 ? await integers() : undefined;
const text = JSON.stringify({ bench: "keystroke", ...report, typenet: networks, int8 }, undefined, 1);
if (flags.json === undefined) console.log(text);
else writeFileSync(flags.json, text);
