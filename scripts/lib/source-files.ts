import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the repository. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A file of the repository: its path with forward slashes from the root, and its text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

const SKIPPED = new Set(["node_modules", "dist", ".git", ".cache", "coverage"]);

/** Paths below `under` (from the root, "" for all) that `wanted` accepts, sorted; dependencies and build output are never among them. */
export function listFiles(under: string, wanted: (path: string) => boolean): readonly string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
      if (SKIPPED.has(entry.name)) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (wanted(path)) found.push(path);
    }
  };
  visit(under);
  return found.sort();
}

/** The text of a file of the repository. */
export function readSource(path: string): SourceFile {
  return { path, text: readFileSync(join(ROOT, path), "utf8") };
}

/** All TypeScript files of the packages. */
export function packageSources(): readonly SourceFile[] {
  return listFiles("packages", (path) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path)).map(readSource);
}

/** Whether a path is a test, slow ones included. */
export function isTest(path: string): boolean {
  return path.endsWith(".test.ts");
}
