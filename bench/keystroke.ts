/**
 * The fourteen detectors of Killourhy & Maxion 2009 on MEU-Mobile KSD, next to their published figures on the CMU set; TypeNet on the same attempts; and
 * Manhattan (scaled) as int8 C. Of MEU's 51 repetitions a detector learns from the first 25; impostors are the first 5 of each of the other 27 people, of
 * whom it knows nothing. Nothing is chosen on the result. Run from the root:
 *
 *   npx tsx --conditions=source bench/keystroke.ts [--table FILE|FOLDER] [--detectors a,b] [--features timing|all] [--typenet] [--int8 PEOPLE] [--json FILE]
 *
 * `--int8 28` quantizes the exported detector of that many people for a Cortex-M4 (`tessera quantize`, several seconds each) and scores all their attempts
 * with the integer interpreter, which the generated C equals on every byte (`tessera mcu`). A table goes to stderr, JSON to stdout or FILE.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import { deviceInput } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import { modelFromTflite } from "@tessera/core/convert/tflite/bytes";
import { quantizeTensor } from "@tessera/core/graph/quantize";
import { f32 } from "@tessera/core/graph/tensor";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { evaluateEmbedder, keystrokeEmbeddingCard } from "@tessera/core/modality/keystroke/embed-keystrokes";
import { CMU_KEY_CODES, MEU_KEY_CODES } from "@tessera/core/modality/keystroke/key-sequence";
import {
  attemptsOf,
  type KeystrokeEvaluation,
  type KeystrokeProtocol,
  summariseUsers,
} from "@tessera/core/modality/keystroke/protocol";
import { readKeystrokeSet } from "@tessera/core/modality/keystroke/read-set";
import { type KeystrokeSet, selectFeatures, TIMING_KINDS } from "@tessera/core/modality/keystroke/samples";
import { parseCard } from "@tessera/core/modality/read-card";
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
    int8: { type: "string", default: "0" },
    json: { type: "string" },
  },
});
const shared = sharedDir();
const table = flags.table ?? join(shared ?? "../shared", "data/keystroke-meu");
const folder = mkdtempSync(join(tmpdir(), "tessera-keystroke-"));

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

/** Scores of one person's exported and quantized Manhattan (scaled). */
function integerScores(user: string, samples: readonly (readonly Float64Array[])[]): readonly Float64Array[] {
  const [onnx, int8, calibration] = ["onnx", "tflite", "calibration"].map((name) => join(folder, `${user}.${name}`)) as [
    string,
    string,
    string,
  ];
  const exported = ["--export", onnx, "--user", user, "--calibration", calibration];
  tessera("keystroke", table, "--detector", "manhattan-scaled", ...exported, "--quiet");
  tessera("quantize", onnx, "-o", int8, "--target", "cortex-m4", "--inputs", calibration, "--io", "int8", "--quiet");
  const { model, plan } = modelFromTflite(readFileSync(int8));
  if (plan === undefined) throw new Error("the exported detector is not quantized");
  const program = lowerToDevice(compileInteger(model, plan));
  const [input, output] = [program.inputs[0] as string, program.outputs[0] as string];
  const grid = plan.tensors.get(model.graph.inputs[0]?.name as string);
  if (grid === undefined) throw new Error("the input is not quantized");
  return samples.map((list) =>
    Float64Array.from(list, (x) => {
      const fed = deviceInput(program, input, quantizeTensor(f32([1, x.length], Float32Array.from(x)), grid));
      return (runDevice(program, new Map([[input, fed]])).get(output) as Int8Array)[0] as number;
    }),
  );
}

function integers(count: number): object {
  const people = attemptsOf(set as KeystrokeSet, report.protocol).slice(0, count);
  const scored = people.map(({ subject, genuine, impostor }) => {
    const [g, i] = integerScores(subject, [genuine, impostor]) as [Float64Array, Float64Array];
    return { subject, genuine: g, impostor: i };
  });
  const int8 = summariseUsers(report.protocol, scored);
  say(`manhattan-scaled, int8 C (${count})`, int8);
  return int8;
}

const networks = flags.typenet ? await typenet() : [];
const int8 = Number(flags.int8) > 0 ? integers(Number(flags.int8)) : undefined;
rmSync(folder, { recursive: true });
const text = JSON.stringify({ bench: "keystroke", ...report, typenet: networks, int8 }, undefined, 1);
if (flags.json === undefined) console.log(text);
else writeFileSync(flags.json, text);
