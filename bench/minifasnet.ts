/**
 * MiniFASNetV2 (33 PReLU): simplified for ONNX Runtime on x64 against the file as it is, one thread, interleaved. Run from the root:
 *
 *     npx tsx --conditions=source bench/minifasnet.ts [--shared ../shared] [--rounds 30]
 *
 * The table goes to stderr, one JSON object to stdout. Exit code 1 below a speed-up of 2, or above a relative output difference of 1e-4.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Session } from "@tessera/core/graph/runtime";
import { countNodes } from "@tessera/core/graph/walk";
import { outputsDifference } from "@tessera/core/passes/proof";
import { randomFeeds } from "@tessera/core/passes/proof-inputs";
import { simplifyModel } from "@tessera/core/passes/simplify";
import { targetById } from "@tessera/core/targets/table";
import { measureInterleaved } from "@tessera/runtimes/measure";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";

const GOALS = { speedup: 2, difference: 1e-4 } as const;
const TRIALS = 20;

const { values: flags } = parseArgs({
  options: { shared: { type: "string", default: "../shared" }, rounds: { type: "string", default: "30" } },
});

const bytes = readFileSync(join(flags.shared, "models/face-liveness/minifasnet-v2-2.7-80.onnx"));
const original = modelFromOnnx(bytes);
const plain = await simplifyModel(original);
const targeted = await simplifyModel(original, { target: targetById("ort-x64") });

const runtime = await ortNodeRuntime();
const files = [
  { name: "the file as it is", data: bytes as Uint8Array, model: original },
  { name: "simplified", data: modelToOnnx(plain.model), model: plain.model },
  { name: "simplified for ort-x64", data: modelToOnnx(targeted.model), model: targeted.model },
];
const sessions: Session[] = [];
for (const file of files) sessions.push(await runtime.load(file.data, { threads: 1 }));

let difference = 0;
for (let trial = 0; trial < TRIALS; trial++) {
  const feeds = randomFeeds(original, { seed: 11, trial });
  const [reference, ...others] = await Promise.all(sessions.map((session) => session.run(feeds)));
  for (const other of others) difference = Math.max(difference, outputsDifference(reference as never, other)?.relative ?? 0);
}

const feeds = randomFeeds(original, { seed: 5, trial: 0 });
const report = await measureInterleaved(
  files.map((file, i) => ({ name: file.name, session: sessions[i] as never, feeds })),
  { rounds: Number(flags.rounds) },
);
await Promise.all(sessions.map((session) => session.close()));

process.stderr.write("variant                   nodes   p50 ms   p90 ms   speed-up (95 % interval)\n");
report.rows.forEach((row, i) => {
  const { value, low, high } = row.speedup;
  const nodes = countNodes((files[i] as { model: typeof original }).model.graph, true);
  process.stderr.write(
    `${row.name.padEnd(24)} ${String(nodes).padStart(6)} ${row.p50Ms.toFixed(3).padStart(8)} ${row.p90Ms.toFixed(3).padStart(8)}   ${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})\n`,
  );
});
process.stderr.write(`largest output difference over ${TRIALS} inputs: ${difference.toExponential(1)} of the magnitude\n`);
process.stdout.write(
  `${JSON.stringify({ difference, proofs: [plain.report.proof?.kind, targeted.report.proof?.kind], latency: report, goals: GOALS }, null, 2)}\n`,
);
const speedup = report.rows.at(-1)?.speedup.value ?? 0;
if (speedup < GOALS.speedup || difference > GOALS.difference) process.exitCode = 1;
