import { expect, test } from "vitest";
import { RANDOM } from "../ops/random.ts";
import { OPS, opRow } from "../ops/table.ts";
import { KERNELS, kernelOf } from "./kernels.ts";

test("every operator with a row has a kernel, but for these few", () => {
  expect(Object.keys(OPS).length).toBeGreaterThanOrEqual(120);
  expect(Object.keys(KERNELS).sort()).toEqual(Object.keys(OPS).sort());
  const without = Object.keys(OPS).filter((op) => typeof kernelOf(op) !== "function");
  expect(without.sort()).toEqual(["DeformConv", "MaxRoiPool", ...Object.keys(RANDOM)].sort());
});

test("a random operator never counts as deterministic, so that nothing folds or merges it", () => {
  for (const op of Object.keys(RANDOM)) expect(opRow({ op, domain: "" })?.deterministic).toBe(false);
});

test("names that every object has are no operators", () => {
  expect(kernelOf("constructor")).toBeUndefined();
  expect(kernelOf("__proto__")).toBeUndefined();
});
