/**
 * Sums the JSON reports of test runs into one line.
 *
 *   tsx scripts/test-summary.ts [--failed N] [--skipped N] [report.json ...]
 *
 * `--failed` and `--skipped` add what happened outside the reports. Exits 1 when anything failed.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { countTests, sumCounts, summaryLine, type TestCounts } from "./lib/test-summary.ts";

function read(path: string): TestCounts {
  try {
    return countTests(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    // No report: the run died before it could write one.
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const { values, positionals } = parseArgs({
  options: { failed: { type: "string", default: "0" }, skipped: { type: "string", default: "0" } },
  allowPositionals: true,
});
const outside = { passed: 0, failed: Number(values.failed), skipped: Number(values.skipped) };
const total = sumCounts([outside, ...positionals.map(read)]);
console.log(summaryLine(total));
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
