import { type MaskedSource, maskSource } from "./mask-source.ts";

/** Something a file exports, and the comment above it. */
export interface ExportSite {
  readonly name: string;
  readonly kind: "function" | "class" | "const" | "type" | "interface";
  readonly offset: number;
  /** The text of the block comment right above it, without the comment marks; undefined when there is none. */
  readonly doc: string | undefined;
}

const EXPORTS =
  /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function|class|const|let|type|interface)\s*\*?\s+([A-Za-z_$][\w$]*)/gm;

/** The text of a block comment without its marks and leading stars. */
export function commentText(comment: string): string {
  return comment
    .replace(/^\/\*\*?/, "")
    .replace(/\*\/$/, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, ""))
    .join("\n")
    .trim();
}

function docAbove({ source, code }: MaskedSource, offset: number): string | undefined {
  // What lies between the last piece of code and the export is comments and blanks.
  let start = offset;
  while (start > 0 && /\s/.test(code[start - 1] as string)) start--;
  const gap = source.slice(start, offset);
  const open = gap.lastIndexOf("/**");
  const close = gap.lastIndexOf("*/");
  if (open < 0 || close < open || gap.slice(close + 2).trim() !== "") return undefined;
  return commentText(gap.slice(open, close + 2));
}

/** The exported declarations of a source. Overloads of one function count once, with the comment of the first. */
export function exportsOf(text: string): readonly ExportSite[] {
  const masked = maskSource(text);
  const found = new Map<string, ExportSite>();
  for (const match of masked.code.matchAll(EXPORTS)) {
    const word = match[1] as string;
    const name = match[2] as string;
    const kind = (word === "let" ? "const" : word) as ExportSite["kind"];
    if (found.has(`${kind} ${name}`)) continue;
    found.set(`${kind} ${name}`, { name, kind, offset: match.index, doc: docAbove(masked, match.index) });
  }
  return [...found.values()];
}

/** Every block comment of a source that begins with two stars, with the offset of its text. */
export function docblocksOf(text: string): readonly { readonly text: string; readonly offset: number }[] {
  const { code } = maskSource(text);
  const blocks: { text: string; offset: number }[] = [];
  for (const match of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    // The marks of a real comment are masked; those inside a string are masked too, but then its quote is not.
    if (code.slice(match.index, match.index + match[0].length).trim() === "") {
      blocks.push({ text: commentText(match[0]), offset: match.index });
    }
  }
  return blocks;
}
