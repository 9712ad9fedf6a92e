import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fail } from "@tessera/core/base/error";
import type { EngineSpec } from "./engines.ts";
import type { LitertBuild } from "./litert-build.ts";
import { makeThreadPool } from "./litert-threads.ts";
import type { LitertWasm } from "./litert-wasm.ts";
import { enableRelaxedSimd } from "./relaxed-simd.ts";
import { compileProgram, packageMissing, startProgram, type WasmRun } from "./wasm-program.ts";
import type { WasmProgram } from "./web-assembly.ts";

const PACKAGE = "@litertjs/core";

/** Files of the builds, without their endings. The one with threads uses relaxed SIMD, too; there is no other. */
const FILES = {
  compat: "litert_wasm_compat_internal",
  relaxed: "litert_wasm_internal",
  threaded: "litert_wasm_threaded_internal",
} as const satisfies Record<LitertBuild | "threaded", string>;

const require = createRequire(import.meta.url);
const programs = new Map<string, Promise<WasmProgram>>();

/** What is running, and how to end it. */
export interface LitertRun extends WasmRun<LitertWasm> {
  end(): Promise<void>;
}

/** The folder of the package. */
function folder(): string {
  return dirname(dirname(require.resolve("@litertjs/core")));
}

/** Version of the package. @throws RUNTIME_MISSING */
export function litertVersion(): string {
  try {
    const path = join(folder(), "package.json");
    return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  } catch (error) {
    throw packageMissing(PACKAGE, error);
  }
}

function fileOf({ build = "compat", options }: Pick<EngineSpec, "build" | "options">): keyof typeof FILES {
  return (options.threads ?? 1) > 1 ? "threaded" : build;
}

async function compile(name: keyof typeof FILES): Promise<WasmProgram> {
  if (name !== "compat" && !enableRelaxedSimd())
    throw fail("RUNTIME_MISSING", `Cannot load LiteRT's ${name} build: this version of Node has no relaxed SIMD`);
  try {
    return await compileProgram(pathOf(name));
  } catch (error) {
    throw packageMissing(PACKAGE, error);
  }
}

/** Path of a build without ending. */
function pathOf(name: keyof typeof FILES): string {
  return join(folder(), "wasm", FILES[name]);
}

/** The compiled program of a build; read once per thread. @throws RUNTIME_MISSING */
function litertProgram(spec: Pick<EngineSpec, "build" | "options">): Promise<WasmProgram> {
  const name = fileOf(spec);
  let program = programs.get(name);
  if (!program) {
    program = compile(name);
    programs.set(name, program);
  }
  return program;
}

/**
 * Starts an instance. The package's own loader is not used: it wants the globals of a browser and keeps one instance for all.
 * @throws RUNTIME_MISSING
 */
export async function startLitert(spec: Pick<EngineSpec, "build" | "options">): Promise<LitertRun> {
  const name = fileOf(spec);
  const program = await litertProgram(spec);
  const path = pathOf(name);
  const pool = name === "threaded" ? makeThreadPool(`${path}.js`, spec.options.threads ?? 1) : undefined;
  const run = await startProgram<LitertWasm>(program, { path, ...(pool && { names: pool.names }) });
  run.wasm.setupLogging();
  return { ...run, end: async () => pool?.end() };
}
