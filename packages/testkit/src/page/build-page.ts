import { execFile } from "node:child_process";
import { cp } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Folder of the page's package. */
const PACKAGE = fileURLToPath(new URL("../../../page/", import.meta.url));

/**
 * Compiles the page's sources into `folder` and lays its static files beside them, so that browser tests need no build. Types are not checked here
 * (`tsc -b` does), which makes it a matter of half a second.
 */
export async function buildPage(folder: string): Promise<void> {
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  const off = ["composite", "incremental", "declaration", "declarationMap", "sourceMap"].flatMap((name) => [
    `--${name}`,
    "false",
  ]);
  await promisify(execFile)(process.execPath, [tsc, "-p", PACKAGE, "--noCheck", ...off, "--outDir", folder]);
  await cp(join(PACKAGE, "static"), folder, { recursive: true });
}
