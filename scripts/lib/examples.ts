import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { docblocksOf } from "./docblocks.ts";
import type { Finding } from "./imports.ts";
import { lineAt } from "./mask-source.ts";
import { ROOT, type SourceFile } from "./source-files.ts";

/** A piece of TypeScript in a document or docblock that is meant to work as it stands. */
export interface Example {
  readonly path: string;
  /** Line of its fence. */
  readonly line: number;
  readonly text: string;
  /** It states what must come out, so it is run and not only compiled. */
  readonly runs: boolean;
}

const FENCE = /^```ts[ \t]*\n([\s\S]*?)^```/gm;

function fenced(path: string, text: string, lineOf: (offset: number) => number): readonly Example[] {
  return [...text.matchAll(FENCE)].map((match) => {
    const body = match[1] as string;
    return { path, line: lineOf(match.index), text: body, runs: /\bassert\b/.test(body) };
  });
}

/** The ```ts blocks of a Markdown file. */
export function markdownExamples(file: SourceFile): readonly Example[] {
  return fenced(file.path, file.text, (offset) => lineAt(file.text, offset));
}

/** The ```ts blocks behind `@example` in the docblocks of a source. An example without a fence is an illustration and is not run. */
export function sourceExamples(file: SourceFile): readonly Example[] {
  return docblocksOf(file.text).flatMap(({ text, offset }) => {
    const at = text.indexOf("@example");
    if (at < 0) return [];
    // The docblock's own first line: close enough to find it, and right however its stars were laid out.
    return fenced(file.path, text.slice(at), () => lineAt(file.text, offset));
  });
}

// Below the repository, so that the examples find its packages.
const CACHE = "node_modules/.cache";

const CONFIG = {
  extends: "../../../tsconfig.base.json",
  compilerOptions: {
    types: ["node"],
    noEmit: true,
    composite: false,
    declarationMap: false,
    incremental: false,
    sourceMap: false,
    rewriteRelativeImportExtensions: false,
    allowImportingTsExtensions: true,
    // Examples name a result to show it, and need not use it.
    noUnusedLocals: false,
  },
  include: ["example-*.ts"],
};

function npmBin(name: string): string {
  return join(ROOT, "node_modules/.bin", name);
}

/** Compiles all examples as one project and runs those with assertions, each in its own module. */
export function checkExamples(examples: readonly Example[]): readonly Finding[] {
  if (examples.length === 0) return [];
  mkdirSync(join(ROOT, CACHE), { recursive: true });
  const folder = mkdtempSync(join(ROOT, CACHE, "examples-"));
  try {
    return checkIn(folder, examples);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkIn(folder: string, examples: readonly Example[]): readonly Finding[] {
  const names = examples.map((_, i) => `example-${String(i + 1).padStart(3, "0")}.ts`);
  examples.forEach((example, i) => {
    // `export {}` makes each a module of its own, so that names of two examples do not meet.
    writeFileSync(join(folder, names[i] as string), `${example.text}\nexport {};\n`);
  });
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(CONFIG, null, 2));
  const findings: Finding[] = [];
  const exampleOf = (output: string): Example | undefined => {
    const name = /example-\d+\.ts/.exec(output)?.[0];
    return name === undefined ? undefined : examples[names.indexOf(name)];
  };
  const compiled = spawnSync(npmBin("tsc"), ["-p", join(folder, "tsconfig.json"), "--pretty", "false"], { encoding: "utf8" });
  for (const line of `${compiled.stdout}${compiled.stderr}`.split("\n")) {
    if (!line.includes("error TS")) continue;
    const example = exampleOf(line);
    const inner = Number(/\((\d+),\d+\)/.exec(line)?.[1] ?? 0);
    const why = line.replace(/^.*?(error TS)/, "$1");
    findings.push(
      example === undefined
        ? { path: "examples", line: 0, says: line }
        : { path: example.path, line: example.line, says: `Cannot compile the example (its line ${inner}): ${why}` },
    );
  }
  if (compiled.status !== 0 && findings.length === 0) findings.push({ path: "examples", line: 0, says: compiled.stderr });
  if (findings.length > 0) return findings;

  const runner = names
    .filter((_, i) => examples[i]?.runs)
    .map(
      (name) =>
        `await import("./${name}").catch((e) => { console.log("FAILED ${name} " + (e?.message ?? e).replaceAll("\\n", " ")); });`,
    );
  writeFileSync(join(folder, "run.mjs"), `${runner.join("\n")}\nconsole.log("DONE");\n`);
  const ran = spawnSync(npmBin("tsx"), ["--conditions=source", join(folder, "run.mjs")], {
    encoding: "utf8",
    cwd: folder,
    timeout: 60_000,
  });
  for (const line of ran.stdout.split("\n")) {
    const example = line.startsWith("FAILED ") ? exampleOf(line) : undefined;
    if (example !== undefined) {
      findings.push({
        path: example.path,
        line: example.line,
        says: `Cannot run the example: ${line.replace(/^FAILED \S+ /, "")}`,
      });
    }
  }
  if (!ran.stdout.includes("DONE")) findings.push({ path: "examples", line: 0, says: `Cannot run the examples: ${ran.stderr}` });
  return findings;
}
