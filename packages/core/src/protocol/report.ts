import type { McuBasis, McuReport } from "./mcu-report.ts";
import type { SearchReport, WholeDataTable } from "./search-report.ts";

/**
 * The report of `tessera optimize`: plain JSON, the only thing that the command prints from and that the HTML page is made of. Rates are
 * fractions, times milliseconds unless the name says otherwise, sizes bytes.
 */
export interface OptimizeReport {
  readonly kind: "tessera-optimize-report";
  readonly version: 1;
  readonly tool: { readonly name: "tessera"; readonly version: string };
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** Set when the figures illustrate the way of working only, e.g. because the data are a handful of people; shown on top, in words. */
  readonly illustration?: string;
  readonly model: ModelSummary;
  readonly target: { readonly id: string; readonly says: string; readonly notes: readonly string[] };
  readonly machine: MachineSummary;
  /** The device that took the times and weighed the memory; absent: `machine` did. */
  readonly timedOn?: TimedOn;
  readonly data: DataSummary;
  readonly graph: GraphChange;
  readonly candidates: readonly Candidate[];
  /** Ids of the candidates that no other beats in size, latency and TAR at once. */
  readonly pareto: readonly string[];
  readonly pick: Pick;
  /** TAR at the first FAR for each enrol model x probe model, by candidate id. */
  readonly matrix?: CompatibilityMatrix;
  readonly layers?: LayerComparison;
  /** The same float network on other runtimes of this machine, for comparison; never a candidate. */
  readonly elsewhere?: readonly ElsewhereRow[];
  /** Other reports of the same run, for other targets. */
  readonly companions?: readonly Companion[];
  /** Where the figures come from, when the target is not simply this machine. */
  readonly basis?: FigureBasis;
  /** Variants that could not be built, and why. */
  readonly skipped?: readonly { readonly says: string; readonly why: string }[];
  /** How the search came to its plans; absent where it was off. All other figures are then of people whom it never saw. */
  readonly search?: SearchReport;
  /** The same figures on everybody, those whom the search saw included. */
  readonly wholeData?: WholeDataTable;
  /** What the pick takes on the microcontroller that it is for; absent for other targets, and without a pick. */
  readonly mcu?: McuReport;
  readonly preprocessing?: PreprocessingCheck;
  readonly artefacts: readonly Artefact[];
  /** What the tool would do next, in sentences. */
  readonly next: readonly string[];
}

/** The model that came in. */
export interface ModelSummary {
  readonly file: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Absent in reports from before there were others than ONNX. */
  readonly format?: "onnx" | "tflite";
  /** 0 for a file that has none. */
  readonly opset: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: number;
  readonly parameters: number;
  /** Multiply-accumulates of one inference; absent when a size is not known. */
  readonly macs?: number;
  readonly peakActivationBytes?: number;
  readonly licence?: string;
  readonly hazards: readonly string[];
}

/** Where the times were taken. */
export interface MachineSummary {
  readonly processor: string;
  readonly cores: number;
  /** e.g. "avx512_vnni". */
  readonly features: readonly string[];
  readonly memoryBytes: number;
  readonly node: string;
  readonly runtimes: readonly { readonly id: string; readonly version: string }[];
  readonly threads: number;
}

/** Another machine that took the times, and how what it computes compares with what the first one does. */
export interface TimedOn {
  readonly machine: MachineSummary;
  /** One run there against the same run here, by file: the largest difference as a share of the largest value, and the least cosine of an output. */
  readonly parity: readonly { readonly name: string; readonly largestDifference: number; readonly cosine: number }[];
  /** What a reader must know before they put figures of both machines together, in sentences: other versions, other outputs. */
  readonly notes: readonly string[];
}

/** What the candidates were calibrated and judged on. */
export interface DataSummary {
  readonly calibration: { readonly name: string; readonly samples: number; readonly subjects: number; readonly digest: string };
  readonly evaluation: {
    readonly name: string;
    readonly samples: number;
    readonly subjects: number;
    readonly genuine: number;
    readonly impostor: number;
    readonly digest: string;
    /** "all-pairs" or "pair list". */
    readonly protocol: string;
  };
  /** Names of people that are in both sets; anything but none makes every figure worthless, and is refused unless forced. */
  readonly sharedSubjects: readonly string[];
  readonly failuresToAcquire: { readonly count: number; readonly policy: string };
  /** How rates are counted, in words. */
  readonly convention: string;
}

/** What simplification did to the graph, and its proof. */
export interface GraphChange {
  readonly before: { readonly nodes: number; readonly operators: Readonly<Record<string, number>> };
  readonly after: { readonly nodes: number; readonly operators: Readonly<Record<string, number>> };
  readonly passes: readonly { readonly pass: string; readonly says: string; readonly changes: number }[];
  readonly proof: {
    readonly kind: "proved" | "undecided" | "off";
    readonly inputs: number;
    readonly worstRelative?: number;
    readonly why?: string;
  };
  /** Rewrites that failed their proof and were taken back. */
  readonly dropped: readonly { readonly pass: string; readonly site: string; readonly why: string }[];
}

/** A figure with its interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly confidence: number;
  readonly method: string;
}

/** TAR at a FAR, or how many comparisons are missing for it. */
export type TarAtFar =
  | {
      readonly kind: "figure";
      readonly far: number;
      readonly tar: Estimate;
      readonly threshold: number;
      readonly falseMatches: number;
      readonly falseNonMatches: number;
    }
  | { readonly kind: "insufficient-data"; readonly far: number; readonly needsMore: number; readonly says: string };

/** Times of one candidate, interleaved with the baseline in one run. */
export interface Latency {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly cpuMs: number;
  readonly loadMs: number;
  readonly peakRssBytes?: number;
  /** This candidate's time divided by the baseline's, interleaved in one run: median over the rounds and its 95 % interval. */
  readonly ratioToBaseline: { readonly median: number; readonly low: number; readonly high: number };
  readonly runs: number;
  readonly threads: number;
}

/** How far the runtime computes in integers, read from the graph that it saved after its own optimisation. */
export interface FusionSummary {
  /** Integer kernels in the runtime's own optimised graph, by operator they stand for: how many of how many. */
  readonly integer: readonly { readonly op: string; readonly integer: number; readonly total: number }[];
  readonly transposes: number;
  readonly quantizeNodes: number;
  readonly islands: readonly { readonly node: string; readonly op: string; readonly why: string }[];
  /** TFLite: what the accelerated delegate took over, and what is left to slower kernels. */
  readonly delegation?: Delegation;
}

/** How much of a TFLite file a delegate computes. */
export interface Delegation {
  /** Operators of the file that the delegate took, of all. */
  readonly delegated: number;
  readonly total: number;
  /** Operators left to the runtime's own kernels, by name. */
  readonly fallback: readonly { readonly op: string; readonly count: number }[];
  /** What told so. */
  readonly runtime: string;
}

/** A file of the same network on another runtime of this machine. */
export interface ElsewhereRow {
  readonly says: string;
  readonly runtime: string;
  /** Cosine between its embeddings and those of the baseline, over the faces of the evaluation. */
  readonly cosineMean: number;
  readonly cosineMin: number;
  /** Interleaved with the candidates; ratios refer to the baseline. */
  readonly latency: Latency;
}

/** The same network for another target, in a report of its own. */
export interface Companion {
  readonly target: string;
  /** Path of its page from this one's folder, with slashes. */
  readonly page: string;
  /** What was picked there, in a sentence. */
  readonly says: string;
  /** The picked file, from this report's folder; absent when none was picked. */
  readonly file?: string;
}

/** What was measured, and what is only expected: the two are never mixed in one figure. */
export interface FigureBasis {
  /** On what every time, size and rate of this report was measured, in a sentence. */
  readonly measured: string;
  /** Whether the target's device is another than this machine. */
  readonly deviceIsElsewhere: boolean;
  /** What is expected of the device, each with what it is derived from. Nothing of it was measured. */
  readonly predicted: readonly { readonly says: string; readonly from: string }[];
  /** What is not known of the device. */
  readonly unknown: readonly string[];
}

/** A decision that differs between the baseline and a candidate at one threshold each. */
export interface Flip {
  readonly a: string;
  readonly b: string;
  readonly genuine: boolean;
  readonly baselineScore: number;
  readonly score: number;
  /** Whether the candidate accepts the pair. */
  readonly accepted: boolean;
}

/** A candidate against the baseline on the same samples and pairs. */
export interface Versus {
  /** Cosine between the candidate's embeddings and the baseline's of the same samples. */
  readonly cosineMean: number;
  readonly cosineMin: number;
  /** TAR difference at each FAR, each model at its own threshold, on the same pairs; in fractions, negative is a loss. */
  readonly tarDifference: readonly { readonly far: number; readonly difference: Estimate }[];
  /** FAR realised by the candidate at the baseline's threshold. */
  readonly realisedFar: readonly { readonly far: number; readonly threshold: number; readonly realised: number }[];
  readonly flips: readonly {
    readonly far: number;
    readonly newlyAccepted: number;
    readonly newlyRejected: number;
    readonly impostorsNewlyAccepted: number;
    readonly examples: readonly Flip[];
  }[];
  readonly worstScoreShift: number;
  readonly impostorMeanShift: number;
}

/** One gate and what it found. */
export interface GateResult {
  readonly gate: string;
  readonly pass: boolean;
  readonly says: string;
}

/** How a candidate treats the cohorts of the evaluation, all at one threshold; against the baseline at its own. */
export interface CohortTable {
  /** The column of the manifest that makes the cohorts. */
  readonly column: string;
  readonly far: number;
  readonly threshold: number;
  readonly baselineThreshold?: number;
  /** Greatest loss of TAR first, those with too few comparisons last. */
  readonly rows: readonly CohortRow[];
  /** Further cohorts, the smallest, that are not listed. */
  readonly unlisted: number;
  /** The cohort that loses most; absent for the baseline and where none can be told. */
  readonly worst?: string;
  readonly convention: string;
}

/** One cohort at the threshold of everybody. */
export interface CohortRow {
  readonly cohort: string;
  readonly people: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly falseNonMatches: number;
  /** Absent where the cohort has too few comparisons, as the next ones; `says` tells how many are missing. */
  readonly tar?: Estimate;
  readonly fmr?: Estimate;
  readonly baselineTar?: number;
  readonly baselineFmr?: number;
  /** TAR against the baseline's, negative is a loss. */
  readonly difference?: Estimate;
  readonly says?: string;
}

/** Curves ready to draw. */
export interface Curves {
  /** DET points, corners kept: false match rate against false non-match rate, fmr descending. */
  readonly det: readonly { readonly fmr: number; readonly fnmr: number }[];
  /** Densities over equal bins of the score. */
  readonly histogram: {
    readonly from: number;
    readonly to: number;
    readonly genuine: readonly number[];
    readonly impostor: readonly number[];
  };
}

/** How well one candidate tells people apart. */
export interface Accuracy {
  readonly tarAtFar: readonly TarAtFar[];
  readonly eer: {
    readonly raw: number;
    readonly convexHull: number;
    /** Of the raw rate, over people; absent where comparisons are too many for it. */
    readonly interval?: { readonly low: number; readonly high: number; readonly confidence: number };
  };
  readonly dPrime: number;
  /** Fold protocol, when the pair list has folds. */
  readonly folds?: { readonly name: string; readonly mean: number; readonly standardError: number; readonly folds: number };
  readonly scoringMs: number;
}

/** One built, verified, evaluated and timed variant. */
export interface Candidate {
  readonly id: string;
  /** "FP32 simplified", "INT8 static, mse ranges" ... */
  readonly says: string;
  readonly scheme: "float32" | "float16" | "dynamic-int8" | "weight-only-int8" | "static-int8" | "static-int16x8";
  readonly file: string;
  readonly sha256: string;
  /** What judged and timed it, and in which version. */
  readonly runtime?: string;
  readonly sizeBytes: number;
  /** File size divided by the baseline's. */
  readonly sizeRatio: number;
  readonly baseline: boolean;
  readonly latency: Latency;
  readonly fusion?: FusionSummary;
  /** On the microcontroller that it is for; absent for other targets, and where no C can be generated of it: a gate then says why. */
  readonly device?: DeviceFigures;
  readonly accuracy: Accuracy;
  /** Absent for the baseline. */
  readonly versus?: Versus;
  /** Its place among the points that the search handed on: "plain", or 0 for the best one all in integers and then by nodes in float. */
  readonly searched?: "plain" | number;
  readonly gates: readonly GateResult[];
  /** When cohorts were asked for. */
  readonly cohorts?: CohortTable;
  readonly curves: Curves;
  readonly notes: readonly string[];
}

/** What a candidate takes on a microcontroller. Sizes are bytes. */
export interface DeviceFigures {
  readonly basis: McuBasis;
  readonly flashBytes: number;
  /** Arena and stack. */
  readonly ramBytes: number;
  /** Of one inference. */
  readonly instructions: number;
}

/** The candidate chosen under the budgets, and why. */
export interface Pick {
  /** Candidate id; absent when none passes the budgets and gates. */
  readonly id?: string;
  /** Why this one, in sentences. */
  readonly why: readonly string[];
  readonly budgets: {
    readonly maxDrop?: number;
    readonly maxLatencyMs?: number;
    readonly maxSizeBytes?: number;
    readonly far: number;
  };
  /** Why each of the others was not picked. */
  readonly passedOver: readonly { readonly id: string; readonly why: string }[];
}

/**
 * What enrolling with one model and probing with another means for templates that exist. "templates stay": at the threshold in use; "re-fit
 * threshold": at another one; "adapter suffices": mapped by a small matrix; "re-enrol": not at all.
 */
export type TemplateVerdict = "templates stay" | "re-fit threshold" | "adapter suffices" | "re-enrol" | "insufficient data";

/** Enrolling with one model and probing with another: rows enrol, columns probe. */
export interface CompatibilityMatrix {
  readonly far: number;
  readonly models: readonly string[];
  /** cells[enrol][probe]. */
  readonly cells: readonly (readonly CompatibilityCell[])[];
  readonly verdict: string;
  /** How the cells were counted, in words. */
  readonly convention?: string;
  /** The two models whose cells matter most: enrolled with the previous one, probed with the new one. */
  readonly previous?: { readonly gallery: string; readonly probe: string };
}

/** One gallery and probe model. */
export interface CompatibilityCell {
  /** At the matrix's FAR, with the cell's own threshold; absent where there are too few comparisons, or the two give different numbers of values. */
  readonly tar?: number;
  readonly threshold?: number;
  /** FAR realised at the gallery's threshold. */
  readonly fmrAtBaselineThreshold?: number;
  /** What mixing the two models means. */
  readonly verdict?: TemplateVerdict;
  /** Every FAR that was asked for and answered, the matrix's first. */
  readonly points?: readonly CompatibilityPoint[];
  /** Templates of the gallery model mapped into the space of the probe model. */
  readonly adapter?: CompatibilityAdapter;
  /** Why there is no adapter, where one was wanted. */
  readonly noAdapter?: string;
}

/** A cell at one FAR. */
export interface CompatibilityPoint {
  readonly far: number;
  readonly tar: Estimate;
  readonly threshold: number;
  /** TAR of the worse of the two models on its own minus this TAR. */
  readonly drop: Estimate;
  /** At the threshold that is in use: the gallery model's; for mapped templates the probe model's. */
  readonly inUse: { readonly threshold: number; readonly tar: number; readonly realisedFar: number };
  readonly genuine: number;
  readonly impostor: number;
  readonly verdict: TemplateVerdict;
}

/** A matrix that maps templates of one model into the space of another, and what it achieves on people it was not fitted to. */
export interface CompatibilityAdapter {
  readonly kind: "orthogonal" | "affine";
  readonly sizeBytes: number;
  /** Unlabelled samples it was fitted to. */
  readonly samples: number;
  readonly points: readonly CompatibilityPoint[];
  /** TAR gained over templates as they are, at the matrix's FAR; absent where those cannot be compared. */
  readonly gain?: Estimate;
  readonly suffices: boolean;
  readonly tried: readonly { readonly kind: "orthogonal" | "affine"; readonly tar: number }[];
  /** The written file, when it was asked for. */
  readonly file?: string;
  readonly sha256?: string;
}

/** Layer by layer against float, for the pick or the smallest integer candidate. */
export interface LayerComparison {
  readonly candidate: string;
  readonly samples: number;
  readonly layers: readonly {
    readonly tensor: string;
    readonly op: string;
    /** Signal to quantization noise, decibels. */
    readonly sqnrDb: number;
    readonly cosine: number;
    /** Decibels of what the layer adds itself, fed with the float values; absent where it adds nothing, or cannot be told. */
    readonly localSqnrDb?: number;
    /** Share of the integer levels that occur, and of the values beyond either end of the range. */
    readonly rangeUse?: number;
    readonly clippedLow?: number;
    readonly clippedHigh?: number;
  }[];
  /** The inputs on which the embeddings differ most, the worst first. */
  readonly worst?: readonly WorstInput[];
  /** Which change would help, those about the most error first. */
  readonly hints?: readonly MeasuredHint[];
  /** What timed the operators, when it is not the candidates' runtime. */
  readonly timesRuntime?: string;
  readonly times: readonly { readonly name: string; readonly op: string; readonly timeUs: number }[];
  readonly baselineTimes: readonly { readonly name: string; readonly op: string; readonly timeUs: number }[];
}

/** An input on which two models differ. */
export interface WorstInput {
  readonly input: string;
  /** Of the output on which it differs most. */
  readonly cosine: number;
  /** The layer, in running order, in which its error first is well above what others have there; absent when none stands out and errors add up. */
  readonly firstWrong?: { readonly tensor: string; readonly op: string; readonly times: number };
}

/** A change that would probably help, why, and what it was measured to bring. */
export interface MeasuredHint {
  readonly rule: string;
  /** The value it is about; absent for the whole. */
  readonly at?: string;
  readonly says: string;
  readonly evidence: string;
  /** The outputs with this one change tried out, against those without it; absent where nothing could be tried at once. */
  readonly measured?: {
    readonly samples: number;
    readonly sqnrDb: number;
    readonly sqnrDbBefore: number;
    readonly cosine: number;
    readonly cosineBefore: number;
  };
}

/** Whether another pre-processing than the declared one separates people better. */
export interface PreprocessingCheck {
  readonly says: string;
  readonly questioned: boolean;
  readonly variants: readonly {
    readonly name: string;
    readonly declared: boolean;
    readonly dPrime: number;
    readonly tar?: number;
    /** Against the declared one, on the same comparisons; absent for that one itself, and where the network gave nothing usable. */
    readonly dPrimeGain?: Estimate;
    readonly tarGain?: Estimate;
    readonly verdict?: "better" | "worse" | "same" | "untold" | "failed";
  }[];
  /** The FAR of the TARs, and what they are counted over. */
  readonly basis?: { readonly far: number; readonly crops: number; readonly people: number };
}

/** A file that was written. */
export interface Artefact {
  readonly file: string;
  readonly says: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}
