import { join } from "node:path";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { smallVoices } from "@tessera/testkit/small-voices";
import { type CommandDef, runCommand } from "citty";
import { beforeAll, describe, expect, test } from "vitest";
import { evaluate } from "./evaluate.ts";
import { optimize } from "./optimize.ts";
import { quantize } from "./quantize.ts";

describe("voices", () => {
  const sandbox = commandSandbox("tessera-voices-");
  let [model, card, data] = ["", "", ""];

  beforeAll(() => {
    ({ model, card, data } = smallVoices(sandbox.folder));
  });

  // biome-ignore lint/suspicious/noExplicitAny: reports are looked into field by field
  async function json(command: CommandDef, ...args: readonly string[]): Promise<any> {
    const { out } = await printedBy(() => runCommand(command, { rawArgs: [...args, "--json", "--quiet"] }));
    return JSON.parse(out);
  }

  test("are evaluated on the trials of trials.csv; a trial without a voice is left out", async () => {
    const report = await json(evaluate, model, "--data", data, "--protocol", "pair-list", "--far", "0.5", "--replicates", "20");
    expect(report.data.evaluation).toMatchObject({ genuine: 2, impostor: 2, protocol: "pair list" });
  });

  test("are scored against a cohort when asked, and flips between two files are found", async () => {
    const int8 = join(sandbox.folder, "int8.onnx");
    const built = await json(quantize, model, "-o", int8, "--scheme", "static", "--calib", data);
    // 28 recordings of the cohort, of 38 frames each: windows from frames 0, 10, 20 and, half filled, 28 of 30.
    expect(built.calibration.samples).toBeGreaterThan(28);
    expect(built.compared).toMatch(/windows of 28 voices of people/);
    const args = ["--data", data, "--card", card, "--far", "0.1", "--replicates", "50"];
    const plain = await json(evaluate, model, int8, ...args);
    expect(plain.models[1].versus.cosineMean).toBeGreaterThan(0.99);
    expect(plain.models[1].versus.cosineMean).toBeLessThan(1);
    for (const [norm, top] of [
      ["s-norm", 14],
      ["as-norm", 10],
    ] as const) {
      const report = await json(evaluate, model, int8, ...args, "--score-norm", norm);
      expect(report.scoreNorm).toEqual({ method: norm, people: 14, top, data: "people" });
      const [threshold] = report.models[0].accuracy.tarAtFar;
      expect(threshold.threshold).not.toBeCloseTo(plain.models[0].accuracy.tarAtFar[0].threshold, 3);
      expect(report.models[0].accuracy.eer.raw).toBeLessThan(0.1);
      expect(report.models[1].versus.flips).toHaveLength(1);
    }
  });

  test("mix between models in the matrix", async () => {
    const report = await json(evaluate, model, model, "--data", data, "--matrix", "--far", "0.1", "--replicates", "20");
    expect(JSON.stringify(report.matrix)).toContain("templates stay");
  });

  test("go through the whole of optimize: variants, judged, timed, picked, reported", async () => {
    const out = join(sandbox.folder, "out");
    const args = ["--data", data, "--far", "0.1", "--replicates", "20", "--rounds", "3", "--search", "off", "--out", out];
    const report = await json(optimize, model, ...args);
    expect(report.candidates.map((c: { id: string }) => c.id)).toEqual([
      "fp32",
      "fp16",
      "int8-weights",
      "int8-dynamic",
      "int8-mse",
    ]);
    for (const { versus } of report.candidates.slice(1)) expect(versus.cosineMean).toBeGreaterThan(0.99);
    expect(report.data).toMatchObject({ calibration: { samples: 28, subjects: 14 }, sharedSubjects: [] });
    expect(report.preprocessing).toMatchObject({ questioned: false, variants: [] });
    expect(report.pick.id).toBeDefined();
  });
});
