import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

/** How to start Node on a module. */
interface Start {
  readonly url: URL;
  readonly execArgv: readonly string[];
  /** Code of an ES module that brings the entry to run; `undefined` when the entry runs by itself. */
  readonly boot: string | undefined;
}

/**
 * Where a module, named without its ending ("./ort-worker") as seen from the module at the URL `self`, starts and with which options of Node.
 *
 * Built (dist/*.js) that is all there is to it. From sources (tests, `tsx`) the entry is a .ts file:
 * - Node with type stripping (22.18 and newer) loads it as it is; our sources hold erasable syntax only.
 * - Node 20 cannot, and tsx's own `--import` does not reach into workers there, whether the parent runs under tsx or vitest. So the
 *   thread or process starts on three lines that register tsx and then import the entry: about 0.2 s, paid in development only. tsx is
 *   found by path: those lines have no place to resolve packages from, and the `require` copy of its API looks for its hooks in the wrong
 *   folder.
 * Workspace packages must resolve to their sources too, hence the condition.
 */
function startOf(entry: string, self = import.meta.url): Start {
  if (!self.endsWith(".ts")) return { url: new URL(`${entry}.js`, self), execArgv: [], boot: undefined };
  const url = new URL(`${entry}.ts`, self);
  const execArgv = ["--conditions=source"];
  if ((process.features as { typescript?: unknown }).typescript) {
    return { url, execArgv: [...execArgv, "--disable-warning=ExperimentalWarning"], boot: undefined };
  }
  const tsx = new URL("dist/esm/api/index.mjs", pathToFileURL(createRequire(self).resolve("tsx/package.json")));
  const boot = `import { register } from ${JSON.stringify(tsx.href)};\nregister();\nawait import(${JSON.stringify(url.href)});`;
  return { url, execArgv, boot };
}

/** Options of {@link startWorker}. */
export interface WorkerStartOptions {
  /** `import.meta.url` of the module that the entry's name is relative to; a module of this package unless given. */
  readonly from?: string;
  /** What the thread finds in `workerData`. */
  readonly data?: unknown;
}

/** Starts a worker thread on a module, named without its ending. */
export function startWorker(entry: string, options: WorkerStartOptions = {}): Worker {
  const { url, execArgv, boot } = startOf(entry, options.from);
  return new Worker(boot === undefined ? url : new URL(`data:text/javascript,${encodeURIComponent(boot)}`), {
    execArgv: [...execArgv],
    ...(options.data === undefined ? {} : { workerData: options.data }),
  });
}

/**
 * Starts a process on a module of this package, named without its ending, with a channel for messages that carries typed arrays. Its
 * standard output goes nowhere, its stderr to a pipe; options of the parent's Node are not passed on.
 */
export function startProcess(entry: string): ChildProcess {
  const { url, execArgv, boot } = startOf(entry);
  const code = boot ?? `await import(${JSON.stringify(url.href)});`;
  return spawn(process.execPath, [...execArgv, "--input-type=module", "--eval", code], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "advanced",
    env: { ...process.env, NODE_OPTIONS: "" },
  });
}
