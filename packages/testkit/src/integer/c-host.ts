import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EmittedC } from "@tessera/core/codegen/c/options";

/** Warnings under which emitted code has to compile without a word. */
export const STRICT_FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror"] as const;

/** Optimization and sanitizers of host runs. */
export const SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"] as const;

/** The first of these compilers that answers; `undefined` when none does. */
export function findCompiler(names: readonly string[] = ["gcc", "cc", "clang"]): string | undefined {
  return names.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0);
}

/** A model and the bytes of all its inputs, one entry for each run. */
export interface HostCase {
  readonly emitted: EmittedC;
  readonly vectors: readonly Uint8Array[];
}

/**
 * Compiles the models into one program, runs all vectors, and gives the bytes of all outputs of each. The arena has exactly the bytes it asked for and is
 * full of rubbish before each run. Each self-test must pass.
 */
export function runOnHost(compiler: string, cases: readonly HostCase[], flags: readonly string[] = SANITIZED): Uint8Array[][] {
  const dir = mkdtempSync(join(tmpdir(), "tessera-c-"));
  try {
    for (const [i, { emitted }] of cases.entries()) {
      mkdirSync(join(dir, `m${i}`));
      for (const [name, text] of emitted.files) writeFileSync(join(dir, `m${i}`, name), text);
    }
    writeFileSync(join(dir, "vectors.bin"), Buffer.concat(cases.flatMap((c) => c.vectors)));
    const objects = cases.flatMap(({ emitted }, i) =>
      [...emitted.files.keys()].filter((name) => name.endsWith(".c")).map((name) => `m${i}/${name}`),
    );
    writeFileSync(join(dir, "main.c"), hostMain(cases));
    const options = { cwd: dir, encoding: "utf8", timeout: 240_000 } as const;
    // One call of the compiler for all files of all models; their object files have names of their own.
    for (const [i, file] of objects.entries())
      execFileSync(compiler, [...STRICT_FLAGS, ...flags, "-c", file, "-o", `o${i}.o`], options);
    execFileSync(compiler, ["-std=gnu11", ...flags, "main.c", ...objects.map((_, i) => `o${i}.o`), "-o", "host"], options);
    execFileSync(join(dir, "host"), [], options);
    return split(readFileSync(join(dir, "outputs.bin")), cases);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function split(bytes: Buffer, cases: readonly HostCase[]): Uint8Array[][] {
  let at = 0;
  return cases.map(({ emitted, vectors }) => {
    const size = emitted.outputs.reduce((n, port) => n + port.bytes, 0);
    return vectors.map(() => {
      const part = new Uint8Array(bytes.subarray(at, at + size));
      at += size;
      return part;
    });
  });
}

function hostMain(cases: readonly HostCase[]): string {
  const functions = cases.map(({ emitted, vectors }, i) => {
    const { push } = emitted;
    const read = (target: string, bytes: number): string => `    if (fread(${target}, 1, ${bytes}, in) != ${bytes}) return 11;`;
    const inputs = emitted.inputs.flatMap((port) =>
      port.function === undefined ? [] : [read(`${port.function}(arena)`, port.bytes)],
    );
    const rows =
      push === undefined
        ? []
        : [
            `    for (int r = 0; r < ${push.rows}; r++) {`,
            `      int8_t row[${push.rowBytes}];`,
            read("row", push.rowBytes),
            `      if (${push.push}(arena, row) != ${push.rows} - 1 - r) return 13;`,
            "    }",
          ];
    const outputs = emitted.outputs.map(
      (port) => `    if (fwrite(${port.function}(arena), 1, ${port.bytes}, out) != ${port.bytes}) return 12;`,
    );
    return `static int model${i}(FILE *in, FILE *out) {
  void *arena;
  if (posix_memalign(&arena, ${emitted.alignment}, ${emitted.arenaBytes}) != 0) return 10;
  memset(arena, 0x5a, ${emitted.arenaBytes});
${emitted.selfTest === undefined ? "" : `  if (${emitted.selfTest}(arena) != 0) return 14;\n`}  for (int v = 0; v < ${vectors.length}; v++) {
${push === undefined ? `    memset(arena, 0xa5, ${emitted.arenaBytes});` : `    if (v % 2 == 0) { memset(arena, 0xa5, ${emitted.arenaBytes}); ${push.reset}(arena); }`}
${[...inputs, ...rows].join("\n")}
    if (${emitted.run}(arena) != 0) return 15;
${outputs.join("\n")}
  }
  ${emitted.name}_wipe(arena);
  for (int i = 0; i < ${emitted.arenaBytes}; i++) if (((char *)arena)[i] != 0) return 16;
  free(arena);
  return 0;
}
`;
  });
  return `#include <stdio.h>
#include <stdlib.h>
#include <string.h>
${cases.map(({ emitted }, i) => `#include "m${i}/${emitted.header}"`).join("\n")}
${functions.join("\n")}
int main(void) {
  FILE *in = fopen("vectors.bin", "rb"), *out = fopen("outputs.bin", "wb");
  if (in == NULL || out == NULL) return 1;
${cases.map((_, i) => `  { int code = model${i}(in, out); if (code != 0) { fprintf(stderr, "model ${i}: %d\\n", code); return code; } }`).join("\n")}
  return fclose(out);
}
`;
}
