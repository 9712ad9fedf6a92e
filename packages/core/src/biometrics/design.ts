import { at } from "../base/assert.ts";
import { fail } from "../base/error.ts";
import type { IndexPairs } from "./similarity.ts";

/** Two subject numbers that are one person under two names: their comparisons are neither genuine nor impostor and are left out. */
export type Alias = readonly [number, number];

/**
 * Which comparisons are made, in a fixed order that scores of several models share.
 *
 * - `unordered`: one list of items, item i against every later item j > i: every pair once, the earlier item enrolled.
 * - `ordered`: one list, every i against every j except itself: both directions, for a gallery and a probe model that differ.
 * - `two-lists`: every gallery item against every probe item; the caller vouches that no item is in both.
 *
 * Genuine = same subject, impostor = different subjects that are no aliases. Order: by gallery item, then probe item.
 */
export interface CrossDesign {
  readonly kind: "unordered" | "ordered" | "two-lists";
  /** Subject number of each gallery item, 0..people-1. */
  readonly gallery: Int32Array;
  /** Subject number of each probe item; the very same array as `gallery` when there is one list. */
  readonly probe: Int32Array;
  readonly aliases: readonly Alias[];
  /** How many subject numbers there are. */
  readonly people: number;
}

/** Comparisons of a pair list, genuine and impostor apart, each in the order of the list; `a` is enrolled, `b` the probe. */
export interface ListedDesign {
  readonly kind: "listed";
  readonly gallery: Int32Array;
  readonly probe: Int32Array;
  readonly genuine: IndexPairs;
  readonly impostor: IndexPairs;
  readonly people: number;
}

/** See {@link CrossDesign} and {@link ListedDesign}. */
export type ComparisonDesign = CrossDesign | ListedDesign;

/** How many comparisons a design makes. */
export interface ComparisonCounts {
  readonly genuine: number;
  readonly impostor: number;
  /** Comparisons of aliases. */
  readonly leftOut: number;
}

/** Options of {@link allPairs}. */
export interface AllPairsOptions {
  readonly aliases?: readonly Alias[];
  /** `true`: both directions, for a gallery model and a probe model that differ. */
  readonly ordered?: boolean;
}

/**
 * Every item against every other one. `subjects` holds the subject number (0-based) of each item.
 *
 * @example
 * const design = allPairs(subjects, { aliases });
 * const scores = compareAll(normaliseRows(set), design);
 */
export function allPairs(subjects: Int32Array, options: AllPairsOptions = {}): CrossDesign {
  const people = peopleIn(subjects);
  return {
    kind: options.ordered === true ? "ordered" : "unordered",
    gallery: subjects,
    probe: subjects,
    aliases: options.aliases ?? [],
    people,
  };
}

/** Every gallery item against every probe item; subject numbers are shared by the two lists. */
export function galleryAgainstProbes(
  gallery: Int32Array,
  probe: Int32Array,
  options: { readonly aliases?: readonly Alias[] } = {},
): CrossDesign {
  const people = Math.max(peopleIn(gallery), peopleIn(probe));
  return { kind: "two-lists", gallery, probe, aliases: options.aliases ?? [], people };
}

/**
 * The comparisons of a pair list. `genuine[k]` says what pair `k` is.
 *
 * @throws DATASET_INVALID when the label contradicts the subjects, or an item number has no subject.
 */
export function listedPairs(subjects: Int32Array, pairs: IndexPairs & { readonly genuine: Uint8Array }): ListedDesign {
  const count = pairs.a.length;
  const mates = pairs.genuine.reduce((sum, is) => sum + is, 0);
  const genuine = { a: new Uint32Array(mates), b: new Uint32Array(mates) };
  const impostor = { a: new Uint32Array(count - mates), b: new Uint32Array(count - mates) };
  let g = 0;
  let n = 0;
  for (let k = 0; k < count; k++) {
    const a = at(pairs.a, k);
    const b = at(pairs.b, k);
    if (a >= subjects.length || b >= subjects.length)
      throw fail("DATASET_INVALID", `Cannot use pair ${k}: item ${Math.max(a, b)} of ${subjects.length}`);
    const isGenuine = pairs.genuine[k] === 1;
    if (isGenuine !== (subjects[a] === subjects[b]))
      throw fail(
        "DATASET_INVALID",
        `Cannot use pair ${k}: it is called ${isGenuine ? "genuine" : "impostor"} but its subjects say otherwise`,
      );
    const [list, slot] = isGenuine ? [genuine, g++] : [impostor, n++];
    list.a[slot] = a;
    list.b[slot] = b;
  }
  return { kind: "listed", gallery: subjects, probe: subjects, genuine, impostor, people: peopleIn(subjects) };
}

function peopleIn(subjects: Int32Array): number {
  let last = -1;
  for (const subject of subjects) {
    if (subject < 0) throw fail("DATASET_INVALID", `Cannot compare items: subject number ${subject} is negative`);
    if (subject > last) last = subject;
  }
  return last + 1;
}

/** Subject numbers for names, in order of first appearance: `subjects[i]` is the number of `names[i]`, `people[number]` the name. */
export function numberSubjects(names: readonly string[]): { readonly subjects: Int32Array; readonly people: readonly string[] } {
  const numbers = new Map<string, number>();
  const subjects = Int32Array.from(names, (name) => {
    const known = numbers.get(name);
    if (known !== undefined) return known;
    numbers.set(name, numbers.size);
    return numbers.size - 1;
  });
  return { subjects, people: [...numbers.keys()] };
}

/** For each subject with aliases, who they are. */
export function aliasTable(aliases: readonly Alias[]): ReadonlyMap<number, ReadonlySet<number>> {
  const table = new Map<number, Set<number>>();
  for (const [a, b] of aliases)
    for (const [from, to] of [[a, b] as const, [b, a] as const]) {
      const known = table.get(from) ?? new Set<number>();
      table.set(from, known.add(to));
    }
  return table;
}

/** The counts of a design, without making a comparison. */
export function countComparisons(design: ComparisonDesign): ComparisonCounts {
  if (design.kind === "listed") return { genuine: design.genuine.a.length, impostor: design.impostor.a.length, leftOut: 0 };
  const ones = new Float64Array(design.people).fill(1);
  const impostor = weighImpostors(design, ones);
  const total = totalComparisons(design);
  const genuine = weighGenuine(design, ones);
  return { genuine, impostor, leftOut: total - genuine - impostor };
}

function totalComparisons(design: CrossDesign): number {
  const items = design.gallery.length;
  if (design.kind === "unordered") return (items * (items - 1)) / 2;
  return design.kind === "ordered" ? items * (items - 1) : items * design.probe.length;
}

function itemsPerPerson(subjects: Int32Array, people: number): Float64Array {
  const counts = new Float64Array(people);
  for (const subject of subjects) counts[subject] = (counts[subject] as number) + 1;
  return counts;
}

function weighGenuine(design: CrossDesign, weights: Float64Array): number {
  const gallery = itemsPerPerson(design.gallery, design.people);
  const probe = design.kind === "two-lists" ? itemsPerPerson(design.probe, design.people) : gallery;
  let sum = 0;
  for (let person = 0; person < design.people; person++) {
    const n = at(gallery, person);
    const pairs = design.kind === "two-lists" ? n * at(probe, person) : n * (n - 1);
    sum += pairs * at(weights, person);
  }
  return design.kind === "unordered" ? sum / 2 : sum;
}

/**
 * Sum over all impostor comparisons of w[person a] · w[person b]: the weighted number of impostor comparisons in a resample where person
 * `p` was drawn `weights[p]` times. In closed form for cross designs, so that it costs nothing per comparison.
 */
export function weighImpostors(design: ComparisonDesign, weights: Float64Array): number {
  if (design.kind === "listed") {
    const { gallery, probe } = design;
    const { a, b } = design.impostor;
    let sum = 0;
    for (let k = 0; k < a.length; k++)
      sum += (weights[gallery[a[k] as number] as number] as number) * (weights[probe[b[k] as number] as number] as number);
    return sum;
  }
  const gallery = itemsPerPerson(design.gallery, design.people);
  const probe = design.kind === "two-lists" ? itemsPerPerson(design.probe, design.people) : gallery;
  let galleryTotal = 0;
  let probeTotal = 0;
  let same = 0;
  for (let person = 0; person < design.people; person++) {
    const weight = at(weights, person);
    const g = at(gallery, person) * weight;
    const p = at(probe, person) * weight;
    galleryTotal += g;
    probeTotal += p;
    same += g * p;
  }
  let sum = galleryTotal * probeTotal - same;
  for (const [person, others] of aliasTable(design.aliases))
    for (const other of others) {
      if (person === other || person >= design.people || other >= design.people) continue;
      sum -= at(gallery, person) * at(weights, person) * at(probe, other) * at(weights, other);
    }
  return design.kind === "unordered" ? sum / 2 : sum;
}

/** The items of impostor comparisons, given their places (ascending) in the order of the design. Walks the design once. */
export function locateImpostors(design: ComparisonDesign, places: Uint32Array): IndexPairs {
  const a = new Uint32Array(places.length);
  const b = new Uint32Array(places.length);
  if (design.kind === "listed") {
    for (let k = 0; k < places.length; k++) {
      a[k] = at(design.impostor.a, at(places, k));
      b[k] = at(design.impostor.b, at(places, k));
    }
    return { a, b };
  }
  const { gallery, probe } = design;
  const table = aliasTable(design.aliases);
  let found = 0;
  let cursor = 0;
  for (let i = 0; i < gallery.length && found < places.length; i++) {
    const subject = gallery[i] as number;
    const aliases = table.get(subject);
    for (let j = design.kind === "unordered" ? i + 1 : 0; j < probe.length; j++) {
      const other = probe[j] as number;
      // An item is never its own impostor: the same item has the same subject.
      if (other === subject || aliases?.has(other) === true) continue;
      if (cursor === places[found]) {
        a[found] = i;
        b[found] = j;
        found++;
      }
      cursor++;
    }
  }
  return { a, b };
}
