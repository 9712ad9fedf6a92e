import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { seededRandom } from "@tessera/core/base/random";
import type { PeopleData } from "./people-data.ts";

/** Who searches and who reports. Nobody is on both sides, under whatever name. */
export interface PeopleSplit {
  readonly search: ReadonlySet<string>;
  readonly report: ReadonlySet<string>;
  /** How they were told apart, in a sentence. */
  readonly says: string;
}

/** How people are split: those whom a column names in some rows of the manifest or of the pair list, or a seeded share of all. */
export type SplitRule =
  | { readonly kind: "column"; readonly column: string; readonly values: readonly string[] }
  | { readonly kind: "seeded"; readonly share: number; readonly seed: number };

/** Share of people who search unless a column says who. */
export const SEARCH_SHARE = 1 / 3;

/** Reads `column=value,value`. @throws USAGE */
export function parseSplitRule(text: string): SplitRule {
  const match = /^([^=]+)=(.+)$/s.exec(text);
  const values = (match?.[2] ?? "").split(",").filter((v) => v !== "");
  if (match === null || values.length === 0)
    throw fail("USAGE", `Cannot search on "${text}": it is not column=value,value`, { hint: "For example --search-on fold=1,2" });
  return { kind: "column", column: match[1] as string, values };
}

/**
 * Splits the people of an evaluation. Two names of one person (aliases) go the same way. With a column, a person with any row or pair of the given
 * values searches, and is on no report even where other rows of theirs have other values.
 *
 * @throws DATASET_INVALID for a column that neither manifest nor pair list has, or a side that would be empty
 */
export function splitPeople(
  data: Pick<PeopleData, "manifest" | "pairs" | "aliases" | "folder">,
  people: readonly string[],
  rule: SplitRule,
): PeopleSplit {
  const persons = personsOf(people, data.aliases);
  const chosen = rule.kind === "seeded" ? drawn(persons, rule) : namedBy(data, rule);
  const search = new Set(persons.filter((names) => names.some((name) => chosen.has(name))).flat());
  const report = new Set(people.filter((name) => !search.has(name)));
  const about =
    rule.kind === "seeded"
      ? `a seeded draw of ${Math.round(rule.share * 100)} % of the people`
      : `the people of ${rule.column} ${rule.values.join(", ")}`;
  if (search.size === 0) throw fail("DATASET_INVALID", `Cannot search on ${about}: nobody of the evaluation is among them`);
  if (report.size === 0) throw fail("DATASET_INVALID", `Cannot search on ${about}: nobody is left to report on`);
  return { search, report, says: `${about} search, the others are reported on` };
}

/** Names grouped by person, in order of name. */
function personsOf(people: readonly string[], aliases: PeopleData["aliases"]): readonly (readonly string[])[] {
  const group = new Map<string, readonly string[]>(people.map((name) => [name, [name]]));
  for (const [a, b] of aliases) {
    const [one, other] = [group.get(a) ?? [a], group.get(b) ?? [b]];
    if (one === other) continue;
    // Names that are not in the evaluation may still connect two that are.
    const joined = [...one, ...other];
    for (const name of joined) group.set(name, joined);
  }
  const there = new Set(people);
  const all = new Set([...group.values()]);
  const groups = [...all].map((names) => names.filter((name) => there.has(name)).sort()).filter((names) => names.length > 0);
  return groups.sort((a, b) => (at(a, 0) < at(b, 0) ? -1 : 1));
}

function drawn(
  persons: readonly (readonly string[])[],
  rule: { readonly share: number; readonly seed: number },
): ReadonlySet<string> {
  const random = seededRandom(rule.seed);
  const order = [...persons];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    [order[i], order[j]] = [at(order, j), at(order, i)];
  }
  return new Set(order.slice(0, Math.round(order.length * rule.share)).flat());
}

function namedBy(
  { manifest, pairs, folder }: Pick<PeopleData, "manifest" | "pairs" | "folder">,
  { column, values }: { readonly column: string; readonly values: readonly string[] },
): ReadonlySet<string> {
  const wanted = new Set(values);
  const subjects = manifest.subjects ?? [];
  const own = column === "subject" ? subjects : manifest.columns.get(column);
  if (own !== undefined) return new Set(subjects.filter((_, row) => wanted.has(at(own, row))));
  const ofPairs =
    column === "fold" ? (pairs?.folds === undefined ? undefined : Array.from(pairs.folds, String)) : pairs?.columns.get(column);
  if (pairs === undefined || ofPairs === undefined)
    throw fail(
      "DATASET_INVALID",
      `Cannot search on ${column}: neither the manifest nor the pair list of ${folder} has that column`,
    );
  const rowOf = new Map(manifest.paths.map((path, row) => [path, row] as const));
  const named = new Set<string>();
  ofPairs.forEach((value, k) => {
    if (!wanted.has(value)) return;
    for (const path of [at(pairs.pathsA, k), at(pairs.pathsB, k)]) {
      const row = rowOf.get(path);
      if (row !== undefined) named.add(at(subjects, row));
    }
  });
  return named;
}
