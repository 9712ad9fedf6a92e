import type { Model } from "@tessera/core/graph/model";
import type { Runtime } from "@tessera/core/graph/runtime";
import type { Companion } from "@tessera/core/protocol/report";
import type { RangeMethod } from "@tessera/core/quant/range";
import type { Target } from "@tessera/core/targets/target";
import type { AgentAddress } from "@tessera/runtimes/remote/ask";
import type { ModelFile } from "../io/model-file.ts";
import type { Progress } from "../ui/progress.ts";
import type { SplitRule } from "./people.ts";
import type { PeopleData } from "./people-data.ts";
import type { Budgets } from "./pick.ts";
import type { Runtimes } from "./runtime.ts";
import type { EmbeddingCard } from "./samples.ts";

/** How far the search for a better plan goes; "auto": all the way where there are people enough to search on and to report on. */
export const SEARCH_DEPTH_NAMES = ["auto", "off", "quick", "full"] as const;

/** See {@link SEARCH_DEPTH_NAMES}. */
export type SearchDepthName = (typeof SEARCH_DEPTH_NAMES)[number];

/** What `optimize` is asked to do. */
export interface OptimizeRequest {
  readonly file: ModelFile;
  /** Of the file as it came in. */
  readonly card: EmbeddingCard;
  readonly target: Target;
  readonly runtimes: Runtimes;
  readonly calibration: PeopleData;
  readonly evaluation: PeopleData;
  readonly outDir: string;
  readonly fars: readonly number[];
  readonly budgets: Budgets;
  readonly methods: readonly RangeMethod[];
  /** Absent: no search, everybody is reported on. */
  readonly search?: { readonly depth: SearchDepthName; readonly on?: SplitRule };
  readonly protocol: "all-pairs" | "pair-list";
  readonly replicates: number;
  readonly seed: number;
  /** A column of the manifest by which people are split, and what any of those cohorts may lose of TAR at the first FAR. */
  readonly cohort?: { readonly column: string; readonly maxDrop?: number };
  readonly timing: { readonly rounds: number; readonly runs: number };
  /** Where the agent of the device listens that is to take the times; absent: this machine takes them. */
  readonly device?: AgentAddress;
  /** Also build a variant with 16-bit activations where the target has kernels for it; those are slow on most. */
  readonly wide: boolean;
  readonly allowOverlap: boolean;
  /** Calibrate on a handful of samples all the same. */
  readonly fewSamples?: boolean;
  readonly illustration?: string;
  readonly companions?: readonly Companion[];
  /** The clock, for the report's date. */
  readonly now: Date;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** A request made ready: the network in its canonical form, and who runs what. */
export interface OptimizeJob extends OptimizeRequest {
  /** The canonical float network, one face at a time where the file that came in takes a fixed number. */
  readonly model: Model;
  /** Embedding-space id of that network, derived from its content. */
  readonly space: string;
  /** The card in the terms of that network. */
  readonly modelCard: EmbeddingCard;
  /** Runs the network for proof and calibration: ONNX Runtime. */
  readonly host: Runtime;
  /** Runs the target's artefacts here. */
  readonly runtime: Runtime;
  /** Faces in one run of the file that came in. */
  readonly originalBatch: number;
  /** What was done to the network before anything else, in sentences. */
  readonly notes: readonly string[];
}
