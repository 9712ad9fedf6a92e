import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { runCommonJs } from "./common-js.ts";
import type { EngineSpec } from "./engines.ts";
import type { LitertBuild } from "./litert-build.ts";
import type { LitertWasm } from "./litert-wasm.ts";
import { type WasmInstance, type WasmProgram, WebAssembly } from "./web-assembly.ts";

const PACKAGE = "@litertjs/core";

/** Files of the builds, without their endings. */
const FILES = { compat: "litert_wasm_compat_internal", relaxed: "litert_wasm_internal" } as const satisfies Record<
  LitertBuild,
  string
>;

/** What Emscripten's factory takes; the fields used here. */
interface FactoryOptions {
  readonly print: (line: string) => void;
  readonly printErr: (line: string) => void;
  readonly instantiateWasm: (imports: object, done: (instance: WasmInstance, program: WasmProgram) => void) => object;
}

/** A build that was read and compiled: instances of it start in some milliseconds, and share what the engine optimised. */
export interface LitertProgram {
  readonly make: (options: FactoryOptions) => Promise<LitertWasm>;
  readonly program: WasmProgram;
}

/** A running instance with a heap of its own: whatever goes wrong in it touches no other. */
export interface LitertInstance {
  readonly wasm: LitertWasm;
  /** What it printed since the last call, oldest first. */
  takeLog(): readonly string[];
}

const require = createRequire(import.meta.url);
const programs = new Map<string, Promise<LitertProgram>>();

function missing(cause: unknown): Error {
  const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
  return fail("RUNTIME_MISSING", `Cannot load ${PACKAGE}: ${why}`, { cause, hint: `npm install ${PACKAGE}` });
}

/** Version of the package. @throws RUNTIME_MISSING */
export function litertVersion(): string {
  try {
    const path = join(dirname(require.resolve(PACKAGE)), "../package.json");
    return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  } catch (error) {
    throw missing(error);
  }
}

async function compile(file: string): Promise<LitertProgram> {
  try {
    const path = join(dirname(require.resolve(PACKAGE)), "../wasm", file);
    const make = runCommonJs(`${path}.js`) as LitertProgram["make"];
    return { make, program: await WebAssembly.compile(readFileSync(`${path}.wasm`)) };
  } catch (error) {
    throw missing(error);
  }
}

/** The compiled build; read once per thread. @throws RUNTIME_MISSING */
export function litertProgram({ build = "compat" }: Pick<EngineSpec, "build">): Promise<LitertProgram> {
  const file = FILES[build];
  let program = programs.get(file);
  if (!program) {
    program = compile(file);
    programs.set(file, program);
  }
  return program;
}

/** Lines kept of what an instance prints. */
const LOG_LINES = 100;

/**
 * Starts an instance. The package's own loader is not used: it wants the globals of a browser and keeps one instance for all. Nothing is
 * printed. @throws RUNTIME_MISSING
 */
export async function startLitert(spec: Pick<EngineSpec, "build">): Promise<LitertInstance> {
  const { make, program } = await litertProgram(spec);
  let log: string[] = [];
  const note = (line: string): void => {
    if (log.length < LOG_LINES) log.push(line);
  };
  const wasm = await new Promise<LitertWasm>((resolve, reject) => {
    make({
      print: note,
      printErr: note,
      instantiateWasm(imports, done) {
        // The factory has no way to be told of a failure here.
        WebAssembly.instantiate(program, imports).then((instance) => done(instance, program), reject);
        return {};
      },
    }).then(resolve, reject);
  });
  wasm.setupLogging();
  return {
    wasm,
    takeLog() {
      const lines = log;
      log = [];
      return lines;
    },
  };
}
