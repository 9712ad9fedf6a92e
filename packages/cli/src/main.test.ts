import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { convFile } from "@tessera/testkit/runtime-models";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { writeFile } from "./io/files.ts";

vi.setConfig({ testTimeout: 120_000 });

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));
let folder: string;
let model: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-main-"));
  model = join(folder, "conv.onnx");
  writeFile(model, convFile());
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the command as a process of its own. */
function tessera(
  args: readonly string[],
  options: { readonly interruptAt?: RegExp; readonly deaf?: boolean } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, ["--import", "tsx", "--conditions=source", MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  let interrupted = false;
  // Nobody reads: the first write meets a closed pipe.
  if (options.deaf) child.stdout.destroy();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
    if (interrupted || !options.interruptAt?.test(err)) return;
    interrupted = true;
    child.kill("SIGINT");
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

describe.concurrent("the command", () => {
  test("without a verb shows its usage and exits with 2, asked for help with 0", async ({ expect }) => {
    const [none, help, verb] = await Promise.all([tessera([]), tessera(["--help"]), tessera(["bench", "--help"])]);
    expect([none.code, help.code, verb.code]).toEqual([2, 0, 0]);
    for (const word of ["inspect", "optimize", "compare"]) expect(help.out).toContain(word);
    expect(verb.out).toContain("--rounds");
  });

  test("with a wrong line or file exits with 2, says the next step, and as JSON on stdout when asked", async ({ expect }) => {
    const [unknown, flag, missing] = await Promise.all([
      tessera(["fly"]),
      tessera(["inspect", model, "--fast"]),
      tessera(["inspect", join(folder, "none.onnx"), "--json"]),
    ]);
    expect([unknown.code, flag.code, missing.code]).toEqual([2, 2, 2]);
    expect(unknown.err).toContain("error USAGE");
    expect(flag.err).toContain("there is no such option");
    expect(flag.err).toContain("next: ");
    expect(JSON.parse(missing.out).error).toMatchObject({ code: "IO" });
  });

  test("prints the report alone on stdout", async ({ expect }) => {
    const { code, out } = await tessera(["inspect", model, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out).model.nodes).toBe(2);
  });

  test("does not mind a reader that goes away", async ({ expect }) => {
    const { code, err } = await tessera(["inspect", model], { deaf: true });
    expect([code, err]).toEqual([0, ""]);
  });

  test("interrupted, exits with 130 in a sentence and leaves no file", async ({ expect }) => {
    const { code, err } = await tessera(["bench", model, "--rounds", "100000", "--runs", "1000"], { interruptAt: /timing/ });
    expect(code).toBe(130);
    expect(err).toContain("error INTERRUPTED");
    expect(err).not.toMatch(/^\s+at /m);
    expect(readdirSync(folder)).toEqual(["conv.onnx"]);
  });
});

test("starting loads nothing that only a verb needs", async () => {
  const { readFileSync } = await import("node:fs");
  const imports = [...readFileSync(MAIN, "utf8").matchAll(/^import .* from "([^"]+)"/gm)].map((m) => m[1]);
  expect(imports.sort()).toEqual(["./ui/errors.ts", "./version.ts", "@tessera/core/base/error", "citty"]);
});
