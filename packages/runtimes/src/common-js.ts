import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { compileFunction } from "node:vm";

/**
 * Runs a CommonJS file whose package says that it holds ES modules, so that neither require nor import takes it, and gives its exports.
 * `names` are further variables that the file sees in place of the globals of that name.
 */
export function runCommonJs(path: string, names: Readonly<Record<string, unknown>> = {}): unknown {
  const module = { exports: {} as unknown };
  const seen = {
    exports: module.exports,
    require: createRequire(path),
    module,
    __filename: path,
    __dirname: dirname(path),
    ...names,
  };
  const run = compileFunction(readFileSync(path, "utf8"), Object.keys(seen), { filename: path });
  run(...Object.values(seen));
  return module.exports;
}
