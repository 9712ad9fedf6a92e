import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import type { Finding } from "./imports.ts";
import { lineAt } from "./mask-source.ts";
import { ROOT, type SourceFile } from "./source-files.ts";

/** The text with fenced blocks blanked: same length, same lines. */
export function withoutFences(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1[^\n]*$/gm, (block) => block.replace(/[^\n]/g, " "));
}

/** The anchor that a heading gets: lower case, spaces to hyphens, everything but letters, digits, hyphens and underscores dropped. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .replace(/\s/g, "-");
}

function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...withoutFences(text).matchAll(/^#{1,6}\s+(.+)$/gm)].map((m) => anchorOf(m[1] as string));
  return new Set(headings);
}

// A path of the repository in backticks, unless it is a pattern or a placeholder.
const PATHS = /`((?:packages|scripts|docs|bench|\.ci)\/[\w./-]+)`/g;

/** Links to files and headings that are not there, and paths in backticks that do not exist. Addresses on the network are not asked. */
export function checkLinks(file: SourceFile, others: ReadonlyMap<string, string>): readonly Finding[] {
  const prose = withoutFences(file.text);
  const findings: Finding[] = [];
  const add = (offset: number, says: string): void => {
    findings.push({ path: file.path, line: lineAt(file.text, offset), says });
  };
  for (const match of prose.matchAll(/\[[^\]]*\]\(([^)\s]+)(?:\s+"[^"]*")?\)/g)) {
    const link = match[1] as string;
    if (/^[a-z][a-z+.-]*:/i.test(link)) continue;
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? file.path : posix.normalize(posix.join(posix.dirname(file.path), path));
    if (path !== "" && !existsSync(join(ROOT, target))) {
      add(match.index, `Cannot follow the link ${link}: there is no ${target}`);
      continue;
    }
    if (anchor === undefined || !target.endsWith(".md")) continue;
    const text = target === file.path ? file.text : others.get(target);
    if (text !== undefined && !anchorsOf(text).has(anchor))
      add(match.index, `Cannot follow the link ${link}: ${target} has no such heading`);
  }
  for (const match of prose.matchAll(PATHS)) {
    const path = match[1] as string;
    if (!existsSync(join(ROOT, path))) add(match.index, `Cannot find ${path}: the text names it in backticks`);
  }
  return findings;
}

/** One line of a shell block. */
export interface ShellLine {
  readonly text: string;
  readonly line: number;
}

/** The commands in ```sh blocks, continued lines joined, comments dropped. */
export function shellLines(text: string): readonly ShellLine[] {
  return [...text.matchAll(/^```sh[ \t]*\n([\s\S]*?)^```/gm)].flatMap((block) => {
    const first = lineAt(text, block.index) + 1;
    const lines: ShellLine[] = [];
    let open: ShellLine | undefined;
    (block[1] as string).split("\n").forEach((raw, i) => {
      const piece = raw.replace(/(^|\s)#.*$/, "").trim();
      const joined = open === undefined ? piece : `${open.text} ${piece}`;
      const line = open?.line ?? first + i;
      if (joined.endsWith("\\")) open = { text: joined.slice(0, -1).trim(), line };
      else {
        open = undefined;
        if (joined !== "") lines.push({ text: joined, line });
      }
    });
    return lines;
  });
}
