import type { DeviceIsa } from "./isa.ts";
import { LSTM_GATE } from "./kernel-abi.ts";
import type { KernelSource } from "./kernel-source.ts";
import { kernelsFor } from "./kernels/kernels.ts";
import { KERNEL_PRELUDE } from "./kernels/prelude.ts";

const SELECTION = `/* Instructions to use: Helium, the 16-bit multiplications (with words read at any address), or C alone. Define TS_NO_MVE or TS_NO_DSP to do without. */
#if defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1) && !defined(TS_NO_MVE)
#define TS_USE_MVE 1
#endif
#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_UNALIGNED) && defined(__GNUC__) && !defined(TS_NO_DSP)
#define TS_USE_DSP 1
#endif
`;

/** The kernels that a model uses and nothing else, in the forms asked for. */
export interface KernelsHeader {
  readonly text: string;
  /** Kernels and helpers in it. */
  readonly names: readonly string[];
}

/** Name of a model's header of kernels: its own, because it holds what that model uses, and the files of several models may lie in one folder. */
export function kernelsFile(name: string): string {
  return `${name}_kernels.h`;
}

/** Writes the header of the kernels of the model of that name. */
export function kernelsHeader(
  used: Iterable<string>,
  { isa, name }: { readonly isa: DeviceIsa | "all"; readonly name: string },
): KernelsHeader {
  const guard = `${name.toUpperCase()}_KERNELS_H`;
  const kernels = kernelsFor(used);
  const wantsDsp = isa === "dsp" || isa === "all";
  const wantsMve = isa === "mve" || isa === "all";
  const hasMve = wantsMve && kernels.some((kernel) => kernel.mve !== undefined);
  const text = [
    "/* Kernels of one generated model: integers only, no heap, no library but memcpy and memset. Generated; do not edit. */",
    `#ifndef ${guard}`,
    `#define ${guard}`,
    "",
    KERNEL_PRELUDE,
    SELECTION,
    ...(hasMve ? ["#ifdef TS_USE_MVE\n#include <arm_mve.h>\n#endif\n"] : []),
    ...(kernels.some((kernel) => kernel.name === "ts_lstm") ? [`${LSTM_GATE}\n`] : []),
    ...kernels.map((kernel) => forms(kernel, { wantsDsp, wantsMve })),
    "#endif",
    "",
  ].join("\n");
  return { text, names: kernels.map((kernel) => kernel.name) };
}

function forms(
  { portable, dsp, mve }: KernelSource,
  { wantsDsp, wantsMve }: { readonly wantsDsp: boolean; readonly wantsMve: boolean },
): string {
  const special = [
    ...(wantsMve && mve !== undefined ? [["TS_USE_MVE", mve] as const] : []),
    ...(wantsDsp && dsp !== undefined ? [["TS_USE_DSP", dsp] as const] : []),
  ];
  if (special.length === 0) return portable;
  const parts = special.map(
    ([macro, source], i) => `#${i === 0 ? "if" : "elif"} defined(${macro})\n${macro === "TS_USE_DSP" ? quiet(source) : source}`,
  );
  return `${parts.join("")}#else\n${portable}#endif\n`;
}

/** The words of the DSP intrinsics are signed or not as ACLE has it; kernels pass 32 bits on as they are. */
function quiet(source: string): string {
  const lines = ["#pragma GCC diagnostic push", '#pragma GCC diagnostic ignored "-Wsign-conversion"'];
  return `${lines.join("\n")}\n${source}#pragma GCC diagnostic pop\n`;
}
