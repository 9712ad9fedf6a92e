import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

/** The process that is killed: the search on the small network, with its journal and artefacts in a folder. */
const CODE = `
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import { planToJson } from "@tessera/core/quant/plan-json";
import { buildPoint } from "@tessera/core/quant/search/build-point";
import { searchPlan } from "@tessera/core/quant/search/engine";
import { nodeReasons } from "@tessera/core/quant/search/reasons";
import { smallSearch } from "@tessera/testkit/quant/small-search";
import { writeFile } from ${JSON.stringify(new URL("../io/files.ts", import.meta.url).href)};
import { openJournal } from ${JSON.stringify(new URL("./search-journal.ts", import.meta.url).href)};

const folder = process.env.FOLDER;
const { bench, material } = await smallSearch();
const journal = openJournal(folder + "/search.jsonl", { model: "small" });
const without = { secondOrder: true, correctBias: true };
const result = await searchPlan(bench, { depth: { tensors: 1, groups: 2, tries: 2, reverted: true }, without, journal });
journal.close();
const pick = result.chain.at(-1);
const { model, plan } = await buildPoint(pick.point, material, nodeReasons(pick, result.sensitivity, "int8"));
writeFile(folder + "/pick.json", JSON.stringify({ ...result, evaluations: 0, recalled: 0 }));
writeFile(folder + "/plan.json", planToJson(plan));
writeFile(folder + "/model.onnx", modelToOnnx(applyPlan(model, plan)));
process.stdout.write(JSON.stringify({ evaluations: result.evaluations, recalled: result.recalled }));
`;

/** Runs the search in a process of its own; with `killAt`, ends it by SIGKILL as soon as its journal has that many lines. */
function child(
  folder: string,
  killAt = Number.POSITIVE_INFINITY,
): Promise<{ readonly signal: string | null; readonly said: string }> {
  const journal = join(folder, "search.jsonl");
  const running = spawn(process.execPath, ["--import", "tsx", "--conditions=source", "--input-type=module", "--eval", CODE], {
    env: { ...process.env, FOLDER: folder },
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  running.stdout.on("data", (chunk) => {
    said += chunk;
  });
  const watch = setInterval(() => {
    if (existsSync(journal) && readFileSync(journal, "utf8").split("\n").length - 1 >= killAt) running.kill("SIGKILL");
  }, 5);
  return new Promise((resolve, reject) => {
    running.on("error", reject);
    running.on("close", (_, signal) => {
      clearInterval(watch);
      resolve({ signal, said });
    });
  });
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-kill-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("killed again and again, a search ends with the pick and the artefacts of one that was not", async () => {
  const [whole, torn] = [join(folder, "whole"), join(folder, "torn")];
  const undisturbed = await child(whole);
  expect(undisturbed.signal).toBeNull();
  const lines = readFileSync(join(whole, "search.jsonl"), "utf8").split("\n").length - 1;
  for (const killAt of [3, 9]) expect((await child(torn, killAt)).signal).toBe("SIGKILL");
  const resumed = await child(torn);
  expect(resumed.signal).toBeNull();
  for (const name of ["pick.json", "plan.json", "model.onnx"])
    expect(readFileSync(join(torn, name)).equals(readFileSync(join(whole, name))), name).toBe(true);
  expect(readFileSync(join(torn, "search.jsonl"), "utf8")).toBe(readFileSync(join(whole, "search.jsonl"), "utf8"));
  // The header is no answer; what was known was not computed again.
  const { evaluations, recalled }: Record<string, number> = JSON.parse(resumed.said);
  expect(evaluations).toBeLessThanOrEqual(lines - 9);
  expect(recalled).toBeGreaterThanOrEqual(8);
}, 300_000);
