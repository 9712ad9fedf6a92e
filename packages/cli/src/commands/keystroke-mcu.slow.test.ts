import { join } from "node:path";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { type CommandDef, runCommand } from "citty";
import { describe, expect, test } from "vitest";
import { keystroke } from "./keystroke.ts";
import { mcu } from "./mcu.ts";
import { quantize } from "./quantize.ts";

const shared = sharedDir();

describe.skipIf(shared === undefined)("a keystroke detector on a microcontroller (needs ../shared)", () => {
  const sandbox = commandSandbox("tessera-keystroke-mcu-");
  const json = async (command: CommandDef, ...rawArgs: readonly string[]) =>
    JSON.parse((await printedBy(() => runCommand(command, { rawArgs: [...rawArgs, "--json", "--quiet"] }))).out);

  test("goes from a table of typed passwords to int8 C that is bit-equal on an emulated Cortex-M4", {
    timeout: 600_000,
  }, async () => {
    const [onnx, int8, calibration] = ["u.onnx", "u.int8.tflite", "calibration"].map((name) => join(sandbox.folder, name)) as [
      string,
      string,
      string,
    ];
    const table = join(shared ?? "", "data/keystroke-meu");
    await json(keystroke, table, "--detector", "manhattan-scaled", "--export", onnx, "--user", "3", "--calibration", calibration);
    await json(quantize, onnx, "-o", int8, "--target", "cortex-m4", "--inputs", calibration, "--io", "int8");
    const { figures } = await json(mcu, int8, "-o", join(sandbox.folder, "c"));
    expect(figures.fits.pass).toBe(true);
    expect(figures.verified.length).toBeGreaterThan(0);
    for (const verified of figures.verified) expect([verified.on, verified.different]).toEqual([verified.on, 0]);
  });
});
