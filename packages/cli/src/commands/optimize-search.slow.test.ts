import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OptimizeReport } from "@tessera/core/protocol/report";
import { planFromJson } from "@tessera/core/quant/plan-json";
import { cardPath } from "@tessera/testkit/cards";
import { printedBy } from "@tessera/testkit/printed";
import { sharedDir } from "@tessera/testkit/shared";
import { smallLfw } from "@tessera/testkit/small-lfw";
import { runCommand } from "citty";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { optimize } from "./optimize.ts";

const shared = sharedDir();
const PEOPLE = 45;

describe.skipIf(shared === undefined)("optimize with a search on a small part of LFW (needs ../shared)", () => {
  let folder: string;
  let first: OptimizeReport;
  let args: readonly string[];
  const { exitCode } = process;
  const cache = process.env["TESSERA_CACHE"];

  async function run(): Promise<OptimizeReport> {
    return JSON.parse((await printedBy(() => runCommand(optimize, { rawArgs: [...args] }))).out);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tessera-search-"));
    process.env["TESSERA_CACHE"] = join(folder, "cache");
    const data = join(folder, "small-lfw");
    smallLfw(data, join(shared ?? "", "data/lfw"), { people: PEOPLE, calibration: 24 });
    const model = join(folder, "mobilefacenet.onnx");
    symlinkSync(join(shared ?? "", "models/face-embedding/mobilefacenet-foamliu-128.onnx"), model);
    const detector = join(shared ?? "", "models/face-detection/yunet-n-320.onnx");
    const faces = ["--data", data, "--detector", detector, "--cards", join(cardPath("x"), ".."), "--choice", "central"];
    const settings = ["--card", cardPath("mobilefacenet-foamliu-128"), "--far", "1e-2", "--replicates", "50", "--rounds", "3"];
    const search = ["--search", "quick", "--on-no-face", "centre-crop"];
    args = [model, "-o", join(folder, "out"), ...faces, ...settings, ...search, "--json", "--quiet"];
    first = await run();
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    process.exitCode = exitCode;
    if (cache === undefined) delete process.env["TESSERA_CACHE"];
    else process.env["TESSERA_CACHE"] = cache;
  });

  test("a third of the people search and are on no report; everybody is in the second table", () => {
    const { search, wholeData, data } = first;
    expect(search?.people.searched).toBe(Math.round(PEOPLE / 3));
    expect(data.evaluation.subjects).toBe(PEOPLE - Math.round(PEOPLE / 3));
    expect(wholeData?.people).toBe(PEOPLE);
    expect(wholeData?.candidates.map((c) => c.id)).toEqual(first.candidates.map((c) => c.id));
  });

  test("what was found loses no more than plain quantization on the people of the search, and both were run on the runtime", () => {
    const { search } = first;
    const [best] = search?.chain ?? [];
    // So few people leave nobody near the threshold, so no loss; then the spread of the shifts decides.
    expect(best?.figures.loss.value).toBeLessThanOrEqual(search?.plain.figures.loss.value ?? 0);
    expect(best?.figures.spread).toBeLessThan(search?.plain.figures.spread ?? 0);
    expect(best?.figures.worstShift).toBeLessThan(search?.plain.figures.worstShift ?? 0);
    for (const id of ["int8-plain", "int8-searched"]) {
      const candidate = first.candidates.find((c) => c.id === id);
      expect(candidate?.fusion?.integer.find((row) => row.op === "Conv")?.integer).toBe(51);
      expect(candidate?.versus?.cosineMean).toBeGreaterThan(0.97);
    }
    expect(search?.steps.some((s) => s.accepted)).toBe(true);
    expect(search?.steps.some((s) => !s.accepted)).toBe(true);
  });

  test("every node of the search's plan has its one-line reason", () => {
    const candidate = first.candidates.find((c) => c.id === "int8-searched");
    const plan = planFromJson(readFileSync(join(folder, "out", candidate?.file.replace(/\.onnx$/, ".plan.json") ?? ""), "utf8"));
    const reasons = [...plan.nodes.values()].filter((n) => /near-threshold pairs/.test(n.reason));
    expect(reasons.length).toBeGreaterThan(60);
    for (const { reason } of plan.nodes.values()) expect(reason).toMatch(/^[^\n]+$/);
  });

  test("the same command again takes the answers from the journal and ends with the same files", async () => {
    const again = await run();
    expect(again.search).toMatchObject({ evaluations: 0, resumed: true });
    expect(again.search?.chain).toEqual(first.search?.chain);
    const files = (report: OptimizeReport) =>
      report.artefacts.filter((a) => /\.(onnx|plan\.json)$/.test(a.file)).map((a) => [a.file, a.sha256]);
    expect(files(again)).toEqual(files(first));
  });
});
