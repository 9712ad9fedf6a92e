import { cPrefix } from "@tessera/core/codegen/c/names";
import type { McuArtefact, McuFault, McuFigures, McuMemory, McuReport, McuTarget } from "@tessera/core/protocol/mcu-report";
import { targetById } from "@tessera/core/targets/table";
import { sha256 } from "../io/files.ts";
import { stemOf } from "../io/formats.ts";
import type { ModelFile } from "../io/model-file.ts";
import type { Progress } from "../ui/progress.ts";
import { memorySize } from "../ui/size-option.ts";
import { TESSERA_VERSION } from "../version.ts";
import { buildMcu, type McuBuilt, STACK_RESERVE_BYTES } from "./mcu-build.ts";
import type { McuCpu } from "./mcu-cpus.ts";
import { mcuFigures } from "./mcu-figures.ts";
import { measureMcu } from "./mcu-measure.ts";
import { mcuModelSummary, mcuSource } from "./mcu-model.ts";
import { mcuVectors } from "./mcu-vectors.ts";

/** What `tessera mcu` is asked to do. */
export interface McuRequest {
  readonly file: ModelFile;
  readonly cpu: McuCpu;
  readonly stream: McuMemory["stream"];
  /** Bytes of the board; those of the target's class unless given. */
  readonly flashBytes?: number;
  readonly ramBytes?: number;
  /** Prefix of files and functions; made of the file's name unless given. */
  readonly name?: string;
  readonly batch?: number;
  readonly dims?: ReadonlyMap<string, number>;
  /** Inputs on which what was built is held against the integer interpreter. */
  readonly vectors: number;
  readonly seed: number;
  readonly measure: boolean;
  readonly mhz?: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** The report, and the files that are to be written; none when the model cannot be exported. */
export interface McuResult {
  readonly report: McuReport;
  readonly files: ReadonlyMap<string, string>;
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
    const next = ["Change the model as suggested and try again"];
    return { report: { ...common, artefacts: [], next }, files: new Map() };
  }
  const measured = request.measure
    ? await measuredOf(built, request, target)
    : { notMeasured: "measuring was switched off (--no-measure)" };
  const figures = mcuFigures({ built, cpu, target, stream, fileBytes: file.bytes.length, mhz, measured });
  const { files } = built.emitted;
  return {
    report: { ...common, figures, artefacts: artefactsOf(files), next: nextSteps(figures, target, stream) },
    files,
  };
}

async function measuredOf(built: McuBuilt, request: McuRequest, target: McuTarget) {
  const { cpu, progress, signal, seed } = request;
  progress.stage(`asking the integer interpreter for ${request.vectors} answers`);
  const vectors = mcuVectors(built.original, request.vectors, seed);
  progress.stage(`building and running for ${cpu.id}`);
  const { flashBytes, ramBytes } = target;
  return measureMcu(built.emitted, vectors, cpu, { flashBytes, ramBytes, stackBytes: STACK_RESERVE_BYTES, signal });
}

const SAYS: Readonly<Record<string, string>> = {
  h: "what an application includes: sizes, scales, entry points",
  c: "the network, a call a layer",
};

function artefactsOf(files: ReadonlyMap<string, string>): readonly McuArtefact[] {
  return [...files].map(([file, text]) => {
    const says = file.startsWith("tessera_kernels")
      ? "the kernels that the network uses, each with its portable form"
      : /_weights\.[ch]$/.test(file)
        ? "weights and other constants"
        : (SAYS[file.slice(file.lastIndexOf(".") + 1)] ?? "");
    const content = new TextEncoder().encode(text);
    return { file, says, sizeBytes: content.length, sha256: sha256(content) };
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
