import { seededRandom } from "@tessera/core/base/random";
import { type Embeddings, normaliseRows } from "@tessera/core/biometrics/similarity";
import { describe, expect, test } from "vitest";
import { evaluateEmbeddings, evaluationSet } from "./accuracy.ts";
import { cohortSplit, judgeCohorts } from "./cohorts.ts";
import type { Judged } from "./judge.ts";
import type { PeopleData } from "./people-data.ts";

const PEOPLE = 80;
const EACH = 4;
const DIM = 24;
const SETTINGS = { fars: [1e-2], replicates: 60, seed: 1 };

/** Everybody of "old" (a quarter of the people), and of "new". */
const cohorts = Array.from({ length: PEOPLE * EACH }, (_, i) => (Math.floor(i / EACH) % 4 === 0 ? "old" : "new"));
const names = cohorts.map((_, i) => `${i}.jpg`);
const data: PeopleData = {
  name: "test",
  folder: "test",
  manifest: {
    kind: "manifest",
    paths: names,
    subjects: cohorts.map((_, i) => `person ${Math.floor(i / EACH)}`),
    columns: new Map([["age", cohorts]]),
  },
  pairs: undefined,
  aliases: [],
  samples: {
    kind: "crops",
    width: 1,
    height: 1,
    count: names.length,
    data: new Uint8Array(3 * names.length),
    names,
    acquired: new Uint8Array(names.length).fill(1),
    failures: [],
  },
  digest: "",
};
const set = evaluationSet(data, { protocol: "all-pairs" });

/** Embeddings of a model that knows the old ones less well by so much noise. */
function judged(noise: number): Judged {
  const random = seededRandom(3);
  const draw = () => Array.from({ length: DIM }, () => random.normal());
  const people = Array.from({ length: PEOPLE }, draw);
  const rows = cohorts.flatMap((cohort, i) => {
    const spread = 0.45 + (cohort === "old" ? noise : 0);
    return draw().map((v, k) => (people[Math.floor(i / EACH)]?.[k] ?? 0) + spread * v);
  });
  const raw: Embeddings = { kind: "embeddings", count: names.length, dim: DIM, data: Float32Array.from(rows) };
  const unit = normaliseRows(raw);
  return { raw, unit, evaluated: evaluateEmbeddings(unit, set, SETTINGS) };
}

describe("cohorts of an evaluation", () => {
  const baseline = judged(0);
  const candidate = judged(0.5);
  const at = { far: 1e-2, replicates: 60, seed: 1 };

  test("come from a column of the manifest; a column that is not there is named with those that are", () => {
    expect(cohortSplit(data, set, { column: "age" }).cohortOf).toEqual(cohorts);
    expect(() => cohortSplit(data, set, { column: "sex" })).toThrow(
      expect.objectContaining({ code: "DATASET_INVALID", hint: expect.stringContaining("age") }),
    );
  });

  test("show who pays for a change, and the gate fails on the one that loses most", () => {
    const split = cohortSplit(data, set, { column: "age", maxDrop: 0.03 });
    const { cohorts: table, gate } = judgeCohorts(candidate, baseline, split, at);
    expect(table).toMatchObject({ column: "age", far: 1e-2, worst: "old", unlisted: 0 });
    const [old, young] = table?.rows ?? [];
    expect([old?.cohort, young?.cohort]).toEqual(["old", "new"]);
    expect(old?.difference?.high).toBeLessThan(0);
    expect(old?.genuine).toBe((PEOPLE / 4) * 6);
    expect((old?.baselineTar ?? 0) + (old?.difference?.value ?? 0)).toBeCloseTo(old?.tar?.value ?? 0, 12);
    expect(gate).toMatchObject({
      gate: "worst-cohort",
      pass: false,
      says: expect.stringMatching(/^by age: the worst cohort, old, loses/),
    });
    const lenient = judgeCohorts(candidate, baseline, { ...split, maxDrop: 0.9 }, at);
    expect(lenient.gate?.pass).toBe(true);
  });

  test("are shown without a difference for a model by itself, and without a gate where no limit is set", () => {
    const split = cohortSplit(data, set, { column: "age" });
    const alone = judgeCohorts(baseline, undefined, split, at);
    expect(alone.gate).toBeUndefined();
    expect(alone.cohorts?.rows[0]).not.toHaveProperty("difference");
    expect(alone.cohorts?.rows[0]?.tar?.value).toBeGreaterThan(0.9);
    expect(alone.cohorts).not.toHaveProperty("worst");
    expect(judgeCohorts(candidate, baseline, split, at).gate).toBeUndefined();
  });

  test("do not pass a gate whose FAR the data cannot answer", () => {
    const split = cohortSplit(data, set, { column: "age", maxDrop: 0.5 });
    const { cohorts: table, gate } = judgeCohorts(candidate, baseline, split, { ...at, far: 1e-6 });
    expect(table).toBeUndefined();
    expect(gate).toMatchObject({ pass: false, says: expect.stringContaining("insufficient data") });
  });
});
