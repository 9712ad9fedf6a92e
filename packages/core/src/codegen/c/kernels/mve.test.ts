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

  test("give the compiler nothing to warn of where sizes are literal", async () => {
    // Rows of whole blocks, of blocks and some columns, and of less than a block; windows of bytes, of words and of several vectors.
    const widths = [1, 3, 4, 7, 8, 10, 48];
    const convs = [
      [3, 3, 2, 8],
      [16, 3, 1, 5],
      [1, 5, 1, 1],
      [8, 1, 2, 16],
    ].flatMap(([channels, side, stride, outputs]) =>
      widths.map(
        (width) =>
          `static void __attribute__((noinline, used)) conv_${channels}_${side}_${width}(const int8_t *const *rows, const int8_t *w, const int32_t *b, const int8_t *s, int8_t *scratch, int8_t *y) { ts_conv_row(rows, ${channels}, ${side}, ${side}, ${stride}, 1, ${width}, ${outputs}, w, ${((channels as number) * (side as number) ** 2 + 3) & ~3}, b, b, s, -128, -128, 127, scratch, y, 7); }`,
      ),
    );
    const sent = { name: "literal", parts: [], gives: 1, edge: 0 };
    const code = {
      kernels: ["ts_conv_row"],
      code: `(void)odd;\n(void)array;\ngive("", 1);\n}\n${convs.join("\n")}\nvoid nothing(void);\nvoid nothing(void)\n{`,
    };
    for (const level of ["-O2", "-Os"] as const)
      expect(await runOnBoard("m55", { literal: code }, [sent], "double", level)).toEqual([Uint8Array.of(0)]);
  }, 120_000);
});
