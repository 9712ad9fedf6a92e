import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "@tessera/core/base/random";
import { emitC } from "@tessera/core/codegen/c/emit";
import type { DeviceIsa } from "@tessera/core/codegen/c/isa";
import type { EmittedC } from "@tessera/core/codegen/c/options";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { describe, expect, it } from "vitest";
import { findCompiler, STRICT_FLAGS } from "./c-host.ts";
import { deviceChain } from "./device-chain.ts";

const compiler = findCompiler();

/** Writes the files and runs `work` in their folder. */
function inFolder<T>(files: ReadonlyMap<string, string>, work: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), "tessera-c-"));
  try {
    for (const [name, text] of files) writeFileSync(join(dir, name), text);
    return work(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Compiles a program of the emitted files and a main function, runs it, and gives its exit code. */
function exitCode(emitted: EmittedC, main: string): number | null {
  return inFolder(new Map([...emitted.files, ["main.c", `#include "${emitted.header}"\n${main}`]]), (dir) => {
    const sources = [...emitted.files.keys()].filter((name) => name.endsWith(".c"));
    execFileSync(compiler as string, ["-std=c11", "-O1", ...sources, "main.c", "-o", "main"], { cwd: dir });
    return spawnSync(join(dir, "main"), { stdio: "ignore" }).status;
  });
}

function chain(seed: number, isa: DeviceIsa = "portable", stream: "pushed" | "never" = "never"): EmittedC {
  const program = deviceChain(seed);
  return emitC(program, scheduleDevice(program, { isa, stream }), { name: "net", isa, head: "cosine" });
}

function arena(emitted: EmittedC): string {
  return `static _Alignas(16) int8_t arena[${emitted.arenaBytes + 16}];`;
}

describe.skipIf(compiler === undefined)("what emitted C does besides (needs a C compiler)", () => {
  it("finds one changed bit of a weight by its self-test, and none where nothing changed", () => {
    const emitted = chain(3);
    const main = `${arena(emitted)}\nint main(void) { return net_self_test(arena); }`;
    expect(exitCode(emitted, main)).toBe(0);
    const name = "net_weights.c";
    // The first weight that is not a padding.
    const text = emitted.files.get(name) ?? "";
    const damaged = text.replace(
      /(net_w0\[\d+\] TS_CONSTANT = \{\s+)(-?\d+)/,
      (_, head, w) => `${head}${((Number(w) ^ 64) << 24) >> 24}`,
    );
    expect(damaged).not.toBe(text);
    // -1, as a shell sees it: the constants themselves are not what they were.
    expect(exitCode({ ...emitted, files: new Map(emitted.files).set(name, damaged) }, main)).toBe(255);
  });

  it("refuses an arena that is not aligned, and a run before all rows were pushed", () => {
    const plain = chain(3);
    expect(
      exitCode(plain, `${arena(plain)}\nint main(void) { return net_run(arena + 1) * 10 + net_self_test(arena + 4); }`),
    ).toBe(11);
    const pushed = chain(0, "portable", "pushed");
    const { rowBytes = 0, rows = 0 } = pushed.push ?? {};
    const main = `${arena(pushed)}
int main(void) {
  int8_t row[${rowBytes}] = {0};
  if (net_reset(arena + 1) != 1 || net_push_row(arena + 1, row) != -1 || net_reset(arena) != 0) return 1;
  for (int r = 1; r < ${rows}; r++)
    if (net_push_row(arena, row) != ${rows} - r || net_run(arena) != 2) return 2;
  if (net_push_row(arena, row) != 0 || net_run(arena) != 0) return 3;
  return 7;
}`;
    expect(exitCode(pushed, main)).toBe(7);
  });

  it("calls the profile hook for each layer in order, and at the end with their number", () => {
    const emitted = chain(3);
    const files = new Map(emitted.files).set(
      "net.c",
      `extern int calls[100]; extern int made;\n#define TS_PROFILE(layer) (calls[made++] = (layer))\n${emitted.files.get("net.c")}`,
    );
    const count = emitted.layers.length;
    const main = `int calls[100]; int made;\n${arena(emitted)}
int main(void) {
  net_run(arena);
  for (int i = 0; i <= ${count}; i++) if (calls[i] != i) return 1;
  return made == ${count + 1} ? 7 : 2;
}`;
    expect(exitCode({ ...emitted, files }, main)).toBe(7);
  });

  it("gives cosines as floats do, to the last 1/32768", () => {
    const emitted = chain(3);
    const [output] = emitted.outputs;
    const count = output?.bytes ?? 0;
    const zero = Number(/OUTPUT_ZERO_POINT \((-?\d+)\)/.exec(emitted.files.get("net.h") ?? "")?.[1]);
    const random = seededRandom(5);
    const vector = (size: number): number[] =>
      Array.from({ length: count }, () => Math.max(-128, Math.min(127, zero + Math.round(random.normal() * size))));
    const pairs = Array.from({ length: 60 }, (_, i) => {
      const a = vector([0.3, 1, 5, 40, 400][i % 5] as number);
      const near = a.map((q) => Math.max(-128, Math.min(127, q + random.int(3) - 1)));
      return [a, [a, near, vector(40), a.map((q) => Math.max(-128, Math.min(127, 2 * zero - q)))][i % 4] as number[]] as const;
    });
    const wanted = pairs.map(([a, b]) => {
      let [dot, aa, bb] = [0, 0, 0];
      for (let i = 0; i < count; i++) {
        const [x, y] = [(a[i] as number) - zero, (b[i] as number) - zero];
        [dot, aa, bb] = [dot + x * y, aa + x * x, bb + y * y];
      }
      return aa === 0 || bb === 0 ? 0 : (dot / Math.sqrt(aa) / Math.sqrt(bb)) * 32768;
    });
    const table = (which: 0 | 1): string => pairs.map((pair) => `{${pair[which].join(",")}}`).join(",\n");
    const main = `static const int8_t a[60][${count}] = {${table(0)}}, b[60][${count}] = {${table(1)}};
static const double wanted[60] = {${wanted.join(",")}};
int main(void) {
  for (int i = 0; i < 60; i++) {
    const double off = net_cosine(a[i], b[i]) - wanted[i];
    if (off > 0.51 || off < -0.51) return 1 + i;
  }
  return 99;
}`;
    expect(exitCode(emitted, main)).toBe(99);
  });
});

/** Cross compilers with flags of processors, and the kernels that these take. */
const CROSS = [
  { id: "Cortex-M4", compiler: "arm-none-eabi-gcc", isa: "dsp", flags: ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard"] },
  { id: "Cortex-M55", compiler: "arm-none-eabi-gcc", isa: "mve", flags: ["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"] },
  { id: "Cortex-M0", compiler: "arm-none-eabi-gcc", isa: "portable", flags: ["-mcpu=cortex-m0", "-mthumb"] },
  {
    id: "RV32",
    compiler: "riscv64-unknown-elf-gcc",
    isa: "portable",
    flags: ["-march=rv32imc", "-mabi=ilp32", "-ffreestanding"],
  },
] as const;

/** For compilers that come without libc. */
const STRING_HEADER = `#include <stddef.h>
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
`;

describe("emitted C compiles without a warning", () => {
  for (const { id, compiler: cross, isa, flags } of CROSS)
    it.skipIf(findCompiler([cross]) === undefined)(`for ${id} (needs ${cross})`, { timeout: 240_000 }, () => {
      for (const seed of [0, 3, 7]) {
        const { files } = chain(seed, isa);
        inFolder(new Map([...files, ["string.h", STRING_HEADER]]), (dir) => {
          for (const name of files.keys())
            if (name.endsWith(".c"))
              execFileSync(cross, [...STRICT_FLAGS, "-O2", ...flags, "-I.", "-c", name, "-o", "x.o"], { cwd: dir });
        });
      }
    });
});
