import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "@tessera/core/base/error";
import { runCommand } from "../mcu-lab/run-command.ts";
import type { ModelCalls } from "../mcu-lab/test-program.ts";
import type { Tool } from "../mcu-lab/toolchains.ts";
import { hostProgram } from "./host-program.ts";

/** A program of this machine around a generated model. */
export interface HostBuild {
  readonly path: string;
  /** What the compiler had to say about the model's files; "" when nothing. */
  readonly warnings: string;
  readonly flags: readonly string[];
}

/** Options of {@link buildHost}. */
export interface HostBuildOptions {
  readonly compiler: Tool;
  /** Optimization, sanitizers, feature macros. */
  readonly flags: readonly string[];
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Compiles the C files of a model with a program that answers requests, in the folder `dir`; see {@link hostProgram}.
 * @throws RUNTIME_FAILED with the compiler's words where it refuses
 */
export async function buildHost(
  files: ReadonlyMap<string, string>,
  calls: ModelCalls,
  dir: string,
  options: HostBuildOptions,
): Promise<HostBuild> {
  for (const [name, text] of files) await writeFile(join(dir, name), text);
  await writeFile(join(dir, "host_main.c"), hostProgram(calls));
  const sources = [...files.keys()].filter((name) => name.endsWith(".c"));
  const { flags } = options;
  const call = async (args: readonly string[], what: string) => {
    const { code, stderr } = await runCommand(options.compiler.path, args, {
      cwd: dir,
      timeoutMs: options.timeoutMs,
      ...(options.signal && { signal: options.signal }),
    });
    if (code !== 0) throw fail("RUNTIME_FAILED", `Cannot ${what} for this machine: ${stderr.trim().slice(0, 4000)}`);
    return stderr;
  };
  const objects = sources.map((name) => name.replace(/\.c$/, ".o"));
  let warnings = "";
  // The model's files are C99 alone; the program around them also needs the system's clock.
  for (const name of sources)
    warnings += await call(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", ...flags, "-c", name], `compile ${name}`);
  await call(["-std=gnu99", ...flags, "host_main.c", ...objects, "-o", "host"], "link");
  return { path: join(dir, "host"), warnings, flags: ["-std=c99", ...flags] };
}
