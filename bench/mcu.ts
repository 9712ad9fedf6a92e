/**
 * A whole int8 model as C on every rung of the ladder, and what it takes there. Expected outputs are those of the integer interpreter on the model as it
 * came in, or recordings of TensorFlow Lite for Microcontrollers (see bench/integer-models.ts). Run from the root:
 *
 *   npx tsx --conditions=source bench/mcu.ts MODEL [--inputs 1000] [--golden DIR --set noise|smooth] [--rungs m4,m55] [--few 100] [--layers]
 *     [--flash 256K] [--ram 64K] [--stack 4K] [--stream never|auto|pushed] [--with-logits] [--keep-dead] [--json FILE]
 *
 * MODEL: kws, vww or lstm of the shared folder, or the path of a .tflite file. DIR: what bench/integer-models.ts wrote and bench/peers/tflm_golden.py
 * recorded. A table goes to stderr, JSON to stdout or FILE.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fail } from "@tessera/core/base/error";
import { emitC } from "@tessera/core/codegen/c/emit";
import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import type { EmittedC } from "@tessera/core/codegen/c/options";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { BOARDS } from "@tessera/runtimes/mcu-lab/boards";
import { buildAndRun, callBytes, type LabRun } from "@tessera/runtimes/mcu-lab/build-and-run";
import { emittedCalls } from "@tessera/runtimes/mcu-lab/emitted-calls";
import { climbLadder, LADDER, type RungResult } from "@tessera/runtimes/mcu-lab/ladder";
import { INTEGER_MODELS, type IntegerModelName } from "@tessera/testkit/integer/model-runs";
import { sharedDir } from "@tessera/testkit/shared";
import { type DeviceModel, deviceExpected, deviceVectors, openDeviceModel } from "./lib/mcu-model.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: "string", default: "1000" },
    golden: { type: "string" },
    set: { type: "string", default: "noise" },
    rungs: { type: "string" },
    few: { type: "string", default: "100" },
    layers: { type: "boolean", default: false },
    flash: { type: "string" },
    ram: { type: "string" },
    stack: { type: "string", default: "4K" },
    stream: { type: "string", default: "never" },
    "with-logits": { type: "boolean", default: false },
    "keep-dead": { type: "boolean", default: false },
    json: { type: "string" },
  },
});

function bytesOf(text: string): number {
  const found = /^(\d+)([KM]?)$/i.exec(text);
  if (found === null) throw fail("USAGE", `Cannot read ${text} as a size: 256K, 1M or a number of bytes`);
  return Number(found[1]) * ({ K: 1 << 10, M: 1 << 20 }[found[2]?.toUpperCase() ?? ""] ?? 1);
}

function modelPath(word: string): string {
  const known = INTEGER_MODELS[word as IntegerModelName] as string | undefined;
  if (known === undefined) return word;
  const shared = sharedDir();
  if (shared === undefined) throw fail("USAGE", "Cannot find the shared folder with models");
  return join(shared, known);
}

/** Recorded outputs, with the logits behind each where the program gives them. */
function golden(dir: string, id: string, model: DeviceModel): { readonly inputs: Uint8Array[]; readonly outputs: Uint8Array[] } {
  const manifest = JSON.parse(readFileSync(join(dir, "manifest.json"), "utf8")) as {
    readonly id: string;
    readonly runs: number;
  }[];
  const runs = manifest.find((row) => row.id === id)?.runs;
  if (runs === undefined) throw fail("DATA_MISSING", `Cannot find ${id} in the recordings of ${dir}`);
  const split = (ending: string): Uint8Array[] => {
    const all = readFileSync(join(dir, `${id}.${ending}`));
    const size = all.length / runs;
    return Array.from({ length: runs }, (_, k) => new Uint8Array(all.subarray(k * size, (k + 1) * size)));
  };
  const outputs = split("out");
  const logits = model.logits !== undefined && existsSync(join(dir, `${id}.tensor`)) ? split("tensor") : undefined;
  return { inputs: split("in0"), outputs: outputs.map((out, k) => Buffer.concat([out, logits?.[k] ?? new Uint8Array()])) };
}

const emitted = new Map<DeviceIsa, EmittedC>();

function emit(model: DeviceModel, name: string, isa: DeviceIsa): EmittedC {
  const known = emitted.get(isa);
  if (known !== undefined) return known;
  const stream = flags.stream as "never" | "auto" | "pushed";
  const made = emitC(model.device, scheduleDevice(model.device, { isa, stream }), { name, isa });
  emitted.set(isa, made);
  return made;
}

function line(cells: readonly (string | number | undefined)[]): void {
  const widths = [14, 10, 8, 12, 9, 9, 8, 8, 8, 7, 8, 7, 7];
  const text = cells.map((cell, k) => (k === 0 ? String(cell).padEnd(14) : String(cell ?? "-").padStart(widths[k] ?? 9)));
  process.stderr.write(`${text.join(" ")}\n`);
}

function rungLine(result: RungResult, macs: number): void {
  const { rung } = result;
  if (result.kind !== "equal" && result.kind !== "different") {
    const why = "reason" in result ? result.reason : "why" in result ? result.why : JSON.stringify(result.overflows);
    process.stderr.write(`${rung.id.padEnd(14)} ${result.kind}: ${why}\n`);
    return;
  }
  const { run } = result;
  const flash = run.sizes?.flash;
  const most = run.instructions && Math.max(...run.instructions);
  const perMac = most && (most / macs).toFixed(3);
  const sizes = [flash?.model, flash?.weights, flash?.tables, flash?.code, flash?.libc, run.sizes?.ram.arena, run.stackBytes];
  line([rung.id, result.kind, result.vectors, most, perMac, ...sizes]);
  if (result.kind === "different") process.stderr.write(`  ${result.differing} differ, first ${JSON.stringify(result.first)}\n`);
  if (run.warnings !== "") process.stderr.write(`  ${run.warnings.slice(0, 2000)}\n`);
}

/** Instructions of each layer on a board, of the first vector. */
async function layersOn(board: LabRun["board"], made: EmittedC, vectors: readonly Uint8Array[]): Promise<object[]> {
  const task = { files: made.files, calls: emittedCalls(made), board, vectors: vectors.slice(0, 1) };
  const run = await buildAndRun(task, { layers: made.layers.length });
  if (run.kind !== "run") return [];
  process.stderr.write(`\n${BOARDS[board].title}\n`);
  return made.layers.map((layer, k) => {
    const instructions = run.layers?.[k]?.instructions ?? 0;
    const perMac = layer.macs > 0 ? instructions / layer.macs : undefined;
    line([String(k), layer.kind, layer.macs, instructions, perMac?.toFixed(3), layer.function]);
    return { ...layer, instructions, perMac };
  });
}

const [word] = positionals;
if (word === undefined) throw fail("USAGE", "Cannot start: no model given");
const file = new Uint8Array(readFileSync(modelPath(word)));
const model = openDeviceModel(file, { dead: flags["keep-dead"] ? "keep" : "remove", logits: flags["with-logits"] });
const name = word in INTEGER_MODELS ? word : "model";
const recorded = flags.golden === undefined ? undefined : golden(flags.golden, `${word}-${flags.set}`, model);
const count = Math.min(Number(flags.inputs), recorded?.inputs.length ?? Number.POSITIVE_INFINITY);
const vectors = recorded?.inputs.slice(0, count) ?? deviceVectors(model, count);
const expected = recorded?.outputs.slice(0, count) ?? deviceExpected(model, vectors);
const first = emit(model, name, "dsp");
if (callBytes(emittedCalls(first)).output !== expected[0]?.length)
  throw fail(
    "SHAPE_MISMATCH",
    `Cannot compare: the model gives ${callBytes(emittedCalls(first)).output} bytes, expected are ${expected[0]?.length}`,
  );
const macs = first.layers.reduce((sum, layer) => sum + layer.macs, 0);
const wanted = flags.rungs?.split(",");
const rungs = LADDER.filter((rung) => wanted === undefined || wanted.includes(rung.id));
process.stderr.write(
  `${word}: ${macs} MACs, ${model.removed} channels removed, ${count} inputs against ${recorded ? "TFLM" : "the interpreter"}\n`,
);
line(["rung", "outputs", "inputs", "insns", "per MAC", "flash", "weights", "tables", "code", "libc", "arena", "stack"]);
const results = await climbLadder(
  {
    emit: (isa) => {
      const made = emit(model, name, isa);
      return { files: made.files, calls: emittedCalls(made) };
    },
    vectors,
    expected,
  },
  {
    rungs,
    few: Number(flags.few),
    stack: bytesOf(flags.stack),
    ...(flags.flash !== undefined && { flash: bytesOf(flags.flash) }),
    ...(flags.ram !== undefined && { ram: bytesOf(flags.ram) }),
    timeoutMs: 1_800_000,
    onResult: (result) => rungLine(result, macs),
  },
);
const layers: Record<string, object[]> = {};
if (flags.layers)
  for (const { rung, kind } of results) {
    // Rungs with macros or files of their own run other code than the layers would be counted in.
    const { isa, emulator } = BOARDS[rung.board];
    if (kind !== "equal" || emulator === undefined || rung.isa !== undefined || rung.flags.some((flag) => flag.startsWith("-D")))
      continue;
    layers[rung.id] = await layersOn(rung.board, emit(model, name, isa), vectors);
  }
const plain = results.map((result) => {
  if (!("run" in result)) return result;
  const { outputs: _outputs, instructions, ...run } = result.run;
  const span = instructions && { least: Math.min(...instructions), most: Math.max(...instructions) };
  return { ...result, run: { ...run, instructions: span } };
});
const json = `${JSON.stringify(
  {
    kind: "mcu-bench",
    model: word,
    sha256: createHash("sha256").update(file).digest("hex"),
    macs,
    removed: model.removed,
    stream: flags.stream,
    rungs: plain,
    layers,
  },
  null,
  1,
)}\n`;
if (flags.json === undefined) process.stdout.write(json);
else writeFileSync(flags.json, json);
if (results.some(({ kind }) => kind !== "equal" && kind !== "skipped")) process.exitCode = 1;
