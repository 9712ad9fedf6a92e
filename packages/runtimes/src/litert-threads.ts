import { createRequire } from "node:module";
import * as threads from "node:worker_threads";

/**
 * What a worker of the pool starts on: the loader once more, which sees from its worker data that it is to be a thread. It is CommonJS in a
 * package of ES modules, so that a worker cannot be started on its file.
 */
function bootCode(path: string): string {
  return `
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const { dirname } = require("node:path");
const { compileFunction } = require("node:vm");
const path = ${JSON.stringify(path)};
const module_ = { exports: {} };
const names = ["exports", "require", "module", "__filename", "__dirname", "navigator"];
const navigator = { hardwareConcurrency: 0, userAgent: "" };
const run = compileFunction(readFileSync(path, "utf8"), names, { filename: path });
run(module_.exports, createRequire(path), module_, path, dirname(path), navigator);`;
}

/** The threads of one instance, and the names under which its loader finds what it starts them with. */
export interface ThreadPool {
  readonly names: Readonly<Record<string, unknown>>;
  end(): Promise<void>;
}

/**
 * Prepares a pool of `count` threads for the loader at `path`, which sizes it by what a browser would say of the processor. Nothing is
 * written to disk, and the global object stays as it is but for `Worker`, which the loader sets in threads without it.
 */
export function makeThreadPool(path: string, count: number): ThreadPool {
  const code = bootCode(path);
  const workers: threads.Worker[] = [];
  class PoolWorker extends threads.Worker {
    constructor(_file: string, options: threads.WorkerOptions) {
      super(code, { ...options, eval: true, execArgv: [] });
      workers.push(this);
    }
  }
  const plain = createRequire(path);
  const module = { ...threads, Worker: PoolWorker };
  return {
    names: {
      require: (name: string): unknown => (/^(?:node:)?worker_threads$/.test(name) ? module : plain(name)),
      Worker: PoolWorker,
      navigator: { hardwareConcurrency: count, userAgent: "" },
    },
    async end() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
