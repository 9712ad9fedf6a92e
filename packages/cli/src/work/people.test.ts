import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSplitRule, splitPeople } from "./people.ts";

const PEOPLE = ["ann", "ben", "cat", "dan", "eve", "fay"];

function folder(options: { readonly aliases?: readonly (readonly [string, string])[]; readonly folds?: readonly number[] } = {}) {
  const paths = PEOPLE.map((p) => `${p}.png`);
  return {
    folder: "data",
    manifest: {
      kind: "manifest" as const,
      paths: [...paths, "ann2.png"],
      subjects: [...PEOPLE, "ann"],
      columns: new Map([["site", ["a", "a", "b", "b", "c", "c", "c"]]]),
    },
    pairs: {
      kind: "pair-list" as const,
      pathsA: ["ann.png", "ben.png", "dan.png"],
      pathsB: ["ann2.png", "cat.png", "eve.png"],
      genuine: Uint8Array.of(1, 0, 0),
      folds: Int32Array.from(options.folds ?? [1, 2, 3]),
      columns: new Map(),
      lines: [2, 3, 4],
    },
    aliases: options.aliases ?? [],
  };
}

describe("splitting people between search and report", () => {
  test("takes those whom the pair list names in the given folds", () => {
    const { search, report } = splitPeople(folder(), PEOPLE, parseSplitRule("fold=1,2"));
    expect([...search]).toEqual(["ann", "ben", "cat"]);
    expect([...report]).toEqual(["dan", "eve", "fay"]);
  });

  test("somebody with rows of several values searches, and is never reported on", () => {
    const { search, report } = splitPeople(folder(), PEOPLE, parseSplitRule("site=c"));
    expect([...search]).toEqual(["ann", "eve", "fay"]);
    expect([...report]).toEqual(["ben", "cat", "dan"]);
  });

  test("two names of one person go the same way, also through a name that nobody here has", () => {
    const aliases = [
      ["ben", "stranger"],
      ["fay", "stranger"],
    ] as const;
    const { search, report } = splitPeople(folder({ aliases, folds: [1, 2, 3] }), PEOPLE, parseSplitRule("fold=2"));
    expect([...search].sort()).toEqual(["ben", "cat", "fay"]);
    expect(report.has("fay")).toBe(false);
  });

  test("a seeded draw takes its share, the same one each time, and everybody is on one side", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 4, maxLength: 40 }),
        fc.array(fc.tuple(fc.nat(39), fc.nat(39)), { maxLength: 6 }),
        fc.nat(1000),
        (people, joins, seed) => {
          const aliases = joins.flatMap(([a, b]) => {
            const [x, y] = [people[a], people[b]];
            return x === undefined || y === undefined || x === y ? [] : [[x, y] as const];
          });
          const rule = { kind: "seeded", share: 1 / 3, seed } as const;
          let split: ReturnType<typeof splitPeople>;
          try {
            split = splitPeople({ ...folder(), aliases }, people, rule);
          } catch {
            // Everybody may be one person.
            return;
          }
          const { search, report } = split;
          expect(splitPeople({ ...folder(), aliases }, people, rule)).toEqual(split);
          for (const name of people) expect(search.has(name)).toBe(!report.has(name));
          for (const [a, b] of aliases) expect(search.has(a)).toBe(search.has(b));
        },
      ),
    );
    const many = Array.from({ length: 300 }, (_, i) => `p${i}`);
    expect(splitPeople(folder(), many, { kind: "seeded", share: 1 / 3, seed: 7 }).search.size).toBe(100);
  });

  test("says what is wrong with a rule", () => {
    expect(() => parseSplitRule("fold")).toThrow(/column=value/);
    expect(() => splitPeople(folder(), PEOPLE, parseSplitRule("shoe=44"))).toThrow(/neither the manifest nor the pair list/);
    expect(() => splitPeople(folder(), PEOPLE, parseSplitRule("fold=9"))).toThrow(/nobody of the evaluation/);
    expect(() => splitPeople(folder(), ["ann"], parseSplitRule("fold=1"))).toThrow(/nobody is left/);
  });
});
