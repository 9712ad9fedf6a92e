import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BOARDS } from "./boards.ts";
import { findOnPath, findTool, findToolchain, type Tool, type ToolName } from "./toolchains.ts";

const dir = mkdtempSync(join(tmpdir(), "tessera-test-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function having(...names: ToolName[]): (name: ToolName) => Promise<Tool | undefined> {
  return async (name) => (names.includes(name) ? { name, path: `/bin/${name}`, version: `${name} 1.0` } : undefined);
}

describe("toolchains", () => {
  it("are found in the first folder of the path that has them", () => {
    const program = join(dir, "gcc");
    writeFileSync(program, "#!/bin/sh\n");
    chmodSync(program, 0o755);
    expect(findOnPath("gcc", ["", join(dir, "none"), dir].join(delimiter))).toBe(program);
    expect(findOnPath("clang", dir)).toBeUndefined();
    expect(findOnPath("gcc", "")).toBeUndefined();
  });

  it("are absent with the reason when one of their programs is", async () => {
    expect(await findToolchain(BOARDS.m4, having())).toEqual({
      kind: "absent",
      reason: "no compiler for Cortex-M4F (mps2-an386): looked for arm-none-eabi-gcc",
    });
    expect(await findToolchain(BOARDS.m4, having("arm-none-eabi-gcc"))).toEqual({
      kind: "absent",
      reason: "no emulator for Cortex-M4F (mps2-an386): looked for qemu-system-arm",
    });
  });

  it("take the first compiler of the board's row", async () => {
    const found = await findToolchain(BOARDS.x86, having("clang", "cc"));
    expect(found).toMatchObject({ kind: "toolchain", compiler: { name: "cc" } });
    expect(await findToolchain(BOARDS.rv32, having("riscv64-unknown-elf-gcc", "qemu-system-riscv32"))).toMatchObject({
      kind: "toolchain",
      emulator: { name: "qemu-system-riscv32" },
    });
  });

  it("tell their versions", async () => {
    const tool = await findTool("gcc");
    if (tool) expect(tool.version).toMatch(/\d+\.\d+/);
    else expect(findOnPath("gcc")).toBeUndefined();
  });
});
