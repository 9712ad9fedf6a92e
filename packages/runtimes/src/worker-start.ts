import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

/**
 * Starts a worker on a module of this package, named without its ending ("./ort-worker").
 *
 * Built (dist/*.js) that is all there is to it. From sources (tests, `tsx`) the entry is a .ts file:
 * - Node with type stripping (22.18 and newer) loads it as it is; our sources hold erasable syntax only.
 * - Node 20 cannot, and tsx does not reach into workers there, whether the parent runs under tsx or vitest. So the worker starts on a
 *   three-line module in a data: URL that registers tsx and then imports the entry: about 0.2 s, paid in development only.
 * Workspace packages must resolve to their sources too, hence the condition.
 */
export function startWorker(entry: string): Worker {
  const self = import.meta.url;
  if (!self.endsWith(".ts")) return new Worker(new URL(`${entry}.js`, self));
  const url = new URL(`${entry}.ts`, self);
  const execArgv = ["--conditions=source"];
  if ((process.features as { typescript?: unknown }).typescript)
    return new Worker(url, { execArgv: [...execArgv, "--disable-warning=ExperimentalWarning"] });
  // By path, because a data: URL has no place to resolve packages from, and not through `require`: that copy of the API looks for its hooks in the wrong folder.
  const tsx = new URL("dist/esm/api/index.mjs", pathToFileURL(createRequire(self).resolve("tsx/package.json")));
  const boot = `import { register } from ${JSON.stringify(tsx.href)};\nregister();\nawait import(${JSON.stringify(url.href)});`;
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(boot)}`), { execArgv });
}
