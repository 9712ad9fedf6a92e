import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { fail } from "@tessera/core/base/error";
import { canonicalJson } from "@tessera/core/quant/search/canonical-json";
import type { SearchJournal } from "@tessera/core/quant/search/journal";

/** A journal in a file, and what was found when it was opened. */
export interface FileJournal extends SearchJournal {
  /** What became of a file that was there: taken up, or set aside because it is of other inputs. */
  readonly note?: string;
  /** Whether records of an earlier run are in use. */
  readonly resumed: boolean;
  close(): void;
}

/** The first line of a journal: everything that its records depend on. */
export type JournalHeader = Readonly<Record<string, unknown>>;

interface Line {
  readonly key: string;
  readonly value: unknown;
}

/**
 * Opens an append-only journal, one JSON record a line, each on disk before `add` returns. A journal with the same header is taken up; a last line
 * without its end, which a crash leaves, is cut off; a journal of other inputs is set aside under another name.
 *
 * @throws IO when the file cannot be written
 */
export function openJournal(path: string, header: JournalHeader): FileJournal {
  const first = canonicalJson({ kind: "tessera-search-journal", version: 1, ...header });
  const known = new Map<string, unknown>();
  let note: string | undefined;
  let resumed = false;
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path)) {
      const found = readJournal(path, first);
      if (found === undefined) {
        const aside = asideName(path);
        renameSync(path, aside);
        note = `a search journal of other inputs was set aside as ${aside}`;
      } else {
        for (const { key, value } of found.lines) known.set(key, value);
        resumed = found.lines.length > 0;
        truncateSync(path, found.bytes);
      }
    }
    const file = openSync(path, "a");
    const append = (line: string): void => {
      const bytes = new TextEncoder().encode(`${line}\n`);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      fsyncSync(file);
    };
    if (!existsWithContent(path)) append(first);
    return {
      known,
      resumed,
      ...(note === undefined ? {} : { note }),
      add: (key, value) => {
        append(JSON.stringify({ key, value }));
        known.set(key, value);
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    throw fail("IO", `Cannot keep the search journal ${path}: ${error instanceof Error ? error.message : String(error)}`, {
      at: { file: path },
      cause: error,
    });
  }
}

function existsWithContent(path: string): boolean {
  return readFileSync(path).length > 0;
}

/** The records of a journal with that first line, and how many bytes of the file they take; `undefined` for another journal. */
function readJournal(path: string, first: string): { readonly lines: readonly Line[]; readonly bytes: number } | undefined {
  const content = readFileSync(path);
  const lines: Line[] = [];
  let at = 0;
  let number = 0;
  for (let end = content.indexOf(10); end >= 0; end = content.indexOf(10, at)) {
    const text = content.toString("utf8", at, end);
    if (number++ === 0) {
      if (text !== first) return undefined;
    } else {
      const line = recordOf(text);
      // Nothing behind a line that cannot be read is believed.
      if (line === undefined) return { lines, bytes: at };
      lines.push(line);
    }
    at = end + 1;
  }
  // A file without a whole first line was not begun.
  return number === 0 && content.length > 0 && !first.startsWith(content.toString("utf8")) ? undefined : { lines, bytes: at };
}

function recordOf(text: string): Line | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || !("key" in parsed) || !("value" in parsed)) return undefined;
    const { key, value } = parsed;
    return typeof key === "string" ? { key, value } : undefined;
  } catch {
    return undefined;
  }
}

function asideName(path: string): string {
  for (let n = 1; ; n++) if (!existsSync(`${path}.${n}`)) return `${path}.${n}`;
}
