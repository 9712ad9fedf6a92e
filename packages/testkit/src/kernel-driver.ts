import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LSTM_GATE } from "@tessera/core/codegen/c/kernel-abi";
import { kernelsFor } from "@tessera/core/codegen/c/kernels/kernels";
import { KERNEL_PRELUDE } from "@tessera/core/codegen/c/kernels/prelude";

/** Reads cases from standard input: arrays are as long as they must be to the byte, so that the sanitizer sees every read and write beside them. */
const READER = `#include <stdio.h>
#include <stdlib.h>
#define UNUSED __attribute__((unused))
static void *kept[1024];
static int keeping;
UNUSED static void *room(size_t bytes) { void *p = malloc(bytes); if (p == NULL || keeping == 1024) exit(3); kept[keeping++] = p; return p; }
static void let_go(void) { while (keeping > 0) free(kept[--keeping]); }
static void take(void *p, size_t bytes) { if (bytes > 0 && fread(p, 1, bytes, stdin) != bytes) exit(4); }
static int32_t number(void) { int32_t v; take(&v, 4); return v; }
UNUSED static void *array(void) { int32_t n = number(); void *p = room((size_t)n); take(p, (size_t)n); return p; }
/* At an odd address. */
UNUSED static int8_t *odd(void) { int32_t n = number(); int8_t *p = (int8_t *)room((size_t)n + 1) + 1; take(p, (size_t)n); return p; }
static void give(const void *p, size_t bytes) { fwrite(p, 1, bytes, stdout); }
`;

/** What a case consists of: numbers are int32, arrays go with their length in bytes. */
export type CasePart = number | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array;

/** C of one kind of case: statements that read its parts by number(), array() and odd() and give() what came out. */
export interface CaseCode {
  readonly kernels: readonly string[];
  readonly code: string;
}

/** Kernels compiled with address and undefined-behaviour sanitizers into a program that computes cases. */
export interface KernelDriver {
  /** Runs cases, each a name of {@link CaseCode} and its parts, and returns all bytes that were given. @throws Error with what the program said when it failed */
  run(cases: readonly (readonly [string, ...CasePart[]])[]): Uint8Array;
  close(): void;
}

/** The first C compiler of this machine that has the sanitizers, or undefined. */
export function sanitizingCompiler(): string | undefined {
  for (const name of ["gcc", "clang", "cc"]) {
    const made = spawnSync(name, ["-x", "c", "-fsanitize=address,undefined", "-o", "/dev/null", "-"], {
      input: "int main(void) { return 0; }",
    });
    if (made.status === 0) return name;
  }
  return undefined;
}

/** Warnings that the kernels must be free of. */
export const KERNEL_WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"] as const;

/** The file of the portable kernels with everything that they need. */
export function portableKernels(names: Iterable<string>): string {
  return [KERNEL_PRELUDE, LSTM_GATE, ...kernelsFor(names).map((kernel) => kernel.portable)].join("\n");
}

/** Compiles the kernels that the cases call. `rounding` is TS_ROUNDING, `defines` are further macros. */
export function kernelDriver(
  compiler: string,
  cases: Readonly<Record<string, CaseCode>>,
  rounding: "double" | "single",
  defines: readonly string[] = [],
): KernelDriver {
  const names = Object.keys(cases);
  const bodies = names.map((name, i) => `    case ${i}: {\n${cases[name]?.code}\n    } break;`);
  const main = `int main(void)\n{\n  int32_t which;\n  while (fread(&which, 4, 1, stdin) == 1) {\n    switch (which) {\n${bodies.join("\n")}\n    default: exit(5);\n    }\n    let_go();\n  }\n  return 0;\n}\n`;
  const source = `${portableKernels(Object.values(cases).flatMap((each) => each.kernels))}\n${READER}\n${main}`;
  const dir = mkdtempSync(join(tmpdir(), "tessera-kernels-"));
  const file = join(dir, "driver.c");
  const program = join(dir, "driver");
  writeFileSync(file, source);
  const flags = [
    "-std=c99",
    "-O0",
    "-g1",
    `-DTS_ROUNDING=${rounding === "double" ? 2 : 1}`,
    ...KERNEL_WARNINGS,
    ...defines.map((d) => `-D${d}`),
  ];
  const made = spawnSync(compiler, [...flags, "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-o", program, file], {
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`The kernels do not compile:\n${made.stderr}`);
  return {
    run: (list) => {
      const input = Buffer.concat(list.map(([name, ...parts]) => encodeCase([names.indexOf(name), ...parts])));
      const ran = spawnSync(program, { input, maxBuffer: 1 << 28, timeout: 60_000 });
      if (ran.status !== 0)
        throw new Error(`The kernels failed with ${ran.status ?? ran.signal}:\n${ran.stderr.toString().slice(0, 4000)}`);
      return ran.stdout;
    },
    close: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** The bytes of a case as a driver reads them. */
export function encodeCase(parts: readonly CasePart[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      if (typeof part === "number") return [Buffer.from(Int32Array.of(part).buffer)];
      const size = Buffer.from(Int32Array.of(part.byteLength).buffer);
      return [size, Buffer.from(part.buffer, part.byteOffset, part.byteLength)];
    }),
  );
}
