import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./source-files.ts";

/** A file, or the part of one between two markers, that a script writes. */
export interface Generated {
  readonly path: string;
  /** The part between `<!-- NAME:start -->` and `<!-- NAME:end -->`; absent for a whole file. */
  readonly marker?: string;
  readonly text: string;
}

/** The file with the generated part put in. @throws Error when the markers are missing */
export function withGenerated(current: string | undefined, part: Generated): string {
  if (part.marker === undefined) return part.text;
  const start = `<!-- ${part.marker}:start -->`;
  const end = `<!-- ${part.marker}:end -->`;
  const from = current?.indexOf(start) ?? -1;
  const to = current?.indexOf(end) ?? -1;
  if (current === undefined || from < 0 || to < from)
    throw new Error(`Cannot fill ${part.path}: it has no lines ${start} and ${end}`);
  return `${current.slice(0, from + start.length)}\n${part.text}${current.slice(to)}`;
}

/** Writes what is stale (`write`) or lists it. */
export function updateGenerated(parts: readonly Generated[], write: boolean): readonly string[] {
  const stale: string[] = [];
  for (const part of parts) {
    const file = join(ROOT, part.path);
    const current = existsSync(file) ? readFileSync(file, "utf8") : undefined;
    const next = withGenerated(current, part);
    if (next === current) continue;
    if (write) writeFileSync(file, next);
    else stale.push(part.path);
  }
  return stale;
}
