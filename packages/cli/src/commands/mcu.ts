import { fail } from "@tessera/core/base/error";
import { renderMcuPage } from "@tessera/web/mcu-page";
import { writeFolder } from "../io/folder.ts";
import { stemOf } from "../io/formats.ts";
import { readModelFile } from "../io/model-file.ts";
import { dimsOf } from "../ui/dims-option.ts";
import { mcuLines } from "../ui/mcu-lines.ts";
import { printJson, printLines } from "../ui/print.ts";
import { createProgress } from "../ui/progress.ts";
import { sizeOption } from "../ui/size-option.ts";
import { choiceOption, numberOption, verb } from "../ui/verb.ts";
import { exportMcu, MCU_EXPORTS } from "../work/mcu.ts";
import { MCU_CPUS, type McuCpuId } from "../work/mcu-cpus.ts";

const CPUS = Object.keys(MCU_CPUS) as McuCpuId[];
const STREAMS = ["never", "auto", "pushed"] as const;

/** Names of C identifiers. */
const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;

function whole(
  name: string,
  text: string | undefined,
  limits: { readonly min: number; readonly max: number },
): number | undefined {
  const value = numberOption(name, text, limits);
  if (value !== undefined && !Number.isInteger(value))
    throw fail("USAGE", `Cannot use --${name} ${text}: it must be a whole number`);
  return value;
}

export const mcu = verb(
  {
    name: "mcu",
    description: "Write an int8 model as standalone C for a microcontroller, and say what it takes before anything is flashed",
  },
  {
    model: { type: "positional", description: "The int8 .tflite or .onnx file", required: true },
    output: { type: "string", alias: "o", description: "Folder for the C files and the report (default: NAME-mcu)" },
    cpu: { type: "string", description: `Processor: ${CPUS.join(", ")}`, default: "m4" },
    export: {
      type: "string",
      description: `What to write: ${MCU_EXPORTS.join(", ")} (tflm: a bundle for TensorFlow Lite for Microcontrollers)`,
      default: "c",
    },
    stream: {
      type: "string",
      description:
        "Whether layers hand rows to each other to save memory: never, auto (where it pays), or pushed (and the input comes row by row from outside)",
      default: "auto",
    },
    flash: { type: "string", description: "Flash of the board, e.g. 256K (default: that of the processor's class)" },
    ram: { type: "string", description: "Memory of the board, e.g. 64K (default: that of the processor's class)" },
    name: { type: "string", description: "What files and functions begin with (default: the file's name)" },
    batch: { type: "string", description: "Bring a model that takes several samples at a time to this many: 1" },
    dims: { type: "string", description: "Sizes that the model leaves open, as NAME=SIZE,NAME=SIZE" },
    measure: {
      type: "boolean",
      description: "Build it, link it into the budget, run it under an emulator and count, where the tools are there",
      default: true,
    },
    vectors: { type: "string", description: "Inputs on which it is run and compared (default: 2 to 8, by its size)" },
    seed: { type: "string", description: "Seed of those inputs", default: "1" },
    mhz: { type: "string", description: "Clock for a range of milliseconds; a model, never a measurement" },
  },
  async (args, tools) => {
    const progress = createProgress(tools);
    const cpu = MCU_CPUS[choiceOption("cpu", args.cpu, CPUS)];
    const exports = choiceOption("export", args.export, MCU_EXPORTS);
    const stream = choiceOption("stream", args.stream, STREAMS);
    const flashBytes = sizeOption("flash", args.flash);
    const ramBytes = sizeOption("ram", args.ram);
    const vectors = whole("vectors", args.vectors, { min: 1, max: 100_000 });
    const seed = whole("seed", args.seed, { min: 0, max: 2 ** 32 - 1 }) as number;
    const mhz = numberOption("mhz", args.mhz, { min: 0.01, max: 10_000 });
    const batch = whole("batch", args.batch, { min: 1, max: 65_536 });
    if (args.name !== undefined && !NAME.test(args.name))
      throw fail("USAGE", `Cannot use --name ${args.name}: it must be letters, digits and underscores, a letter first`);
    const file = readModelFile(args.model);
    const { report, files } = await exportMcu({
      file,
      cpu,
      exports,
      stream,
      ...(flashBytes === undefined ? {} : { flashBytes }),
      ...(ramBytes === undefined ? {} : { ramBytes }),
      ...(args.name === undefined ? {} : { name: args.name }),
      ...(batch === undefined ? {} : { batch }),
      dims: dimsOf(args.dims),
      ...(vectors === undefined ? {} : { vectors }),
      seed,
      measure: args.measure,
      ...(mhz === undefined ? {} : { mhz }),
      progress,
      signal: tools.signal,
    });
    const output = args.output ?? `${stemOf(args.model)}-mcu`;
    progress.end();
    if (tools.json) printJson(report);
    else printLines(...mcuLines(report));
    const { figures } = report;
    if (figures === undefined) return 1;
    writeFolder(
      output,
      new Map([...files, ["report.json", `${JSON.stringify(report, null, 2)}\n`], ["report.html", renderMcuPage(report)]]),
    );
    if (!tools.json) printLines(`written: ${output}`);
    return figures.fits.pass && (figures.verified ?? []).every((v) => v.different === 0) ? 0 : 1;
  },
);
