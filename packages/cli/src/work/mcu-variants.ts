import { join } from "node:path";
import { isTesseraError } from "@tessera/core/base/error";
import { cPrefix } from "@tessera/core/codegen/c/names";
import { modelFromTflite, modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { McuReport } from "@tessera/core/protocol/mcu-report";
import type { Artefact, Candidate, DeviceFigures, GateResult } from "@tessera/core/protocol/report";
import { sha256, writeFile } from "../io/files.ts";
import { writeFolder } from "../io/folder.ts";
import { stemOf } from "../io/formats.ts";
import { readModelFile } from "../io/model-file.ts";
import { bytes } from "../ui/format.ts";
import { memorySize } from "../ui/size-option.ts";
import { liftedOf } from "./lifted.ts";
import { exportMcu, mcuTarget } from "./mcu.ts";
import { buildMcu, STACK_RESERVE_BYTES } from "./mcu-build.ts";
import { cpuOfTarget, type McuCpu } from "./mcu-cpus.ts";
import { estimatedFlash, estimatedInstructions } from "./mcu-estimates.ts";
import { mcuSource } from "./mcu-model.ts";
import type { OptimizeJob } from "./request.ts";
import type { Variant } from "./variants.ts";

/** What a variant takes on the microcontroller, and whether it can be had there at all. */
export interface DeviceVerdict {
  readonly device?: DeviceFigures;
  readonly gate: GateResult;
}

function gateOf(pass: boolean, says: string): GateResult {
  return { gate: "device", pass, says };
}

/**
 * Each variant on the microcontroller that it is for, by static figures: memory to the byte, flash and instructions by estimate. Only what computes in integers
 * throughout can be written as C. `undefined` for targets for which no C is generated.
 */
export function judgeDevices(
  variants: readonly Variant[],
  { target, progress }: Pick<OptimizeJob, "target" | "progress">,
): readonly DeviceVerdict[] | undefined {
  const cpu = cpuOfTarget(target.id);
  if (cpu === undefined) return undefined;
  progress.stage(`laying the variants out for ${target.id}`);
  return variants.map((variant) => judgeDevice(variant, cpu));
}

function judgeDevice(variant: Variant, cpu: McuCpu): DeviceVerdict {
  if (variant.scheme !== "static-int8")
    return { gate: gateOf(false, `it is not int8 throughout, and the C for ${cpu.target} computes in int8 alone`) };
  const target = mcuTarget(cpu, {});
  try {
    const source = mcuSource(modelFromTflite(variant.bytes));
    const { faults, built } = buildMcu(source, {
      cpu,
      stream: "auto",
      name: "variant",
      modelSha256: "",
      ramBytes: target.ramBytes,
      selfTest: false,
    });
    if (built === undefined) {
      const [first, ...rest] = faults.filter((f) => f.severity === "error");
      return { gate: gateOf(false, `${first?.says ?? ""}${rest.length > 0 ? `, and ${rest.length} more` : ""}`) };
    }
    const flashBytes = estimatedFlash(built, cpu.isa).total;
    const ramBytes = built.emitted.arenaBytes + STACK_RESERVE_BYTES;
    const { total } = estimatedInstructions(built.program, cpu.isa);
    const device: DeviceFigures = { basis: "estimate", flashBytes, ramBytes, instructions: total };
    const over = [
      ...(flashBytes > target.flashBytes
        ? [`about ${bytes(flashBytes)} of flash, there are ${memorySize(target.flashBytes)}`]
        : []),
      ...(ramBytes > target.ramBytes
        ? [
            `${bytes(ramBytes)} of memory with ${memorySize(STACK_RESERVE_BYTES)} of stack, there are ${memorySize(target.ramBytes)}`,
          ]
        : []),
    ];
    const says = `flash about ${bytes(flashBytes)}, memory ${bytes(ramBytes)}`;
    return {
      device,
      gate: over.length === 0 ? gateOf(true, `it fits: ${says}`) : gateOf(false, `it needs ${over.join(", and ")}`),
    };
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    return { gate: gateOf(false, error.message) };
  }
}

/** What was written for the pick. */
export interface McuOfPick {
  readonly mcu?: McuReport;
  readonly artefacts: readonly Artefact[];
}

/** The pick as C in a folder of its own, built and run where the tools are there, and as a slim .tflite of integers throughout. */
export async function mcuOfPick(picked: Candidate | undefined, job: OptimizeJob): Promise<McuOfPick> {
  const { target, outDir, progress, signal, seed } = job;
  const cpu = cpuOfTarget(target.id);
  if (cpu === undefined || picked?.device === undefined) return { artefacts: [] };
  const file = readModelFile(join(outDir, picked.file));
  const stem = stemOf(picked.file);
  const { report, files } = await exportMcu({
    file,
    cpu,
    exports: "c",
    stream: "auto",
    name: cPrefix(stem),
    seed,
    measure: true,
    progress,
    signal,
  });
  const folder = `${stem}-mcu`;
  writeFolder(join(outDir, folder), files);
  const { model, plan } = liftedOf(file);
  const slim = modelToTflite(model, { ...(plan === undefined ? {} : { plan }), io: "integer", slim: true });
  const slimName = `${stem}.slim.tflite`;
  writeFile(join(outDir, slimName), slim);
  return {
    mcu: report,
    artefacts: [
      ...report.artefacts.map((a) => ({ ...a, file: `${folder}/${a.file}`, says: `${a.says} (the pick as C)` })),
      {
        file: slimName,
        says: "the pick without what no runtime reads, integers at both ends",
        sizeBytes: slim.length,
        sha256: sha256(slim),
      },
    ],
  };
}
