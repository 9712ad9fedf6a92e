import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import { type CsvOptions, type CsvTable, parseCsv } from "./csv.ts";
import type { Alias } from "./design.ts";
import type { IndexPairs } from "./similarity.ts";

/** The recordings of a data set, column-wise: entry `i` of every list is about item `i`. */
export interface Manifest {
  readonly kind: "manifest";
  /** Relative to the folder of the manifest. */
  readonly paths: readonly string[];
  /** Who it is; absent when the set does not say (attack crops). */
  readonly subjects?: readonly string[];
  /** Every column but `path` and `subject`, by its name: `role`, `session`, `sex`, `source`. Cohorts are made of these. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

/** A list of comparisons by path. */
export interface PairList {
  readonly kind: "pair-list";
  readonly pathsA: readonly string[];
  readonly pathsB: readonly string[];
  /** 1 = same person. */
  readonly genuine: Uint8Array;
  /** Fold of each pair, when the list has a `fold` column. */
  readonly folds?: Int32Array;
  /** Columns beyond `path_a`, `path_b`, `genuine` and `fold`. */
  readonly columns: ReadonlyMap<string, readonly string[]>;
  /** Line (1-based) of each pair in the file. */
  readonly lines: readonly number[];
}

/** A pair list whose paths were found in a manifest: items are row numbers of the manifest. */
export interface ItemPairs extends IndexPairs {
  readonly genuine: Uint8Array;
  readonly folds?: Int32Array;
}

/**
 * Reads a `manifest.csv`: first column `path`, usually `subject`, any others.
 *
 * @throws DATASET_INVALID with the line number.
 */
export function parseManifest(text: string, options: CsvOptions = {}): Manifest {
  const file = options.file ?? "the manifest";
  const table = parseCsv(text, { ...options, file });
  if (table.header[0] !== "path")
    throw fail("DATASET_INVALID", `Cannot use ${file}: its first column is "${table.header[0]}", not "path" (line 1)`);
  const { path, subject, ...rest } = columnsOf(table, ["path", "subject"]);
  const paths = path ?? [];
  paths.forEach((value, row) => {
    if (value === "") throw fail("DATASET_INVALID", `Cannot use ${file}: line ${at(table.lines, row)} has no path`);
  });
  subject?.forEach((value, row) => {
    if (value === "") throw fail("DATASET_INVALID", `Cannot use ${file}: line ${at(table.lines, row)} has no subject`);
  });
  return { kind: "manifest", paths, ...(subject === undefined ? {} : { subjects: subject }), columns: rest.others };
}

/**
 * Reads a `pairs.csv` or `trials.csv`: columns `path_a`, `path_b`, `genuine` (1 or 0) in any order, optionally `fold`, any others.
 *
 * @throws DATASET_INVALID with the line number.
 */
export function parsePairList(text: string, options: CsvOptions = {}): PairList {
  const file = options.file ?? "the pair list";
  const table = parseCsv(text, { ...options, file });
  const { path_a: a, path_b: b, genuine, fold, others } = columnsOf(table, ["path_a", "path_b", "genuine", "fold"]);
  if (a === undefined || b === undefined || genuine === undefined) {
    const header = table.header.join(",");
    throw fail(
      "DATASET_INVALID",
      `Cannot use ${file}: it needs the columns path_a, path_b and genuine, and has ${header} (line 1)`,
    );
  }
  const flags = Uint8Array.from(genuine, (value, row) => {
    if (value !== "0" && value !== "1")
      throw fail("DATASET_INVALID", `Cannot use ${file}: genuine is "${value}" on line ${at(table.lines, row)}, neither 1 nor 0`);
    return value === "1" ? 1 : 0;
  });
  const folds =
    fold &&
    Int32Array.from(fold, (value, row) => {
      if (!/^\d{1,6}$/.test(value))
        throw fail("DATASET_INVALID", `Cannot use ${file}: fold is "${value}" on line ${at(table.lines, row)}`);
      return Number(value);
    });
  return {
    kind: "pair-list",
    pathsA: a,
    pathsB: b,
    genuine: flags,
    ...(folds === undefined ? {} : { folds }),
    columns: others,
    lines: table.lines,
  };
}

/** Reads an `aliases.csv`: columns `person_a`, `person_b`, two names of one person. @throws DATASET_INVALID with the line number. */
export function parseAliases(text: string, options: CsvOptions = {}): readonly (readonly [string, string])[] {
  const file = options.file ?? "the alias list";
  const table = parseCsv(text, { ...options, file });
  const { person_a: a, person_b: b } = columnsOf(table, ["person_a", "person_b"]);
  if (a === undefined || b === undefined)
    throw fail(
      "DATASET_INVALID",
      `Cannot use ${file}: it needs the columns person_a and person_b, and has ${table.header.join(",")} (line 1)`,
    );
  return a.map((name, row) => {
    const other = at(b, row);
    if (name === "" || other === "" || name === other)
      throw fail("DATASET_INVALID", `Cannot use ${file}: line ${at(table.lines, row)} does not name two people`);
    return [name, other] as const;
  });
}

type Columns<Name extends string> = { readonly [K in Name]?: readonly string[] } & {
  readonly others: ReadonlyMap<string, readonly string[]>;
};

function columnsOf<Name extends string>(table: CsvTable, known: readonly Name[]): Columns<Name> {
  const named: { [K in Name]?: readonly string[] } = {};
  const others = new Map<string, readonly string[]>();
  table.header.forEach((name, column) => {
    const values = table.rows.map((row) => at(row, column));
    const match = known.find((candidate) => candidate === name);
    if (match === undefined) others.set(name, values);
    else named[match] = values;
  });
  return { ...named, others };
}

/** The items of a manifest for which a column (or `subject`) has the given value, in order; `kept` are their old row numbers. */
export function selectItems(
  manifest: Manifest,
  column: string,
  value: string,
): { readonly manifest: Manifest; readonly kept: Uint32Array } {
  const values = column === "subject" ? manifest.subjects : manifest.columns.get(column);
  if (values === undefined)
    throw fail("DATASET_INVALID", `Cannot select ${column} = ${value}: the manifest has no column "${column}"`);
  const kept = values.flatMap((entry, row) => (entry === value ? [row] : []));
  const take = (list: readonly string[]): readonly string[] => kept.map((row) => at(list, row));
  return {
    manifest: {
      kind: "manifest",
      paths: take(manifest.paths),
      ...(manifest.subjects === undefined ? {} : { subjects: take(manifest.subjects) }),
      columns: new Map([...manifest.columns].map(([name, list]) => [name, take(list)] as const)),
    },
    kept: Uint32Array.from(kept),
  };
}

/**
 * Finds the items of a pair list in a manifest.
 *
 * @throws DATASET_INVALID (with the line of the pair) for a path the manifest lacks or holds twice, and for a label that contradicts the
 * subjects.
 */
export function resolvePairs(pairs: PairList, manifest: Manifest): ItemPairs {
  const itemOf = new Map<string, number>();
  const twice = new Set<string>();
  manifest.paths.forEach((path, item) => {
    if (itemOf.has(path)) twice.add(path);
    itemOf.set(path, item);
  });
  const find = (path: string, row: number): number => {
    const item = itemOf.get(path);
    if (item === undefined || twice.has(path))
      throw fail(
        "DATASET_INVALID",
        `Cannot use the pair on line ${at(pairs.lines, row)}: the manifest ${item === undefined ? "lacks" : "holds twice"} ${path}`,
      );
    return item;
  };
  const a = Uint32Array.from(pairs.pathsA, find);
  const b = Uint32Array.from(pairs.pathsB, find);
  const { subjects } = manifest;
  if (subjects !== undefined)
    pairs.genuine.forEach((flag, row) => {
      const same = at(subjects, at(a, row)) === at(subjects, at(b, row));
      if (same !== (flag === 1))
        throw fail(
          "DATASET_INVALID",
          `Cannot use the pair on line ${at(pairs.lines, row)}: genuine is ${flag}, but the subjects are ${same ? "the same" : "different"}`,
        );
    });
  return { a, b, genuine: pairs.genuine, ...(pairs.folds === undefined ? {} : { folds: pairs.folds }) };
}

/** Aliases as subject numbers; pairs naming somebody who is not among `people` concern other data and are dropped. */
export function resolveAliases(aliases: readonly (readonly [string, string])[], people: readonly string[]): readonly Alias[] {
  const numbers = new Map(people.map((name, number) => [name, number] as const));
  return aliases.flatMap(([a, b]) => {
    const from = numbers.get(a);
    const to = numbers.get(b);
    return from === undefined || to === undefined ? [] : [[from, to] as const];
  });
}

/**
 * People who occur in both manifests, sorted: must be empty between calibration (or threshold fitting) and evaluation, or the figures are
 * optimistic. Aliases count as the same person.
 *
 * @throws DATASET_INVALID when a manifest does not name its subjects, for then nothing can be said.
 */
export function subjectOverlap(
  calibration: Manifest,
  evaluation: Manifest,
  options: { readonly aliases?: readonly (readonly [string, string])[] } = {},
): readonly string[] {
  if (calibration.subjects === undefined || evaluation.subjects === undefined)
    throw fail("DATASET_INVALID", "Cannot check that calibration and evaluation share nobody: a manifest has no column subject");
  const known = new Set(evaluation.subjects);
  for (const [a, b] of options.aliases ?? []) {
    if (known.has(a)) known.add(b);
    else if (known.has(b)) known.add(a);
  }
  return [...new Set(calibration.subjects.filter((name) => known.has(name)))].sort();
}
