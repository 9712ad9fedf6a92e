import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { OptimizeReport } from "@tessera/core/protocol/report";
import { cardPath } from "@tessera/testkit/cards";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { smallLfw } from "@tessera/testkit/small-lfw";
import { runCommand } from "citty";
import { beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../io/files.ts";
import { optimize } from "./optimize.ts";

const shared = sharedDir();

describe.skipIf(shared === undefined)("optimize for microcontrollers on a small part of LFW (needs ../shared)", () => {
  const sandbox = commandSandbox("tessera-optimize-mcu-");
  let args: readonly string[];

  beforeAll(() => {
    smallLfw(join(sandbox.folder, "lfw"), join(shared ?? "", "data/lfw"), { people: 8, calibration: 12 });
    args = [
      join(shared ?? "", "models/face-embedding/mobilefacenet-foamliu-128.onnx"),
      ...["--data", join(sandbox.folder, "lfw"), "--detector", join(shared ?? "", "models/face-detection/yunet-n-320.onnx")],
      ...["--cards", join(cardPath("x"), ".."), "--card", cardPath("mobilefacenet-foamliu-128")],
      ...["--on-no-face", "centre-crop", "--choice", "central", "--far", "1e-1", "--replicates", "20", "--rounds", "3"],
      ...["--search", "off", "--quiet", "--json"],
    ];
  });

  async function optimized(
    target: string,
  ): Promise<{ readonly report: OptimizeReport; readonly out: string; readonly code: unknown }> {
    const out = join(sandbox.folder, target);
    const printed = await printedBy(() => runCommand(optimize, { rawArgs: [...args, "--target", target, "-o", out] }));
    return { report: JSON.parse(printed.out), out, code: process.exitCode };
  }

  test("an int8 face network fits a Cortex-M7, and its C is written, run and bit-equal", { timeout: 1_200_000 }, async () => {
    const { report, out, code } = await optimized("cortex-m7");
    expect(code).toBe(0);
    const pick = report.candidates.find((c) => c.id === report.pick.id);
    expect(pick).toMatchObject({ scheme: "static-int8", device: { basis: "estimate" } });
    expect(report.pick.why[0]).toMatch(/about [\d.]+ M instructions a sample, about 1\.\d+ MB of flash/);
    for (const c of report.candidates.filter((x) => x.scheme !== "static-int8"))
      expect(report.pick.passedOver.find((p) => p.id === c.id)?.why).toContain("not int8 throughout");
    const { figures, target } = report.mcu ?? {};
    expect([target?.cpu, figures?.fits.pass]).toEqual(["m7", true]);
    for (const v of figures?.verified ?? []) expect([v.on, v.different]).toEqual([v.on, 0]);
    const written = report.artefacts.filter((a) => a.file.includes("-mcu/") || a.file.endsWith(".slim.tflite"));
    expect(written.length).toBe(6);
    for (const a of written) expect(sha256(readFileSync(join(out, a.file)))).toBe(a.sha256);
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("On the microcontroller");
  });

  test("the same network does not fit a Cortex-M4: nothing is picked, and the report says what is too large", {
    timeout: 1_200_000,
  }, async () => {
    const { report, code } = await optimized("cortex-m4");
    expect([code, report.pick.id, report.mcu]).toEqual([1, undefined, undefined]);
    const int8 = report.candidates.find((c) => c.scheme === "static-int8");
    expect(report.pick.passedOver.find((p) => p.id === int8?.id)?.why).toMatch(/of flash, there are 256 KiB/);
    expect(report.artefacts.some((a) => a.file.includes("-mcu/"))).toBe(false);
  });
});
