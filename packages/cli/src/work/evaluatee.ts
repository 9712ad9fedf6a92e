import type { Embeddings } from "@tessera/core/biometrics/similarity";
import type { Runtime } from "@tessera/core/graph/runtime";
import type {
  Accuracy,
  Artefact,
  CohortTable,
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
import { embedAll } from "./embed.ts";
import type { PeopleData } from "./people-data.ts";
import type { Runtimes } from "./runtime.ts";
import { type EmbeddingCard, selectSamples } from "./samples.ts";
import type { ScoreNormName, ScoreNormSummary } from "./score-norm.ts";

/** A model to evaluate, with the card that says how to feed it and the recordings made ready for it. */
export interface Evaluatee {
  readonly file: Runnable;
  readonly card: EmbeddingCard;
  readonly data: PeopleData;
  /** Recordings of other people made ready for it, to fit adapters to; the very same object as `data` where those have roles. */
  readonly calibration: PeopleData | undefined;
  /** What it is to the first model: one to judge, the one that enrolled so far, or the same file on another runtime. */
  readonly role: "candidate" | "previous" | "elsewhere";
  /** What runs it, when it is not what runs its format. */
  readonly runtime?: Runtime;
}

/** How well models tell people apart; plain JSON. */
export interface EvaluateReport {
  readonly kind: "tessera-evaluate-report";
  readonly version: 1;
  readonly machine: MachineSummary;
  readonly data: Pick<DataSummary, "evaluation" | "failuresToAcquire" | "convention">;
  /** By what scores were normalised; absent: they are cosines. */
  readonly scoreNorm?: ScoreNormSummary;
  /** The first one is the reference of the differences. */
  readonly models: readonly {
    readonly file: string;
    /** Its name in the matrix. */
    readonly name: string;
    readonly role: Evaluatee["role"];
    readonly sha256: string;
    readonly sizeBytes: number;
    /** What ran it. */
    readonly runtime: string;
    readonly card: string;
    /** Embedding-space id of its content, and the one that its card declares. */
    readonly space: string;
    readonly declaredSpace?: string;
    readonly dimension: number;
    readonly embeddingMs: number;
    readonly accuracy: Accuracy;
    readonly versus?: EvaluateVersus;
    readonly gates: readonly GateResult[];
    /** When cohorts were asked for. */
    readonly cohorts?: CohortTable;
    readonly preprocessing?: PreprocessingCheck;
    readonly curves: Curves;
  }[];
  readonly matrix?: CompatibilityMatrix;
  /** Adapters and cards that were written. */
  readonly written: readonly Artefact[];
}

/** A model against the first one; cosines only where both give equally many numbers. */
export type EvaluateVersus = Omit<Versus, "cosineMean" | "cosineMin"> & Partial<Pick<Versus, "cosineMean" | "cosineMin">>;

/** What `evaluateModels` needs besides the models. */
export interface EvaluateRequest {
  readonly runtimes: Runtimes;
  readonly hardware: Hardware;
  readonly fars: readonly number[];
  readonly protocol: "all-pairs" | "pair-list";
  readonly replicates: number;
  readonly seed: number;
  /** Enrol with each model and probe with each. */
  readonly matrix: MatrixRequest | undefined;
  /** Without a matrix: folder for the models' cards with the thresholds that were measured. */
  readonly outDir?: string | undefined;
  readonly contract: boolean;
  /** Whether scores are taken as cosines, or normalised by a cohort of other people. */
  readonly scoreNorm: ScoreNormName;
  /** A column of the manifest by which people are split, and what any cohort may lose of TAR at the first FAR against the first model. */
  readonly cohort?: { readonly column: string; readonly maxDrop?: number };
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** How models are mixed. */
export interface MatrixRequest {
  readonly adapters: "needed" | "always" | "never";
  /** TAR that a mixture may lose, as a fraction. */
  readonly maxDrop: number;
  /** Where adapters and cards are written. */
  readonly outDir: string | undefined;
}

/** Embeddings of some rows of the samples that were made ready for a model. */
export async function embedRows(
  { file, card, runtime }: Evaluatee,
  data: PeopleData,
  rows: readonly number[],
  request: Pick<EvaluateRequest, "runtimes" | "progress" | "signal">,
): Promise<{ readonly raw: Embeddings; readonly unit: Embeddings }> {
  const { runtimes, progress, signal } = request;
  return embedAll(runtime ?? (await runtimes.for(file)), file.bytes, {
    card,
    samples: selectSamples(data.samples, rows),
    externalData: file.externalData,
    onProgress: (done) => progress.at(done),
    signal,
  });
}
