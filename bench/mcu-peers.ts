/**
 * C that other generators wrote for the shared int8 models, beside ours: the same inputs, board, compiler, flags and counters. Run from the root:
 *
 *   npx tsx --conditions=source bench/mcu-peers.ts DIR [--models kws,vww] [--board m4] [--inputs 100] [--counted 2] [--json FILE]
 *
 * DIR: what bench/peers/mcu_generators.py wrote. Half of the inputs is noise, half are smooth fields; what is right is the integer interpreter, which
 * equals TFLite Micro bit for bit. The others round as ONNX does: they are held against the interpreter by that profile, too. A table goes to stderr,
 * JSON to stdout or FILE.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fail } from "@tessera/core/base/error";
import { emitC } from "@tessera/core/codegen/c/emit";
import { scratchBytes } from "@tessera/core/codegen/c/scratch";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { BOARDS, type BoardId } from "@tessera/runtimes/mcu-lab/boards";
import { buildAndRun, type LabOptions, type LabTask } from "@tessera/runtimes/mcu-lab/build-and-run";
import { emittedCalls } from "@tessera/runtimes/mcu-lab/emitted-calls";
import { reorder } from "@tessera/testkit/integer/case-builder";
import {
  type IntegerModel,
  type IntegerModelName,
  modelInput,
  openIntegerModel,
  runModel,
} from "@tessera/testkit/integer/model-runs";
import { sharedDir } from "@tessera/testkit/shared";
import { openDeviceModel } from "./lib/mcu-model.ts";

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    models: { type: "string", default: "kws,vww" },
    board: { type: "string", default: "m4" },
    inputs: { type: "string", default: "100" },
    counted: { type: "string", default: "2" },
    json: { type: "string" },
  },
});

/** What mcu_generators.py says about a form of a model. */
interface Manifest {
  readonly tool: string;
  readonly entry: string;
  readonly files?: readonly string[];
  readonly refused?: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

interface Port {
  readonly dtype: "int8" | "float32";
  readonly shape: readonly number[];
}

/** The integers that reals stand for at a port. */
interface Grid {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Output and logits of an input, integers. */
interface Result {
  readonly output: Int8Array;
  readonly logits: Int8Array;
}

/** Everything about a model that its rows share. */
interface Case {
  readonly name: IntegerModelName;
  readonly model: IntegerModel;
  readonly inputs: readonly Int8Array[];
  /** Of each input, as TFLite Micro rounds, and as ONNX does. */
  readonly wanted: readonly Result[];
  readonly byOnnx: readonly Result[];
  readonly grids: { readonly input: Grid; readonly output: Grid; readonly logits: Grid };
}

/** How far integers are from the wanted ones. */
interface Agreement {
  /** Inputs with all values equal, of how many. */
  readonly equal: number;
  readonly of: number;
  /** Share of values that differ, and by how many steps at most. */
  readonly differing: number;
  readonly most: number;
}

type Row = { readonly model: string; readonly who: string } & (
  | { readonly skipped: string }
  | {
      readonly instructions: number;
      readonly flash: number;
      readonly ram: number;
      readonly static: number;
      readonly stack: number;
      readonly output: Agreement;
      readonly logits?: Agreement;
      /** Logits against the interpreter that rounds as ONNX does. */
      readonly byOnnx?: Agreement;
      /** Inputs with the same largest logit. */
      readonly sameTop?: number;
      readonly tools: readonly string[];
      readonly flags: readonly string[];
    }
);

/** Published in specs/mcu.md, section 0, on the same kind of emulated board; not measured by this script. RAM: the arena alone. */
const TFLM_ELSEWHERE = [
  { model: "kws", who: "TFLM, reference kernels", instructions: 43.04e6, flash: 97_500, arena: 22_772 },
  { model: "kws", who: "TFLM, CMSIS-NN", instructions: 7.7e6, flash: 139_100, arena: 22_820 },
  { model: "vww", who: "TFLM, reference kernels", instructions: 100.25e6, flash: 376_800, arena: 100_660 },
  { model: "vww", who: "TFLM, CMSIS-NN", instructions: 24.1e6, flash: 418_400, arena: 100_708 },
] as const;

function signed(bytes: Uint8Array): Int8Array {
  return new Int8Array(bytes.slice().buffer);
}

function openCase(name: IntegerModelName, count: number): Case {
  const shared = sharedDir();
  if (shared === undefined) throw fail("USAGE", "Cannot find the shared folder with models");
  const model = openIntegerModel(shared, name, "tflm-double");
  const inputs = Array.from({ length: count }, (_, k) => modelInput(model, k % 2 === 0 ? "noise" : "smooth", k >> 1));
  const resultsOf = (of: IntegerModel) =>
    inputs.map((input): Result => {
      const { output, logits } = runModel(of, input);
      return { output: signed(output), logits: signed(logits) };
    });
  const { device } = openDeviceModel(model.file, { dead: "keep", logits: true });
  const [input, output, logits] = [device.inputs[0], ...device.outputs].map((value) => device.values.get(value ?? ""));
  if (!input || !output || !logits) throw fail("DATA_MISSING", `Cannot find the ports of ${name}`);
  return {
    name,
    model,
    inputs,
    wanted: resultsOf(model),
    byOnnx: resultsOf({ ...openIntegerModel(shared, name, "ort-float"), logits: model.logits }),
    grids: { input, output, logits },
  };
}

function agreement(got: readonly Int8Array[], wanted: readonly Int8Array[]): Agreement {
  let [equal, differing, most, values] = [0, 0, 0, 0];
  for (const [k, have] of got.entries()) {
    let all = true;
    for (const [i, value] of have.entries()) {
      const off = Math.abs(value - (wanted[k]?.[i] ?? Number.NaN));
      values++;
      if (off === 0) continue;
      all = false;
      differing++;
      most = Math.max(most, off);
    }
    if (all) equal++;
  }
  return { equal, of: got.length, differing: differing / values, most };
}

/** Builds with room for any stack, counts on a few inputs, and compares on all without counting, which is faster. */
async function measure(given: Case, who: string, task: Omit<LabTask, "board" | "vectors">, read: Reader): Promise<Row> {
  const { name: model } = given;
  const board = flags.board as BoardId;
  const vectors = given.inputs.map(read.input);
  const options: LabOptions = { stack: read.stack, libraries: read.libraries, timeoutMs: 1_800_000 };
  try {
    const counted = await buildAndRun({ ...task, board, vectors: vectors.slice(0, Number(flags.counted)) }, options);
    if (counted.kind === "skipped") return { model, who, skipped: counted.reason };
    if (counted.kind === "overflow") return { model, who, skipped: `does not fit: ${JSON.stringify(counted.overflows)}` };
    const all = await buildAndRun({ ...task, board, vectors }, { ...options, count: false });
    if (all.kind !== "run" || !counted.sizes) return { model, who, skipped: "the second run did not come to an end" };
    const outputs = all.outputs.map(read.output);
    const logits = all.outputs.flatMap((bytes) => read.logits?.(bytes) ?? []);
    const top = (of: Int8Array) => of.indexOf(Math.max(...of));
    const { flash, ram } = counted.sizes;
    const stack = counted.stackBytes ?? 0;
    return {
      model,
      who,
      instructions: Math.max(...(counted.instructions ?? [])),
      flash: flash.model,
      ram: ram.arena + ram.static + stack,
      static: ram.arena + ram.static,
      stack,
      output: agreement(
        outputs,
        given.wanted.map((run) => run.output),
      ),
      ...(logits.length > 0 && {
        logits: agreement(
          logits,
          given.wanted.map((run) => run.logits),
        ),
        byOnnx: agreement(
          logits,
          given.byOnnx.map((run) => run.logits),
        ),
        sameTop: logits.filter((run, k) => top(run) === top(given.wanted[k]?.logits ?? run)).length,
      }),
      tools: counted.tools,
      flags: counted.flags,
    };
  } catch (error) {
    return { model, who, skipped: error instanceof Error ? error.message.slice(0, 300) : String(error) };
  }
}

/** How a program takes inputs and gives outputs, and what it is linked with. */
interface Reader {
  readonly input: (input: Int8Array) => Uint8Array;
  readonly output: (bytes: Uint8Array) => Int8Array;
  readonly logits?: (bytes: Uint8Array) => Int8Array;
  readonly stack: number;
  readonly libraries: readonly string[];
}

const countOf = (port: Port): number => port.shape.reduce((a, b) => a * b, 1);
const bytesOf = (port: Port): number => countOf(port) * (port.dtype === "int8" ? 1 : 4);

/** Integers, or reals brought to the grid of ours. */
function integersAt(port: Port, bytes: Uint8Array, grid: Grid): Int8Array {
  if (port.dtype === "int8") return signed(bytes);
  return Int8Array.from(new Float32Array(bytes.slice().buffer), (real) =>
    Math.max(-128, Math.min(127, Math.round(real / grid.scale) + grid.zeroPoint)),
  );
}

async function rival(given: Case, form: string, dir: string): Promise<Row | undefined> {
  const place = join(dir, `${given.name}-${form}`);
  if (!existsSync(join(place, "manifest.json"))) return undefined;
  const manifest = JSON.parse(readFileSync(join(place, "manifest.json"), "utf8")) as Manifest;
  const who = `${manifest.tool}, ${form}`;
  if (manifest.refused !== undefined) return { model: given.name, who, skipped: manifest.refused };
  const [from, to, raw] = [manifest.inputs[0], manifest.outputs[0], manifest.outputs[1]];
  if (!from || !to || !raw) throw fail("DATA_MISSING", `Cannot read the manifest of ${place}: no ports`);
  const { input, output, logits } = given.grids;
  const buffer = (name: string, port: Port) => `_Alignas(16) signed char ${name}[${bytesOf(port)}];`;
  const files = new Map((manifest.files ?? []).map((name) => [name, readFileSync(join(place, name), "utf8")]));
  files.set("peer.h", "extern signed char peer_in[], peer_out[], peer_raw[];\nvoid peer_run(void);\n");
  // The names of its own parameter types are nowhere but in its C file.
  files.set(
    "peer.c",
    `#include "peer.h"
void ${manifest.entry}(const void *, void *, void *);
${[buffer("peer_in", from), buffer("peer_out", to), buffer("peer_raw", raw)].join("\n")}
void peer_run(void) { ${manifest.entry}(peer_in, peer_out, peer_raw); }
`,
  );
  const split = bytesOf(to);
  return measure(
    given,
    who,
    {
      files,
      calls: {
        header: "peer.h",
        arenaBytes: 0,
        arenaAlignment: 4,
        inputs: [{ pointer: "peer_in", bytes: bytesOf(from) }],
        outputs: [
          { pointer: "peer_out", bytes: split },
          { pointer: "peer_raw", bytes: bytesOf(raw) },
        ],
        run: "peer_run();",
      },
    },
    {
      input: (nhwc) => {
        const data = given.model.order === undefined ? nhwc : reorder(nhwc, given.model.shape, given.model.order);
        if (from.dtype === "int8") return Uint8Array.from(data, (v) => v & 255);
        return new Uint8Array(Float32Array.from(data, (v) => (v - input.zeroPoint) * input.scale).buffer);
      },
      output: (bytes) => integersAt(to, bytes.subarray(0, split), output),
      logits: (bytes) => integersAt(raw, bytes.subarray(split), logits),
      stack: (BOARDS[flags.board as BoardId].ram?.bytes ?? 0) - (512 << 10),
      libraries: ["-lm"],
    },
  );
}

/**
 * Ours as `tessera mcu` writes it for 64 KiB of RAM; its plain C, in which nothing is for this processor; and with channels kept that are the same
 * whatever comes in, as the others have them. None where there is no such channel.
 */
async function ours(given: Case, form: "as it comes" | "portable" | "nothing removed"): Promise<Row | undefined> {
  const dead = form === "nothing removed" ? "keep" : "remove";
  if (dead === "keep" && openDeviceModel(given.model.file, { dead: "remove", logits: false }).removed === 0) return undefined;
  const { device } = openDeviceModel(given.model.file, { dead, logits: false });
  const isa = form === "portable" ? "portable" : BOARDS[flags.board as BoardId].isa;
  const schedule = scheduleDevice(device, {
    isa,
    stream: "auto",
    scratch: (step, asRows) => Math.max(scratchBytes(step, isa, asRows), scratchBytes(step, "portable", asRows)),
    budgetBytes: (64 << 10) - 4096,
  });
  const emitted = emitC(device, schedule, { name: given.name, isa });
  const who = form === "as it comes" ? "tessera" : `tessera, ${form}`;
  const bytes = (v: Int8Array) => Uint8Array.from(v, (value) => value & 255);
  return measure(
    given,
    who,
    { files: emitted.files, calls: emittedCalls(emitted) },
    { input: bytes, output: signed, stack: 4096, libraries: [] },
  );
}

function say(row: Row): void {
  const head = `${row.model} ${row.who}`.padEnd(36);
  if ("skipped" in row) {
    process.stderr.write(`${head} skipped: ${row.skipped}\n`);
    return;
  }
  const agrees = (a?: Agreement) => (a ? `${a.equal}/${a.of} (${(100 * a.differing).toFixed(2)} %, <= ${a.most})` : "-");
  const cells = [(row.instructions / 1e6).toFixed(2), row.flash, row.ram, row.static, row.stack];
  const text = cells.map((cell) => String(cell).padStart(10)).join("");
  process.stderr.write(
    `${head}${text}  ${agrees(row.output).padEnd(24)} ${agrees(row.logits).padEnd(24)} ${agrees(row.byOnnx).padEnd(24)} ${row.sameTop ?? "-"}\n`,
  );
}

const [dir] = positionals;
if (dir === undefined) throw fail("USAGE", "Cannot start: no folder of mcu_generators.py given");
process.stderr.write(
  `${"".padEnd(36)}${["M insns", "flash", "RAM", "static", "stack"].map((word) => word.padStart(10)).join("")}  ${"outputs equal".padEnd(24)} ${"logits equal".padEnd(24)} ${"by ONNX's rounding".padEnd(24)} same top\n`,
);
const rows: Row[] = [];
for (const name of flags.models.split(",") as IntegerModelName[]) {
  const given = openCase(name, Number(flags.inputs));
  const add = (row: Row | undefined) => {
    if (row === undefined) return;
    rows.push(row);
    say(row);
  };
  for (const form of ["as it comes", "nothing removed", "portable"] as const) add(await ours(given, form));
  for (const form of ["qlinear", "qdq", "float"]) add(await rival(given, form, dir));
  for (const { model, who, instructions, flash, arena } of TFLM_ELSEWHERE)
    if (model === name)
      process.stderr.write(
        `${`${model} ${who}`.padEnd(36)}${[(instructions / 1e6).toFixed(2), flash, arena].map((cell) => String(cell).padStart(10)).join("")}  not measured here: specs/mcu.md; RAM is the arena\n`,
      );
}
const json = `${JSON.stringify({ kind: "mcu-peers", board: flags.board, rows, elsewhere: TFLM_ELSEWHERE }, null, 1)}\n`;
if (flags.json === undefined) process.stdout.write(json);
else writeFileSync(flags.json, json);
