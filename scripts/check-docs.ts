/**
 * Keeps documents true: every export of core has a docblock, examples compile and run, generated pages are fresh, links lead somewhere, and
 * commands in shell blocks have verbs and options that exist.
 *
 *   tsx --conditions=source scripts/check-docs.ts            fails on anything untrue
 *   tsx --conditions=source scripts/check-docs.ts --write    writes the generated pages and tables first
 */
import { checkCommands, verbsTable } from "./lib/commands.ts";
import { exportsOf } from "./lib/docblocks.ts";
import { checkExamples, markdownExamples, sourceExamples } from "./lib/examples.ts";
import { updateGenerated } from "./lib/generated.ts";
import { errorCodesPage, formatsText, opsPage, targetsTable } from "./lib/generated-docs.ts";
import type { Finding } from "./lib/imports.ts";
import { checkLinks } from "./lib/markdown.ts";
import { lineAt } from "./lib/mask-source.ts";
import { isTest, listFiles, packageSources, readSource } from "./lib/source-files.ts";
import { targetsPage } from "./lib/targets-page.ts";

const stale = updateGenerated(
  [
    { path: "docs/error-codes.md", text: errorCodesPage() },
    { path: "docs/ops.md", text: opsPage() },
    { path: "docs/targets.md", text: targetsPage() },
    { path: "README.md", marker: "verbs", text: await verbsTable() },
    { path: "README.md", marker: "formats", text: formatsText() },
    { path: "README.md", marker: "targets", text: targetsTable() },
  ],
  process.argv.includes("--write"),
);
const findings: Finding[] = stale.map((path) => ({ path, line: 1, says: "Stale: run `npm run docs:write`" }));

const sources = packageSources().filter((file) => !isTest(file.path));
for (const file of sources) {
  if (!file.path.startsWith("packages/core/")) continue;
  for (const site of exportsOf(file.text)) {
    if (site.doc === undefined || site.doc === "") {
      findings.push({
        path: file.path,
        line: lineAt(file.text, site.offset),
        says: `Undocumented export: ${site.kind} ${site.name}`,
      });
    }
  }
}

const pages = listFiles("", (path) => path.endsWith(".md")).map(readSource);
const texts = new Map(pages.map((page) => [page.path, page.text]));
for (const page of pages) findings.push(...checkLinks(page, texts), ...(await checkCommands(page)));

const examples = [...sources.flatMap(sourceExamples), ...pages.flatMap(markdownExamples)];
findings.push(...checkExamples(examples));

for (const f of findings) console.error(`${f.path}:${f.line}  ${f.says}`);
if (findings.length > 0) process.exit(1);
const ran = examples.filter((e) => e.runs).length;
console.log(`docs: ${pages.length} pages, ${examples.length} examples compiled, ${ran} run`);
