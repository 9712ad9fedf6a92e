import type { Runtime } from "@tessera/core/graph/runtime";
import type { FaceEmbeddingCard } from "@tessera/core/modality/card";
import type { RangeMethod } from "@tessera/core/quant/range";
import type { Target } from "@tessera/core/targets/target";
import type { ModelFile } from "../io/model-file.ts";
import type { Progress } from "../ui/progress.ts";
import type { FaceData } from "./faces.ts";
import type { Budgets } from "./pick.ts";

/** What `optimize` is asked to do. */
export interface OptimizeRequest {
  readonly file: ModelFile;
  readonly card: FaceEmbeddingCard;
  readonly target: Target;
  readonly runtime: Runtime;
  readonly calibration: FaceData;
  readonly evaluation: FaceData;
  readonly outDir: string;
  readonly fars: readonly number[];
  readonly budgets: Budgets;
  readonly methods: readonly RangeMethod[];
  readonly protocol: "all-pairs" | "pair-list";
  readonly replicates: number;
  readonly seed: number;
  readonly timing: { readonly rounds: number; readonly runs: number };
  readonly allowOverlap: boolean;
  readonly illustration?: string;
  /** The clock, for the report's date. */
  readonly now: Date;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}
