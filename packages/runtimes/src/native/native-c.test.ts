import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isTesseraError } from "@tessera/core/base/error";
import type { Session } from "@tessera/core/graph/runtime";
import { caseInput, type IntegerCase } from "@tessera/testkit/integer/case-builder";
import { type FamilyName, integerCase, RUNS_PER_CASE } from "@tessera/testkit/integer/cases";
import { caseBytes } from "@tessera/testkit/integer/run-case";
import { sketchTflite } from "@tessera/testkit/runtime-tflite";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { BOARDS } from "../mcu-lab/boards.ts";
import { findToolchain } from "../mcu-lab/toolchains.ts";
import { nativeCRuntime } from "./native-c.ts";

const tools = await findToolchain(BOARDS.x86);
const reason = tools.kind === "absent" ? tools.reason : undefined;

function feeds(test: IntegerCase, run: number) {
  return new Map(test.spec.feeds.map((name) => [name, caseInput(test, name, run)]));
}

/** The first case of a family that devices can run: one picture, integers at both ends. */
async function opened(family: FamilyName): Promise<{ readonly test: IntegerCase; readonly session: Session }> {
  const runtime = await nativeCRuntime({ flags: ["-O1"] });
  for (let i = 0; i < 10; i++) {
    const test = integerCase(family, i);
    try {
      return { test, session: await runtime.load(test.file()) };
    } catch (error) {
      if (!isTesseraError(error) || error.code !== "RUNTIME_FAILED") throw error;
    }
  }
  throw new Error(`no case of ${family} can run on a device`);
}

describe.skipIf(reason)(`the native-c runtime${reason ? ` (skipped: ${reason})` : ""}`, () => {
  let own = "";
  beforeAll(() => {
    own = mkdtempSync(join(tmpdir(), "tessera-test-"));
    vi.stubEnv("TMPDIR", own);
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    rmSync(own, { recursive: true, force: true });
  });

  for (const family of ["CONV_2D", "FULLY_CONNECTED", "ADD"] as const)
    it(`gives the bytes of the integer interpreter for ${family}, from files, in their order of axes`, async () => {
      const { test, session } = await opened(family);
      expect(session.inputs.map(({ name }) => name)).toEqual(test.spec.feeds);
      const parts: Uint8Array[] = [];
      // Asked all at once: calls queue.
      const runs = Array.from({ length: RUNS_PER_CASE }, (_, run) => session.run(feeds(test, run)));
      for (const outputs of await Promise.all(runs)) parts.push(outputs.get(test.spec.outputs[0] as string)?.bytes as Uint8Array);
      expect(Buffer.concat(parts).equals(caseBytes(test, "tflm-double"))).toBe(true);
      await session.close();
    });

  it("times runs, says what its integers stand for, and leaves nothing behind", async () => {
    const { test, session } = await opened("CONV_2D");
    const time = await session.time(feeds(test, 0), { runs: 3 });
    expect(time.wallMs).toHaveLength(3);
    for (const ms of time.wallMs) expect(ms).toBeGreaterThanOrEqual(0);
    for (const { name } of [...session.inputs, ...session.outputs])
      expect(session.encodings?.get(name)?.scale[0]).toBeGreaterThan(0);
    expect(readdirSync(own)).toHaveLength(1);
    await session.close();
    await session.close();
    expect(readdirSync(own)).toEqual([]);
    await expect(session.run(feeds(test, 0))).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
  });

  it("refuses what no device computes, with the reason", async () => {
    const runtime = await nativeCRuntime();
    const float = sketchTflite({
      tensors: { x: { type: "FLOAT32", shape: [1] }, y: { type: "FLOAT32", shape: [1] } },
      inputs: ["x"],
      outputs: ["y"],
      calls: [{ op: "NEG", inputs: ["x"], outputs: ["y"], options: { kind: "NegOptions" } }],
    });
    await expect(runtime.load(float)).rejects.toThrow(/no integer quantization/);
    await expect(runtime.load(Uint8Array.of(1, 2, 3))).rejects.toMatchObject({ code: "RUNTIME_FAILED" });
  });

  it("refuses feeds that are absent or of another shape", async () => {
    const { test, session } = await opened("CONV_2D");
    await expect(session.run(new Map())).rejects.toMatchObject({ code: "DATA_MISSING" });
    const [name = ""] = test.spec.feeds;
    const feed = caseInput(test, name, 0);
    await expect(session.run(new Map([[name, { ...feed, shape: [...feed.shape, 1] }]]))).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
    });
    await expect(session.run(new Map([[name, { ...feed, dtype: "float32" }]]))).rejects.toMatchObject({ code: "DTYPE_MISMATCH" });
    await session.close();
  });
});
