/** A difference or a loss with its 95 % interval over people; fractions of TAR. */
export interface SearchInterval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What a point of the search did on the people of the search, run as QDQ on the host. */
export interface SearchFigures {
  /** TAR expected to be lost at the FAR against float: what the search minimises. */
  readonly loss: SearchInterval;
  /** TAR that these very people lose, scores smoothed. */
  readonly smoothed: SearchInterval;
  /** Decisions that changed among the comparisons nearest to the threshold. */
  readonly flips: number;
  readonly nearPairs: number;
  /** Spread of score shifts among those. */
  readonly spread: number;
  readonly impostorShift: number;
  readonly worstShift: number;
  readonly cosineMean: number;
  readonly cosineMin: number;
}

/** Something that the search tried. */
export interface SearchStepReport {
  readonly stage: string;
  readonly says: string;
  readonly accepted: boolean;
  readonly why: string;
  readonly figures: SearchFigures;
  /** Loss against the best point before it, paired by people; absent for the start. */
  readonly versus?: SearchInterval;
}

/** What one group of nodes does to the scores near the threshold. */
export interface GroupSensitivityReport {
  readonly name: string;
  readonly op: string;
  readonly nodes: readonly string[];
  /** Nothing but this group in integers. */
  readonly alone: { readonly spread: number; readonly flips: number };
  /** Everything in integers. */
  readonly whole: { readonly spread: number; readonly flips: number };
  /** Everything but this group in integers; absent where it was not measured. */
  readonly without?: { readonly spread: number; readonly flips: number };
  readonly nearPairs: number;
  /** Predicted time that float adds, as a share of a run in integers. */
  readonly timeShare: number;
}

/** A point that the search ended with. */
export interface ChainReport {
  /** Of the candidate that was built of it; absent where none was. */
  readonly candidate?: string;
  readonly says: string;
  /** Node groups in float, in the order in which they went there. */
  readonly groups: readonly string[];
  readonly figures: SearchFigures;
  /** Predicted time, of that of the chain's first point. */
  readonly timeRatio: number;
  /** Whether it beats the points of the chain before it. */
  readonly gains: boolean;
}

/** How the search came to its plans. */
export interface SearchReport {
  readonly depth: string;
  readonly far: number;
  readonly people: {
    readonly says: string;
    readonly searched: number;
    readonly reported: number;
    /** Faces of the search that were looked at for every point. */
    readonly samples: number;
    readonly genuine: number;
    readonly impostor: number;
  };
  /** Quantization without the search's care: no equalization, min-max ranges. */
  readonly plain: ChainReport;
  readonly chain: readonly ChainReport[];
  readonly steps: readonly SearchStepReport[];
  readonly sensitivity: readonly GroupSensitivityReport[];
  /** What the nodes of each candidate that was built compute in, and why, in one line each. */
  readonly reasons?: readonly {
    readonly candidate: string;
    readonly nodes: readonly { readonly node: string; readonly precision: string; readonly reason: string }[];
  }[];
  /** Why it ended. */
  readonly stopped: string;
  readonly seconds: number;
  /** Points judged and sensitivities taken in this run. */
  readonly evaluations: number;
  /** Answers taken from the journal of an earlier run that did not come to its end. */
  readonly recalled: number;
  readonly resumed: boolean;
  /** How losses are counted, in words. */
  readonly convention: string;
}

/** Figures on everybody, beside those on people whom the search never saw. */
export interface WholeDataTable {
  readonly says: string;
  readonly people: number;
  readonly samples: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly candidates: readonly {
    readonly id: string;
    readonly tarAtFar: readonly { readonly far: number; readonly tar: SearchInterval; readonly threshold: number }[];
    readonly tarDifference: readonly { readonly far: number; readonly difference: SearchInterval }[];
    readonly cosineMean?: number;
    readonly worstScoreShift?: number;
    readonly impostorMeanShift?: number;
  }[];
}
