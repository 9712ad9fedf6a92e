import { expect, test } from "vitest";
import { CANONICAL_OPSET } from "../../../graph/model.ts";
import { OPS } from "../../../ops/table.ts";
import { introducedIn, NEWEST_OPSET, OLDEST_OPSET, OP_HISTORY } from "./history.ts";
import { UPGRADES } from "./table.ts";

test("every step that changes a meaning has a row, and every row has its step", () => {
  const steps = Object.entries(OP_HISTORY).flatMap(([op, { changes }]) => (changes ?? []).map((v) => `${op} ${v}`));
  expect(UPGRADES.map((row) => `${row.op} ${row.until}`).sort()).toEqual(steps.sort());
});

test("no step after the canonical opset changes a meaning, so newer files are taken as they are", () => {
  for (const [op, { changes }] of Object.entries(OP_HISTORY)) {
    for (const version of changes ?? []) expect(version, op).toBeLessThanOrEqual(CANONICAL_OPSET);
  }
});

test("steps lie between the first and the newest opset, rise, and are listed once", () => {
  for (const [op, { since, types = [], adds = [], changes = [] }] of Object.entries(OP_HISTORY)) {
    const steps = [...types, ...adds, ...changes];
    expect(new Set(steps).size, op).toBe(steps.length);
    for (const list of [types, adds, changes])
      expect(
        [...list].sort((a, b) => a - b),
        op,
      ).toEqual(list);
    expect(since, op).toBeGreaterThanOrEqual(OLDEST_OPSET);
    for (const version of steps) {
      expect(version, op).toBeGreaterThan(since);
      expect(version, op).toBeLessThanOrEqual(NEWEST_OPSET);
    }
  }
});

test("every operator with a row in ops has a history, and both agree on the first opset", () => {
  for (const [op, row] of Object.entries(OPS)) {
    const history = OP_HISTORY[op];
    expect(history, op).toBeDefined();
    if (row.since > CANONICAL_OPSET) expect(history?.since, op).toBe(row.since);
  }
});

test("operators newer than the canonical opset ask for theirs, unknown ones for nothing", () => {
  expect(introducedIn("Conv")).toBe(21);
  expect(introducedIn("Swish")).toBe(24);
  expect(introducedIn("NoSuchOp")).toBe(21);
  expect(introducedIn("constructor")).toBe(21);
});
