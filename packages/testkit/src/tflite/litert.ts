import { litertRuntime } from "@tessera/runtimes/litert";
import { runnerOn, type TfliteRunner } from "./tflite-runner.ts";

/**
 * LiteRT in this thread, in the build that gives the same numbers on every machine; each run has an instance of its own.
 *
 * @example
 * const litert = await openLitert();
 * const [output] = await litert.run(file, (_, size) => new Uint8Array(size));
 */
export async function openLitert(): Promise<TfliteRunner> {
  return runnerOn(await litertRuntime({ worker: false }));
}
