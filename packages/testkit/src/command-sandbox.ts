import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";

/**
 * Gives the tests of a describe block that run commands a folder of their own, with the cache in it, and takes both away afterwards; exit codes of commands do not
 * become that of the tests. To be called before the block's own hooks; the folder is there when those run.
 */
export function commandSandbox(prefix: string): { readonly folder: string } {
  const exitCode = process.exitCode;
  const cache = process.env["TESSERA_CACHE"];
  const sandbox = { folder: "" };
  beforeAll(() => {
    sandbox.folder = mkdtempSync(join(tmpdir(), prefix));
    process.env["TESSERA_CACHE"] = join(sandbox.folder, "cache");
  });
  afterAll(() => {
    rmSync(sandbox.folder, { recursive: true, force: true });
    if (cache === undefined) delete process.env["TESSERA_CACHE"];
    else process.env["TESSERA_CACHE"] = cache;
  });
  beforeEach(() => {
    process.exitCode = undefined;
  });
  afterEach(() => {
    process.exitCode = exitCode;
  });
  return sandbox;
}
