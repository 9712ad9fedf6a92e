/**
 * The predictor against reality: what it says of the shared models on the runtimes of this machine, before anything was built, beside ONNX Runtime's own
 * optimised graph and real times of both files, interleaved on one thread. Prices were fitted on chains of layers (bench/predictor-fit.ts) and on none
 * of these models: every pair is held out. Run from the root:
 *
 *     npx tsx --conditions=source bench/predictor.ts [--shared ../shared] [--rounds 7] [--models foamliu,yunet] [--targets ort-x64,litert]
 *
 * Speed does not depend on the numbers in weights and ranges, so that nothing is calibrated. Times count by their least, which other work on the machine
 * disturbs least. The table goes to stderr, one JSON object to stdout. Exit code 1 when a count of integer kernels is wrong, when "faster or slower" is
 * wrong, or when a speed-up is off by more than 30 %.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isTesseraError } from "@tessera/core/base/error";
import { predict } from "@tessera/core/targets/predictor/predict";
import { targetById } from "@tessera/core/targets/table";
import type { Target } from "@tessera/core/targets/target";
import { checkFusion } from "@tessera/runtimes/fusion-check";
import { readHardware } from "@tessera/runtimes/hardware";
import { predictedFiles } from "./lib/predictor-files.ts";
import { PREDICTED_MODELS, type PredictedModel, readPredicted } from "./lib/predictor-models.ts";
import { openTimed, runtimeOf } from "./lib/predictor-time.ts";

const { values: flags } = parseArgs({
  options: {
    shared: { type: "string", default: "../shared" },
    rounds: { type: "string", default: "7" },
    models: { type: "string" },
    targets: { type: "string", default: "ort-x64,ort-web,litert" },
  },
});

/** Speed-ups this close to 1 are neither faster nor slower as far as timing can tell. */
const SAME = 1.07;
/** What a predicted speed-up may be off by. */
const ALLOWED = 1.3;

interface Pair {
  readonly model: string;
  readonly target: string;
  readonly floatMs: number;
  readonly integerMs: number;
  readonly speedup: number;
  readonly expected: { readonly floatMs?: number; readonly integerMs?: number; readonly speedup?: number };
  /** Integer kernels, expected and found; found on ONNX Runtime only. */
  readonly kernels: { readonly expected: number; readonly found?: number };
  readonly directionRight: boolean;
  readonly within: boolean;
  /** The run is too short for the predictor to say anything. */
  readonly untold: boolean;
  readonly verdict: string;
}

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);

async function kernelsFound(bytes: Uint8Array, target: Target): Promise<number | undefined> {
  if (target.format !== "onnx") return undefined;
  const names = new Set(Object.values(target.integerKernels).flat());
  const { operators } = await checkFusion(bytes, target);
  return sum(Object.fromEntries(Object.entries(operators).filter(([op]) => names.has(op.replace(/^.*\./, "")))));
}

async function judge(model: PredictedModel, target: Target): Promise<Pair> {
  const files = await predictedFiles(readPredicted(model, join(flags.shared, "models")), target);
  const { request } = files;
  const prediction = predict(request, target);
  const runtime = await runtimeOf(target);
  const open = [await openTimed(runtime, files.float.bytes), await openTimed(runtime, files.integer.bytes)] as const;
  const least: [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < Number(flags.rounds); round++)
    for (const i of [0, 1] as const) least[i] = Math.min(least[i], await open[i].least({ budgetMs: 30, rounds: 1 }));
  for (const session of open) await session.close();
  const found = await kernelsFound(files.integer.bytes, target);
  const speedup = least[0] / least[1];
  const expected = prediction.speedup?.value;
  const untold = prediction.tooShort === true;
  const same = Math.max(speedup, 1 / speedup) < SAME;
  return {
    model: model.id,
    target: target.id,
    floatMs: least[0],
    integerMs: least[1],
    speedup,
    expected: {
      ...(prediction.float.latencyMs === undefined ? {} : { floatMs: prediction.float.latencyMs }),
      ...(prediction.integer?.latencyMs === undefined ? {} : { integerMs: prediction.integer.latencyMs }),
      ...(expected === undefined ? {} : { speedup: expected }),
    },
    kernels: { expected: sum(prediction.integer?.integerOperators ?? {}), ...(found === undefined ? {} : { found }) },
    directionRight: untold || (expected !== undefined && (same || expected > 1 === speedup > 1)),
    within: untold || (expected !== undefined && Math.max(expected / speedup, speedup / expected) <= ALLOWED),
    untold,
    verdict: prediction.verdict,
  };
}

const pairs: Pair[] = [];
const refused: { readonly model: string; readonly target: string; readonly why: string }[] = [];
const chosen = flags.models?.split(",");
process.stderr.write("model      target     FP32 ms (expected)   INT8 ms (expected)   speed-up (expected)   kernels\n");
for (const id of flags.targets.split(","))
  for (const model of PREDICTED_MODELS.filter((m) => chosen?.includes(m.id) ?? true)) {
    const target = targetById(id);
    try {
      const pair = await judge(model, target);
      pairs.push(pair);
      const { expected, kernels } = pair;
      const cell = (found: number, wanted: number | undefined): string =>
        `${found.toFixed(3)} (${wanted?.toFixed(3) ?? "?"})`.padEnd(20);
      const marks = [
        pair.untold ? "too short to tell" : pair.directionRight ? "" : "WRONG WAY",
        pair.within ? "" : "OFF",
        (kernels.found ?? kernels.expected) === kernels.expected ? "" : "COUNT",
      ];
      process.stderr.write(
        `${model.id.padEnd(10)} ${id.padEnd(10)} ${cell(pair.floatMs, expected.floatMs)} ${cell(pair.integerMs, expected.integerMs)} ${cell(pair.speedup, expected.speedup)}  ${kernels.found ?? "?"}/${kernels.expected} ${marks.join(" ")}\n`,
      );
    } catch (error) {
      if (!isTesseraError(error)) throw error;
      refused.push({ model: model.id, target: id, why: error.message });
      process.stderr.write(`${model.id.padEnd(10)} ${id.padEnd(10)} not built: ${error.message.slice(0, 120)}\n`);
    }
  }
const { cpu, node } = await readHardware();
process.stdout.write(`${JSON.stringify({ machine: { cpu, node }, pairs, refused }, null, 2)}\n`);
const wrong = pairs.some((p) => !p.directionRight || !p.within || (p.kernels.found ?? p.kernels.expected) !== p.kernels.expected);
process.exit(wrong ? 1 : 0);
