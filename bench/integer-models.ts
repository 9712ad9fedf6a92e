/**
 * Inputs of whole int8 models for the recorder of golden vectors, and what it recorded put into the repository as digests.
 * Usage: tsx --conditions=source bench/integer-models.ts write DIR [RUNS]    then    $PEERS bench/peers/tflm_golden.py DIR
 *        tsx --conditions=source bench/integer-models.ts collect DIR
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  digestOf,
  INPUT_SETS,
  INTEGER_MODELS,
  type InputSet,
  type IntegerModelName,
  modelInput,
  openIntegerModel,
} from "@tessera/testkit/integer/model-runs";
import { sharedDir } from "@tessera/testkit/shared";

const shared = sharedDir();
const names = Object.keys(INTEGER_MODELS) as IntegerModelName[];
const sets = Object.keys(INPUT_SETS) as InputSet[];

/** `count`: inputs of each set, other than those whose digests are in the repository. Noise alone says little of a network whose answers on it are few. */
function write(dir: string, root: string, count?: number): void {
  mkdirSync(dir, { recursive: true });
  const cases: object[] = [];
  for (const name of names) {
    const model = openIntegerModel(root, name, "tflm-double");
    for (const set of sets) {
      const id = `${name}-${set}`;
      const runs = count ?? INPUT_SETS[set];
      const inputs = Array.from({ length: runs }, (_, i) => Buffer.from(modelInput(model, set, i).buffer));
      writeFileSync(join(dir, `${id}.tflite`), model.file);
      writeFileSync(join(dir, `${id}.in0`), Buffer.concat(inputs));
      cases.push({ id, inputs: ["int8"], runs, reset: true, arena: 1 << 22, tensor: model.logitsIndex });
    }
  }
  writeFileSync(join(dir, "manifest.json"), JSON.stringify(cases));
}

function collect(dir: string): void {
  const { version } = JSON.parse(readFileSync(join(dir, "recorded.json"), "utf8")) as { readonly version: string };
  const digests: Record<string, string> = {};
  for (const name of names) {
    for (const set of sets) {
      const runs = INPUT_SETS[set];
      const [output, logits] = ["out", "tensor"].map((end) => readFileSync(join(dir, `${name}-${set}.${end}`))) as [
        Buffer,
        Buffer,
      ];
      const part = (bytes: Buffer, run: number): Uint8Array =>
        bytes.subarray((run * bytes.length) / runs, ((run + 1) * bytes.length) / runs);
      digests[`${name}-${set}`] = Array.from({ length: runs }, (_, i) =>
        digestOf({ logits: part(logits, i), output: part(output, i) }),
      ).join("");
    }
  }
  const target = new URL("../packages/core/cases/integer/tflm-models.json", import.meta.url);
  writeFileSync(target, `${JSON.stringify({ recordedWith: version, digests }, null, 1)}\n`);
}

const [verb, dir, count] = process.argv.slice(2);
if (shared === undefined) process.stderr.write("There is no shared folder with models\n");
else if (dir !== undefined && verb === "write") write(dir, shared, count === undefined ? undefined : Number(count));
else if (dir !== undefined && verb === "collect") collect(dir);
else {
  process.stderr.write("Usage: tsx --conditions=source bench/integer-models.ts write DIR [RUNS] | collect DIR\n");
  process.exitCode = 2;
}
