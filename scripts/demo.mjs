/**
 * `npm run demo` on a machine that has Node and nothing else: installs what the lock file says unless it lies there already (so that the second
 * run needs no network), builds the command, runs the demo. Plain JavaScript, because it runs before anything is installed.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The entries of a lock file, or none when there is no such file. */
function entriesOf(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages ?? {};
  } catch {
    return {};
  }
}

/** Whether npm's own list of what it installed holds every package of the lock file; optional ones are for other platforms. */
function isInstalled() {
  const installed = entriesOf("node_modules/.package-lock.json");
  return Object.entries(entriesOf("package-lock.json")).every(
    ([path, wanted]) =>
      !path.includes("node_modules/") || wanted.optional || wanted.peer || installed[path]?.version === wanted.version,
  );
}

/** Runs a program to its end; ends this one with its exit code when that is not 0. */
function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

if (isInstalled()) process.stderr.write("dependencies: installed already\n");
else {
  process.stderr.write("dependencies: installing what package-lock.json says\n");
  const args = ["ci", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  if (npm?.endsWith("js")) run(process.execPath, [npm, ...args]);
  else run("npm", args, { shell: process.platform === "win32" });
}
process.stderr.write("building\n");
run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b", "packages/cli"]);
// The folder that the person stands in stays the one that results are written to.
run(process.execPath, [join(root, "packages/cli/dist/main.js"), "demo", ...process.argv.slice(2)], {
  cwd: process.env.INIT_CWD ?? process.cwd(),
});
