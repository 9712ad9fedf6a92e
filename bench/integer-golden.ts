/**
 * Single-operator TFLite files with inputs for the recorder of golden vectors, and what it recorded put into the repository.
 * Usage: tsx --conditions=source bench/integer-golden.ts write DIR    then    $PEERS bench/peers/tflm_golden.py DIR
 *        tsx --conditions=source bench/integer-golden.ts compare DIR [PROFILE]
 *        tsx --conditions=source bench/integer-golden.ts collect DIR
 *        tsx --conditions=source bench/integer-golden.ts litert|tfjs DIR    records into DIR what these runtimes compute
 * TESSERA_CASES=200 before any of them takes other than the 40 cases of a family that the repository has.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProfileName } from "@tessera/core/interp/integer/profile";
import { caseInput, tensorOf } from "@tessera/testkit/integer/case-builder";
import { CASES_PER_FAMILY, FAMILIES, type FamilyName, integerCase, RUNS_PER_CASE } from "@tessera/testkit/integer/cases";
import { caseBytes } from "@tessera/testkit/integer/run-case";
import { openLitert } from "@tessera/testkit/tflite/litert";
import { openTfjsTflite } from "@tessera/testkit/tflite/tfjs-tflite";
import type { TfliteRunner } from "@tessera/testkit/tflite/tflite-runner";

const families = Object.keys(FAMILIES) as FamilyName[];

/** Cases of each family: those of the repository, or as many as the environment asks for. */
const count = Number(process.env["TESSERA_CASES"] ?? CASES_PER_FAMILY);

function write(dir: string): void {
  mkdirSync(dir, { recursive: true });
  const cases: object[] = [];
  for (const family of families) {
    for (let i = 0; i < count; i++) {
      const test = integerCase(family, i);
      writeFileSync(join(dir, `${test.id}.tflite`), test.file());
      const inputs = test.spec.feeds.map((name, k) => {
        const parts = Array.from({ length: RUNS_PER_CASE }, (_, run) => caseInput(test, name, run).bytes);
        writeFileSync(join(dir, `${test.id}.in${k}`), Buffer.concat(parts));
        return tensorOf(test.spec, name).dtype;
      });
      cases.push({ id: test.id, inputs, runs: RUNS_PER_CASE, reset: true });
    }
  }
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(cases));
}

interface Difference {
  readonly equal: number;
  readonly values: number;
  readonly largest: number;
  readonly failed: number;
  readonly worst: string;
}

function difference(dir: string, family: FamilyName, profile: ProfileName): Difference {
  const total = { equal: 0, values: 0, largest: 0, failed: 0, worst: "" };
  for (let i = 0; i < count; i++) {
    const test = integerCase(family, i);
    const path = join(dir, `${test.id}.out`);
    if (!existsSync(path)) {
      total.failed++;
      continue;
    }
    const wide = tensorOf(test.spec, test.spec.outputs[0] as string).dtype === "int16";
    const read = (bytes: Uint8Array) => {
      const copy = new Uint8Array(bytes).buffer;
      return wide ? new Int16Array(copy) : new Int8Array(copy);
    };
    const theirs = read(readFileSync(path));
    const ours = read(caseBytes(test, profile));
    if (ours.length !== theirs.length) throw new Error(`${test.id}: ${ours.length} values against ${theirs.length}`);
    for (let k = 0; k < ours.length; k++) {
      const d = Math.abs((ours[k] as number) - (theirs[k] as number));
      total.values++;
      if (d === 0) total.equal++;
      if (d > total.largest) {
        total.largest = d;
        total.worst = `${test.id} at ${k}: ${ours[k]} against ${theirs[k]}`;
      }
    }
  }
  return total;
}

function compare(dir: string, profile: ProfileName): void {
  for (const family of families) {
    const d = difference(dir, family, profile);
    const share = d.values === 0 ? "-" : ((100 * d.equal) / d.values).toFixed(4);
    process.stdout.write(
      `${family.padEnd(28)} ${share.padStart(9)} % of ${String(d.values).padStart(7)}  largest ${d.largest}  not run ${d.failed}  ${d.worst}\n`,
    );
  }
}

function collect(dir: string): void {
  const { version } = JSON.parse(readFileSync(join(dir, "recorded.json"), "utf8")) as { readonly version: string };
  const cases: Record<string, string> = {};
  for (const family of families) {
    for (let i = 0; i < count; i++) {
      const path = join(dir, `${family}-${i}.out`);
      if (!existsSync(path)) continue;
      const bytes = readFileSync(path);
      cases[`${family}-${i}`] = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    }
  }
  const target = new URL("../packages/core/cases/integer/tflm-operators.json", import.meta.url);
  mkdirSync(new URL(".", target), { recursive: true });
  writeFileSync(target, `${JSON.stringify({ recordedWith: version, runs: RUNS_PER_CASE, sha256: cases }, null, 1)}\n`);
}

/** Runs every case on a runtime in this process; a case that it refuses has no recording. */
async function record(dir: string, runner: TfliteRunner): Promise<void> {
  mkdirSync(dir, { recursive: true });
  for (const family of families) {
    for (let i = 0; i < count; i++) {
      const test = integerCase(family, i);
      const file = test.file();
      const parts: Uint8Array[] = [];
      try {
        for (let run = 0; run < RUNS_PER_CASE; run++) {
          const [output] = await runner.run(file, (k) => caseInput(test, test.spec.feeds[k] as string, run).bytes);
          if (output !== undefined) parts.push(output);
        }
        writeFileSync(join(dir, `${test.id}.out`), Buffer.concat(parts));
      } catch (error) {
        writeFileSync(join(dir, `${test.id}.error`), String(error));
      }
    }
  }
}

const [verb, dir, profile] = process.argv.slice(2);
if (dir !== undefined && verb === "write") write(dir);
else if (dir !== undefined && verb === "compare") compare(dir, (profile ?? "tflm-double") as ProfileName);
else if (dir !== undefined && verb === "collect") collect(dir);
else if (dir !== undefined && verb === "litert") await record(dir, await openLitert());
else if (dir !== undefined && verb === "tfjs") await record(dir, await openTfjsTflite());
else {
  process.stderr.write(
    "Usage: tsx --conditions=source bench/integer-golden.ts write|compare|collect|litert|tfjs DIR [PROFILE]\n",
  );
  process.exitCode = 2;
}
