import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { TINYSV_PUBLISHED, type TinysvRow, tinysvRows, tinysvSamples } from "@tessera/testkit/tinysv";
import { tinysvIntegers } from "@tessera/testkit/tinysv-int8";
import { runCommand } from "citty";
import { describe, expect, test } from "vitest";
import { quantize } from "./quantize.ts";

const shared = sharedDir();

describe.skipIf(shared === undefined)("TinySV for a microcontroller (needs ../shared)", () => {
  const sandbox = commandSandbox("tessera-tinysv-");

  test("in int8, calibrated on enrolment, has a mean EER within 1.5 points of what is published", async () => {
    const data = join(shared ?? "", "models/voice/tinysv-data");
    const inputs = join(sandbox.folder, "enrolment");
    mkdirSync(inputs);
    for (const speaker of [0, 1, 2, 3])
      tinysvSamples(data, `train_${speaker}_16`).samples.forEach((sample, i) => {
        writeFileSync(join(inputs, `${speaker}-${i}.f32`), new Uint8Array(sample.buffer));
      });
    const file = join(sandbox.folder, "tinysv.tflite");
    const model = join(shared ?? "", "models/voice/tinysv-dvector-256.onnx");
    const args = [model, "-o", file, "--target", "cortex-m4", "--inputs", inputs, "--io", "int8", "--quiet"];
    await printedBy(() => runCommand(quantize, { rawArgs: args }));
    const rows = await tinysvRows(data, tinysvIntegers(readFileSync(file)));
    const meanEer = (list: readonly TinysvRow[]) => list.reduce((sum, { eer }) => sum + eer, 0) / list.length;
    expect(Math.abs(meanEer(rows) - meanEer(TINYSV_PUBLISHED))).toBeLessThan(0.015);
    // Integers are another network: not one of the rows is the published one by accident of what was loaded.
    expect(rows.some((row, i) => row.auc.toFixed(4) !== TINYSV_PUBLISHED[i]?.auc.toFixed(4))).toBe(true);
  });
});
