import { posix } from "node:path";
import { lineAt, maskSource } from "./mask-source.ts";
import { ROOMS, type Room, TESTS_MAY } from "./rooms.ts";
import { isTest, type SourceFile } from "./source-files.ts";

/** A broken rule: where, and what to do about it. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly says: string;
}

/** The room of a path like `packages/core/src/graph/model.ts` or `packages/cli/src/main.ts`; undefined outside the packages. */
export function roomOf(path: string): string | undefined {
  const match = /^packages\/([^/]+)\/src\/(?:([^/]+)\/)?/.exec(path);
  if (match === null) return undefined;
  return match[1] === "core" ? `core/${match[2] ?? ""}` : (match[1] as string);
}

/** A module that a file names in an import, export or import() and where. */
export interface ImportSite {
  readonly specifier: string;
  readonly offset: number;
}

/** Every module a source names in quotes after `from` or `import`, static or not, types too. */
export function importsOf(text: string): readonly ImportSite[] {
  const { code } = maskSource(text);
  const sites: ImportSite[] = [];
  for (const match of code.matchAll(/\b(?:from|(?:import|require)\s*\(?)\s*(["'])/g)) {
    const start = match.index + match[0].length;
    const end = text.indexOf(match[1] as string, start);
    if (end > start) sites.push({ specifier: text.slice(start, end), offset: match.index });
  }
  return sites;
}

type Destination =
  | { readonly kind: "room"; readonly room: string }
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "outside"; readonly name: string }
  | { readonly kind: "escape" };

function destinationOf(path: string, specifier: string): Destination {
  if (specifier.startsWith("node:")) return { kind: "node", name: specifier };
  if (specifier.startsWith(".")) {
    const target = posix.normalize(posix.join(posix.dirname(path), specifier));
    const room = roomOf(target);
    const sameHouse = /^packages\/[^/]+\//.exec(path)?.[0] === /^packages\/[^/]+\//.exec(target)?.[0];
    return room === undefined || !sameHouse ? { kind: "escape" } : { kind: "room", room };
  }
  const ours = /^@tessera\/([^/]+)\/(?:([^/]+)\/)?/.exec(specifier);
  if (ours !== null) return { kind: "room", room: ours[1] === "core" ? `core/${ours[2] ?? ""}` : (ours[1] as string) };
  const name = specifier.startsWith("@") ? specifier.split("/").slice(0, 2).join("/") : (specifier.split("/")[0] as string);
  return { kind: "outside", name };
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "nothing" : names.join(", ");
}

function problemWith(path: string, room: string, rules: Room, specifier: string): string | undefined {
  const test = isTest(path);
  const destination = destinationOf(path, specifier);
  switch (destination.kind) {
    case "escape":
      return `Cannot import "${specifier}": a relative import stays inside its package; name the file as @tessera/<package>/<file>`;
    case "node":
      if (rules.node || test) return undefined;
      return `Cannot import "${specifier}" in ${room}: it must run in a browser too; take what it reads as an argument`;
    case "room": {
      const { room: to } = destination;
      if (to === room || rules.may.includes(to) || (test && TESTS_MAY.may.includes(to))) return undefined;
      return `Cannot import ${to} ("${specifier}") in ${room}: it may import ${listed(rules.may)}`;
    }
    case "outside": {
      const { name } = destination;
      if (rules.outside.includes(name) || (test && TESTS_MAY.outside.includes(name))) return undefined;
      return `Cannot import the package "${name}" in ${room}: it may use ${listed(rules.outside)}`;
    }
  }
}

/** Everything in one file that the house rules on imports and exports forbid. */
export function checkFile(file: SourceFile): readonly Finding[] {
  const { path, text } = file;
  const room = roomOf(path);
  if (room === undefined) return [];
  const rules = Object.hasOwn(ROOMS, room) ? ROOMS[room] : undefined;
  if (rules === undefined)
    return [{ path, line: 1, says: `Cannot place the file: there is no room ${room} in scripts/lib/rooms.ts` }];
  const findings: Finding[] = [];
  const add = (offset: number, says: string): void => {
    findings.push({ path, line: lineAt(text, offset), says });
  };
  for (const { specifier, offset } of importsOf(text)) {
    const says = problemWith(path, room, rules, specifier);
    if (says !== undefined) add(offset, says);
  }
  const { code } = maskSource(text);
  for (const match of code.matchAll(/\bexport\s*\*/g))
    add(match.index, "Cannot export *: name what is exported, in the file that defines it");
  for (const match of code.matchAll(/\bexport\s+default\b|\bas\s+default\b/g))
    add(match.index, "Cannot export default: give it a name");
  if (/\/index\.[cm]?tsx?$/.test(path)) add(0, "Cannot have an index file: import the file that defines the thing");
  return findings;
}
