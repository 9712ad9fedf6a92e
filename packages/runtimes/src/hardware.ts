import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform, release, totalmem } from "node:os";
import { promisify } from "node:util";

/** Processor features that change how fast, or how exactly, integer models run. */
export const CPU_FEATURES = [
  "avx2",
  "avx512f",
  "avx512_vnni",
  "avx_vnni",
  "amx_int8",
  "neon",
  "dotprod",
  "i8mm",
  "fp16",
] as const;

/** One of {@link CPU_FEATURES}. */
export type CpuFeature = (typeof CPU_FEATURES)[number];

/** The machine, as far as it matters to a measurement. */
export interface Hardware {
  readonly cpu: string;
  readonly arch: string;
  readonly platform: string;
  readonly release: string;
  /** Processors this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  /** Features found; `undefined` when the system does not tell. */
  readonly features: readonly CpuFeature[] | undefined;
  /**
   * Whether 8-bit products are summed in 32 bits by one instruction. On x64 without it, ONNX Runtime's u8*s8 kernels saturate in 16 bits
   * unless weights keep to 7 bits (`reduce_range`). `undefined` when the features are not known; on ARM it is the dot product extension.
   */
  readonly hasVnni: boolean | undefined;
  readonly node: string;
}

/** Our names of what /proc/cpuinfo (x86 `flags`, ARM `Features`) and `sysctl hw.optional` call the features. */
const FEATURE_WORDS: Readonly<Record<string, CpuFeature>> = {
  avx2: "avx2",
  avx512f: "avx512f",
  avx512_vnni: "avx512_vnni",
  avx_vnni: "avx_vnni",
  amx_int8: "amx_int8",
  neon: "neon",
  asimd: "neon",
  asimddp: "dotprod",
  i8mm: "i8mm",
  asimdhp: "fp16",
  "hw.optional.avx2_0": "avx2",
  "hw.optional.avx512f": "avx512f",
  "hw.optional.avx512vnni": "avx512_vnni",
  "hw.optional.neon": "neon",
  "hw.optional.arm.advsimd": "neon",
  "hw.optional.arm.feat_dotprod": "dotprod",
  "hw.optional.arm.feat_i8mm": "i8mm",
  "hw.optional.arm.feat_fp16": "fp16",
};

function featuresOf(words: Iterable<string>): CpuFeature[] {
  const found = new Set<CpuFeature>();
  for (const word of words) {
    const key = word.toLowerCase();
    if (Object.hasOwn(FEATURE_WORDS, key)) found.add(FEATURE_WORDS[key] as CpuFeature);
  }
  return CPU_FEATURES.filter((f) => found.has(f));
}

/** Features named in the text of /proc/cpuinfo; `undefined` when it has no line of them. Only the first processor is read. */
export function featuresFromCpuinfo(text: string): CpuFeature[] | undefined {
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(text);
  return line ? featuresOf((line[1] as string).trim().split(/\s+/)) : undefined;
}

/** Features that the output of `sysctl hw.optional` says are there; `undefined` when it lists none at all. */
export function featuresFromSysctl(text: string): CpuFeature[] | undefined {
  const lines = [...text.matchAll(/^(hw\.optional\.[\w.]+):\s*(\d+)\s*$/gm)];
  return lines.length ? featuresOf(lines.filter((m) => m[2] !== "0").map((m) => m[1] as string)) : undefined;
}

/** Whether the features include a dot product of 8-bit integers into 32 bits. */
export function vnniIn(features: readonly CpuFeature[] | undefined): boolean | undefined {
  if (!features) return undefined;
  return (["avx512_vnni", "avx_vnni", "amx_int8", "dotprod", "i8mm"] as const).some((f) => features.includes(f));
}

/** `model name` of /proc/cpuinfo, for systems whose `os.cpus()` leaves it empty (ARM boards name the board in `Model`). */
function nameFromCpuinfo(text: string): string | undefined {
  return /^(?:model name|Model|Hardware)\s*:\s*(.+)$/m.exec(text)?.[1]?.trim();
}

async function systemText(): Promise<string> {
  try {
    if (platform() === "linux") return await readFile("/proc/cpuinfo", "utf8");
    if (platform() === "darwin") return (await promisify(execFile)("sysctl", ["hw.optional"], { timeout: 5000 })).stdout;
  } catch {
    // A sandbox without either: the features stay unknown.
  }
  return "";
}

/** Looks at this machine. Asks the system once; never throws. */
export async function readHardware(): Promise<Hardware> {
  const text = await systemText();
  const features = platform() === "darwin" ? featuresFromSysctl(text) : featuresFromCpuinfo(text);
  const model = cpus()[0]?.model.trim();
  return {
    cpu: model && model !== "unknown" ? model : (nameFromCpuinfo(text) ?? "unknown"),
    arch: arch(),
    platform: platform(),
    release: release(),
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    features,
    hasVnni: vnniIn(features),
    node: process.versions.node,
  };
}
