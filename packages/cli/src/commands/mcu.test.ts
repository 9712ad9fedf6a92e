import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelToTflite } from "@tessera/core/convert/tflite/bytes";
import type { McuReport } from "@tessera/core/protocol/mcu-report";
import { exampleMcuReport, refusedMcuReport } from "@tessera/testkit/mcu-fixture";
import { type Printed, printedBy } from "@tessera/testkit/printed";
import { smallInt8, smallInt8File } from "@tessera/testkit/small-int8";
import { runCommand } from "citty";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { sha256, writeFile } from "../io/files.ts";
import { mcuLines } from "../ui/mcu-lines.ts";
import { memorySize, sizeOption } from "../ui/size-option.ts";
import { mcu } from "./mcu.ts";

// A compiler and an emulator are started a few times.
vi.setConfig({ testTimeout: 240_000 });

let folder: string;
const exitCode = process.exitCode;
const path = process.env["PATH"];
const at = (name: string): string => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-mcu-"));
  writeFile(at("tiny.tflite"), smallInt8File());
  writeFile(at("prelu.tflite"), smallInt8File({ prelu: true }));
  writeFile(at("float.tflite"), modelToTflite(smallInt8().model));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  process.exitCode = undefined;
});
afterEach(() => {
  process.exitCode = exitCode;
  process.env["PATH"] = path;
});

async function run(...args: readonly string[]): Promise<Printed & { readonly code: unknown }> {
  const printed = await printedBy(() => runCommand(mcu, { rawArgs: [...args, "--quiet"] }));
  return { ...printed, code: process.exitCode };
}

async function report(...args: readonly string[]): Promise<McuReport & { readonly code: unknown }> {
  const { out, code } = await run(...args, "--json");
  return { ...(JSON.parse(out) as McuReport), code };
}

const coded = (code: string, words = "") => expect.objectContaining({ code, message: expect.stringContaining(words) });

describe("mcu without tools", () => {
  beforeEach(() => {
    process.env["PATH"] = "";
  });

  test("writes C and a report whose figures say that they are estimates, and why", async () => {
    const { code, figures, artefacts, faults, model } = await report(at("tiny.tflite"), "-o", at("plain"), "--mhz", "120");
    expect(code).toBe(0);
    expect(faults).toEqual([]);
    expect(model).toMatchObject({ file: "tiny.tflite", sha256: sha256(readFileSync(at("tiny.tflite"))) });
    expect(figures?.notMeasured).toMatch(/^no compiler for Cortex-M4F/);
    expect([figures?.flash.basis, figures?.instructions.basis, figures?.stack.basis, figures?.fits.basis]).toEqual(
      Array(4).fill("estimate"),
    );
    expect(figures?.fits.pass).toBe(true);
    expect(figures?.verified).toBeUndefined();
    expect(figures?.cycles?.time?.lowMs).toBeCloseTo(((figures?.instructions.total ?? 0) * 1.3) / 120_000, 9);
    const names = artefacts.map((a) => a.file);
    expect(names).toEqual(["tiny.h", "tiny.c", "tiny_weights.h", "tiny_weights.c", "tiny_kernels.h"]);
    expect(readdirSync(at("plain")).sort()).toEqual([...names, "report.html", "report.json"].sort());
    for (const { file, sha256: digest, sizeBytes } of artefacts) {
      const bytes = readFileSync(join(at("plain"), file));
      expect([sha256(bytes), bytes.length]).toEqual([digest, sizeBytes]);
    }
  });

  test("writes the same sources again, and the report that it prints", async () => {
    const { code: _, ...printed } = await report(at("tiny.tflite"), "-o", at("again"));
    expect(JSON.parse(readFileSync(join(at("again"), "report.json"), "utf8"))).toEqual(printed);
    const before = readFileSync(join(at("again"), "tiny.c"));
    writeFile(join(at("again"), "main.c"), "int main(void) { return 0; }\n");
    await run(at("tiny.tflite"), "-o", at("again"));
    expect(readFileSync(join(at("again"), "tiny.c"))).toEqual(before);
    expect(existsSync(join(at("again"), "main.c"))).toBe(true);
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("takes dead channels out, and counts what went", async () => {
    const { figures } = await report(at("tiny.tflite"), "-o", at("pruned"));
    expect(figures?.pruned.channels).toBeGreaterThanOrEqual(2);
    expect(figures?.pruned.macsAfter).toBeLessThan(figures?.pruned.macsBefore as number);
    expect(figures?.macs).toBe(figures?.pruned.macsAfter);
  });

  test("keeps every block of the arena apart while both are in use, or says where they may overlap", async () => {
    const { figures } = await report(at("tiny.tflite"), "-o", at("arena"), "--stream", "never");
    const { blocks = [], arenaBytes = 0, items = [] } = figures?.memory ?? {};
    expect(Math.max(...blocks.map((b) => b.offset + b.bytes))).toBeLessThanOrEqual(arenaBytes);
    for (const b of blocks) expect(b.first <= b.last && b.last < items.length).toBe(true);
  });

  test("refuses a model in floats with the command to type, writes nothing and ends with 1", async () => {
    const { code, faults, figures } = await report(at("float.tflite"), "-o", at("none"));
    expect([code, figures]).toEqual([1, undefined]);
    expect(faults[0]).toMatchObject({
      severity: "error",
      suggestion: `tessera quantize ${at("float.tflite")} --target cortex-m4 --io int8 --calib DATA`,
    });
    expect(existsSync(at("none"))).toBe(false);
    const { out } = await run(at("float.tflite"), "-o", at("none"));
    expect(out).toContain("cannot: the model computes in floats");
  });

  test("writes a bundle for the interpreter, alone or beside the C", async () => {
    const both = await report(at("tiny.tflite"), "-o", at("both"), "--export", "both");
    expect(both.bundle?.operators).toEqual(expect.arrayContaining(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]));
    const names = both.artefacts.map((a) => a.file);
    expect(names).toEqual(expect.arrayContaining(["tiny.c", "tiny.tflite", "tiny_resolver.h", "tiny_model.cc"]));
    const alone = await report(at("tiny.tflite"), "-o", at("tflm"), "--export", "tflm");
    expect(alone.artefacts.map((a) => a.file)).toEqual(
      names.filter((name) => !/\.c$|_weights\.h$|kernels\.h$|^tiny\.h$/.test(name)),
    );
    expect(alone.bundle).toEqual(both.bundle);
    expect(alone.notes.join(" ")).toContain("of the same network as standalone C");
    expect(both.notes.join(" ")).not.toContain("standalone C");
    expect(readFileSync(join(at("tflm"), "tiny_resolver.h"), "utf8")).toContain(
      `MicroMutableOpResolver<${both.bundle?.operators.length}>`,
    );
  });

  test("judges a bundle alone with the interpreter that it needs, which a budget for standalone C may not hold", async () => {
    const budget = ["--flash", "64K", "--ram", "32K", "--no-measure"];
    const both = await report(at("tiny.tflite"), "-o", at("both"), "--export", "both", ...budget);
    expect([both.code, both.figures?.fits.pass]).toEqual([0, true]);
    const alone = await report(at("tiny.tflite"), "-o", at("tflm"), "--export", "tflm", ...budget);
    expect([alone.code, alone.figures?.fits.pass]).toEqual([1, false]);
    expect(alone.figures?.fits.says).toMatch(/^By estimate it does not fit: flash takes 8\d\.\d kB of 64 KiB$/);
  });

  test("refuses to write a folder where a file is", async () => {
    writeFile(at("file"), "mine");
    await expect(run(at("tiny.tflite"), "-o", at("file"), "--no-measure")).rejects.toThrow(coded("IO", "it is a file"));
    expect(readFileSync(at("file"), "utf8")).toBe("mine");
  });

  test("says that a PRelu costs, and exports it all the same", async () => {
    const { code, faults } = await report(at("prelu.tflite"), "-o", at("prelu"));
    expect(code).toBe(0);
    expect(faults).toEqual([
      expect.objectContaining({ severity: "cost", op: "PRelu", suggestion: expect.stringContaining("Relu6") }),
    ]);
  });

  test("ends with 1 when a budget is too small, and says what to do", async () => {
    const flash = await report(at("tiny.tflite"), "-o", at("small"), "--flash", "1K");
    expect([flash.code, flash.figures?.fits.pass]).toEqual([1, false]);
    expect(flash.figures?.fits.says).toMatch(/flash takes .* of 1 KiB/);
    expect(flash.next[0]).toMatch(/^Flash: .* are weights; train a narrower network/);
    const ram = await report(at("tiny.tflite"), "-o", at("small"), "--ram", "4K", "--stream", "never");
    expect([ram.code, ram.figures?.fits.pass]).toEqual([1, false]);
    expect(ram.next[0]).toContain("--stream auto or pushed");
  });

  test("refuses unknown processors, sizes and names before it reads anything", async () => {
    await expect(run(at("tiny.tflite"), "--cpu", "m3")).rejects.toThrow(coded("USAGE", "m4, m7, m55, rv32, generic"));
    await expect(run(at("tiny.tflite"), "--flash", "lots")).rejects.toThrow(coded("USAGE", "256K"));
    await expect(run(at("tiny.tflite"), "--name", "a-b")).rejects.toThrow(coded("USAGE", "letters"));
    await expect(run(at("tiny.tflite"), "--vectors", "1.5")).rejects.toThrow(coded("USAGE", "whole"));
    await expect(run(at("absent.tflite"))).rejects.toThrow(coded("IO"));
  });

  test("names files and functions as asked, and takes any processor without a budget", async () => {
    const { code, artefacts, target, figures, notes } = await report(
      at("tiny.tflite"),
      "-o",
      at("named"),
      "--cpu",
      "generic",
      "--name",
      "door",
    );
    expect([code, artefacts[0]?.file, target.flashBytes, target.isa]).toEqual([0, "door.h", 0, "portable"]);
    expect(figures?.cycles).toBeUndefined();
    expect(readFileSync(join(at("named"), "door.h"), "utf8")).toContain("int door_run(void *arena)");
    const taken = await report(at("tiny.tflite"), "-o", at("taken"), "--cpu", "generic", "--name", "double");
    expect(taken.artefacts[0]?.file).toBe("model_double.h");
    expect(taken.notes.filter((note) => note.startsWith("Files and functions begin with model_double"))).toHaveLength(1);
    expect(taken.notes.length).toBe(notes.length + 1);
  });
});

describe("mcu with a compiler and an emulator", () => {
  test("links, runs and counts: every output is the interpreter's", async ({ skip }) => {
    const { code, figures } = await report(
      at("tiny.tflite"),
      "-o",
      at("measured"),
      "--vectors",
      "5",
      "--flash",
      "64K",
      "--ram",
      "32K",
    );
    if (figures?.notMeasured !== undefined) skip(figures.notMeasured);
    expect(code).toBe(0);
    expect(figures?.fits).toMatchObject({ pass: true, basis: "linked" });
    for (const v of figures?.verified ?? []) expect([v.inputs, v.compared, v.different]).toEqual([5, 20, 0]);
    expect(figures?.verified?.at(-1)?.on).toContain("Cortex-M4");
    const { flash, instructions, stack } = figures as NonNullable<typeof figures>;
    expect([flash.basis, instructions.basis, stack.basis]).toEqual(Array(3).fill("measured"));
    expect(flash.weights + flash.tables + flash.code + flash.rodata).toBe(flash.total);
    expect(instructions.total).toBeGreaterThan(figures?.macs as number);
    expect(instructions.layers.reduce((sum, l) => sum + l.share, 0)).toBeCloseTo(1, 9);
    expect(stack.bytes).toBeGreaterThan(0);
    const again = await report(at("tiny.tflite"), "-o", at("measured"), "--vectors", "5", "--flash", "64K", "--ram", "32K");
    expect(again.figures?.instructions).toEqual(instructions);
  });

  test("an image that the linker refuses is reported with its real sizes, and ends with 1", async ({ skip }) => {
    const { code, figures, next } = await report(at("tiny.tflite"), "-o", at("tight"), "--vectors", "1", "--flash", "3K");
    if (figures?.notMeasured !== undefined) skip(figures.notMeasured);
    expect(code).toBe(1);
    expect(figures?.fits).toMatchObject({
      pass: false,
      basis: "linked",
      says: expect.stringMatching(/^The linker refuses: .*flash by/),
    });
    expect(figures?.flash.basis).toBe("measured");
    expect(next[0]).toMatch(/--flash|narrower/);
  });
});

describe("what is printed", () => {
  test("is this table for a report", () => {
    expect(
      mcuLines(exampleMcuReport())
        .filter((line) => line !== undefined)
        .join("\n"),
    ).toMatchInlineSnapshot(`
      "kws.int8.tflite for m4: Cortex-M4 by generated C
      note: the final normalisation is left to the application
      costs: 1 PRelu takes two multiplications a value
        Train with Relu6

      figure                                value  of what
      -----------------------  ------------------  ------------------------------------------------------------------------------------------
      flash (measured)                    34.2 kB  weights 22.6 kB, tables 5.3 kB, code 6.1 kB, other 180 B
      arena                              16,016 B  lower bound 16,000, gap 16; values alone, nothing in place 24,000
      stack (measured)                      312 B  painted before the run
      instructions (measured)              10.5 M  1.91 a multiply-accumulate of 5,500,000; 0 before the first inference
                                                   gcc 12.2; QEMU 7.2
                                                   -O2
      cycles (a model)           13.7 M .. 16.8 M  1.3 to 1.6 cycles an instruction; not measured on silicon
      at 120 MHz (a model)       114 ms .. 140 ms  not measured on silicon
      dead channels                      0 of 576  none of 576 channels is the same whatever comes in
      interpreter (estimate)   139.1 kB, 22,820 B  flash and arena of TensorFlow Lite for Microcontrollers with CMSIS-NN; 15.9 M instructions

      dearest layers  kernel            MACs  instructions  per MAC   share
      --------------  -----------  ---------  ------------  -------  ------
      dense           conv         2,500,000     3,500,000     1.40  33.3 %
      pool            averagePool          0     2,800,000        -  26.7 %
      pointwise 1     conv         1,500,000     2,100,000     1.40  20.0 %
      depthwise 1     conv         1,000,000     1,400,000     1.40  13.3 %
      conv            conv           500,000       700,000     1.40   6.7 %

      bundle for TensorFlow Lite for Microcontrollers: 30.7 kB, 2 operators (CONV_2D, AVERAGE_POOL_2D)
        offline plan 16,000 B (lower bound 16,000, its own planner 16,000); reserve 23,800 B with reference
      bit-equal: 192 values of 16 inputs on Cortex-M4 under QEMU
      fits: The linker put it into 256 KiB of flash and 64 KiB of memory
      next: Flash it and measure"
    `);
  });

  test("is the reason and the way out for a model that cannot be exported", () => {
    expect(mcuLines(refusedMcuReport()).join("\n")).toMatchInlineSnapshot(`
      "kws.int8.tflite for m4: Cortex-M4 by generated C
      note: the final normalisation is left to the application
      cannot: the model computes in floats, and the C computes in integers alone
        tessera quantize kws.tflite --target cortex-m4 --io int8 --calib DATA
      It cannot be exported"
    `);
  });

  test("sizes are read as linkers have them, and written so", () => {
    expect(["256K", "1M", "2MiB", "4096", "1.5K"].map((text) => sizeOption("flash", text))).toEqual([
      262144, 1048576, 2097152, 4096, 1536,
    ]);
    expect([262144, 1048576, 1536, 1000].map(memorySize)).toEqual(["256 KiB", "1 MiB", "1,536 B", "1,000 B"]);
    for (const text of ["0", "-1K", "K", "1G", "1.0001K"]) expect(() => sizeOption("flash", text)).toThrow(coded("USAGE"));
  });
});
