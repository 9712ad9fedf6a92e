import { at } from "@tessera/core/base/assert";
import { isTesseraError } from "@tessera/core/base/error";
import { cPrefix } from "@tessera/core/codegen/c/names";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import type {
  McuArtefact,
  McuBundle,
  McuFault,
  McuFigures,
  McuMemory,
  McuReport,
  McuTarget,
} from "@tessera/core/protocol/mcu-report";
import { targetById } from "@tessera/core/targets/table";
import { sha256 } from "../io/files.ts";
import { stemOf } from "../io/formats.ts";
import type { ModelFile } from "../io/model-file.ts";
import type { Progress } from "../ui/progress.ts";
import { memorySize } from "../ui/size-option.ts";
import { TESSERA_VERSION } from "../version.ts";
import { buildMcu, type McuBuilt, STACK_RESERVE_BYTES } from "./mcu-build.ts";
import type { McuCpu } from "./mcu-cpus.ts";
import { tflmKernels } from "./mcu-estimates.ts";
import { bundleFits, mcuFigures } from "./mcu-figures.ts";
import { measureMcu } from "./mcu-measure.ts";
import { mcuModelSummary, mcuSource } from "./mcu-model.ts";
import { buildTflm, type TflmBuilt } from "./mcu-tflm.ts";
import { type McuVectors, mcuVectors, usualVectors } from "./mcu-vectors.ts";

/** Forms that `tessera mcu` writes. */
export const MCU_EXPORTS = ["c", "tflm", "both"] as const;

const BUNDLE_ALONE =
  "Flash, arena, stack, instructions and what was verified are those of the same network as standalone C (--export c); whether it fits is judged with the interpreter, by estimate";

/** One of {@link MCU_EXPORTS}. */
export type McuExport = (typeof MCU_EXPORTS)[number];

/** What `tessera mcu` is asked to do. */
export interface McuRequest {
  readonly file: ModelFile;
  readonly cpu: McuCpu;
  /** What is written: standalone C, a bundle for TensorFlow Lite for Microcontrollers, or both. */
  readonly exports: McuExport;
  readonly stream: McuMemory["stream"];
  /** Bytes of the board; those of the target's class unless given. */
  readonly flashBytes?: number;
  readonly ramBytes?: number;
  /** Prefix of files and functions; made of the file's name unless given. */
  readonly name?: string;
  readonly batch?: number;
  readonly dims?: ReadonlyMap<string, number>;
  /** Inputs on which what was built is held against the integer interpreter; by the size of the network unless given. */
  readonly vectors?: number;
  readonly seed: number;
  readonly measure: boolean;
  readonly mhz?: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The report, and the files that are to be written; none when the model cannot be exported. */
export interface McuResult {
  readonly report: McuReport;
  readonly files: ReadonlyMap<string, string | Uint8Array>;
}

/** The board that is built for: the sizes asked for, else those of the target's class. */
export function mcuTarget(cpu: McuCpu, asked: Pick<McuRequest, "flashBytes" | "ramBytes">): McuTarget {
  const { budget, says } = targetById(cpu.target);
  const own = cpu.unbounded === true ? undefined : budget;
  const flashBytes = asked.flashBytes ?? own?.storageBytes ?? 0;
  const ramBytes = asked.ramBytes ?? own?.memoryBytes ?? 0;
  const sizes = [
    flashBytes > 0 ? `${memorySize(flashBytes)} of flash` : undefined,
    ramBytes > 0 ? `${memorySize(ramBytes)} of memory` : undefined,
  ].filter((s) => s !== undefined);
  const from = asked.flashBytes === undefined && asked.ramBytes === undefined ? `the class of ${cpu.target}` : "the command line";
  return {
    id: cpu.target,
    cpu: cpu.id,
    says: cpu.unbounded === true ? cpu.says : says,
    isa: cpu.isa,
    flashBytes,
    ramBytes,
    budget: sizes.length === 0 ? "no budget was given" : `${sizes.join(", ")} (${from})`,
  };
}

/**
 * An int8 model as C for a microcontroller with its report: legality first; then dead channels are removed, and what is left is compiled, lowered, scheduled,
 * written, and, where a compiler and an emulator are there, linked into the budget, run and counted.
 */
export async function exportMcu(request: McuRequest): Promise<McuResult> {
  const { file, cpu, stream, progress, mhz } = request;
  const target = mcuTarget(cpu, request);
  progress.stage("judging the model");
  const source = mcuSource(file, request);
  const attempt = buildMcu(source, {
    cpu,
    stream,
    name: request.name ?? cPrefix(stemOf(file.path).replace(/^.*[/\\]/, "")),
    modelSha256: file.sha256,
    ramBytes: target.ramBytes,
  });
  const common = {
    kind: "tessera-mcu-report",
    version: 1,
    tool: { name: "tessera", version: TESSERA_VERSION },
    model: mcuModelSummary(file),
    target,
    faults: attempt.faults.map((fault): McuFault => ({ ...fault, suggestion: fault.suggestion.replaceAll("MODEL", file.path) })),
    notes: source.notes,
  } as const;
  const { built } = attempt;
  if (built === undefined) {
    const next =
      source.plan === undefined
        ? ["Quantize it as suggested and try again"]
        : [
            `Change the model as suggested, or quantize its float form for the part: tessera quantize FLOAT_MODEL --target ${cpu.target} --io int8 --calib DATA`,
          ];
    return { report: { ...common, artefacts: [], next }, files: new Map() };
  }
  const name = built.emitted.name;
  const number = request.vectors ?? usualVectors(built.original);
  progress.stage(`asking the integer interpreter for ${number} answers`);
  const vectors = mcuVectors(built.original, number, request.seed);
  const measured = request.measure
    ? await measuredOf(built, vectors, request, target)
    : { notMeasured: "measuring was switched off (--no-measure)" };
  const vector = { input: at(vectors.inputs, 0), output: at(vectors.outputs, 0) };
  const bundled = (from: { readonly model: Model; readonly plan: QuantPlan }): TflmBuilt =>
    buildTflm({ ...from, name, kernels: tflmKernels(cpu), vector });
  const ofC = mcuFigures({
    built,
    cpu,
    target,
    stream,
    fileBytes: file.bytes.length,
    mhz,
    measured,
    // What the interpreter has no operator for it cannot be compared with.
    bundle:
      source.plan === undefined
        ? undefined
        : unlessRefused(() => bundled({ model: source.model, plan: source.plan as QuantPlan })),
  });
  const bundle = request.exports === "c" ? undefined : bundled(built.source);
  const isAlone = request.exports === "tflm" && bundle !== undefined;
  const figures = isAlone
    ? { ...ofC, fits: bundleFits({ tflm: ofC.tflm, bundle, fileBytes: file.bytes.length }, { cpu, target }) }
    : ofC;
  const files = new Map<string, string | Uint8Array>([
    ...(request.exports === "tflm" ? [] : built.emitted.files),
    ...(bundle?.files ?? []),
  ]);
  return {
    report: {
      ...common,
      notes: [
        ...common.notes,
        ...(request.name === undefined || request.name === name
          ? []
          : [
              `Files and functions begin with ${name}: ${request.name} is a name of C, of its headers or of the kernels, or too long`,
            ]),
        ...(isAlone ? [BUNDLE_ALONE] : []),
      ],
      figures,
      ...(bundle === undefined ? {} : { bundle: bundleOf(bundle) }),
      artefacts: artefactsOf(files),
      next: nextSteps(figures, target, stream),
    },
    files,
  };
}

function unlessRefused<T>(build: () => T): T | undefined {
  try {
    return build();
  } catch (error) {
    if (isTesseraError(error)) return undefined;
    throw error;
  }
}

function bundleOf({ modelBytes, operators, plan, arenas }: TflmBuilt): McuBundle {
  return {
    modelBytes,
    operators,
    plan,
    arenas: Object.entries(arenas).map(([kernels, { bytes, plannedBytes, persistentBytes, marginBytes }]) => ({
      kernels,
      bytes,
      plannedBytes,
      persistentBytes,
      marginBytes,
    })),
    says: "arenas are estimates for 32-bit processors with a margin: the planned part is exact, the interpreter's own structures are fitted to two networks",
  };
}

async function measuredOf(built: McuBuilt, vectors: McuVectors, request: McuRequest, target: McuTarget) {
  const { cpu, progress, signal } = request;
  progress.stage(`building and running for ${cpu.id}`);
  const { flashBytes, ramBytes } = target;
  return measureMcu(built.emitted, vectors, cpu, { flashBytes, ramBytes, stackBytes: STACK_RESERVE_BYTES, signal });
}

/** What a file is, by the end of its name; the first that fits. */
const SAYS: readonly (readonly [RegExp, string])[] = [
  [/_kernels\.h$/, "the kernels that the network uses, each with its portable form"],
  [/_weights\.[ch]$/, "weights and other constants"],
  [/_model\.(h|cc)$/, "the model as an aligned array, with the sizes of the arena"],
  [/_resolver\.h$/, "registers exactly the operators of the model"],
  [/_self_test\.(h|cc)$/, "one vector and its answer"],
  [/\.tflite$/, "the slim model with its offline plan"],
  [/\.h$/, "what an application includes: sizes, scales, entry points"],
  [/\.c$/, "the network, a call a layer"],
];

function artefactsOf(files: ReadonlyMap<string, string | Uint8Array>): readonly McuArtefact[] {
  return [...files].map(([file, content]) => {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    return { file, says: SAYS.find(([end]) => end.test(file))?.[1] ?? "", sizeBytes: bytes.length, sha256: sha256(bytes) };
  });
}

function nextSteps(figures: McuFigures, target: McuTarget, stream: McuMemory["stream"]): readonly string[] {
  const { fits, flash, memory, verified = [] } = figures;
  const steps: string[] = [];
  const wrong = verified.filter((v) => v.different > 0);
  if (wrong.length > 0)
    steps.push(
      `Do not ship it: ${wrong.map((v) => v.on).join(", ")} differs from the integer interpreter; report it with the model`,
    );
  if (!fits.pass) {
    if (target.flashBytes > 0 && flash.total > target.flashBytes)
      steps.push(
        `Flash: of ${flash.total.toLocaleString("en-US")} B, ${flash.weights.toLocaleString("en-US")} B are weights; train a narrower network, or choose a part with more (--flash)`,
      );
    if (target.ramBytes > 0 && memory.arenaBytes + STACK_RESERVE_BYTES > target.ramBytes)
      steps.push(
        stream === "pushed"
          ? "Memory: train with a smaller input, or choose a part with more (--ram)"
          : `Memory: try --stream ${stream === "never" ? "auto or " : ""}pushed, a smaller input, or a part with more (--ram)`,
      );
    if (steps.length === 0) steps.push("Choose a part with more (--flash, --ram), or train a smaller network");
  }
  if (figures.notMeasured !== undefined) steps.push(`For counted figures: ${figures.notMeasured}`);
  if (fits.pass && wrong.length === 0)
    steps.push("Measure on the board: instructions are not cycles, and waiting for flash is in no figure");
  return steps;
}
