import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { runCommand } from "citty";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { convert } from "./convert.ts";

const shared = sharedDir();
const models = join(shared ?? "", "models");

/** Float networks: what they become, and the largest difference to the original on random inputs, as a share of the output. */
const FLOAT: readonly (readonly [file: string, to: string, relative: number])[] = [
  ["face-embedding/mobilefacenet-foamliu-128.onnx", "tflite", 1e-5],
  ["face-liveness/minifasnet-v2-2.7-80.onnx", "tflite", 1e-5],
  ["face-detection/ultralight-rfb-320.onnx", "tflite", 1e-5],
  ["voice/tinysv-dvector-256.onnx", "tflite", 1e-5],
  ["keystroke/typenet-triplet-m50-128.onnx", "tflite", 1e-5],
  ["face-detection/ultralight-rfb-320.tflite", "onnx", 1e-5],
  ["face-liveness/deeptree-antispoof-256-fp16.tflite", "onnx", 1e-5],
  ["mcu/mlperf-tiny-vww-mobilenet-float32.tflite", "onnx", 1e-5],
  // Its kernels keep state between runs and run on the second runtime alone.
  ["mcu/tflm-mnist-lstm-float32.tflite", "onnx", 1e-5],
  ["mcu/tflm-mnist-lstm-float32.tflite", "tflite", 1e-5],
];

/** Integer networks: steps of the output grid by which a result may differ. */
const INTEGER: readonly (readonly [file: string, to: string, steps: number])[] = [
  ["mcu/mlperf-tiny-kws-dscnn-int8.tflite", "tflite", 0],
  ["mcu/mlperf-tiny-vww-mobilenet-int8.tflite", "tflite", 0],
  ["mcu/tflm-mnist-lstm-int8.tflite", "tflite", 0],
  ["mcu/mlperf-tiny-kws-dscnn-int8.tflite", "onnx", 2],
  ["mcu/mlperf-tiny-vww-mobilenet-int8.tflite", "onnx", 2],
];

describe.skipIf(shared === undefined)("convert on the models of ../shared", () => {
  let folder: string;
  const exitCode = process.exitCode;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tessera-convert-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => {
    process.exitCode = exitCode;
  });

  // biome-ignore lint/suspicious/noExplicitAny: reports are looked into field by field
  async function converted(file: string, to: string, ...args: readonly string[]): Promise<any> {
    const out = join(folder, `${basename(file)}.${to}`);
    const rawArgs = [join(models, file), "-o", out, "--trials", "2", ...args, "--json", "--quiet"];
    return JSON.parse((await printedBy(() => runCommand(convert, { rawArgs }))).out);
  }

  test.each(FLOAT)("%s to %s", async (file, to, relative) => {
    const { parity } = await converted(file, to);
    expect(parity.inputs).toBe(2);
    expect(parity.worstRelative).toBeLessThan(relative);
  });

  test("YuNet's sigmoids near zero differ by what kernels round, and nothing else does", async () => {
    const { parity } = await converted("face-detection/yunet-n-320.onnx", "tflite");
    expect(parity.output).toMatch(/^obj_/);
    expect(parity.cosine).toBeGreaterThan(0.999);
  });

  test.each(INTEGER)("%s in integers to %s", async (file, to, steps) => {
    const { parity } = await converted(file, to);
    expect(parity.steps.worst).toBeLessThanOrEqual(steps);
    if (steps === 0) expect(parity.steps.equalShare).toBe(1);
  });

  test("a batch of two becomes one of one, proved run by run against the original", async () => {
    for (const to of ["onnx", "tflite"]) {
      const { parity } = await converted("face-embedding/mobilefacenet-sirius-192-batch2.tflite", to, "--batch", "1");
      expect(parity.worstRelative).toBeLessThan(1e-5);
    }
  });

  test("a network whose branches depend on data is refused with every node and what to do", async () => {
    await expect(converted("voice/silero-vad-16k-op15.onnx", "tflite")).rejects.toThrow(
      expect.objectContaining({ message: expect.stringContaining("the branch depends on data") }),
    );
  });
});
