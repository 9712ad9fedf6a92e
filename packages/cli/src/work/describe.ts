import { basename, extname } from "node:path";
import { at } from "@tessera/core/base/assert";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { Candidate } from "@tessera/core/protocol/report";
import { sha256 } from "../io/files.ts";
import { formatRow } from "../io/formats.ts";
import type { EvaluationSet } from "./accuracy.ts";
import { cohortSplit, judgeCohorts } from "./cohorts.ts";
import { ORIGINAL } from "./elsewhere.ts";
import { computesIntegers, fusionOf } from "./fusion.ts";
import { compareToBaseline, gatesOf, type Judged } from "./judge.ts";
import type { DeviceVerdict } from "./mcu-variants.ts";
import type { OptimizeJob } from "./request.ts";
import type { NamedLatency } from "./time.ts";
import type { Variant } from "./variants.ts";

/** What was built and measured, by position. */
export interface Built {
  readonly variants: readonly Variant[];
  readonly judged: readonly Judged[];
  readonly latencies: readonly NamedLatency[];
  readonly set: EvaluationSet;
  /** What ran the file that came in. */
  readonly original: Runtime;
  /** On the microcontroller that the target is; absent for others. */
  readonly devices?: readonly DeviceVerdict[] | undefined;
}

/** Every variant as the report has it. */
export async function describeCandidates(
  { variants, judged, latencies, set, original, devices }: Built,
  job: OptimizeJob,
): Promise<readonly Candidate[]> {
  const baseline = at(judged, 0);
  const baselineBytes = at(variants, 0).bytes.length;
  const stem = basename(job.file.path, extname(job.file.path));
  const split = job.cohort === undefined ? undefined : cohortSplit(job.evaluation, set, job.cohort);
  const candidates: Candidate[] = [];
  for (const [i, variant] of variants.entries()) {
    job.progress.stage(`comparing ${variant.says} with FP32`);
    const mine = at(judged, i);
    const device = devices?.[i];
    const { name: _, ...latency } = at(latencies, i);
    const came = latencies.find((l) => l.name === ORIGINAL);
    const notes = [...(i === 0 ? job.notes : []), ...variant.notes];
    if (i === 0 && came !== undefined) {
      const times = came.ratioToBaseline.median / (formatRow(job.file.format).ownTerms ? job.originalBatch : 1);
      const where = original === job.runtime ? "" : `, which ran on ${original.id}`;
      notes.push(`${times.toFixed(2)} times as fast ${job.originalBatch > 1 ? "a sample " : ""}as the file that came in${where}`);
    }
    const settings = { far: job.budgets.far, replicates: job.replicates, seed: job.seed };
    const byCohort = split === undefined ? {} : judgeCohorts(mine, i === 0 ? undefined : baseline, split, settings);
    candidates.push({
      id: variant.id,
      says: variant.says,
      scheme: variant.scheme,
      file: `${stem}.${variant.id}.${variant.format}`,
      runtime: `${job.runtime.id} ${job.runtime.version}`,
      sha256: sha256(variant.bytes),
      sizeBytes: variant.bytes.length,
      sizeRatio: variant.bytes.length / baselineBytes,
      baseline: i === 0,
      latency,
      ...(variant.searched === undefined ? {} : { searched: variant.searched }),
      ...(computesIntegers(variant) ? { fusion: await fusionOf(variant, job.target) } : {}),
      ...(device?.device === undefined ? {} : { device: device.device }),
      accuracy: mine.evaluated.accuracy,
      ...(i === 0 ? {} : { versus: compareToBaseline(baseline, mine, set, job) }),
      gates: [
        ...gatesOf(mine, i === 0 ? undefined : baseline, set, job.fars),
        ...(byCohort.gate === undefined ? [] : [byCohort.gate]),
        ...(device === undefined ? [] : [device.gate]),
      ],
      ...(byCohort.cohorts === undefined ? {} : { cohorts: byCohort.cohorts }),
      curves: mine.evaluated.curves,
      notes,
    });
  }
  return candidates;
}
