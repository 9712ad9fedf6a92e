import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { BOARDS, type BoardId } from "./boards.ts";
import { buildAndRun, type LabOptions, type LabRun } from "./build-and-run.ts";
import { climbLadder, firstDifference } from "./ladder.ts";
import type { ModelCalls } from "./test-program.ts";
import { findToolchain } from "./toolchains.ts";

const HEADER = "#include <stdint.h>\nint tiny_run(int8_t *arena);\n";
const SOURCE = `#include "tiny.h"
#ifndef TS_PROFILE
#define TS_PROFILE(layer) ((void)0)
#endif
static const int8_t tiny_w0[8] = {1, -2, 3, -4, 5, -6, 7, -8};
int tiny_run(int8_t *arena) {
  int32_t sum = 0;
  int i;
  TS_PROFILE(0);
  for (i = 0; i < 8; i++) sum += arena[i] * tiny_w0[i];
  TS_PROFILE(1);
  arena[32] = (int8_t)(sum >> 4);
  arena[33] = (int8_t)(sum & 127);
  return 0;
}
`;
const CALLS: ModelCalls = {
  header: "tiny.h",
  arenaBytes: 48,
  arenaAlignment: 16,
  inputs: [
    { pointer: "arena", bytes: 6 },
    { pointer: "arena + 6", bytes: 2 },
  ],
  outputs: [{ pointer: "arena + 32", bytes: 2 }],
  run: "if (tiny_run(arena) != 0) return 20;",
};
const VECTORS = [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), Uint8Array.of(255, 0, 128, 127, 9, 200, 100, 77)];
const EXPECTED = VECTORS.map((vector) => {
  const sum = [...new Int8Array(vector)].reduce((total, x, i) => total + x * ([1, -2, 3, -4, 5, -6, 7, -8][i] ?? 0), 0);
  return Uint8Array.of(sum >> 4, sum & 127);
});

function files(source = SOURCE): Map<string, string> {
  return new Map([
    ["tiny.h", HEADER],
    ["tiny.c", source],
  ]);
}

async function ran(board: BoardId, options: LabOptions = {}, source = SOURCE): Promise<LabRun> {
  const result = await buildAndRun({ files: files(source), calls: CALLS, board, vectors: VECTORS }, options);
  if (result.kind !== "run") throw new Error(JSON.stringify(result));
  return result;
}

/** Why a board's tests cannot run here. */
async function missing(board: BoardId): Promise<string | undefined> {
  const tools = await findToolchain(BOARDS[board]);
  return tools.kind === "absent" ? tools.reason : undefined;
}

const noHost = await missing("x86");
const noM4 = await missing("m4");
const noM55 = await missing("m55");

describe.skipIf(noHost)(`generated C on this machine${noHost ? ` (skipped: ${noHost})` : ""}`, () => {
  it("gives the bytes of every vector", async () => {
    const run = await ran("x86");
    expect(run.outputs).toEqual(EXPECTED);
    expect(run.warnings).toBe("");
    expect(run.tools[0]).toMatch(/\d/);
  });

  it("leaves no folder behind", async () => {
    const own = mkdtempSync(join(tmpdir(), "tessera-test-"));
    vi.stubEnv("TMPDIR", own);
    try {
      expect(tmpdir()).toBe(own);
      const stop = new AbortController();
      const task = { files: files(), calls: CALLS, board: "x86", vectors: VECTORS } as const;
      const running = buildAndRun(task, { signal: stop.signal });
      stop.abort();
      await expect(running).rejects.toMatchObject({ code: "INTERRUPTED" });
      await expect(buildAndRun({ ...task, files: files("not C") })).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
      await buildAndRun(task);
      expect(readdirSync(own)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
      rmSync(own, { recursive: true, force: true });
    }
  });

  it("is stopped by the sanitizers where it reads behind its arena", async () => {
    const sanitized = { flags: ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"] };
    await expect(ran("x86", sanitized, SOURCE.replace("arena[33]", "arena[48]"))).rejects.toThrow(/AddressSanitizer/);
    await expect(ran("x86", sanitized, SOURCE.replace("(sum >> 4)", "(sum << 40)"))).rejects.toThrow(/shift exponent/);
    expect((await ran("x86", sanitized)).outputs).toEqual(EXPECTED);
  });

  it("is refused when a vector or a file name does not fit", async () => {
    const task = { files: files(), calls: CALLS, board: "x86", vectors: [new Uint8Array(7)] } as const;
    await expect(buildAndRun(task)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
    const strange = { ...task, vectors: VECTORS, files: new Map([["../a.c", ""]]) };
    await expect(buildAndRun(strange)).rejects.toMatchObject({ code: "USAGE" });
  });

  it("fails the ladder's rungs where it computes something else, and only those", async () => {
    const wrong = SOURCE.replace("return 0;", "#ifdef WRONG\n  arena[33] ^= 1;\n#endif\n  return 0;");
    const rungs = [
      { id: "right", board: "x86", flags: ["-O1"] },
      { id: "wrong", board: "x86", flags: ["-O1", "-DWRONG"] },
      { id: "broken", board: "x86", flags: ["-O1", "-DWRONG", "-Dint8_t=}"] },
    ] as const;
    const emit = () => ({ files: files(wrong), calls: CALLS });
    const results = await climbLadder({ emit, vectors: VECTORS, expected: EXPECTED }, { rungs });
    expect(results.map(({ kind }) => kind)).toEqual(["equal", "different", "failed"]);
    const wanted = EXPECTED[0]?.[1] ?? 0;
    expect(results[1]).toMatchObject({ differing: 2, first: { vector: 0, index: 1, got: wanted ^ 1, wanted } });
  });
});

it("counts a missing or longer output as a difference", () => {
  const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(1, 3)];
  expect(firstDifference([a, b], [a, b])).toBeUndefined();
  expect(firstDifference([a], [a, b])).toEqual({ first: { vector: 1, index: 0, got: -1, wanted: 1 }, differing: 1 });
  expect(firstDifference([a, Uint8Array.of(1, 3, 4)], [a, b])?.first).toEqual({ vector: 1, index: 2, got: 4, wanted: -1 });
});

describe.skipIf(noM4)(`generated C on an emulated Cortex-M4${noM4 ? ` (skipped: ${noM4})` : ""}`, () => {
  it("gives the bytes of every vector, with sizes from the map", async () => {
    const run = await ran("m4");
    expect(run.outputs).toEqual(EXPECTED);
    expect(run.sizes?.flash.weights).toBe(8);
    expect(run.sizes?.ram.arena).toBe(48);
    expect(run.sizes?.flash.total).toBeLessThan(2048);
  });

  it("counts instructions exactly, and the same each time", async () => {
    const nops = (count: number) =>
      SOURCE.replace("return 0;", `__asm__ volatile(".rept ${count}\\n nop\\n .endr");\n  return 0;`);
    const [few, more, again] = [await ran("m4", {}, nops(10)), await ran("m4", {}, nops(1010)), await ran("m4", {}, nops(1010))];
    expect(more.instructions?.map((n, k) => n - (few.instructions?.[k] ?? 0))).toEqual([1000, 1000]);
    expect(again.instructions).toEqual(more.instructions);
  });

  it("counts the instructions of layers apart", async () => {
    const source = SOURCE.replace("TS_PROFILE(1);", 'TS_PROFILE(1);\n  __asm__ volatile(".rept 500\\n nop\\n .endr");');
    const run = await ran("m4", { layers: 2 }, source);
    expect(run.layers?.map(({ calls }) => calls)).toEqual([2, 2]);
    expect(run.layers?.[1]?.instructions).toBeGreaterThanOrEqual(1000);
    expect(run.layers?.[1]?.instructions).toBeLessThan(1100);
    expect(run.layers?.[0]?.instructions).toBeLessThan(200);
  });

  it("links the libraries that it is told of, and no others", async () => {
    const rounding = `#include <math.h>\n${SOURCE.replace("sum >> 4", "(int)floorf(ldexpf((float)sum, -4))")}`;
    await expect(ran("m4", { libraries: [] }, rounding)).rejects.toThrow(/undefined reference to `(floor|ldexp)f/);
    expect((await ran("m4", { libraries: ["-lm"] }, rounding)).outputs).toEqual(EXPECTED);
  });

  it("measures the deepest stack", async () => {
    const deep = SOURCE.replace("int i;", "int i;\n  volatile int8_t hole[1000];\n  hole[0] = 1;\n  (void)hole[0];");
    const [flat, deeper] = [await ran("m4"), await ran("m4", {}, deep)];
    expect(flat.stackBytes).toBeLessThan(64);
    expect((deeper.stackBytes ?? 0) - (flat.stackBytes ?? 0)).toBeGreaterThanOrEqual(1000);
  });

  it("does not link what does not fit, and links what just does", async () => {
    const { sizes } = await ran("m4", { stack: 512 });
    const [flash, ram] = [sizes?.flash.total ?? 0, sizes?.ram.total ?? 0];
    // Alignment of the arena within the region may take some bytes more.
    expect((await ran("m4", { flash, ram: ram + 16, stack: 512 })).outputs).toEqual(EXPECTED);
    const task = { files: files(), calls: CALLS, board: "m4", vectors: VECTORS } as const;
    expect(await buildAndRun(task, { flash: flash - 4, stack: 512 })).toEqual({
      kind: "overflow",
      board: "m4",
      overflows: [{ memory: "flash", bytes: 4 }],
    });
  });

  it("says where the program faults, and that it ended early", async () => {
    const wild = SOURCE.replace("return 0;", "*(volatile int *)0xf0000000 = 1;\n  return 0;");
    await expect(ran("m4", {}, wild)).rejects.toThrow(/ended with 99 fault: PC 0/);
    await expect(ran("m4", {}, SOURCE.replace("return 0;", "return 5;"))).rejects.toThrow(/ended with 20/);
    const endless = SOURCE.replace("return 0;", 'for (;;) __asm__ volatile("");\n  return 0;');
    await expect(ran("m4", { timeoutMs: 3000 }, endless)).rejects.toThrow(/not done after 3000 ms/);
  });

  it("faults on a core that knows no unaligned words, where another reads them", async () => {
    const source = SOURCE.replace("return 0;", "arena[36] = (int8_t)*(volatile int32_t *)(void *)(arena + 1);\n  return 0;");
    expect((await ran("m4", {}, source)).outputs).toEqual(EXPECTED);
    await expect(ran("m0", {}, source)).rejects.toThrow(/CFSR 01000000/);
    expect((await ran("m0")).outputs).toEqual(EXPECTED);
  });

  it("takes pushed rows", async () => {
    const calls: ModelCalls = {
      ...CALLS,
      inputs: [],
      rows: { count: 2, bytes: 4, push: "for (int k = 0; k < 4; k++) arena[4 * at + k] = row[k];" },
    };
    const result = await buildAndRun({ files: files(), calls, board: "m4", vectors: VECTORS });
    expect(result).toMatchObject({ kind: "run", outputs: EXPECTED });
    const host = await buildAndRun({ files: files(), calls, board: "x86", vectors: VECTORS });
    if (noHost === undefined) expect(host).toMatchObject({ kind: "run", outputs: EXPECTED });
  });
});

it.skipIf(noM55)(
  `links constants outside the tightly coupled memory of an M55${noM55 ? ` (skipped: ${noM55})` : ""}`,
  async () => {
    const constants = "const int8_t tiny_w1[1 << 20] = {1, 1, 1, 1, 1, 1, 1, 1};\n";
    const source = `#include <stdint.h>\nextern ${constants.split(" = ")[0]};\n${constants}${SOURCE}`;
    const run = await ran("m55", {}, source.replace("return 0;", "return tiny_w1[arena[0] & 7] - 1;"));
    expect(run.outputs).toEqual(EXPECTED);
    expect(run.sizes?.flash.weights).toBe((1 << 20) + 8);
  },
);
