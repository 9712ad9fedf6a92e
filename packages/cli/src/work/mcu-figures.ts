import type { EmittedC } from "@tessera/core/codegen/c/options";
import { estimateSteps } from "@tessera/core/codegen/estimate";
import type {
  McuFigures,
  McuFits,
  McuFlash,
  McuInstructions,
  McuMemory,
  McuPruned,
  McuTarget,
  McuTflm,
} from "@tessera/core/protocol/mcu-report";
import { sha256 } from "../io/files.ts";
import { bytes } from "../ui/format.ts";
import { memorySize } from "../ui/size-option.ts";
import { type McuBuilt, STACK_RESERVE_BYTES } from "./mcu-build.ts";
import type { McuCpu } from "./mcu-cpus.ts";
import {
  cyclesOf,
  estimatedFlash,
  estimatedInstructions,
  STACK_ESTIMATE_BYTES,
  tflmEstimate,
  tflmKernels,
} from "./mcu-estimates.ts";
import { type McuMeasured, meanOf } from "./mcu-measure.ts";
import { mcuMemory } from "./mcu-memory.ts";
import type { TflmBuilt } from "./mcu-tflm.ts";

const ROUNDING = {
  profile: "tflm-double",
  says: "a multiplication that rounds, then a shift that rounds, as TensorFlow Lite for Microcontrollers does by default; equal to it on every output value",
} as const;

/** What {@link mcuFigures} is made of. */
export interface McuFiguresRequest {
  readonly built: McuBuilt;
  readonly cpu: McuCpu;
  readonly target: McuTarget;
  readonly stream: McuMemory["stream"];
  /** Of the model file that came in. */
  readonly fileBytes: number;
  readonly mhz: number | undefined;
  /** Of the network as it came in, where the interpreter has all its operators. */
  readonly bundle: TflmBuilt | undefined;
  /** Absent where nothing was to be built: then the reason. */
  readonly measured: McuMeasured | { readonly notMeasured: string };
}

/** Every figure of a network on a microcontroller: measured where it was, estimated where it was not, and each says which. */
export function mcuFigures(request: McuFiguresRequest): McuFigures {
  const { built, cpu, target, stream, fileBytes, mhz, measured, bundle } = request;
  const { program, schedule, emitted } = built;
  const run = "run" in measured ? measured.run : undefined;
  const macs = estimateSteps(program, cpu.isa).reduce((sum, s) => sum + s.macs, 0);
  const memory = mcuMemory(schedule, stream, emitted.arenaBytes);
  const flash = flashOf(built, run, cpu.isa);
  const stack =
    run?.stackBytes === undefined
      ? ({ basis: "estimate", bytes: STACK_ESTIMATE_BYTES, says: "more than any network that was measured" } as const)
      : ({ basis: "measured", bytes: run.stackBytes, says: "deepest word written by an inference, below its caller" } as const);
  const instructions = instructionsOf(built, cpu, measured);
  const cycles = cyclesOf(instructions.total, cpu, mhz);
  return {
    rounding: ROUNDING,
    pruned: prunedOf(built),
    macs,
    flash,
    memory,
    instructions,
    stack,
    ...(cycles === undefined ? {} : { cycles }),
    fits: fitsOf({ flash, emitted, target, linked: "linked" in measured ? measured.linked : undefined }),
    tflm: tflmEstimate(built.original, { fileBytes, cpu, bundle, plainArenaBytes: schedule.plainArenaBytes }),
    ...(measured.notMeasured === undefined ? {} : { notMeasured: measured.notMeasured }),
    ...("verified" in measured && measured.verified.length > 0 ? { verified: measured.verified } : {}),
    sourcesSha256: sourcesDigest(emitted.files),
  };
}

function prunedOf({ pruned: { channels, macs, bytes: sizes, refused } }: McuBuilt): McuPruned {
  const removed = channels[0] - channels[1];
  const share = `${Math.round((1 - macs[1] / Math.max(1, macs[0])) * 100)} % of the multiply-accumulates`;
  const kept = refused.length === 0 ? "" : `; ${refused.length} layers kept constant channels whose removal would not be exact`;
  return {
    channels: removed,
    of: channels[0],
    macsBefore: macs[0],
    macsAfter: macs[1],
    weightBytesBefore: sizes[0],
    weightBytesAfter: sizes[1],
    says:
      removed === 0
        ? `none: no channel is the same whatever comes in, or unread${kept}`
        : `they carry nothing, and went with ${share} and ${bytes(sizes[0] - sizes[1])} without changing an output${kept}`,
  };
}

/** One digest over names and texts of all sources, in the order of their names. */
export function sourcesDigest(files: ReadonlyMap<string, string>): string {
  const names = [...files.keys()].sort();
  return sha256(names.map((name) => `${name}\n${sha256(files.get(name) as string)}\n`).join(""));
}

function flashOf(built: McuBuilt, run: McuMeasured["run"], isa: McuCpu["isa"]): McuFlash {
  const sizes = run?.sizes?.flash;
  if (sizes === undefined) return estimatedFlash(built, isa);
  return {
    basis: "measured",
    weights: sizes.weights,
    tables: sizes.tables,
    code: sizes.code + sizes.libc,
    rodata: sizes.rodata + sizes.fill,
    total: sizes.model,
    besides: sizes.lab,
    says: `Read from the linker's map; ${bytes(sizes.libc)} of the code is the compiler's own (memcpy, memset), ${bytes(sizes.lab)} of test program are not counted`,
  };
}

function instructionsOf(built: McuBuilt, cpu: McuCpu, measured: McuFiguresRequest["measured"]): McuInstructions {
  const { program, emitted } = built;
  const run = "run" in measured ? measured.run : undefined;
  if (run?.instructions === undefined) return estimatedInstructions(program, cpu.isa);
  const total = meanOf(run.instructions);
  const macs = estimateSteps(program, cpu.isa).reduce((sum, s) => sum + s.macs, 0);
  const counted = "layers" in measured ? (measured.layers ?? []) : [];
  const sum = counted.reduce((all, l) => all + l.instructions, 0);
  const [compiler = "", emulator = ""] = run.tools;
  return {
    basis: "measured",
    total,
    perMac: total / Math.max(1, macs),
    // Nothing is prepared at run time: every multiplier is a constant.
    init: 0,
    layers: emitted.layers.flatMap((layer, i) => {
      const found = counted[i];
      if (found === undefined) return [];
      const { instructions } = found;
      return [{ name: layer.node, op: layer.kind, macs: layer.macs, instructions, share: instructions / Math.max(1, sum) }];
    }),
    says: `counted exactly, ${run.instructions.length} inputs, mean; layers in a run of their own with a hook before each`,
    compiler,
    flags: run.flags.join(" "),
    emulator,
  };
}

function fitsOf(about: {
  readonly flash: McuFlash;
  readonly emitted: EmittedC;
  readonly target: McuTarget;
  readonly linked: McuMeasured["linked"];
}): McuFits {
  const { flash, emitted, target, linked } = about;
  const { flashBytes, ramBytes } = target;
  const sizes = { flashBytes, ramBytes };
  if (linked !== undefined) return { pass: linked.pass, basis: "linked", ...sizes, says: linked.says };
  return estimatedFits({ flash: flash.total, ram: emitted.arenaBytes, of: "arena" }, target);
}

/**
 * Whether a bundle fits with the interpreter around it, which takes more than standalone C of the same network: by estimate, for nothing is built of it.
 *
 * @param tflm the interpreter with the file as it came in
 */
export function bundleFits(
  { tflm, bundle, fileBytes }: { readonly tflm: McuTflm; readonly bundle: TflmBuilt; readonly fileBytes: number },
  { cpu, target }: { readonly cpu: McuCpu; readonly target: McuTarget },
): McuFits {
  const flash = tflm.flashBytes - fileBytes + bundle.modelBytes;
  return estimatedFits({ flash, ram: bundle.arenas[tflmKernels(cpu)].bytes, of: "interpreter's arena" }, target);
}

function estimatedFits(
  takes: { readonly flash: number; readonly ram: number; readonly of: string },
  { flashBytes, ramBytes }: McuTarget,
): McuFits {
  const sizes = { basis: "estimate", flashBytes, ramBytes } as const;
  if (flashBytes === 0 && ramBytes === 0)
    return { pass: true, ...sizes, says: "No budget was given: name one with --flash and --ram" };
  const ram = takes.ram + STACK_RESERVE_BYTES;
  const over: string[] = [];
  if (flashBytes > 0 && takes.flash > flashBytes) over.push(`flash takes ${bytes(takes.flash)} of ${memorySize(flashBytes)}`);
  if (ramBytes > 0 && ram > ramBytes)
    over.push(`${takes.of} and ${memorySize(STACK_RESERVE_BYTES)} of stack take ${bytes(ram)} of ${memorySize(ramBytes)}`);
  const words = `flash ${bytes(takes.flash)}${flashBytes > 0 ? ` of ${memorySize(flashBytes)}` : ""}, memory ${bytes(ram)}${ramBytes > 0 ? ` of ${memorySize(ramBytes)}` : ""}`;
  return {
    pass: over.length === 0,
    ...sizes,
    says:
      over.length === 0 ? `By estimate it fits: ${words}; nothing was linked` : `By estimate it does not fit: ${over.join(", ")}`,
  };
}
