import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
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
  await compilePage(folder);
  await cp(join(PACKAGE, "static"), folder, { recursive: true });
}

/**
 * Brings the page's own `dist`, from where a gateway serves it, up to date with its sources. Files that do not change are not touched, and others
 * change in one step: a build or another test may be at work on them.
 */
export async function buildPageInPlace(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tessera-page-"));
  try {
    await compilePage(folder);
    const dist = join(PACKAGE, "dist");
    await mkdir(dist, { recursive: true });
    for (const name of await readdir(folder)) {
      const text = await readFile(join(folder, name), "utf8");
      const there = await readFile(join(dist, name), "utf8").catch(() => undefined);
      if (there !== undefined && withoutMap(there) === withoutMap(text)) continue;
      const beside = join(dist, `.${name}.${process.pid}`);
      await writeFile(beside, text);
      await rename(beside, join(dist, name));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compilePage(folder: string): Promise<void> {
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  const off = ["composite", "incremental", "declaration", "declarationMap", "sourceMap"].flatMap((name) => [
    `--${name}`,
    "false",
  ]);
  await promisify(execFile)(process.execPath, [tsc, "-p", PACKAGE, "--noCheck", ...off, "--outDir", folder]);
}

/** A script without the comment that names its source map: a full build writes one, ours does not. */
function withoutMap(text: string): string {
  return text.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n").trimEnd();
}
