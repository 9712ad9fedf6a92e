import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** Types a command, as a user would, gives what it printed on stdout, and throws with what it said when it fails. */
export function tessera(...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--conditions=source", "--import", "tsx", MAIN, ...words], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`tessera ${words[0]} ended with ${status}: ${stderr}`);
  return stdout;
}
