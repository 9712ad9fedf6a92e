import { describe, expect, it } from "vitest";
import { checkCommands, unknownFlags } from "./lib/commands.ts";
import { exportsOf } from "./lib/docblocks.ts";
import { checkExamples, markdownExamples, sourceExamples } from "./lib/examples.ts";
import { errorCodesPage, opsPage } from "./lib/generated-docs.ts";
import { anchorOf, checkLinks, shellLines } from "./lib/markdown.ts";

describe("exports", () => {
  it("without a docblock are told from those with one", () => {
    const text = [
      "/** Documented. */",
      "export function one(): void {}",
      "// not a docblock",
      "export const two = 1;",
      "/** Belongs to the hidden one. */",
      "const hidden = 1;",
      "export interface Three { a: 1 }",
      "/**",
      " * Documented over",
      " * two lines.",
      " */",
      "export async function four() {}",
      "export function four(x?: number) {}",
      'const text = "export function five() {}";',
    ].join("\n");
    expect(exportsOf(text).map((e) => [e.name, e.doc])).toEqual([
      ["one", "Documented."],
      ["two", undefined],
      ["Three", undefined],
      ["four", "Documented over\ntwo lines."],
    ]);
  });
});

describe("examples", () => {
  it("are the fenced ones behind @example and the ts blocks of Markdown", () => {
    const source =
      '/**\n * Adds.\n *\n * @example\n * ```ts\n * import assert from "node:assert/strict";\n * assert.equal(1 + 1, 2);\n * ```\n */\nexport function add() {}\n';
    expect(sourceExamples({ path: "a.ts", text: source })).toEqual([
      { path: "a.ts", line: 1, text: 'import assert from "node:assert/strict";\nassert.equal(1 + 1, 2);\n', runs: true },
    ]);
    expect(sourceExamples({ path: "a.ts", text: "/**\n * @example\n * add(1, 2);\n */\n" })).toEqual([]);
    const page = "# A\n\n```ts\nconst a = 1;\n```\n\n```json\n{}\n```\n";
    expect(markdownExamples({ path: "a.md", text: page })).toEqual([
      { path: "a.md", line: 3, text: "const a = 1;\n", runs: false },
    ]);
  });

  it("that do not compile are refused by place and reason", () => {
    const example = {
      path: "docs/a.md",
      line: 7,
      text: 'import { fail } from "@tessera/core/base/error";\nfail("NO_SUCH_CODE", "");\n',
      runs: false,
    };
    const [finding] = checkExamples([example]);
    expect(finding).toMatchObject({ path: "docs/a.md", line: 7 });
    expect(finding?.says).toContain("its line 2");
  });

  it("that state what is not so are refused, and those that are right pass", () => {
    const text = (sum: number): string => `import assert from "node:assert/strict";\nassert.equal(1 + 1, ${sum});\n`;
    const findings = checkExamples([
      { path: "right.md", line: 1, text: text(2), runs: true },
      { path: "wrong.md", line: 1, text: text(3), runs: true },
    ]);
    expect(findings.map((f) => f.path)).toEqual(["wrong.md"]);
  });
});

describe("links", () => {
  it("to files, headings and paths that are not there are found", () => {
    const text = [
      "# One heading",
      "[a](docs/model-card.md) [b](#one-heading) [c](https://example.org/x) `scripts/check-docs.ts` `packages/*/src`",
      "[d](nowhere.md) [e](#no-heading) `scripts/nowhere.ts`",
      "```",
      "[f](not-looked-at.md)",
      "```",
    ].join("\n");
    const findings = checkLinks({ path: "x.md", text }, new Map());
    expect(findings.map((f) => f.line)).toEqual([3, 3, 3]);
  });

  it("name headings as Markdown viewers do", () => {
    expect(anchorOf("Errors: a `code`, and why")).toBe("errors-a-code-and-why");
  });
});

describe("commands in shell blocks", () => {
  const flagsOf = async (verb: string) =>
    verb === "simplify"
      ? { model: { type: "positional" }, output: { type: "string", alias: "o" }, prove: { type: "boolean" } }
      : undefined;

  it("are joined over continued lines and freed of comments", () => {
    expect(shellLines("text\n```sh\ntessera a \\\n  --b   # why\n\nc\n```\n")).toEqual([
      { text: "tessera a --b", line: 3 },
      { text: "c", line: 6 },
    ]);
  });

  it("with unknown verbs, options or scripts are found", async () => {
    const text =
      "```sh\nnpx tessera simplify a.onnx -o b.onnx --no-prove\ntessera simplify a.onnx --prooove\ntessera melt a\nnpm run nothing\nnpm run ok\n```\n";
    const findings = await checkCommands({ path: "x.md", text }, flagsOf);
    expect(findings.map((f) => f.line)).toEqual([3, 4, 5]);
  });

  it("take aliases and the no- form of switches", () => {
    const flags = { output: { type: "string", alias: "o" }, prove: { type: "boolean" } };
    expect(unknownFlags(["x", "-o", "--no-prove", "--no-output", "--outputs"], flags)).toEqual(["--no-output", "--outputs"]);
  });
});

describe("generated pages", () => {
  it("list every operator with its kernel or the reason for none", () => {
    expect(opsPage()).toMatch(/\| `Conv` \| \d+ \| X, W, B\? \| Y \|.*\| yes \|/);
    expect(opsPage()).not.toContain("undefined");
  });

  it("list every error code", () => {
    expect(errorCodesPage()).toContain("| `SHAPE_MISMATCH` |");
  });
});
