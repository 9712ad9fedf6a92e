import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import { RATE_CONVENTION } from "@tessera/core/biometrics/rates";
import type { FaceEmbeddingCard } from "@tessera/core/modality/card";
import { selectCrops } from "@tessera/core/modality/face/crops";
import type {
  Accuracy,
  CompatibilityMatrix,
  Curves,
  DataSummary,
  GateResult,
  MachineSummary,
  PreprocessingCheck,
  Versus,
} from "@tessera/core/protocol/report";
import type { Hardware } from "@tessera/runtimes/hardware";
import type { Runnable } from "../io/runnable.ts";
import type { Progress } from "../ui/progress.ts";
import { type EvaluationSet, evaluateEmbeddings, evaluationSet } from "./accuracy.ts";
import { evaluationSummary, failuresOf } from "./data-summary.ts";
import { embedAll } from "./embed.ts";
import type { FaceData } from "./faces.ts";
import { compareToBaseline, gatesOf, type Judged } from "./judge.ts";
import { machineOf } from "./machine.ts";
import { matrixOf } from "./matrix.ts";
import { checkPreprocessing } from "./preprocessing.ts";
import type { Runtimes } from "./runtime.ts";

/** A model to evaluate, with the card that says how to feed it and the faces aligned for it. */
export interface Evaluatee {
  readonly file: Runnable;
  readonly card: FaceEmbeddingCard;
  readonly data: FaceData;
}

/** How well models tell people apart; plain JSON. */
export interface EvaluateReport {
  readonly kind: "tessera-evaluate-report";
  readonly version: 1;
  readonly machine: MachineSummary;
  readonly data: Pick<DataSummary, "evaluation" | "failuresToAcquire" | "convention">;
  /** The first one is the reference of the differences. */
  readonly models: readonly {
    readonly file: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    /** What ran it. */
    readonly runtime: string;
    readonly card: string;
    readonly dimension: number;
    readonly embeddingMs: number;
    readonly accuracy: Accuracy;
    readonly versus?: Versus;
    readonly gates: readonly GateResult[];
    readonly preprocessing?: PreprocessingCheck;
    readonly curves: Curves;
  }[];
  readonly matrix?: CompatibilityMatrix;
}

/** What {@link evaluateModels} needs besides the models. */
export interface EvaluateRequest {
  readonly runtimes: Runtimes;
  readonly hardware: Hardware;
  readonly fars: readonly number[];
  readonly protocol: "all-pairs" | "pair-list";
  readonly replicates: number;
  readonly seed: number;
  readonly matrix: boolean;
  readonly contract: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Embeds, scores and judges models on the same comparisons. @throws DATASET_INVALID, SCORES_INVALID, CARD_INVALID */
export async function evaluateModels(models: readonly Evaluatee[], request: EvaluateRequest): Promise<EvaluateReport> {
  const { runtimes, progress, signal, fars } = request;
  const first = at(models, 0);
  const set = evaluationSet(first.data, request);
  const judged: (Judged & { readonly embeddingMs: number })[] = [];
  for (const { file, card, data } of models) {
    requireSameRows(set, evaluationSet(data, request), file);
    progress.stage(`embedding with ${file.path}`, set.rows.length);
    const startMs = performance.now();
    const embeddings = await embedAll(await runtimes.for(file), file.bytes, {
      card,
      crops: selectCrops(data.crops, set.rows),
      externalData: file.externalData,
      onProgress: (done) => progress.at(done),
      signal,
    });
    const embeddingMs = performance.now() - startMs;
    progress.stage(`scoring ${set.genuine + set.impostor} comparisons of ${file.path}`);
    judged.push({ ...embeddings, embeddingMs, evaluated: evaluateEmbeddings(embeddings.unit, set, request) });
    signal.throwIfAborted();
  }
  const reference = at(judged, 0);
  const rows: EvaluateReport["models"][number][] = [];
  for (const [i, { file, card, data }] of models.entries()) {
    const mine = at(judged, i);
    if (i > 0) progress.stage(`comparing ${file.path} with ${first.file.path}`);
    const runtime = await runtimes.for(file);
    const versus = i === 0 ? undefined : compareToBaseline(reference, mine, set, request);
    signal.throwIfAborted();
    if (request.contract) progress.stage(`trying the usual pre-processing mistakes on ${file.path}`);
    rows.push({
      file: file.path,
      sha256: file.sha256,
      sizeBytes: file.bytes.length,
      runtime: `${runtime.id} ${runtime.version}`,
      card: card.name,
      dimension: card.output.dimension,
      embeddingMs: mine.embeddingMs,
      accuracy: mine.evaluated.accuracy,
      ...(versus === undefined ? {} : { versus }),
      gates: gatesOf(mine, i === 0 ? undefined : reference, set, fars),
      ...(request.contract ? { preprocessing: await checkPreprocessing(file.bytes, { runtime, card, data, set, signal }) } : {}),
      curves: mine.evaluated.curves,
    });
    signal.throwIfAborted();
  }
  return {
    kind: "tessera-evaluate-report",
    version: 1,
    machine: machineOf(request.hardware, { runtimes: await runtimes.started(), threads: 1 }),
    data: {
      evaluation: evaluationSummary(first.data, set),
      failuresToAcquire: failuresOf(first.data),
      convention: RATE_CONVENTION,
    },
    models: rows,
    ...(request.matrix ? { matrix: matrixAcross(models, judged, { set, far: at(fars, 0) }) } : {}),
  };
}

function requireSameRows(set: EvaluationSet, other: EvaluationSet, file: Runnable): void {
  if (set.rows.length === other.rows.length && set.rows.every((row, i) => row === other.rows[i])) return;
  throw fail("DATASET_INVALID", `Cannot compare ${file.path} with the first model: faces were found in other pictures for it`, {
    hint: "Evaluate it alone, or use --on-no-face centre-crop",
  });
}

function matrixAcross(
  models: readonly Evaluatee[],
  judged: readonly Judged[],
  { set, far }: { readonly set: EvaluationSet; readonly far: number },
): CompatibilityMatrix {
  const { dimension } = at(models, 0).card.output;
  const other = models.find((m) => m.card.output.dimension !== dimension);
  if (other !== undefined)
    throw fail(
      "SCORES_INVALID",
      `Cannot mix templates: ${other.file.path} gives ${other.card.output.dimension} numbers, the first model ${dimension}`,
    );
  return matrixOf(
    models.map(({ file }, i) => ({ name: file.path, embeddings: at(judged, i).unit })),
    set,
    far,
  );
}
