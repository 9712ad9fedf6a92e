import { readFileSync } from "node:fs";
import { fail } from "@tessera/core/base/error";
import { runCommonJs } from "./common-js.ts";
import { type WasmInstance, type WasmProgram, WebAssembly } from "./web-assembly.ts";

/** What Emscripten's factory takes; the fields used here. */
interface FactoryOptions {
  readonly print: (line: string) => void;
  readonly printErr: (line: string) => void;
  readonly instantiateWasm: (imports: object, done: (instance: WasmInstance, program: WasmProgram) => void) => object;
}

/** A running instance with a heap of its own: whatever goes wrong in it touches no other. */
export interface WasmRun<W> {
  readonly wasm: W;
  /** What it printed since the last call, oldest first. */
  takeLog(): readonly string[];
}

/** Lines kept of what an instance prints. */
const LOG_LINES = 100;

/** The error of an npm package that is not there. */
export function packageMissing(name: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
  return fail("RUNTIME_MISSING", `Cannot load ${name}: ${why}`, { cause, hint: `npm install ${name}` });
}

/** Reads and compiles the program at `path` + ".wasm". Instances of it start in some milliseconds, and share what V8 optimised. */
export function compileProgram(path: string): Promise<WasmProgram> {
  return WebAssembly.compile(readFileSync(`${path}.wasm`));
}

/** Options of {@link startProgram}. */
export interface StartOptions {
  /** Path of the library without ending: its loader, as Emscripten makes them, is there as ".js". */
  readonly path: string;
  /** Variables that the loader finds in place of globals. */
  readonly names?: Readonly<Record<string, unknown>>;
}

/** Starts an instance. Nothing is printed: what it says is in the log. */
export async function startProgram<W>(program: WasmProgram, { path, names }: StartOptions): Promise<WasmRun<W>> {
  const make = runCommonJs(`${path}.js`, names) as (options: FactoryOptions) => Promise<W>;
  let log: string[] = [];
  const note = (line: string): void => {
    if (log.length < LOG_LINES) log.push(line);
  };
  const wasm = await new Promise<W>((resolve, reject) => {
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
  return {
    wasm,
    takeLog() {
      const lines = log;
      log = [];
      return lines;
    },
  };
}
