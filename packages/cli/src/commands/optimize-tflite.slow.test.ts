import { readFileSync } from "node:fs";
import { join } from "node:path";
import { modelFromOnnx } from "@tessera/core/convert/onnx/bytes";
import { parseCard } from "@tessera/core/modality/read-card";
import type { OptimizeReport } from "@tessera/core/protocol/report";
import { tfliteIo } from "@tessera/runtimes/tflite-io";
import { cardPath } from "@tessera/testkit/cards";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { smallLfw } from "@tessera/testkit/small-lfw";
import { type CommandDef, runCommand } from "citty";
import { beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../io/files.ts";
import type { EvaluateReport } from "../work/evaluatee.ts";
import { tfliteFacts } from "../work/tflite-facts.ts";
import { evaluate } from "./evaluate.ts";
import { optimize } from "./optimize.ts";

const shared = sharedDir();
const PEOPLE = 20;
const CALIBRATION = 24;

/** The two face networks, one of either format, and what each is called and fed by. */
const NETWORKS = {
  foamliu: {
    file: "models/face-embedding/mobilefacenet-foamliu-128.onnx",
    card: "mobilefacenet-foamliu-128",
  },
  sirius: {
    file: "models/face-embedding/mobilefacenet-sirius-192-batch2.tflite",
    card: "mobilefacenet-sirius-192",
  },
} as const;

describe.skipIf(shared === undefined)("optimize for LiteRT on a small part of LFW (needs ../shared)", () => {
  const sandbox = commandSandbox("tessera-optimize-tflite-");
  let dataArgs: readonly string[];

  async function run(command: CommandDef, ...args: readonly string[]): Promise<string> {
    return (await printedBy(() => runCommand(command, { rawArgs: [...args, "--quiet"] }))).out;
  }

  async function optimized(
    network: keyof typeof NETWORKS,
    target: string,
    ...more: readonly string[]
  ): Promise<{ report: OptimizeReport; out: string }> {
    const out = join(sandbox.folder, `${network}-${target}`);
    const settings = [
      "--card",
      cardPath(NETWORKS[network].card),
      "--far",
      "1e-2",
      "--replicates",
      "50",
      "--rounds",
      "3",
      ...more,
    ];
    const file = join(shared ?? "", NETWORKS[network].file);
    const printed = await run(optimize, file, "--target", target, "-o", out, ...dataArgs, ...settings, "--json");
    return { report: JSON.parse(printed), out };
  }

  beforeAll(() => {
    const data = join(sandbox.folder, "small-lfw");
    smallLfw(data, join(shared ?? "", "data/lfw"), { people: PEOPLE, calibration: CALIBRATION });
    const detector = join(shared ?? "", "models/face-detection/yunet-n-320.onnx");
    const acquisition = ["--on-no-face", "centre-crop", "--choice", "central"];
    dataArgs = ["--data", data, "--detector", detector, "--cards", join(cardPath("x"), ".."), ...acquisition];
  });

  /** What holds for every report of a target whose files are TFLite. */
  function expectTflite(report: OptimizeReport, out: string, network: keyof typeof NETWORKS): void {
    expect(report.graph.proof.kind).toBe("proved");
    expect(report.candidates.map((c) => c.scheme)).toEqual(
      expect.arrayContaining(["float32", "float16", "dynamic-int8", "static-int8"]),
    );
    for (const artefact of report.artefacts) {
      const bytes = readFileSync(join(out, artefact.file));
      expect([bytes.length, sha256(bytes)]).toEqual([artefact.sizeBytes, artefact.sha256]);
    }
    for (const c of report.candidates) {
      expect(c.file).toMatch(/\.tflite$/);
      expect(c.runtime).toMatch(/^litert /);
      if (c.versus !== undefined) expect(c.versus.cosineMean).toBeGreaterThan(0.97);
      const bytes = readFileSync(join(out, c.file));
      const io = tfliteIo(bytes);
      const card = parseCard(readFileSync(join(out, c.file.replace(/\.tflite$/, ".card.json"))));
      // The card speaks of the very file: its tensors, its layout, its digest.
      expect(card.modelSha256).toBe(c.sha256);
      expect(card.input.kind === "image" && [card.input.tensor, card.input.layout]).toEqual([io.inputs[0]?.name, "NHWC"]);
      expect(io.inputs[0]?.shape).toEqual([1, 112, 112, 3]);
      expect(card.output.kind === "embedding" && card.output.tensor).toBe(io.outputs[0]?.name);
      expect(tfliteFacts(bytes).operators.filter((o) => o.op === "TRANSPOSE")).toEqual([]);
    }
    for (const c of report.candidates.filter((x) => x.scheme === "static-int8")) {
      expect(c.fusion?.integer.filter((row) => row.integer < row.total)).toEqual([]);
      expect(c.sizeRatio).toBeLessThan(0.34);
    }
    const host = report.elsewhere?.find((row) => row.says.includes("as ONNX"));
    expect(host?.runtime).toMatch(/^ort-node /);
    expect(host?.cosineMin).toBeGreaterThan(0.999999);
    expect(report.data.evaluation.subjects).toBe(PEOPLE);
    expect(report.preprocessing?.questioned).toBe(false);
    expect(report.layers?.layers.length).toBeGreaterThan(10);
    expect(report.layers?.timesRuntime).toMatch(/^tfjs-tflite /);
    expect(report.layers?.times.length).toBeGreaterThan(10);
    expect(report.model.format).toBe(NETWORKS[network].file.endsWith("onnx") ? "onnx" : "tflite");
  }

  test("an ONNX network becomes TFLite files, judged and timed on LiteRT", async () => {
    const { report, out } = await optimized("foamliu", "litert");
    expectTflite(report, out, "foamliu");
    expect(report.basis).toMatchObject({ deviceIsElsewhere: false, predicted: [], unknown: [] });
    // evaluate reads the card beside each file and says what the report said.
    const [baseline, ...others] = report.candidates;
    const fixed = others.find((c) => c.scheme === "static-int8");
    const files = [baseline, fixed].map((c) => join(out, c?.file ?? ""));
    const evaluated: EvaluateReport = JSON.parse(
      await run(evaluate, ...files, ...dataArgs, "--far", "1e-2", "--replicates", "50", "--json"),
    );
    for (const [i, c] of [baseline, fixed].entries()) {
      const { scoringMs: _, ...accuracy } = evaluated.models[i]?.accuracy ?? expect.fail("a row for each model");
      expect(c?.accuracy).toMatchObject(accuracy);
      expect(evaluated.models[i]?.runtime).toMatch(/^litert /);
    }
  });

  test("a TFLite network of two faces a run becomes files of one face for a board, and nothing is said to be measured there", async () => {
    const { report, out } = await optimized("sirius", "rpi4", "--int16x8");
    expectTflite(report, out, "sirius");
    expect(report.candidates[0]?.notes.join()).toContain("takes 2 faces at a time: re-shaped to one");
    expect(report.basis?.deviceIsElsewhere).toBe(true);
    expect(report.basis?.measured).toContain("nothing was measured on rpi4");
    expect(report.basis?.predicted.map((p) => p.says).join()).toContain("at least");
    expect(report.basis?.unknown.join()).toContain("latency on rpi4");
    expect(report.candidates.map((c) => c.scheme)).toContain("static-int16x8");
    expect(readFileSync(join(out, "report.html"), "utf8")).toContain("Nothing here was measured on rpi4");
  });

  test("the same TFLite network becomes ONNX files for ONNX Runtime, with cards in their layout", async () => {
    const { report, out } = await optimized("sirius", "ort-x64");
    expect(report.basis).toBeUndefined();
    // The file that came in runs on LiteRT, and gives the very embeddings of the baseline.
    expect(report.elsewhere?.[0]).toMatchObject({
      says: "the file that came in, 2 faces a run",
      runtime: expect.stringMatching(/^litert/),
    });
    expect(report.elsewhere?.[0]?.cosineMin).toBeGreaterThan(0.999999);
    for (const c of report.candidates) {
      const card = parseCard(readFileSync(join(out, c.file.replace(/\.onnx$/, ".card.json"))));
      expect(card.input.kind === "image" && card.input.layout).toBe("NCHW");
      expect(modelFromOnnx(readFileSync(join(out, c.file))).graph.inputs[0]).toMatchObject({
        name: "input",
        type: { shape: [1, 3, 112, 112] },
      });
    }
  });

  test("evaluate feeds one card's faces to files of both formats and finds them the same", async () => {
    const { file, card } = NETWORKS.sirius;
    const original = join(shared ?? "", file);
    const onnx = join(sandbox.folder, "sirius-ort-x64", "mobilefacenet-sirius-192-batch2.fp32.onnx");
    const settings = ["--card", cardPath(card), "--far", "1e-2", "--replicates", "50", "--json"];
    const report: EvaluateReport = JSON.parse(await run(evaluate, original, onnx, ...dataArgs, ...settings));
    expect(report.models.map((m) => m.runtime.split(" ")[0])).toEqual(["litert", "ort-node"]);
    expect(report.models[1]?.versus?.cosineMin).toBeGreaterThan(0.999999);
    expect(report.models[1]?.versus?.flips.flatMap((f) => f.examples)).toEqual([]);
  });
});
