import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fail } from "@tessera/core/base/error";

/**
 * Writes files into a folder that appears whole: all of them first into one beside it, which is then renamed. Into a folder that is there already they are
 * moved one by one, each whole; other files in it stay.
 *
 * @param files contents by plain file name
 * @throws IO
 */
export function writeFolder(path: string, files: ReadonlyMap<string, string | Uint8Array>): void {
  const folder = resolve(path);
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === false)
    throw fail("IO", `Cannot write ${path}: it is a file, and a folder is to be written`, { at: { file: path } });
  let temporary: string | undefined;
  try {
    mkdirSync(dirname(folder), { recursive: true });
    temporary = mkdtempSync(join(dirname(folder), `.${basename(folder)}.`));
    // mkdtemp makes folders for one's own eyes.
    chmodSync(temporary, 0o777 & ~process.umask());
    for (const [name, content] of files) writeFileSync(join(temporary, name), content);
    if (!existsSync(folder)) renameSync(temporary, folder);
    else for (const name of files.keys()) renameSync(join(temporary, name), join(folder, name));
  } catch (error) {
    throw fail("IO", `Cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      at: { file: path },
      cause: error,
    });
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
}
