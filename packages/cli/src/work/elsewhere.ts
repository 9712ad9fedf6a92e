import type { NamedEmbeddings } from "@tessera/core/biometrics/matrix";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { ElsewhereRow } from "@tessera/core/protocol/report";
import { formatRow } from "../io/formats.ts";
import type { EvaluationSet } from "./accuracy.ts";
import { embedAll } from "./embed.ts";
import { cosines, type Judged } from "./judge.ts";
import type { OptimizeJob } from "./request.ts";
import { selectSamples } from "./samples.ts";
import type { NamedLatency, TimedFile } from "./time.ts";

/** The name under which the file that came in is timed. */
export const ORIGINAL = "original";
/** The name under which the float network is timed on the host, when the target's files are not ONNX. */
const HOST_FLOAT = "host-fp32";

/** Files timed beside the variants: the one that came in, and the float network as ONNX where variants are of another format. */
export function othersToTime(float: Model, job: OptimizeJob, original: Runtime): readonly TimedFile[] {
  const { bytes, externalData } = job.file;
  const came: TimedFile = { name: ORIGINAL, file: { bytes, externalData }, runtime: original };
  if (job.target.format === "onnx") return [came];
  const host: TimedFile = { name: HOST_FLOAT, file: { bytes: modelToOnnx(float), externalData: new Map() }, runtime: job.host };
  return [came, host];
}

/** The runtime of the file that came in: the target's where that runs such files, else the format's own. */
export async function originalRuntime(job: OptimizeJob): Promise<Runtime> {
  const { format } = job.file;
  if (job.runtime.formats.includes(format)) return job.runtime;
  return job.runtimes.get(formatRow(format).runtimes[0]);
}

/** What {@link elsewhereOf} found. */
export interface Elsewhere {
  readonly rows: readonly ElsewhereRow[];
  /** Embeddings of the evaluation by the float network on another runtime: whether templates stay when the runtime changes. */
  readonly embedded: readonly NamedEmbeddings[];
}

/**
 * The same float network on another runtime: how alike its embeddings are on the faces of the evaluation, and how fast it is here. Rows for what a
 * reader would ask: the file that came in where the target's runtime does not run it, and the network as ONNX.
 */
export async function elsewhereOf(
  built: {
    readonly float: Model;
    readonly judged: Judged;
    readonly latencies: readonly NamedLatency[];
    readonly set: EvaluationSet;
    readonly original: Runtime;
  },
  job: OptimizeJob,
): Promise<Elsewhere> {
  const samples = selectSamples(job.evaluation.samples, built.set.rows);
  const rows: ElsewhereRow[] = [];
  const embedded: NamedEmbeddings[] = [];
  const says: Readonly<Record<string, string>> = {
    [ORIGINAL]: `the file that came in${job.originalBatch > 1 ? `, ${job.originalBatch} faces a run` : ""}`,
    [HOST_FLOAT]: "FP32 simplified, as ONNX",
  };
  for (const { name, file, runtime } of othersToTime(built.float, job, built.original)) {
    // On the target's own runtime the file that came in is in a note of the baseline already.
    const found = built.latencies.find((l) => l.name === name);
    if (runtime === job.runtime || found === undefined) continue;
    job.progress.stage(`embedding with ${says[name]} on ${runtime.id}`, samples.count);
    const { unit } = await embedAll(runtime, file.bytes, {
      card: job.modelCard,
      samples,
      externalData: file.externalData,
      onProgress: (done) => job.progress.at(done),
      signal: job.signal,
    });
    const { mean, min } = cosines(built.judged.unit, unit);
    const { name: _, ...latency } = found;
    // One is enough: the file that came in and the network taken from it compute the same.
    if (embedded.length === 0) embedded.push({ name: `fp32 on ${runtime.id}`, embeddings: unit });
    rows.push({
      says: says[name] ?? name,
      runtime: `${runtime.id} ${runtime.version}`,
      cosineMean: mean,
      cosineMin: min,
      latency,
    });
  }
  return { rows, embedded };
}
