import { spawnSync } from "node:child_process";
import { KERNEL_WARNINGS, portableKernels } from "@tessera/testkit/kernel-driver";
import { describe, expect, test } from "vitest";
import { KERNEL_ABI } from "../kernel-abi.ts";
import { KERNELS, kernelsFor } from "./kernels.ts";

/** Compilers that the portable kernels must be clean for. */
const COMPILERS = [
  { command: "gcc", flags: [] },
  { command: "clang", flags: [] },
  { command: "arm-none-eabi-gcc", flags: ["-mcpu=cortex-m0plus", "-mthumb"] },
  { command: "arm-none-eabi-gcc", flags: ["-mcpu=cortex-m4", "-mthumb"] },
  { command: "riscv64-unknown-elf-gcc", flags: ["-march=rv32imc", "-mabi=ilp32", "-ffreestanding"] },
] as const;

function isThere(command: string): boolean {
  return spawnSync(command, ["--version"]).status === 0;
}

/** A prototype without the names of its parameters. */
function typesOf(prototype: string): string {
  return prototype.replace(/ ?[a-z0-9_]+(?=[,)])/g, "");
}

function prototypesIn(source: string): readonly string[] {
  return [...source.matchAll(/^TS_(?:INL|FAR) (.*\))$/gm)].map(([, prototype]) => typesOf(prototype as string));
}

describe("the table of kernels", () => {
  test("defines every function of the ABI with its prototype, in every form", () => {
    for (const [name, prototype] of Object.entries(KERNEL_ABI)) {
      const kernel = KERNELS.get(name);
      const forms = [kernel?.portable, kernel?.dsp, kernel?.mve].filter((form) => form !== undefined);
      expect(forms.length, name).toBeGreaterThan(0);
      for (const form of forms) expect(prototypesIn(form), name).toContain(typesOf(prototype));
    }
  });

  test("lists what a kernel needs, each once and before it", () => {
    const names = kernelsFor(KERNELS.keys()).map((kernel) => kernel.name);
    expect(new Set(names).size).toBe(names.length);
    for (const kernel of KERNELS.values())
      for (const needed of kernel.needs)
        expect(names.indexOf(needed), `${kernel.name} needs ${needed}`).toBeLessThan(names.indexOf(kernel.name));
    expect(kernelsFor(["ts_maximum"]).map((kernel) => kernel.name)).not.toContain("ts_softmax");
    expect(() => kernelsFor(["ts_none"])).toThrow('Cannot emit "ts_none": there is no kernel of that name');
  });

  test("names all that the portable forms call", () => {
    for (const kernel of KERNELS.values()) {
      const within = kernelsFor([kernel.name])
        .map((each) => each.portable)
        .join("\n");
      for (const [, called] of kernel.portable.matchAll(/\b(ts_[a-z0-9_]+)\(/g))
        expect(within, `${kernel.name} calls ${called}`).toMatch(new RegExp(`\\b(void|int|u?int[0-9]+_t) ${called}\\(`));
    }
  });
});

describe.each(COMPILERS)("the portable kernels with $command $flags", ({ command, flags }) => {
  test.skipIf(!isThere(command)).each([1, 2])("compile as C99 without a warning, rounding %i", (rounding) => {
    const source = portableKernels(KERNELS.keys());
    const args = [
      "-x",
      "c",
      "-std=c99",
      "-O1",
      ...KERNEL_WARNINGS,
      `-DTS_ROUNDING=${rounding}`,
      ...flags,
      "-c",
      "-o",
      "/dev/null",
      "-",
    ];
    const made = spawnSync(command, args, {
      input: `${source}\nint main(void);\nint main(void) { return 0; }\n`,
      encoding: "utf8",
    });
    expect(made.stderr).toBe("");
    expect(made.status).toBe(0);
  });
});
