import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "./imports.ts";
import { shellLines } from "./markdown.ts";
import { ROOT, type SourceFile } from "./source-files.ts";

/** The order in which verbs are read about; one that is not listed comes last. */
const ORDER: readonly string[] = [
  "demo",
  "models",
  "inspect",
  "simplify",
  "convert",
  "quantize",
  "optimize",
  "mcu",
  "fuse",
  "fuse-scores",
  "evaluate",
  "keystroke",
  "compare",
  "bench",
  "profile",
  "gateway",
  "agent",
];

interface Flag {
  readonly type?: string;
  readonly alias?: string | readonly string[];
}

type Flags = Readonly<Record<string, Flag>>;

/** The options of a verb, read from the verb itself; undefined when there is no such verb. */
export type VerbFlags = (verb: string) => Promise<Flags | undefined>;

interface Verb {
  readonly meta?: { readonly description?: string };
  readonly args?: Flags;
}

async function readVerb(verb: string): Promise<Verb | undefined> {
  const file = join(ROOT, `packages/cli/src/commands/${verb}.ts`);
  if (!/^[a-z-]+$/.test(verb) || !existsSync(file)) return undefined;
  const name = verb.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return ((await import(file)) as Record<string, Verb | undefined>)[name];
}

/** Reads the options of a verb from the sources of the command. */
export async function verbFlags(verb: string): Promise<Flags | undefined> {
  const found = await readVerb(verb);
  return found === undefined ? undefined : (found.args ?? {});
}

/** The verbs that exist, as a Markdown table. */
export async function verbsTable(): Promise<string> {
  const rows: string[] = [];
  const files = readdirSync(join(ROOT, "packages/cli/src/commands")).flatMap((file) => /^([a-z-]+)\.ts$/.exec(file)?.[1] ?? []);
  const place = (name: string): number => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  for (const name of files.sort((a, b) => place(a) - place(b))) {
    const description = (await readVerb(name))?.meta?.description;
    if (description !== undefined) rows.push(`| \`${name}\` | ${description} |`);
  }
  return ["| verb | does |", "|---|---|", ...rows, ""].join("\n");
}

/** Whether the flags of one command line exist, booleans in their `no-` form too. */
export function unknownFlags(words: readonly string[], flags: Flags): readonly string[] {
  const known = new Set(["help", "h"]);
  for (const [name, flag] of Object.entries(flags)) {
    if (flag.type === "positional") continue;
    known.add(name);
    if (flag.type === "boolean") known.add(`no-${name}`);
    for (const alias of [flag.alias ?? []].flat()) known.add(alias);
  }
  return words.flatMap((word) => {
    const name = /^--?([a-z][\w-]*)/i.exec(word)?.[1];
    return name === undefined || known.has(name) ? [] : [word];
  });
}

/** Commands of Markdown files that could not be typed: an unknown verb or option of `tessera`, an unknown npm script. */
export async function checkCommands(file: SourceFile, flagsOf: VerbFlags = verbFlags): Promise<readonly Finding[]> {
  const scripts = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> }).scripts;
  const findings: Finding[] = [];
  for (const { text, line } of shellLines(file.text)) {
    for (const part of text.split(/&&|\|\||;|\|/)) {
      const words = part
        .trim()
        .split(/\s+/)
        .filter((w) => w !== "npx");
      if (words[0] === "npm" && words[1] === "run" && !Object.hasOwn(scripts, words[2] ?? "")) {
        findings.push({ path: file.path, line, says: `Cannot run "npm run ${words[2]}": package.json has no such script` });
      }
      if (words[0] !== "tessera" || words[1] === undefined || words[1].startsWith("-")) continue;
      const flags = await flagsOf(words[1]);
      if (flags === undefined) {
        findings.push({ path: file.path, line, says: `Cannot run "tessera ${words[1]}": there is no such verb` });
        continue;
      }
      for (const flag of unknownFlags(words.slice(2), flags)) {
        findings.push({ path: file.path, line, says: `Cannot use ${flag} with tessera ${words[1]}: there is no such option` });
      }
    }
  }
  return findings;
}
