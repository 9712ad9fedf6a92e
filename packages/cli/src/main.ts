#!/usr/bin/env node
import { fail } from "@tessera/core/base/error";
import { type CommandDef, defineCommand, renderUsage, runCommand } from "citty";
import { reportError } from "./ui/errors.ts";
import { TESSERA_VERSION } from "./version.ts";

// Lazy, so that `tessera simplify` does not load what only `optimize` needs.
const VERBS: Readonly<Record<string, () => Promise<CommandDef>>> = {
  inspect: async () => (await import("./commands/inspect.ts")).inspect,
  simplify: async () => (await import("./commands/simplify.ts")).simplify,
  convert: async () => (await import("./commands/convert.ts")).convert,
  quantize: async () => (await import("./commands/quantize.ts")).quantize,
  mcu: async () => (await import("./commands/mcu.ts")).mcu,
  optimize: async () => (await import("./commands/optimize.ts")).optimize,
  evaluate: async () => (await import("./commands/evaluate.ts")).evaluate,
  bench: async () => (await import("./commands/bench.ts")).bench,
  profile: async () => (await import("./commands/profile.ts")).profile,
  fuse: async () => (await import("./commands/fuse.ts")).fuse,
  "fuse-scores": async () => (await import("./commands/fuse-scores.ts")).fuseScores,
  compare: async () => (await import("./commands/compare.ts")).compare,
  models: async () => (await import("./commands/models.ts")).models,
  gateway: async () => (await import("./commands/gateway.ts")).gateway,
  agent: async () => (await import("./commands/agent.ts")).agent,
  keystroke: async () => (await import("./commands/keystroke.ts")).keystroke,
  demo: async () => (await import("./commands/demo.ts")).demo,
};

async function main(rawArgs: readonly string[]): Promise<number | undefined> {
  const root = defineCommand({
    meta: {
      name: "tessera",
      version: TESSERA_VERSION,
      description: "Takes authentication models to the edge without moving the operating point",
    },
    subCommands: VERBS,
  });
  const name = rawArgs[0];
  if (name === "--version" || name === "-v") {
    process.stdout.write(`${TESSERA_VERSION}\n`);
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    process.stdout.write(`${await renderUsage(root)}\n`);
    return name === undefined ? 2 : 0;
  }
  const load = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (load === undefined) throw fail("USAGE", `Cannot run "${name}": the verbs are ${Object.keys(VERBS).join(", ")}`);
  const command = await load();
  const rest = rawArgs.slice(1);
  if (rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(`${await renderUsage(command, root)}\n`);
    return 0;
  }
  await runCommand(command, { rawArgs: rest });
  return undefined;
}

// A reader that closes its end, such as `| head`, has had what it wanted.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

const args = process.argv.slice(2);
try {
  const code = await main(args);
  if (code !== undefined) process.exitCode = code;
} catch (error) {
  process.exitCode = reportError(error, { json: args.includes("--json") });
}
