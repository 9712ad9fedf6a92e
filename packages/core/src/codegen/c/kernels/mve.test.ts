import { type BoardCase, boardMissing, runOnBoard } from "@tessera/testkit/board-driver";
import { CASE_CODES, type MadeCase } from "@tessera/testkit/kernel-case-code";
import { pointwiseCase, windowCase } from "@tessera/testkit/kernel-case-sums";
import { elementwiseCase, meanCase, poolCase, ringCase, tableCase } from "@tessera/testkit/kernel-case-values";
import { diceOf } from "@tessera/testkit/kernel-dice";
import { describe, expect, test } from "vitest";

const missing = await boardMissing("m55");

function many(count: number, make: () => MadeCase): readonly MadeCase[] {
  return Array.from({ length: count }, make);
}

/** Name and numbers of a case, without its arrays. */
function numbers({ name, parts }: MadeCase): string {
  return `${name}(${parts.filter((part) => typeof part === "number").join(", ")})`;
}

describe.skipIf(missing !== undefined)(`kernels for Helium${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  test.each(["double", "single"] as const)(
    "equal plain loops in any shape and read nothing beside their arrays, %s rounding",
    async (rule) => {
      const dice = diceOf(20261123);
      const made = [
        ...many(200, () => pointwiseCase(dice, rule)),
        ...many(150, () => windowCase(dice, rule, { name: "conv", isa: "mve" })),
        ...many(250, () => windowCase(dice, rule, { name: "depthwise", isa: "mve" })),
        ...many(200, () => elementwiseCase(dice, rule)),
        ...many(20, () => tableCase(dice)),
        ...many(100, () => poolCase(dice)),
        ...many(60, () => meanCase(dice, rule)),
        ...many(40, () => ringCase(dice)),
      ];
      const sent = made.map(
        ({ name, parts, wanted }): BoardCase => ({ name, parts, gives: wanted.length, edge: dice.pick(0, 5) }),
      );
      const got = await runOnBoard("m55", CASE_CODES, sent, rule);
      const wrong = made.filter(({ wanted }, i) => Buffer.compare(got[i] as Uint8Array, new Uint8Array(wanted.buffer)) !== 0);
      expect(wrong.map(numbers)).toEqual([]);
    },
    120_000,
  );
});
