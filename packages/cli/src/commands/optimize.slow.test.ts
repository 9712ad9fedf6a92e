import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isContentId } from "@tessera/core/modality/embedding-space";
import { parseCropIndex } from "@tessera/core/modality/face/crop-cache";
import { parseCard } from "@tessera/core/modality/read-card";
import { templateThreshold } from "@tessera/core/modality/template-threshold";
import type { OptimizeReport } from "@tessera/core/protocol/report";
import { cardPath } from "@tessera/testkit/cards";
import { commandSandbox } from "@tessera/testkit/command-sandbox";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { smallLfw } from "@tessera/testkit/small-lfw";
import { type CommandDef, runCommand } from "citty";
import { beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../io/files.ts";
import type { EvaluateReport } from "../work/evaluatee.ts";
import { evaluate } from "./evaluate.ts";
import { optimize } from "./optimize.ts";
import { quantize } from "./quantize.ts";

const shared = sharedDir();
const PEOPLE = 40;
const CALIBRATION = 24;
describe.skipIf(shared === undefined)("optimize on a small part of LFW (needs ../shared)", () => {
  const sandbox = commandSandbox("tessera-optimize-");
  let model: string;
  let out: string;
  let report: OptimizeReport;
  let dataArgs: readonly string[];

  async function run(command: CommandDef, ...args: readonly string[]): Promise<string> {
    return (await printedBy(() => runCommand(command, { rawArgs: [...args, "--quiet"] }))).out;
  }

  beforeAll(async () => {
    const data = join(sandbox.folder, "small-lfw");
    smallLfw(data, join(shared ?? "", "data/lfw"), { people: PEOPLE, calibration: CALIBRATION });
    model = join(sandbox.folder, "mobilefacenet.onnx");
    symlinkSync(join(shared ?? "", "models/face-embedding/mobilefacenet-foamliu-128.onnx"), model);
    out = join(sandbox.folder, "out");
    const detector = join(shared ?? "", "models/face-detection/yunet-n-320.onnx");
    const acquisition = ["--on-no-face", "centre-crop", "--choice", "central"];
    dataArgs = ["--data", data, "--detector", detector, "--cards", join(cardPath("x"), ".."), ...acquisition];
    const settings = [
      "--card",
      cardPath("mobilefacenet-foamliu-128"),
      "--far",
      "1e-2,1e-3,1e-6",
      "--replicates",
      "50",
      "--rounds",
      "3",
    ];
    process.exitCode = undefined;
    report = JSON.parse(await run(optimize, model, "-o", out, ...dataArgs, ...settings, "--json"));
  });

  test("prints the report that it writes, and a page that needs nothing else", () => {
    expect(JSON.parse(readFileSync(join(out, "report.json"), "utf8"))).toEqual(report);
    const page = readFileSync(join(out, "report.html"), "utf8");
    expect(page).toContain("<svg");
    expect(page).not.toMatch(/<script|<link[^>]+href=.https?:|src=.https?:/);
  });

  test("simplified with proof, and judged by people that calibration has not seen", () => {
    expect(report.graph.proof.kind).toBe("proved");
    expect(report.graph.after.nodes).toBeLessThanOrEqual(report.graph.before.nodes);
    expect(report.data.calibration).toMatchObject({ samples: CALIBRATION, subjects: CALIBRATION });
    expect(report.data.evaluation.subjects).toBe(PEOPLE);
    expect(report.data.sharedSubjects).toEqual([]);
  });

  test("every candidate has its figures; a FAR that the data cannot answer is answered with what is missing", () => {
    expect(report.candidates.map((c) => c.scheme)).toEqual(
      expect.arrayContaining(["float32", "float16", "weight-only-int8", "dynamic-int8", "static-int8"]),
    );
    for (const c of report.candidates) {
      const [first, , last] = c.accuracy.tarAtFar;
      expect(first?.kind).toBe("figure");
      if (first?.kind === "figure") expect(first.tar.value).toBeGreaterThan(0.9);
      expect(last).toMatchObject({ kind: "insufficient-data", needsMore: 3_000_000 - report.data.evaluation.impostor });
      expect(c.latency.p50Ms).toBeGreaterThan(0);
      if (c.versus !== undefined) expect(c.versus.cosineMean).toBeGreaterThan(0.97);
    }
    const fixed = report.candidates.filter((c) => c.scheme === "static-int8");
    for (const c of fixed) {
      expect(c.fusion?.integer.find((row) => row.op === "Conv")).toEqual({ op: "Conv", integer: 51, total: 51 });
      expect(c.fusion?.integer.find((row) => row.op === "Add")).toEqual({ op: "Add", integer: 12, total: 12 });
      expect(c.sizeRatio).toBeLessThan(0.34);
    }
    expect(report.preprocessing?.questioned).toBe(false);
  });

  test("artefacts are what the report says, byte for byte, and cards carry thresholds fitted to them", () => {
    for (const artefact of report.artefacts) {
      const bytes = readFileSync(join(out, artefact.file));
      expect([bytes.length, sha256(bytes)]).toEqual([artefact.sizeBytes, artefact.sha256]);
    }
    for (const candidate of report.candidates) {
      const card = parseCard(readFileSync(join(out, candidate.file.replace(/\.onnx$/, ".card.json"))));
      expect(card.modelSha256).toBe(candidate.sha256);
      const fitted = candidate.accuracy.tarAtFar.flatMap((p) => (p.kind === "figure" ? [[p.far, p.threshold]] : []));
      expect(card.thresholds.map((t) => [t.far, t.threshold])).toEqual(fitted);
    }
  });

  test("evaluate gives the report's own figures for its artefacts, and other tools the same faces", async () => {
    const [baseline, ...others] = report.candidates;
    const fixed = others.find((c) => c.scheme === "static-int8");
    const files = [baseline, fixed].map((c) => join(out, c?.file ?? ""));
    const aligned = join(sandbox.folder, "aligned");
    const settings = ["--far", "1e-2,1e-3,1e-6", "--replicates", "50", "--matrix", "--aligned-out", aligned, "--json"];
    const evaluated: EvaluateReport = JSON.parse(await run(evaluate, ...files, ...dataArgs, ...settings));
    expect(process.exitCode).toBe(0);
    for (const [i, c] of [baseline, fixed].entries()) {
      const { scoringMs: _, ...accuracy } = evaluated.models[i]?.accuracy ?? expect.fail("a row for each model");
      expect(c?.accuracy).toMatchObject(accuracy);
      expect(evaluated.models[i]?.versus).toEqual(c?.versus);
    }
    expect(evaluated.matrix?.cells.flat()).toHaveLength(4);
    const index = parseCropIndex(readFileSync(join(aligned, "index.json")));
    expect(index).toMatchObject({ dtype: "float32", shape: [3, 112, 112] });
    expect(index.count).toBe(report.data.evaluation.samples + CALIBRATION);
    expect(readFileSync(join(aligned, "crops.f32")).length).toBe(index.count * 3 * 112 * 112 * 4);
  });

  test("evaluate --previous says whether templates stay, and writes cards and adapters that read back", async () => {
    const [baseline, ...others] = report.candidates;
    const fixed = others.find((c) => c.scheme === "static-int8");
    const [float, int8] = [baseline, fixed].map((c) => join(out, c?.file ?? ""));
    const mixedOut = join(sandbox.folder, "mixed");
    const settings = ["--far", "1e-2", "--replicates", "50", "--adapters", "always", "--out", mixedOut, "--json"];
    const evaluated: EvaluateReport = JSON.parse(
      await run(evaluate, int8 ?? "", "--previous", float ?? "", ...dataArgs, ...settings),
    );
    expect(evaluated.models.map(({ role }) => role)).toEqual(["candidate", "previous"]);
    const cell = evaluated.matrix?.cells[1]?.[0];
    expect(cell?.verdict).toBe("templates stay");
    expect(evaluated.matrix?.verdict).toMatch(/^templates stay: /);
    // The space has more dimensions than there are faces to fit to.
    expect(cell?.noAdapter).toContain(`${CALIBRATION} samples`);
    expect(
      evaluated.written.map(({ file, sha256: digest }) => [file, sha256(readFileSync(join(mixedOut, file))) === digest]),
    ).toEqual([[fixed?.file.replace(/\.onnx$/, ".card.json"), true]]);
    const written = evaluated.written.find(({ file }) => file.endsWith(".card.json"));
    const card = parseCard(readFileSync(join(mixedOut, written?.file ?? "")));
    const [row] = card.compatibility ?? [];
    expect(row).toMatchObject({ gallerySha256: baseline?.sha256, verdict: "templates stay", threshold: cell?.threshold });
    const template = { space: row?.gallerySpace ?? "", modelSha256: row?.gallerySha256 ?? "" };
    expect(templateThreshold(card, template, 1e-2)).toEqual({ kind: "compare", threshold: cell?.threshold });
    // Both were measured to mix: one space, the float network's.
    const optimized = parseCard(readFileSync(join(out, baseline?.file.replace(/\.onnx$/, ".card.json") ?? "")));
    expect(isContentId(card.embeddingSpace ?? "")).toBe(true);
    expect(card.embeddingSpace).toBe(optimized.embeddingSpace);
  });

  test("a plan applied again, to the file that came in or to the simplified one, gives the same bytes", async () => {
    const fixed = report.candidates.find((c) => c.scheme === "static-int8");
    const plan = join(out, fixed?.file.replace(/\.onnx$/, ".plan.json") ?? "");
    const again = join(sandbox.folder, "again.onnx");
    for (const source of [model, join(out, report.candidates.find((c) => c.baseline)?.file ?? "")]) {
      await run(quantize, source, "-o", again, "--plan", plan);
      expect(sha256(readFileSync(again))).toBe(fixed?.sha256);
    }
  });
});
